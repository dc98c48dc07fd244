"""A file says itself which of the published checkpoints it is, and is loaded fast and without a second copy."""

import argparse
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from asdstream.models import audiomae, beats, public_checkpoint
from asdstream.models.audiomae import AudioMAE
from asdstream.models.beats import BEATs
from asdstream.models.checkpoint import CheckpointError
from asdstream.models.masked_audiomae import MaskedAudioMAE
from asdstream.models.public_checkpoint import CheckpointKind

TINY_HEADS = 4


@pytest.fixture(scope="module")
def beats_file(conformance_dir: Path) -> Path:
    return conformance_dir / "beats" / "beats_tiny_a.pt"


@pytest.fixture(scope="module")
def audiomae_file(conformance_dir: Path) -> Path:
    return conformance_dir / "audiomae" / "audiomae_tiny.pth"


def audiomae_encoder(path: Path) -> dict[str, Tensor]:
    """The encoder's tensors of an AudioMAE file with its decoder."""
    with torch.serialization.safe_globals([argparse.Namespace]):
        return audiomae.encoder_state(torch.load(path, weights_only=True)["model"])


def test_a_pre_trained_beats_is_recognised(beats_file: Path) -> None:
    found = public_checkpoint.load(beats_file)
    assert found.kind is CheckpointKind.BEATS_PRETRAINED
    assert isinstance(found.model, BEATs)
    assert found.encoder is found.model
    assert found.numbers == 67_960
    assert found.licence_note == beats.LICENCE_NOTE


def test_a_fine_tuned_beats_is_recognised(conformance_dir: Path) -> None:
    found = public_checkpoint.load(conformance_dir / "beats" / "beats_tiny_b_finetuned.pt")
    assert found.kind is CheckpointKind.BEATS_FINETUNED
    assert found.model.predict(torch.zeros(1, 16_000)).shape == (1, 11)


def test_a_pre_trained_audiomae_keeps_its_decoder(audiomae_file: Path) -> None:
    found = public_checkpoint.load(audiomae_file, heads=TINY_HEADS)
    assert found.kind is CheckpointKind.AUDIOMAE_PRETRAINED
    assert isinstance(found.model, MaskedAudioMAE)
    assert found.numbers == 160_240
    assert "CC BY-NC" in found.licence_note


def test_the_encoder_turns_sound_into_tokens_whatever_the_file(audiomae_file: Path, clips: dict[str, Tensor]) -> None:
    encoder = public_checkpoint.load(audiomae_file, heads=TINY_HEADS).encoder
    assert type(encoder) is AudioMAE
    with torch.inference_mode():
        assert torch.equal(
            encoder(clips["10s"]), audiomae.load_checkpoint(audiomae_file, heads=TINY_HEADS)(clips["10s"])
        )


def test_an_audiomae_without_decoder_is_recognised(audiomae_file: Path, tmp_path: Path) -> None:
    state = audiomae_encoder(audiomae_file)
    torch.save({"model": state}, tmp_path / "encoder.pth")
    found = public_checkpoint.load(tmp_path / "encoder.pth", heads=TINY_HEADS)
    assert found.kind is CheckpointKind.AUDIOMAE_ENCODER
    assert type(found.model) is AudioMAE


