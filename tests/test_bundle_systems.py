"""A bundle holds what each of the method's systems needs, and separators; what does not fit together is refused."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from system_bundles import ATTENTION, BEATS, BRANCHES, GRIDNET, SIZES, WIDTH, contents_of, separator

from asdstream import bundle
from asdstream.bundle import ANY_TYPE, BundleError, FusedBranch
from asdstream.bundle.networks import TokenShape, new_head
from asdstream.models.beats import BEATs
from asdstream.models.fusion import AttentiveFusion, MeanFusion
from asdstream.models.pooling import band_pool, mean_pool


def refusal(folder: Path, change: Callable[[dict[str, Any]], object]) -> str:
    """What is said of the bundle once its manifest has been changed."""
    manifest = json.loads((folder / "bundle.json").read_text())
    change(manifest)
    (folder / "bundle.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError) as caught:
        bundle.load(folder)
    sentence = str(caught.value)
    assert str(folder) in sentence
    assert "\n" not in sentence
    return sentence


@pytest.fixture
def system2(tmp_path: Path) -> Path:
    return bundle.save(tmp_path / "system2", contents_of("system2")).path


@pytest.fixture
def system3(tmp_path: Path) -> Path:
    contents = contents_of("system3", separators={ANY_TYPE: separator(), "fan": separator(1)}, separated=True)
    return bundle.save(tmp_path / "system3", contents).path


@pytest.mark.parametrize("system", list(BRANCHES))
def test_every_system_is_saved_and_comes_back(system: str, tmp_path: Path) -> None:
    contents = contents_of(system)
    bundle.save(tmp_path / system, contents)
    loaded = bundle.verify(tmp_path / system)
    assert loaded.branches == contents.branches
    assert {branch.name: loaded.embedding_size(branch.name) for branch in loaded.branches} == SIZES[system]
    for name, encoder in contents.encoders.items():
        state = loaded.build_encoder(name).state_dict()
        for key, tensor in encoder.weights.items():
            torch.testing.assert_close(state[key], tensor)


def test_heads_make_embeddings_of_the_tokens_of_their_encoders(tmp_path: Path) -> None:
    audiomae, beats = torch.randn(2, 513, WIDTH), torch.randn(2, 496, WIDTH)
    made = {system: bundle.save(tmp_path / system, contents_of(system)) for system in BRANCHES}
    torch.testing.assert_close(made["system2"].build_head("audiomae")(audiomae), mean_pool(audiomae))
    torch.testing.assert_close(made["system2"].build_head("beats")(beats), mean_pool(beats, class_token=False))
    torch.testing.assert_close(made["bands"].build_head("audiomae-bands")(audiomae), band_pool(audiomae))
    expected = band_pool(beats, class_token=False)
    torch.testing.assert_close(made["bands"].build_head("beats-bands")(beats), expected)
    fusion = AttentiveFusion(WIDTH, ATTENTION)
    fusion.load_state_dict(dict(contents_of("system3").fusions["fused"].weights))
    torch.testing.assert_close(made["system3"].build_head("fused")(beats, audiomae), fusion(beats, audiomae))
    torch.testing.assert_close(made["system4"].build_head("fused")(beats, audiomae), MeanFusion()(beats, audiomae))
    by_band = AttentiveFusion(WIDTH, ATTENTION, bands=8)
    by_band.load_state_dict(fusion.state_dict())
    torch.testing.assert_close(made["system3-bands"].build_head("fused")(beats, audiomae), by_band(beats, audiomae))
    expected = MeanFusion(bands=8)(beats, audiomae)
    torch.testing.assert_close(made["system4-bands"].build_head("fused")(beats, audiomae), expected)
    with pytest.raises(BundleError, match="no branch 'beats'; it has fused"):
        made["system3"].build_head("beats")


def test_the_files_bear_the_names_of_what_they_hold(system3: Path) -> None:
    assert sorted(path.stem for path in (system3 / "weights").iterdir()) == [
        "audiomae",
        "beats",
        "fusion-fused",
        "prototypes-fan",
        "separator",
        "separator-fan",
    ]


def test_a_machine_type_has_its_own_separator_or_the_common_one_or_none(system3: Path, tmp_path: Path) -> None:
    loaded = bundle.verify(system3)
    own, common = (loaded.build_separator(name) for name in ("fan", "lathe"))
    assert own is not None
    assert common is not None
    torch.testing.assert_close(dict(own.state_dict()), dict(separator(1).weights))
    torch.testing.assert_close(dict(common.state_dict()), dict(separator().weights))
    assert [loaded.separator_of(name) for name in ("fan", "lathe")] == ["fan", ANY_TYPE]
    only_fan = bundle.save(tmp_path / "fan", contents_of("system1", separators={"fan": separator()}))
    assert only_fan.build_separator("lathe") is None


def test_a_machine_type_says_whether_it_was_fitted_on_separated_sound(system2: Path, system3: Path) -> None:
    assert not bundle.load(system2).machine_types["fan"].separated
    assert bundle.load(system3).machine_types["fan"].separated


def test_a_manifest_from_before_there_were_separators_is_read(system2: Path) -> None:
    manifest = json.loads((system2 / "bundle.json").read_text())
    del manifest["separators"], manifest["machine_types"]["fan"]["separated"]
    (system2 / "bundle.json").write_text(json.dumps(manifest))
    loaded = bundle.verify(system2)
    assert loaded.separators == {}
    assert not loaded.machine_types["fan"].separated


def test_encoders_with_other_bands_cannot_be_fused_by_band() -> None:
    tokens = {"beats": TokenShape(WIDTH, 8, class_token=False), "audiomae": TokenShape(WIDTH, 4, class_token=True)}
    with pytest.raises(ValueError, match="'fused' keeps bands, and its encoders have 4, 8"):
        new_head(BRANCHES["system3-bands"][0], tokens, ATTENTION)


def test_a_fused_branch_that_says_neither_how_it_pools_nor_how_loud_takes_all_patches_alone(system3: Path) -> None:
    manifest = json.loads((system3 / "bundle.json").read_text())
    del manifest["branches"][0]["pooling"], manifest["branches"][0]["loudness"]
    (system3 / "bundle.json").write_text(json.dumps(manifest))
    loaded = bundle.verify(system3)
    assert loaded.branches == (FusedBranch("fused", ("beats", "audiomae"), "attentive", "mean", 0.0),)
    assert loaded.build_loudness("fused") is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda m: m["branches"][0].update(encoders=["audiomae", "beats"]), "audiomae, beats; beats, then audiomae"),
        (lambda m: m["branches"][0].update(encoders=["beats", "beats"]), "beats, then audiomae is expected"),
        (lambda m: m["branches"][0].update(encoders=["beats"]), "encoders"),
        (lambda m: m["branches"][0].update(encoders=["beats", "wav2vec"]), "names encoder 'wav2vec'"),
        (lambda m: m["branches"][0].update(fusion="sum"), "sum"),
        (lambda m: m["branches"][0].update(fusion="attentive-sum"), "attentive-statistics"),
        (lambda m: m["branches"][0].update(pooling="time"), "pooling"),
        (lambda m: m["branches"][0].update(loudness=-1), "loudness"),
        (lambda m: m["branches"][0].update(loudness="2.5"), "loudness"),
        (lambda m: m["branches"][0].update(fusion=3), "branches.0"),
        (lambda m: m["branches"][0].pop("weights"), "weights"),
        (lambda m: m["branches"][0].pop("fusion"), "branches.0.pooled"),
        (lambda m: m["branches"][0].update(attention_dim=10**9), "attention_dim"),
        (lambda m: m["branches"][0].update(attention_dim=ATTENTION + 1), "has shape"),
        (lambda m: m["branches"][0].update(weights="weights/separator.safetensors"), "used twice"),
        (lambda m: m["separators"]["*"].update(kind="oracle"), "of kind 'oracle'; this version of asdstream has tfg"),
        (lambda m: m["separators"].update({"../fan": m["separators"]["fan"]}), "separators"),
        (lambda m: m["separators"]["fan"]["config"].update(hidden=8), "has shape"),
        (lambda m: m["separators"]["fan"]["config"].update(hop=1), "hop is 1; 32 to 4096 is expected"),
        (lambda m: m["separators"]["fan"]["config"].update(width=True), "width is True"),
        (lambda m: m["separators"]["fan"]["config"].update(blocks=1.5), "not usable"),
        (lambda m: (m["separators"].clear(), m["files"].clear()), "not listed in files"),
        (lambda m: m["encoders"]["beats"]["config"].update(encoder_embed_dim=10**9), "encoder_embed_dim is 1000000000"),
        (lambda m: m["encoders"]["beats"]["config"].update(input_patch_size=1), "input_patch_size is 1"),
        (lambda m: m["encoders"]["beats"]["config"].update(encoder_attention_heads=5), "not usable"),
        (lambda m: m["encoders"]["beats"]["config"].update(max_distance=81.5), "not usable"),
        (lambda m: m["encoders"]["audiomae"]["config"].update(frames=8192, patch=1, embed_dim=4096), "1048576 tokens"),
    ],
)
def test_what_does_not_fit_together_is_refused(
    system3: Path, change: Callable[[dict[str, Any]], object], expected: str
) -> None:
    assert expected in refusal(system3, change)


def test_prototypes_of_separated_sound_need_a_separator(system2: Path) -> None:
    sentence = refusal(system2, lambda manifest: manifest["machine_types"]["fan"].update(separated=True))
    assert "machine type 'fan' was fitted on separated sound; no separator serves it" in sentence


def test_encoders_of_unlike_width_are_not_fused_attentively(tmp_path: Path) -> None:
    wider = dataclasses.replace(BEATS, encoder_embed_dim=2 * WIDTH)
    contents = contents_of("system3")
    beats = dataclasses.replace(contents.encoders["beats"], config=wider.to_dict(), weights={})
    with pytest.raises(BundleError, match="missing"):
        bundle.save(tmp_path / "a", dataclasses.replace(contents, encoders=contents.encoders | {"beats": beats}))
    beats = dataclasses.replace(beats, weights=BEATs(wider).state_dict())
    with pytest.raises(BundleError, match="fuses tokens 48 and 24 wide; one width is needed"):
        bundle.save(tmp_path / "b", dataclasses.replace(contents, encoders=contents.encoders | {"beats": beats}))


def test_a_fusion_and_its_branch_go_together(tmp_path: Path) -> None:
    contents = contents_of("system3")
    with pytest.raises(BundleError, match="branch 'fused' is fused attentively; its weights are missing"):
        bundle.save(tmp_path / "a", dataclasses.replace(contents, fusions={}))
    mean = FusedBranch("fused", ("beats", "audiomae"), "mean")
    with pytest.raises(BundleError, match="the fusion 'fused' belongs to no branch"):
        bundle.save(tmp_path / "b", dataclasses.replace(contents, branches=(mean,)))


def test_parts_that_would_share_a_file_are_refused(tmp_path: Path) -> None:
    contents = contents_of("system1", separators={ANY_TYPE: separator()})
    encoders = dict(contents.encoders) | {"separator": contents.encoders["audiomae"]}
    with pytest.raises(BundleError, match=r"two parts .* weights/separator.safetensors"):
        bundle.save(tmp_path / "a", dataclasses.replace(contents, encoders=encoders))
    bad = dataclasses.replace(contents, separators={"../fan": separator()})
    with pytest.raises(BundleError, match="cannot name"):
        bundle.save(tmp_path / "b", bad)


def test_half_precision_holds_for_all_networks(tmp_path: Path) -> None:
    contents = contents_of("system3", separators={ANY_TYPE: separator()})
    saved = bundle.save(tmp_path / "half", contents, half_precision=True)
    for name in ("audiomae", "beats", "fusion-fused", "separator"):
        tensors = safetensors.torch.load((saved.path / f"weights/{name}.safetensors").read_bytes())
        assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
    network = saved.build_separator("fan")
    assert network is not None
    assert network.config == GRIDNET
    assert {tensor.dtype for tensor in network.state_dict().values()} == {torch.float32}
