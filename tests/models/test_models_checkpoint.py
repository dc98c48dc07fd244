"""Files from elsewhere are read without running them, and what does not fit is said in one sentence."""

import argparse
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from asdstream.models.checkpoint import CheckpointError, load_weights, read_checkpoint, sha256_of, shapes_only


class _Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("true",)


def test_a_bare_state_dict_and_a_wrapped_one_read_the_same(tmp_path: Path) -> None:
    state = nn.Linear(2, 3).state_dict()
    for name, content in {"bare": dict(state), "model": {"model": state}, "lightning": {"state_dict": state}}.items():
        torch.save(content, tmp_path / f"{name}.pt")
        assert read_checkpoint(tmp_path / f"{name}.pt").keys() == state.keys()


def test_a_namespace_of_options_beside_the_weights_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "trained.pth"
    torch.save({"model": nn.Linear(2, 3).state_dict(), "args": argparse.Namespace(lr=1e-3)}, path)
    assert read_checkpoint(path).keys() == {"weight", "bias"}


def test_a_file_that_would_run_code_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "hostile.pt"
    torch.save({"model": nn.Linear(2, 3).state_dict(), "extra": _Hostile()}, path)
    with pytest.raises(CheckpointError, match=r"plain containers \(posix\.system\) and was not opened"):
        read_checkpoint(path)


def test_nobody_is_advised_to_open_a_stranger_after_all(tmp_path: Path) -> None:
    path = tmp_path / "readme.pt"
    path.write_text("# A file of words\n")
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path)
    assert "weights_only" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"not a checkpoint at all" * 10])
def test_a_damaged_file_is_one_sentence(suffix: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"damaged{suffix}"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"damaged|was not opened"):
        read_checkpoint(path)


def test_a_truncated_file_is_one_sentence(conformance_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "short.pth"
    path.write_bytes((conformance_dir / "audiomae" / "audiomae_tiny.pth").read_bytes()[:100_000])
    with pytest.raises(CheckpointError, match=r"short\.pth"):
        read_checkpoint(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"absent\.pt does not exist"):
        read_checkpoint(tmp_path / "absent.pt")


@pytest.mark.parametrize("content", [[1, 2], {}, {"model": {"epoch": 3}}])
def test_a_file_without_named_tensors_is_refused(content: object, tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=r"other\.pt holds"):
        read_checkpoint(path)


def test_all_that_does_not_fit_is_listed_at_once() -> None:
    state = {"weight": torch.zeros(3, 5), "extra": torch.zeros(1)}
    with pytest.raises(CheckpointError) as caught:
        load_weights(nn.Linear(2, 3), state, "weights.pt")
    said = str(caught.value)
    assert "1 missing: bias" in said
    assert "1 unexpected: extra" in said
    assert "weight is (3, 5) instead of (3, 2)" in said


def test_a_long_list_is_cut_short() -> None:
    state = nn.Linear(2, 3).state_dict() | {f"extra{index}": torch.zeros(1) for index in range(9)}
    with pytest.raises(CheckpointError, match=r"9 unexpected: .* and 4 more"):
        load_weights(nn.Linear(2, 3), state, "weights.pt")


def test_half_precision_weights_become_float32_in_a_model_on_the_meta_device() -> None:
    state = {name: tensor.half() for name, tensor in nn.Linear(2, 3).state_dict().items()}
    with shapes_only():
        model = nn.Linear(2, 3)
    load_weights(model, state, "weights.pt")
    assert model.weight.dtype == torch.float32
    assert model(torch.ones(1, 2)).shape == (1, 3)


def test_the_hash_of_a_file_is_its_sha256(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    assert sha256_of(path) == hashlib.sha256(b"abc").hexdigest()


def test_a_network_of_shapes_only_needs_no_compiler() -> None:
    script = (
        "import sys\n"
        "from asdstream.models.beats import BEATs, BEATsConfig\n"
        "from asdstream.models.checkpoint import shapes_only\n"
        "from asdstream.models.masked_audiomae import AudioMAEConfig, DecoderConfig, MaskedAudioMAE\n"
        "with shapes_only():\n"
        "    networks = BEATs(BEATsConfig.base()), MaskedAudioMAE(AudioMAEConfig.base(), DecoderConfig.base())\n"
        "assert networks[0].layer_norm.weight.is_meta\n"
        "sys.exit('torch._dynamo' in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=100)