@pytest.mark.parametrize("norm", ["norm", "fc_norm"])
def test_a_conversion_is_recognised(norm: str, audiomae_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    state = audiomae_encoder(audiomae_file)
    save_file(
        {name.replace("norm.", f"{norm}.") if name.startswith("norm.") else name: state[name] for name in state}, path
    )
    found = public_checkpoint.load(path, heads=TINY_HEADS)
    assert found.kind is CheckpointKind.AUDIOMAE_CONVERTED


def test_the_files_hash_and_size_are_told(beats_file: Path) -> None:
    found = public_checkpoint.load(beats_file)
    assert found.sha256 == hashlib.sha256(beats_file.read_bytes()).hexdigest()
    assert found.size_bytes == len(beats_file.read_bytes())


@pytest.mark.parametrize("which", ["beats", "audiomae", "encoder"])
def test_all_that_does_not_fit_is_listed_in_one_sentence(
    which: str, beats_file: Path, audiomae_file: Path, tmp_path: Path
) -> None:
    if which == "beats":
        content = torch.load(beats_file, weights_only=True)
        state, lost, bent = content["model"], "encoder.layers.1.fc2.bias", "encoder.layers.0.fc1.weight"
    elif which == "audiomae":
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(audiomae_file, weights_only=True)
        state, lost, bent = content["model"], "decoder_pred.bias", "blocks.1.mlp.fc2.bias"
    else:
        state, lost, bent = audiomae_encoder(audiomae_file), "norm.bias", "blocks.1.mlp.fc2.bias"
        content = {"model": state}
    del state[lost]
    state[bent] = torch.zeros(3)
    state["surplus.weight"] = torch.zeros(1)
    torch.save(content, tmp_path / "broken.pt")
    with pytest.raises(CheckpointError) as caught:
        public_checkpoint.load(tmp_path / "broken.pt", heads=TINY_HEADS)
    said = str(caught.value)
    assert "broken.pt" in said
    assert f"1 missing: {lost}" in said
    assert "1 unexpected: surplus.weight" in said
    assert f"1 misshapen: {bent} is (3,)" in said
    assert "\n" not in said


@pytest.mark.parametrize(
    "lost", ["cls_token", "pos_embed", "blocks.0.mlp.fc1.weight", "decoder_blocks.0.attn.tau", "mask_token"]
)
def test_a_tensor_that_tells_a_size_is_missed_by_name(lost: str, audiomae_file: Path, tmp_path: Path) -> None:
    with torch.serialization.safe_globals([argparse.Namespace]):
        content = torch.load(audiomae_file, weights_only=True)
    del content["model"][lost]
    torch.save(content, tmp_path / "broken.pth")
    with pytest.raises(CheckpointError, match=f"missing: .*{lost}"):
        public_checkpoint.load(tmp_path / "broken.pth", heads=TINY_HEADS)


def test_a_number_in_a_name_does_not_set_the_depth(audiomae_file: Path, tmp_path: Path) -> None:
    state = audiomae_encoder(audiomae_file) | {"blocks.4000000000.attn.qkv.weight": torch.zeros(1)}
    torch.save({"model": state}, tmp_path / "deep.pth")
    with pytest.raises(CheckpointError, match=r"1 unexpected: blocks\.4000000000"):
        public_checkpoint.load(tmp_path / "deep.pth", heads=TINY_HEADS)


def test_a_separator_is_named_as_one(conformance_dir: Path, tmp_path: Path) -> None:
    content = torch.load(conformance_dir / "tfgridnet" / "tfgridnet_tiny.pt", weights_only=True)
    torch.save(content["v2_overlap"], tmp_path / "separator.pt")
    with pytest.raises(CheckpointError, match=r"separator\.pt is a TF-GridNet"):
        public_checkpoint.load(tmp_path / "separator.pt")


def test_a_stranger_is_refused(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 3).state_dict(), tmp_path / "linear.pt")
    with pytest.raises(CheckpointError, match=r"neither BEATs nor AudioMAE: its 2 tensors begin with 'weight'"):
        public_checkpoint.load(tmp_path / "linear.pt")


MEASURE = """
import json, sys, time
from pathlib import Path
from asdstream.models import public_checkpoint

def memory(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(field + ":")).split()[1])

before, begun = memory("VmRSS"), time.perf_counter()
found = public_checkpoint.load(sys.argv[1])
seconds = time.perf_counter() - begun
peak = memory("VmHWM") - before
print(json.dumps({"kind": found.kind, "seconds": seconds, "memory": peak, "size": found.size_bytes}))
"""


def random_file(kind: CheckpointKind, conformance_dir: Path, folder: Path) -> Path:
    """A file of the published size and layout, every number random."""
    generator = torch.Generator().manual_seed(0)

    def fill(shapes: dict[str, list[int]]) -> dict[str, Tensor]:
        return {name: 0.02 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}

    if kind in {CheckpointKind.BEATS_PRETRAINED, CheckpointKind.BEATS_FINETUNED}:
        published = json.loads((conformance_dir / "beats" / "full_size_keys_beats.json").read_text())
        tuned = kind is CheckpointKind.BEATS_FINETUNED
        shapes = published["state_pretrained"] | (published["extra_in_finetuned"] if tuned else {})
        content = {"cfg": published["cfg_finetuned" if tuned else "cfg_pretrained"], "model": fill(shapes)}
        if tuned:
            content["label_dict"] = {index: f"/m/{index}" for index in range(527)}
        torch.save(content, folder / "beats.pt")
        return folder / "beats.pt"
    published = json.loads((conformance_dir / "audiomae" / "full_size_keys_audiomae.json").read_text())
    state = fill(published["state"])
    if kind is CheckpointKind.AUDIOMAE_CONVERTED:
        save_file(audiomae.encoder_state(state), folder / "model.safetensors")
        return folder / "model.safetensors"
    if kind is CheckpointKind.AUDIOMAE_ENCODER:
        state = audiomae.encoder_state(state)
    torch.save({"model": state, "args": argparse.Namespace(lr=1e-3)}, folder / "audiomae.pth")
    return folder / "audiomae.pth"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
@pytest.mark.parametrize("kind", list(CheckpointKind))
def test_a_full_size_file_loads_in_five_seconds_and_one_and_a_half_times_its_size(
    kind: CheckpointKind, conformance_dir: Path, tmp_path: Path
) -> None:
    path = random_file(kind, conformance_dir, tmp_path)
    # A process of its own, because a peak of memory cannot be taken back.
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True, timeout=100
    )
    path.unlink()
    measured = json.loads(done.stdout)
    assert measured["kind"] == kind
    assert measured["size"] > 340e6
    assert measured["seconds"] < 5.0
    assert measured["memory"] < 1.5 * measured["size"]
