"""The last stage: the bundle, made of what the others left behind."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from asdstream import __version__
from asdstream import bundle as bundles
from asdstream.bundle import Branch, DecoderContents, EncoderContents, FusedBranch, Fusion
from asdstream.models.masked_audiomae import decoder_state
from trainer.errors import TrainerError
from trainer.products import Product, Products
from trainer.recipe import FusionSettings, Recipe
from trainer.stages.encoders import encoder_weights, product_before
from trainer.stages.order import StageName
from trainer.stages.prototype_product import prototypes_of

FUSED = "fused"
RECONSTRUCTION = "reconstruction"
"""The encoder that is in a bundle for its decoder alone."""
ATTENTION = f"{StageName.FUSION}-attention"


def export_bundle(
    path: Path, recipe: Recipe, products: Products, machine_types: Mapping[str, bundles.MachineType]
) -> bundles.Bundle:
    """Write a bundle with these machine types. Raises TrainerError where a stage's product is missing."""
    return bundles.save(
        path, _contents(recipe, products, machine_types), half_precision=recipe.export.weights == "float16"
    )


def network_products(recipe: Recipe, products: Products) -> tuple[str, ...]:
    """The products that hold encoders and fusion as they go into the bundle."""
    names = []
    for name in recipe.encoders:
        product = product_before(recipe, products, name, StageName.EXPORT)
        if product is None:
            raise TrainerError(
                f"no stage of the recipe {recipe.name} trains the encoder {name}, and no weights of it were given; "
                f"give some with --{name} or --start, or let phase1 train it"
            )
        names.append(product)
    return (*names, *((ATTENTION,) if recipe.system == 3 else ()))


def known_machines(
    recipe: Recipe, products: Products, machines: Iterable[str] | None = None
) -> dict[str, bundles.MachineType]:
    """What the prototype and calibration stages found of machines, of all that there are where None."""
    if machines is None:
        machines = [name.removeprefix(f"{StageName.PROTOTYPES}-") for name in products.names(StageName.PROTOTYPES)]
    found = {}
    for machine in machines:
        known = products.read(f"{StageName.PROTOTYPES}-{machine}")
        calibration = products.facts(f"{StageName.CALIBRATION}-{machine}")["calibration"]
        found[machine] = bundles.MachineType(prototypes_of(known), calibration, known.facts["separated"])
    if not found and recipe.knows_machines:
        raise TrainerError("no machine has prototypes yet; the stage prototypes makes them")
    return found


def branches_of(recipe: Recipe) -> tuple[Branch | FusedBranch, ...]:
    """What a system makes embeddings with."""
    if recipe.fuses:
        return (fused_branch(recipe),)
    return tuple(Branch(name, name, recipe.model.pooling, recipe.model.loudness) for name in recipe.encoders)


def fused_branch(recipe: Recipe) -> FusedBranch:
    """What Systems 3 and 4 make embeddings with."""
    fusion: Fusion = "mean"
    settings = recipe.fusion or FusionSettings()
    if recipe.system == 3:
        fusion = "attentive-statistics" if settings.deviation else "attentive"
    return FusedBranch(FUSED, ("beats", "audiomae"), fusion, settings.pooling, recipe.model.loudness)


def _contents(
    recipe: Recipe, products: Products, machine_types: Mapping[str, bundles.MachineType]
) -> bundles.BundleContents:
    notes = list(recipe.export.licence_notes)
    encoders = {}
    for name, product in zip(recipe.encoders, network_products(recipe, products), strict=False):
        found = products.read(product)
        encoders[name] = _encoder(found, with_decoder=recipe.export.decoder is not False)
        notes += found.facts["licence_notes"]
    if recipe.export.decoder and not any(encoder.decoder for encoder in encoders.values()):
        masked = _masked(recipe, products)
        encoders[RECONSTRUCTION] = _encoder(masked, with_decoder=True)
        notes += masked.facts["licence_notes"]
    fusions = {}
    if recipe.system == 3:
        attention = products.read(ATTENTION)
        fusions[FUSED] = bundles.FusionContents(attention.facts["attention_dim"], attention.tensors)
    separators = {}
    for product in products.names(StageName.SEPARATORS) if recipe.separators is not None else ():
        found = products.read(product)
        separators[found.facts["machine_type"]] = bundles.SeparatorContents(
            "tfgridnet", found.facts["config"], found.tensors
        )
    return bundles.BundleContents(
        name=recipe.name,
        trainer_version=__version__,
        licence_notes=tuple(dict.fromkeys(notes)),
        encoders=encoders,
        branches=branches_of(recipe),
        machine_types=dict(machine_types),
        fusions=fusions,
        separators=separators,
    )


def _encoder(product: Product, *, with_decoder: bool) -> EncoderContents:
    """What a product holds; its decoder only where it was trained with just this encoder."""
    facts = product.facts
    decoder = None
    if with_decoder and facts.get("decoder") is not None:
        decoder = DecoderContents(facts["decoder"], decoder_state(product.tensors))
    return EncoderContents(facts["kind"], facts["config"], encoder_weights(product), decoder)


def _masked(recipe: Recipe, products: Products) -> Product:
    """AudioMAE as it was when it last had a decoder."""
    for stage in (StageName.GENERATIVE, StageName.START):
        name = f"{stage}-audiomae"
        if products.has(name) and products.facts(name)["decoder"] is not None:
            return products.read(name)
    raise TrainerError(
        f"[export] of the recipe {recipe.name} asks for AudioMAE's decoder, and no stage left one behind; "
        "the stage generative does, or set decoder = false"
    )
