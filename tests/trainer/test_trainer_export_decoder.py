"""AudioMAE's decoder goes into a bundle with the encoder that it was trained with, and with no other."""

from pathlib import Path

import pytest
import torch

from asdstream import bundle as bundles
from asdstream.bundle import Bundle
from asdstream.models.audiomae import AudioMAEConfig
from asdstream.models.masked_audiomae import DecoderConfig, MaskedAudioMAE
from trainer.errors import TrainerError
from trainer.products import Products
from trainer.recipe import parse_recipe
from trainer.stages.encoders import encoder_product
from trainer.stages.export import export_bundle

DECODER = DecoderConfig(16, depth=1, heads=2)


def export(folder: Path, stages: tuple[str, ...], wanted: str, *, brought: bool = True) -> Bundle:
    """The bundle of a recipe with these stages, whose products are untrained."""
    tables = "".join(f"[{stage}]\n" for stage in stages)
    text = f'name = "small"\n[sound]\nkind = "folder"\n{tables}[export]\nlicence_notes = ["own"]\n{wanted}'
    products = Products(folder / "weights")
    for seed, stage in enumerate(stages):
        torch.manual_seed(seed)
        masked = MaskedAudioMAE(AudioMAEConfig.tiny(), DECODER)
        kept = masked if stage == "generative" and brought else masked.encoder()
        products.write(f"{stage}-audiomae", encoder_product(kept, [f"of {stage}"]), "x")
    return export_bundle(folder / "bundle", parse_recipe(text, Path("small.toml")), products, {})


def drawing(folder: Path) -> dict[str, torch.Tensor]:
    return dict(Products(folder / "weights").read("generative-audiomae").tensors)


def test_after_the_generative_stage_alone_the_decoder_comes_along(tmp_path: Path) -> None:
    bundle = export(tmp_path, ("generative",), "")
    masked = bundle.build_masked_audiomae()
    assert list(bundle.encoders) == ["audiomae"]
    assert masked is not None
    assert masked.decoder_config == DECODER
    kept = drawing(tmp_path)
    assert all(torch.equal(tensor.half(), kept[name].half()) for name, tensor in masked.state_dict().items())


def test_an_encoder_that_was_moved_afterwards_has_none(tmp_path: Path) -> None:
    assert export(tmp_path, ("generative", "phase1"), "").build_masked_audiomae() is None


def test_where_it_is_asked_for_it_comes_with_the_encoder_that_it_belongs_to(tmp_path: Path) -> None:
    bundle = export(tmp_path, ("generative", "phase1"), "decoder = true\n")
    assert sorted(bundle.encoders) == ["audiomae", "reconstruction"]
    assert [branch.encoders for branch in bundle.branches] == [("audiomae",)]
    masked, kept = bundle.build_masked_audiomae(), drawing(tmp_path)
    assert masked is not None
    assert torch.equal(masked.cls_token.half(), kept["cls_token"].half())
    assert not torch.equal(masked.cls_token, bundle.build_encoder("audiomae").state_dict()["cls_token"])
    assert bundle.licence_notes == ("own", "of phase1", "of generative")
    assert bundles.verify(bundle.path).sha256 == bundle.sha256


def test_it_may_be_left_out(tmp_path: Path) -> None:
    assert export(tmp_path, ("generative",), "decoder = false\n").build_masked_audiomae() is None


def test_one_that_nobody_trained_cannot_be_asked_for(tmp_path: Path) -> None:
    with pytest.raises(TrainerError, match="no stage left one behind"):
        export(tmp_path, ("generative", "phase1"), "decoder = true\n", brought=False)
