"""An AudioMAE may bring its decoder, and is checked with it as all else is."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from asdstream import bundle
from asdstream.bundle import (
    Branch,
    BranchPrototypes,
    BundleContents,
    BundleError,
    DecoderContents,
    EncoderContents,
    MachineType,
)
from asdstream.models.audiomae import AudioMAEConfig
from asdstream.models.masked_audiomae import DecoderConfig, MaskedAudioMAE, decoder_state
from asdstream.models.masking import random_masking

DECODER = "weights/audiomae-decoder.safetensors"


def masked_model(seed: int = 0) -> MaskedAudioMAE:
    torch.manual_seed(seed)
    config = dataclasses.replace(AudioMAEConfig.tiny(), embed_dim=24, depth=1, heads=2)
    return MaskedAudioMAE(config, DecoderConfig(16, depth=2, heads=2)).eval()


def contents(model: MaskedAudioMAE, decoder: DecoderContents | None) -> BundleContents:
    encoder = EncoderContents("audiomae", model.config.to_dict(), model.encoder().state_dict(), decoder)
    prototypes = BranchPrototypes(np.ones((1, 24), np.float32), np.zeros((0, 24), np.float32))
    return BundleContents(
        name="small",
        trainer_version="0",
        licence_notes=("untrained",),
        encoders={"audiomae": encoder},
        branches=(Branch("audiomae", "audiomae"),),
        machine_types={"fan": MachineType({"audiomae": prototypes}, None)},
    )


def decoder_of(model: MaskedAudioMAE) -> DecoderContents:
    return DecoderContents(model.decoder_config.to_dict(), decoder_state(model.state_dict()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = masked_model()
    return bundle.save(tmp_path / "bundle", contents(model, decoder_of(model))).path


def change(folder: Path, what: Callable[[dict[str, Any]], None]) -> str:
    """The sentence with which a changed manifest is refused."""
    manifest = json.loads((folder / "bundle.json").read_text())
    what(manifest)
    (folder / "bundle.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError) as refused:
        bundle.load(folder)
    return str(refused.value)


def test_the_decoder_comes_back_and_draws_as_before(folder: Path) -> None:
    model, again = masked_model(), bundle.load(folder).build_masked_audiomae()
    assert again is not None
    spectrogram = torch.randn(1, 1024, 128)
    mask = random_masking(torch.rand(1, 512))
    with torch.no_grad():
        assert torch.equal(again(spectrogram, mask).pred, model(spectrogram, mask).pred)
    assert bundle.verify(folder).name == "small"


def test_the_encoder_is_the_same_file_with_and_without_a_decoder(folder: Path, tmp_path: Path) -> None:
    alone = bundle.save(tmp_path / "alone", contents(masked_model(), None))
    assert alone.build_masked_audiomae() is None
    file = "weights/audiomae.safetensors"
    assert (alone.path / file).read_bytes() == (folder / file).read_bytes()
    assert sorted(alone.files) == sorted(set(bundle.load(folder).files) - {DECODER})


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        (lambda m: m["encoders"]["audiomae"]["decoder"]["config"].update(depth=3), "decoder_blocks.2.attn.meta_mlp"),
        (lambda m: m["encoders"]["audiomae"]["decoder"]["config"].update(depth=10_000), "1 to 64 is expected"),
        (lambda m: m["encoders"]["audiomae"]["decoder"]["config"].update(window=[3, 3]), "does not divide"),
        (lambda m: m["encoders"]["audiomae"]["decoder"]["config"].update(window="4x4"), "right would be a number"),
        (lambda m: m["encoders"]["audiomae"]["decoder"]["config"].update(window=[4]), "two positive numbers"),
        (lambda m: m["encoders"]["audiomae"]["decoder"]["config"].update(colour=1), "unknown decoder setting"),
        (lambda m: m["encoders"]["audiomae"]["decoder"].update(weights="weights/audiomae.safetensors"), "used twice"),
        (lambda m: m["encoders"]["audiomae"].update(decoder={}), "decoder.config"),
    ],
)
def test_a_decoder_that_does_not_fit_is_refused(
    folder: Path, what: Callable[[dict[str, Any]], None], sentence: str
) -> None:
    assert sentence in change(folder, what)


def test_a_decoder_with_a_tensor_of_the_encoder_is_refused(tmp_path: Path) -> None:
    model = masked_model()
    decoder = dataclasses.replace(decoder_of(model), weights=model.state_dict())
    with pytest.raises(BundleError, match="not part of the network"):
        bundle.save(tmp_path / "bundle", contents(model, decoder))


def test_a_flipped_byte_in_the_decoder_is_found(folder: Path) -> None:
    data = bytearray((folder / DECODER).read_bytes())
    data[-1] ^= 1
    (folder / DECODER).write_bytes(data)
    with pytest.raises(BundleError, match=r"audiomae-decoder\.safetensors has SHA-256"):
        bundle.load(folder)


def test_of_two_decoders_nobody_could_tell_which_is_meant(tmp_path: Path) -> None:
    made = contents(masked_model(), decoder_of(masked_model()))
    twice = dataclasses.replace(made, encoders={**made.encoders, "other": made.encoders["audiomae"]})
    with pytest.raises(BundleError, match="encoders audiomae, other have a decoder each"):
        bundle.save(tmp_path / "bundle", twice)
