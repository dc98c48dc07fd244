"""What stages leave behind can be carried elsewhere, and is refused where it is not whole."""

from pathlib import Path

import pytest
import safetensors.torch
import torch

from trainer.errors import TrainerError
from trainer.products import Product, Products


def product() -> Product:
    return Product({"weight": torch.ones(2, 3, dtype=torch.float16)}, {"kind": "beats", "notes": ["none"]})


def test_a_product_comes_back_in_float32_with_what_is_known_of_it(tmp_path: Path) -> None:
    products = Products(tmp_path / "weights")
    products.write("phase1-beats", product(), "abc")
    found = products.read("phase1-beats")
    assert found.tensors["weight"].dtype == torch.float32
    assert found.facts == {"kind": "beats", "notes": ["none"]}
    assert products.fingerprint("phase1-beats") == "abc"
    assert products.fingerprint("phase1-audiomae") is None


def test_products_of_what_a_recipe_no_longer_names_go(tmp_path: Path) -> None:
    products = Products(tmp_path)
    for name in ("prototypes-fan", "prototypes-pump", "phase1-beats"):
        products.write(name, product(), "abc")
    products.keep_only("prototypes", ["prototypes-pump"])
    assert products.names("prototypes") == ("prototypes-pump",)
    assert products.has("phase1-beats")


def test_a_product_that_is_not_there_names_its_stage(tmp_path: Path) -> None:
    with pytest.raises(TrainerError, match=r"phase1-beats.safetensors; the stage phase1 makes it"):
        Products(tmp_path).read("phase1-beats")


@pytest.mark.parametrize("content", [b"torn", safetensors.torch.save({"weight": torch.ones(2)})], ids=["torn", "bare"])
def test_a_damaged_product_is_refused_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "phase1-beats.safetensors").write_bytes(content)
    with pytest.raises(TrainerError, match="is damaged or was not made by this program; delete it and repeat"):
        Products(tmp_path).read("phase1-beats")
