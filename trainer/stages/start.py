"""The start: weights that the user brings, taken into the run folder so that it holds all that a bundle is made of."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from asdstream import bundle as bundles
from asdstream.bundle.networks import Encoder
from asdstream.models import public_checkpoint
from asdstream.models.audiomae import AudioMAE
from asdstream.models.beats import BEATs, BEATsConfig
from asdstream.models.checkpoint import load_weights, sha256_of, shapes_only
from trainer.errors import TrainerError
from trainer.products import Product
from trainer.recipe import Recipe
from trainer.stages.encoders import encoder_product, start_product
from trainer.stages.order import StageName
from trainer.stages.part import Part
from trainer.stages.run import Run

STAGE = StageName.START
KINDS: Mapping[str, type[AudioMAE] | type[BEATs]] = {"audiomae": AudioMAE, "beats": BEATs}


def parts(run: Run) -> tuple[Part, ...]:
    """One for each encoder of the system whose weights were given; a bundle need not have them all."""
    brought = run.brought
    files = {"audiomae": brought.audiomae, "beats": brought.beats}
    for name, file in files.items():
        if file is not None and name not in run.recipe.encoders:
            raise TrainerError(f"System-{run.recipe.system} has no {name}, so {file} would not be used; leave it out")
    bundle = None if brought.bundle is None else bundles.load(bundles.resolve(brought.bundle))
    held = (
        {}
        if bundle is None
        else {bundle.encoders[encoder].kind: encoder for branch in bundle.branches for encoder in branch.encoders}
    )
    if bundle is not None and not set(held) & set(run.recipe.encoders):
        raise TrainerError(
            f"the bundle {bundle.path} has no {' or '.join(run.recipe.encoders)} to start from; "
            f"it has {', '.join(sorted(held))}"
        )
    found = []
    for name in run.recipe.encoders:
        file = files[name]
        if file is not None:
            found.append(_part(name, {"file": _sha256(file)}, partial(_from_file, run.recipe, name, file)))
        elif bundle is not None and name in held:
            origin = {"bundle": bundle.sha256}
            found.append(_part(name, origin, partial(_from_bundle, run.recipe, bundle, held[name])))
    return tuple(found)


def _part(name: str, origin: Mapping[str, str], make: Callable[[], Product]) -> Part:
    product = start_product(name)

    def made(_: str) -> Mapping[str, Product]:
        found = make()
        return {product: Product(found.tensors, {**found.facts, "origin": dict(origin)})}

    return Part(name=product, products=(product,), needs=(), depends_on=origin, make=made, trains=False)


def _sha256(file: Path) -> str:
    if not file.is_file():
        raise TrainerError(f"there is no checkpoint {file}; right would be a local .pt, .pth or .safetensors file")
    return sha256_of(file)


def _from_file(recipe: Recipe, name: str, file: Path) -> Product:
    found = public_checkpoint.load(file)
    if not isinstance(found.model, KINDS[name]):
        raise TrainerError(f"{file} is {found.kind}; --{name} needs another checkpoint")
    model = found.model
    if isinstance(model, BEATs):
        model = _without_predictor(model)
    _check_size(recipe, model, str(file))
    note = f"{found.licence_note} ({file.name}, SHA-256 {found.sha256})"
    return encoder_product(model, [note])


def _from_bundle(recipe: Recipe, bundle: bundles.Bundle, held: str) -> Product:
    masked = None if bundle.encoders[held].decoder is None else bundle.build_masked_audiomae()
    encoder = masked or bundle.build_encoder(held)
    _check_size(recipe, encoder, f"the bundle {bundle.path}")
    return encoder_product(encoder, bundle.licence_notes)


def _without_predictor(model: BEATs) -> BEATs:
    """The encoder of a fine-tuned checkpoint."""
    with shapes_only():
        alone = BEATs(BEATsConfig.from_dict({**model.config.to_dict(), "predictor_class": 0}))
    state = model.state_dict()
    load_weights(alone, {name: state[name] for name in alone.state_dict()}, "the checkpoint")
    return alone


def _check_size(recipe: Recipe, encoder: Encoder, source: str) -> None:
    if isinstance(encoder, AudioMAE):
        wanted, width = recipe.model.audiomae.embed_dim, encoder.config.embed_dim
    else:
        wanted, width = recipe.model.beats.encoder_embed_dim, encoder.config.encoder_embed_dim
    if width != wanted:
        raise TrainerError(
            f"{source} is {width} wide, and the recipe's size {recipe.model.size!r} is {wanted}; "
            "set another size in [model] or start from other weights"
        )
