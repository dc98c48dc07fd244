"""The fusion: both encoders, by LoRA, and what makes one embedding of their tokens, trained end to end."""

from collections.abc import Mapping
from typing import cast

import torch

from asdstream.models.audiomae import AudioMAE
from asdstream.models.beats import BEATs
from trainer.errors import TrainerError
from trainer.networks import BranchNetwork, FusedNetwork, fusion
from trainer.products import Product
from trainer.randomness import derived_seed
from trainer.spread import spread, widen
from trainer.stages.classification import classes_depend_on, train_classes
from trainer.stages.encoders import encoder_before, encoder_product, needs_before
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
        beats, audiomae = cast(BEATs, beats), cast(AudioMAE, audiomae)
        if settings.audiomae_spread is not None:
            _bring_to_spread(run, audiomae, beats, settings.audiomae_spread)
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
        return _products(network.merge(), beats_notes, audiomae_notes, run.recipe.model.attention_dim, facts)

    return (
        Part(
            name=str(STAGE),
            products=(*(f"{STAGE}-{name}" for name in NAMES), *((ATTENTION,) if branch.is_attentive else ())),
            needs=needs_before(run, NAMES, STAGE),
            depends_on=classes_depend_on(run, settings) | {"kind": branch.fusion},
            make=make,
        ),
    )


def _bring_to_spread(run: Run, audiomae: AudioMAE, beats: BEATs, multiple: float) -> None:
    recordings = run.sound.generative
    # Every so-manieth, so that all machines are among them.
    waveforms = run.waveforms(recordings[:: -(-len(recordings) // SPREAD_OVER)])
    of_beats, of_audiomae = (
        spread(torch.from_numpy(embeddings(BranchNetwork(encoder), waveforms, run.processes)))
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
