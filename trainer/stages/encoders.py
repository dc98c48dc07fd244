"""The encoders as they go from stage to stage: untrained, brought along, trained further."""

from collections.abc import Sequence

import torch
from torch import Tensor

from asdstream.bundle.networks import Encoder
from asdstream.models.audiomae import AudioMAE, AudioMAEConfig
from asdstream.models.beats import BEATs, BEATsConfig
from asdstream.models.checkpoint import load_weights, shapes_only
from asdstream.models.masked_audiomae import DecoderConfig, MaskedAudioMAE, has_decoder
from trainer.products import Product, Products
from trainer.randomness import derived_seed
from trainer.recipe import Recipe
from trainer.stages.order import StageName
from trainer.stages.run import Run

_TRAINED_IN = {
    "audiomae": (StageName.GENERATIVE, StageName.PHASE1, StageName.PHASE2, StageName.FUSION),
    "beats": (StageName.PHASE1, StageName.PHASE2, StageName.FUSION),
}


def trained_in(recipe: Recipe, name: str) -> tuple[StageName, ...]:
    """The stages of a recipe that train an encoder, in order."""
    return tuple(stage for stage in _TRAINED_IN[name] if getattr(recipe, stage) is not None)


def product_before(recipe: Recipe, products: Products, name: str, stage: StageName) -> str | None:
    """Which product holds an encoder as it enters `stage`; None where it is still untrained."""
    order = list(StageName)
    earlier = [other for other in trained_in(recipe, name) if order.index(other) < order.index(stage)]
    if earlier:
        return f"{earlier[-1]}-{name}"
    return start_product(name) if products.has(start_product(name)) else None


def start_product(name: str) -> str:
    """The product that holds an encoder as the user brought it along."""
    return f"{StageName.START}-{name}"


def needs_before(run: Run, names: Sequence[str], stage: StageName) -> tuple[str, ...]:
    """The products that hold encoders as they enter `stage`."""
    found = (product_before(run.recipe, run.products, name, stage) for name in names)
    return tuple(product for product in found if product is not None)


def encoder_before(run: Run, name: str, stage: StageName) -> tuple[Encoder, tuple[str, ...]]:
    """An encoder as it enters `stage`, on the CPU, and the licence notes of its weights."""
    product = product_before(run.recipe, run.products, name, stage)
    if product is None:
        return untrained(run.recipe, name), ()
    found = run.products.read(product)
    return load_encoder(found), tuple(found.facts["licence_notes"])


def masked_before(run: Run) -> tuple[MaskedAudioMAE, tuple[str, ...]]:
    """AudioMAE with its decoder as the generative stage takes it up, and the licence notes of its weights.

    A decoder that no checkpoint brings has the size that the recipe states, and random weights.
    """
    model = masked_model(run.recipe)
    name = product_before(run.recipe, run.products, "audiomae", StageName.GENERATIVE)
    if name is None:
        return model, ()
    found = run.products.read(name)
    notes = tuple(found.facts["licence_notes"])
    if found.facts["decoder"] is not None:
        decoder = DecoderConfig.from_dict(found.facts["decoder"])
        model = _masked(AudioMAEConfig.from_dict(found.facts["config"]), decoder)
        load_weights(model, found.tensors, name)
    else:
        load_weights(model, model.state_dict() | dict(found.tensors), name)
    return model, notes


def masked_model(recipe: Recipe) -> MaskedAudioMAE:
    """An untrained masked autoencoder whose first weights depend on the seed alone."""
    settings = recipe.model
    torch.manual_seed(derived_seed(recipe.seed, "first weights"))
    decoder = settings.decoder
    return MaskedAudioMAE(settings.audiomae, DecoderConfig(decoder.embed_dim, decoder.depth, decoder.heads))


def untrained(recipe: Recipe, name: str) -> Encoder:
    """An encoder whose first weights depend on the seed alone."""
    if name == "audiomae":
        return masked_model(recipe).encoder()
    torch.manual_seed(derived_seed(recipe.seed, "first weights", name))
    return BEATs(recipe.model.beats)


def encoder_product(encoder: Encoder, licence_notes: Sequence[str]) -> Product:
    """An encoder to be kept; of a masked autoencoder its decoder as well."""
    decoder = encoder.decoder_config.to_dict() if isinstance(encoder, MaskedAudioMAE) else None
    facts = {
        "kind": "beats" if isinstance(encoder, BEATs) else "audiomae",
        "config": encoder.config.to_dict(),
        "decoder": decoder,
        "licence_notes": list(dict.fromkeys(licence_notes)),
    }
    return Product(encoder.state_dict(), facts)


def load_encoder(product: Product) -> Encoder:
    """The encoder in a product, on the CPU, in float32; a decoder is left behind."""
    config = product.facts["config"]
    with shapes_only():
        encoder: Encoder
        if product.facts["kind"] == "beats":
            encoder = BEATs(BEATsConfig.from_dict(config))
        else:
            encoder = AudioMAE(AudioMAEConfig.from_dict(config))
    load_weights(encoder, encoder_weights(product), "a product of an earlier stage")
    return encoder


def encoder_weights(product: Product) -> dict[str, Tensor]:
    """The state dict of the encoder in a product, without that of a decoder."""
    return {name: tensor for name, tensor in product.tensors.items() if not has_decoder([name])}


def _masked(config: AudioMAEConfig, decoder: DecoderConfig) -> MaskedAudioMAE:
    with shapes_only():
        return MaskedAudioMAE(config, decoder)
