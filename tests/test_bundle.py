"""A bundle is taken whole and unharmed, or refused with one sentence that says what is wrong and where."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from asdstream import bundle
from asdstream.bundle import (
    Branch,
    BranchPrototypes,
    BundleContents,
    BundleError,
    EncoderContents,
    MachineType,
)
from asdstream.models.audiomae import AudioMAE, AudioMAEConfig

WIDTH = 24
ENCODER = "weights/audiomae.safetensors"
PROTOTYPES = "weights/prototypes-fan.safetensors"


def small_contents(seed: int = 0) -> BundleContents:
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    config = dataclasses.replace(AudioMAEConfig.tiny(), embed_dim=WIDTH, depth=1, heads=2)
    prototypes = BranchPrototypes(
        source=random.normal(size=(16, WIDTH)).astype(np.float32),
        target=random.normal(size=(3, WIDTH)).astype(np.float32),
    )
    return BundleContents(
        name="small",
        trainer_version="0.1.0",
        licence_notes=("Trained on simulated sound only.",),
        encoders={"audiomae": EncoderContents("audiomae", config.to_dict(), AudioMAE(config).state_dict())},
        branches=(Branch("audiomae", "audiomae"),),
        machine_types={"fan": MachineType({"audiomae": prototypes}, {"median": 0.1})},
        created=datetime(2025, 3, 4, 5, 6, 7, tzinfo=UTC),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    bundle.save(tmp_path / "bundle", small_contents())
    return tmp_path / "bundle"


def rewrite(folder: Path, change: Callable[[dict[str, Any]], None] | None = None) -> None:
    """Change the manifest and bring its hashes up to date, as a careful attacker would."""
    manifest = json.loads((folder / "bundle.json").read_text())
    for file in manifest["files"]:
        manifest["files"][file] = hashlib.sha256((folder / file).read_bytes()).hexdigest()
    if change is not None:
        change(manifest)
    (folder / "bundle.json").write_text(json.dumps(manifest))


def rewrite_tensors(folder: Path, file: str, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    tensors = safetensors.torch.load((folder / file).read_bytes())
    change(tensors)
    (folder / file).write_bytes(safetensors.torch.save(tensors))
    rewrite(folder)


def refusal(folder: Path) -> str:
    with pytest.raises(BundleError) as caught:
        bundle.load(folder)
    sentence = str(caught.value)
    assert str(folder) in sentence, "the sentence says which bundle"
    assert "\n" not in sentence, "it is one line"
    return sentence


def test_what_is_saved_comes_back(folder: Path) -> None:
    contents = small_contents()
    loaded = bundle.load(folder)
    assert (loaded.name, loaded.trainer_version, loaded.created) == ("small", "0.1.0", contents.created)
    assert loaded.licence_notes == contents.licence_notes
    assert loaded.branches == contents.branches
    assert loaded.embedding_size("audiomae") == WIDTH
    fan = loaded.machine_types["fan"]
    np.testing.assert_array_equal(
        fan.prototypes["audiomae"].source, contents.machine_types["fan"].prototypes["audiomae"].source
    )
    np.testing.assert_array_equal(
        fan.prototypes["audiomae"].target, contents.machine_types["fan"].prototypes["audiomae"].target
    )
    assert fan.calibration == {"median": 0.1}
    assert loaded.sha256 == hashlib.sha256((folder / "bundle.json").read_bytes()).hexdigest()
    encoder = bundle.verify(folder).build_encoder("audiomae")
    assert not encoder.training
    for key, tensor in contents.encoders["audiomae"].weights.items():
        torch.testing.assert_close(encoder.state_dict()[key], tensor)


def test_the_same_contents_give_the_same_bytes(tmp_path: Path) -> None:
    first = bundle.save(tmp_path / "a", small_contents())
    second = bundle.save(tmp_path / "b", small_contents())
    assert first.sha256 == second.sha256


def test_half_precision_weights_are_computed_in_float32(tmp_path: Path) -> None:
    saved = bundle.save(tmp_path / "half", small_contents(), half_precision=True)
    full = bundle.save(tmp_path / "full", small_contents())
    assert (saved.path / ENCODER).stat().st_size < 0.6 * (full.path / ENCODER).stat().st_size
    state = saved.build_encoder("audiomae").state_dict()
    assert {tensor.dtype for tensor in state.values()} == {torch.float32}
    for key, tensor in small_contents().encoders["audiomae"].weights.items():
        torch.testing.assert_close(state[key], tensor, rtol=1e-3, atol=1e-6)


def test_a_machine_type_may_be_uncalibrated_and_without_target_prototypes(tmp_path: Path) -> None:
    contents = small_contents()
    prototypes = contents.machine_types["fan"].prototypes["audiomae"]
    bare = BranchPrototypes(prototypes.source, np.zeros((0, WIDTH), np.float32))
    contents = dataclasses.replace(contents, machine_types={"fan": MachineType({"audiomae": bare}, None)})
    loaded = bundle.save(tmp_path / "bundle", contents)
    assert loaded.machine_types["fan"].calibration is None
    assert loaded.machine_types["fan"].prototypes["audiomae"].target.shape == (0, WIDTH)


def test_saving_again_replaces_the_older_bundle(folder: Path) -> None:
    old = bundle.load(folder)
    new = bundle.save(folder, small_contents(seed=1))
    assert new.sha256 != old.sha256
    assert sorted(path.name for path in folder.parent.iterdir()) == [folder.name]
    with pytest.raises(BundleError, match="SHA-256"):
        old.build_encoder("audiomae")


def test_a_folder_that_is_no_bundle_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(BundleError, match="not a bundle"):
        bundle.save(tmp_path, small_contents())
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_what_would_not_load_is_not_saved_and_leaves_the_older_bundle_alone(folder: Path) -> None:
    contents = small_contents()
    weights = dict(contents.encoders["audiomae"].weights)
    key = sorted(weights)[0]
    weights[key] = torch.full_like(weights[key], float("nan"))
    encoder = dataclasses.replace(contents.encoders["audiomae"], weights=weights)
    before = bundle.load(folder).sha256
    with pytest.raises(BundleError, match="NaN"):
        bundle.save(folder, dataclasses.replace(contents, encoders={"audiomae": encoder}))
    broken = dataclasses.replace(contents.machine_types["fan"], calibration={"median": float("nan")})
    with pytest.raises(BundleError, match="JSON"):
        bundle.save(folder, dataclasses.replace(contents, machine_types={"fan": broken}))
    with pytest.raises(BundleError, match="cannot name"):
        bundle.save(folder, dataclasses.replace(contents, machine_types={"../fan": contents.machine_types["fan"]}))
    assert bundle.load(folder).sha256 == before
    assert sorted(path.name for path in folder.parent.iterdir()) == [folder.name]


@pytest.mark.parametrize("file", [ENCODER, PROTOTYPES])
@pytest.mark.parametrize("where", [0, 0.5, -1])
def test_a_flipped_byte_is_found(folder: Path, file: str, where: float) -> None:
    data = bytearray((folder / file).read_bytes())
    data[int(where * len(data)) if where >= 0 else -1] ^= 1
    (folder / file).write_bytes(bytes(data))
    assert f"{file} has SHA-256" in refusal(folder)


def test_a_flipped_byte_in_the_manifest_is_an_error(folder: Path) -> None:
    data = (folder / "bundle.json").read_bytes()
    digest = bundle.load(folder).files[ENCODER].encode()
    (folder / "bundle.json").write_bytes(data.replace(digest, b"0" * 64))
    assert ENCODER in refusal(folder)
    (folder / "bundle.json").write_bytes(data[:-10])
    assert "not valid JSON" in refusal(folder)


@pytest.mark.parametrize("file", [ENCODER, PROTOTYPES, "bundle.json"])
def test_a_missing_file_is_named(folder: Path, file: str) -> None:
    (folder / file).unlink()
    assert f"{file} is missing" in refusal(folder)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    assert "no such folder" in refusal(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["weights/old.safetensors", "notes.txt", ".hidden"])
def test_an_extra_file_is_named(folder: Path, name: str) -> None:
    (folder / name).write_text("x")
    assert f"{name} is not listed" in refusal(folder)


def test_a_link_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / ENCODER).rename(tmp_path / "elsewhere")
    (folder / ENCODER).symlink_to(tmp_path / "elsewhere")
    assert "is a link" in refusal(folder)


@pytest.mark.parametrize("schema", ["asd.bundle/2", "asd.bundle/0", "", None, 1])
def test_another_schema_version_is_refused_before_anything_else(folder: Path, schema: object) -> None:
    (folder / "bundle.json").write_text(json.dumps({"schema": schema, "from": "the future"}))
    assert "reads 'asd.bundle/1'" in refusal(folder)


@pytest.mark.parametrize(
    "name",
    ["../secret.safetensors", "/etc/passwd", "weights/../../x", "weights//x", "C:\\x", "a/b/c/d", "weights/..", ""],
)
def test_a_file_name_that_leaves_the_folder_is_refused(folder: Path, name: str) -> None:
    def listed(manifest: dict[str, Any]) -> None:
        manifest["files"][name] = "0" * 64

    rewrite(folder, listed)
    assert "not the name of a file inside the bundle" in refusal(folder)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda m: m.update(colour="red"), "colour"),
        (lambda m: m.pop("name"), "name"),
        (lambda m: m.update(name="a/b"), "name"),
        (lambda m: m.update(sample_rate=8000), "8000 Hz"),
        (lambda m: m.update(window_seconds=5), "5 s windows"),
        (lambda m: m.update(created="yesterday"), "created"),
        (lambda m: m.update(branches=[]), "branches is empty"),
        (lambda m: m.update(branches=m["branches"] * 2), "twice"),
        (lambda m: m["branches"][0].update(encoder="beats"), "'beats'"),
        (lambda m: m["branches"][0].update(pooling="attentive"), "pooling"),
        (lambda m: m["encoders"]["audiomae"].update(kind="oracle"), "'oracle'"),
        (lambda m: m["encoders"]["audiomae"].update(weights="weights/x"), "not listed in files"),
        (lambda m: m["encoders"]["audiomae"].update(weights=PROTOTYPES), "used twice"),
        (lambda m: m["encoders"]["audiomae"]["config"].update(depth=10**9), "depth is 1000000000"),
        (lambda m: m["encoders"]["audiomae"]["config"].update(embed_dim=-1), "embed_dim is -1"),
        (lambda m: m["encoders"]["audiomae"]["config"].update(embed_dim="48"), "embed_dim is 48"),
        (lambda m: m["encoders"]["audiomae"]["config"].update(heads=5), "not usable"),
        (lambda m: m["encoders"]["audiomae"]["config"].update(mlp_ratio=1e9), "mlp_ratio"),
        (lambda m: m["encoders"]["audiomae"]["config"].update(surprise=1), "not usable"),
        (lambda m: m["encoders"]["audiomae"]["config"].pop("embed_dim"), "not usable"),
        (lambda m: m["encoders"]["audiomae"]["config"].update(depth=2), "is missing"),
        (lambda m: m["files"].update({ENCODER: "abc"}), "no SHA-256"),
    ],
)
def test_a_manifest_that_says_something_odd_is_refused(
    folder: Path, change: Callable[[dict[str, Any]], None], expected: str
) -> None:
    rewrite(folder, change)
    assert expected in refusal(folder)


@pytest.mark.parametrize(
    "text", ["[]", "null", "{", '{"schema": NaN}', '{"a": 1, "a": 2}', "[" * 100_000, "1" * 10_000]
)
def test_a_manifest_that_is_no_manifest_is_refused(folder: Path, text: str) -> None:
    (folder / "bundle.json").write_text(text)
    refusal(folder)


def test_a_manifest_of_absurd_size_is_refused_unread(folder: Path) -> None:
    with (folder / "bundle.json").open("wb") as file:
        file.truncate(1 << 30)
    assert "is larger than" in refusal(folder)


def test_a_weights_file_of_absurd_size_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asdstream.bundle.files.MAX_WEIGHTS_BYTES", 1000)
    assert "is larger than 1000 bytes" in refusal(folder)


def test_a_header_that_promises_absurd_sizes_is_refused(folder: Path) -> None:
    header = json.dumps({"a": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 4]}}).encode()
    for data in (len(header).to_bytes(8, "little") + header + bytes(4), (2**63).to_bytes(8, "little"), b""):
        (folder / ENCODER).write_bytes(data)
        rewrite(folder)
        assert "is not a safetensors file" in refusal(folder)


def test_a_tensor_of_the_wrong_shape_is_named(folder: Path) -> None:
    def widen(tensors: dict[str, torch.Tensor]) -> None:
        tensors["norm.weight"] = torch.ones(WIDTH + 1)

    rewrite_tensors(folder, ENCODER, widen)
    assert f"norm.weight has shape ({WIDTH + 1},) where ({WIDTH},) is expected" in refusal(folder)


def test_a_tensor_of_the_wrong_type_is_named(folder: Path) -> None:
    def whole_numbers(tensors: dict[str, torch.Tensor]) -> None:
        tensors["norm.weight"] = torch.ones(WIDTH, dtype=torch.int64)

    rewrite_tensors(folder, ENCODER, whole_numbers)
    assert "norm.weight is int64; float32 or float16 is expected" in refusal(folder)


def test_a_missing_and_an_unknown_tensor_are_named(folder: Path) -> None:
    rewrite_tensors(folder, ENCODER, lambda tensors: tensors.update(decoder=torch.ones(1)))
    assert "decoder is not part of the network" in refusal(folder)
    rewrite_tensors(folder, ENCODER, lambda tensors: tensors.pop("decoder"))
    rewrite_tensors(folder, ENCODER, lambda tensors: tensors.pop("norm.bias"))
    assert "norm.bias is missing" in refusal(folder)


@pytest.mark.parametrize(
    ("key", "tensor", "expected"),
    [
        ("audiomae.source", torch.ones(16, WIDTH - 1), "has shape (16, 23)"),
        ("audiomae.source", torch.ones(0, WIDTH), "has shape (0, 24)"),
        ("audiomae.source", torch.ones(WIDTH), "has shape (24,)"),
        ("audiomae.target", torch.ones(2, WIDTH, dtype=torch.float64), "is float64"),
        ("audiomae.target", torch.zeros(2, WIDTH), "length zero"),
        ("audiomae.target", torch.full((2, WIDTH), float("inf")), "NaN or infinite"),
        ("beats.source", torch.ones(16, WIDTH), "beats.source is of no branch"),
    ],
)
def test_prototypes_that_do_not_fit_are_refused(folder: Path, key: str, tensor: torch.Tensor, expected: str) -> None:
    rewrite_tensors(folder, PROTOTYPES, lambda tensors: tensors.update({key: tensor}))
    assert expected in refusal(folder)


def test_a_reference_is_a_path_or_a_bundle_that_ships(tmp_path: Path) -> None:
    assert bundle.resolve("/srv/bundle") == Path("/srv/bundle")
    assert bundle.resolve("bundle", base=tmp_path) == tmp_path / "bundle"
    for name in ("builtin:nothing", "builtin:../..", "builtin:"):
        with pytest.raises(BundleError, match="ships with this installation"):
            bundle.resolve(name)
