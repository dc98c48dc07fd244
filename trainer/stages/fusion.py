"""The fusion: both encoders, by LoRA, and what makes one embedding of their tokens, trained end to end."""

from collections.abc import Mapping
from typing import cast

import torch

from asdstream.bundle import Pooling
from asdstream.bundle.networks import Encoder
from asdstream.models.audiomae import AudioMAE
from asdstream.models.beats import BEATs
from trainer.blend import blend
from trainer.errors import TrainerError
from trainer.first_layers import first_layers
from trainer.networks import BranchNetwork, FusedNetwork, fusion
from trainer.products import Product
from trainer.randomness import derived_seed
from trainer.recipe import FusionSettings
from trainer.spread import spread, widen
from trainer.stages.classification import classes_depend_on, train_classes
from trainer.stages.encoders import encoder_before, encoder_product, load_encoder, needs_before, start_product
from trainer.stages.export import ATTENTION, fused_branch
from trainer.stages.first_windows import embeddings
from trainer.stages.labels import labelled
from trainer.stages.order import StageName
from trainer.stages.part import Part
from trainer.stages.run import Run

STAGE = StageName.FUSION
NAMES = ("beats", "audiomae")
SPREAD_OVER = 128
"""Recordings over which the encoders' spreads are compared; a few dozen tell them within a few per cent."""


def parts(run: Run) -> tuple[Part, ...]:
    """One, if the recipe has the stage."""
    settings = run.recipe.fusion
    if settings is None:
        return ()
    branch = fused_branch(run.recipe)

    def make(fingerprint: str) -> Mapping[str, Product]:
        (beats, beats_notes), (audiomae, audiomae_notes) = (encoder_before(run, name, STAGE) for name in NAMES)
        beats, audiomae = (_cut(encoder, settings.layers) for encoder in (beats, audiomae))
        beats, audiomae = cast(BEATs, beats), cast(AudioMAE, audiomae)
        if settings.audiomae_spread is not None:
            _bring_to_spread(run, audiomae, beats, settings.pooling, settings.audiomae_spread)
        torch.manual_seed(derived_seed(run.recipe.seed, STAGE, "attention"))
        try:
            network = fusion(
                beats,
                audiomae,
                branch.fusion,
                attention_dim=run.recipe.model.attention_dim,
                rank=settings.rank,
                pooling=branch.pooling,
            )
        except ValueError as error:
            raise TrainerError(f"the encoders cannot be fused: {error}") from error
        labels = labelled(
            run.sound,
            settings,
            lambda recordings: embeddings(network, run.waveforms(recordings), run.processes),
        )
        facts = train_classes(run, str(STAGE), network, labels, settings, fingerprint)
        network.merge()
        if settings.brought_share:
            for name, encoder in (("beats", network.beats), ("audiomae", network.audiomae)):
                _blend(run, name, encoder, settings)
        return _products(network, beats_notes, audiomae_notes, run.recipe.model.attention_dim, facts)

    return (
        Part(
            name=str(STAGE),
            products=(*(f"{STAGE}-{name}" for name in NAMES), *((ATTENTION,) if branch.is_attentive else ())),
            needs=(
                *needs_before(run, NAMES, STAGE),
                *(start_product(name) for name in NAMES if settings.brought_share),
            ),
            depends_on=classes_depend_on(run, settings) | {"kind": branch.fusion},
            make=make,
        ),
    )


def _cut(encoder: Encoder, layers: int | None) -> Encoder:
    """Its first layers; None leaves it as it is."""
    if layers is None:
        return encoder
    try:
        return first_layers(encoder, layers)
    except ValueError as error:
        name = "BEATs" if isinstance(encoder, BEATs) else "AudioMAE"
        raise TrainerError(f"[fusion] cannot take up the first layers of {name}: {error}") from None


def _blend(run: Run, name: str, encoder: Encoder, settings: FusionSettings) -> None:
    before = _cut(load_encoder(run.products.read(start_product(name))), settings.layers)
    try:
        blend(encoder, before, settings.brought_share)
    except ValueError as error:
        raise TrainerError(f"[fusion] cannot keep a share of what was brought along of {name}: {error}") from None


def _bring_to_spread(run: Run, audiomae: AudioMAE, beats: BEATs, pooling: Pooling, multiple: float) -> None:
    recordings = run.sound.generative
    # Every so-manieth, so that all machines are among them.
    waveforms = run.waveforms(recordings[:: -(-len(recordings) // SPREAD_OVER)])
    of_beats, of_audiomae = (
        spread(torch.from_numpy(embeddings(BranchNetwork(encoder, pooling), waveforms, run.processes)))
        for encoder in (beats, audiomae)
    )
    try:
        widen(audiomae, multiple * of_beats / of_audiomae)
    except (ValueError, ZeroDivisionError):
        raise TrainerError(
            f"audiomae_spread cannot be reached: over {len(waveforms)} recordings the embeddings of BEATs lie "
            f"{of_beats:g} apart and those of AudioMAE {of_audiomae:g}"
        ) from None


def _products(
    network: FusedNetwork,
    beats_notes: tuple[str, ...],
    audiomae_notes: tuple[str, ...],
    attention_dim: int,
    facts: Mapping[str, object],
) -> dict[str, Product]:
    products = {
        f"{STAGE}-beats": encoder_product(network.beats, beats_notes),
        f"{STAGE}-audiomae": encoder_product(network.audiomae, audiomae_notes),
    }
    attention = network.fusion.state_dict()
    if attention:
        products[ATTENTION] = Product(attention, {"attention_dim": attention_dim, **facts})
    else:
        audiomae = products[f"{STAGE}-audiomae"]
        products[f"{STAGE}-audiomae"] = Product(audiomae.tensors, {**audiomae.facts, **facts})
    return products
