"""Products of any of the four systems make a bundle that the daemon can load."""

from pathlib import Path

import numpy as np
import pytest
import torch

from asdstream import bundle as bundles
from asdstream.bundle import BranchPrototypes
from asdstream.models.audiomae import AudioMAE, AudioMAEConfig
from asdstream.models.beats import BEATs, BEATsConfig
from asdstream.models.fusion import AttentiveFusion
from asdstream.models.tfgridnet import TFGridNet, TFGridNetConfig
from trainer.errors import TrainerError
from trainer.products import Product, Products
from trainer.recipe import Recipe, parse_recipe
from trainer.stages.encoders import encoder_product
from trainer.stages.export import export_bundle, known_machines
from trainer.stages.prototype_product import prototype_product, prototypes_of, target_vectors_of

STAGES = {
    1: "[phase1]\n",
    2: "[phase1]\n[phase2]\n",
    3: "[phase1]\n[fusion]\n[separators]\n",
    4: "[phase1]\n[fusion]\n",
}
SIZES = {
    1: {"audiomae": 192},
    2: {"beats": 192, "audiomae": 192},
    3: {"fused": 192},
    4: {"fused": 384},
}


def recipe_of(system: int) -> Recipe:
    text = f'name = "small"\nsystem = {system}\n[model]\nattention_dim = 16\n[sound]\nkind = "folder"\n'
    text += f'{STAGES[system]}[export]\nlicence_notes = ["own"]\n'
    return parse_recipe(text, Path("small.toml"))


def finished(folder: Path, system: int, stage: str) -> Products:
    """Products as if every stage had been run, all of them untrained."""
    torch.manual_seed(system)
    products = Products(folder)
    products.write(f"{stage}-audiomae", encoder_product(AudioMAE(AudioMAEConfig.tiny()), ["brought"]), "x")
    products.write(f"{stage}-beats", encoder_product(BEATs(BEATsConfig.tiny()), ["brought"]), "x")
    products.write("fusion-attention", Product(AttentiveFusion(192, 16).state_dict(), {"attention_dim": 16}), "x")
    for machine_type, name in (("fan", "separators-fan"), ("*", "separators-all")):
        config = TFGridNetConfig(width=4, blocks=1, hidden=4, heads=2, hop=256)
        facts = {"machine_type": machine_type, "config": config.to_dict()}
        products.write(name, Product(TFGridNet(config).state_dict(), facts), "x")
    rows = np.eye(3, 384, dtype=np.float32)
    prototypes = {name: BranchPrototypes(rows[:2, :size], rows[2:, :size]) for name, size in SIZES[system].items()}
    target = [{name: rows[2:, :size] for name, size in SIZES[system].items()}]
    products.write("prototypes-fan", prototype_product(prototypes, target, {"separated": system == 3}), "x")
    products.write("calibration-fan", Product({}, {"calibration": None}), "x")
    return products


@pytest.mark.parametrize(("system", "stage"), [(1, "phase1"), (2, "phase2"), (3, "fusion"), (4, "fusion")], ids=str)
def test_every_system_is_exported_whole(tmp_path: Path, system: int, stage: str) -> None:
    recipe, products = recipe_of(system), finished(tmp_path / "weights", system, stage)
    export_bundle(tmp_path / "bundle", recipe, products, known_machines(recipe, products))
    bundle = bundles.verify(tmp_path / "bundle")
    assert {branch.name: bundle.embedding_size(branch.name) for branch in bundle.branches} == SIZES[system]
    assert bundle.licence_notes == ("own", "brought")
    assert set(bundle.separators) == ({"fan", "*"} if system == 3 else set())
    assert bundle.machine_types["fan"].separated is (system == 3)
    branch = bundle.branches[0].name
    assert bundle.machine_types["fan"].prototypes[branch].target.shape == (1, SIZES[system][branch])


def test_an_encoder_that_nothing_trained_is_refused(tmp_path: Path) -> None:
    recipe = parse_recipe(
        'name = "small"\n[sound]\nkind = "folder"\n[export]\nlicence_notes = ["own"]\n', Path("small.toml")
    )
    with pytest.raises(TrainerError, match="no stage of the recipe small trains the encoder audiomae"):
        export_bundle(tmp_path / "bundle", recipe, Products(tmp_path), {})


def test_target_prototypes_are_told_apart_by_recording() -> None:
    rows = np.eye(4, dtype=np.float32)
    product = prototype_product(
        {"one": BranchPrototypes(rows[:1], rows[1:])}, [{"one": rows[1:3]}, {"one": rows[3:]}], {}
    )
    assert np.array_equal(prototypes_of(product)["one"].target, rows[1:])
    first, second = target_vectors_of(product)
    assert np.array_equal(first["one"], rows[1:3])
    assert np.array_equal(second["one"], rows[3:])
