import json
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile
from rich.console import Console
from small_bundle import fan_sound, strange_sound
from typer.testing import CliRunner, Result

from asdstream import bundle as bundles
from asdstream.audio.simulator.dataset import ClipCounts
from asdstream.bundle import Branch, FusedBranch
from trainer import ablation, cli
from trainer.catalogue import read_catalogue
from trainer.evaluate import EvaluationSettings, embedding_as, evaluate


def asdtrain(*arguments: object) -> Result:
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fan recorded healthy and broken, in the layout of MIMII."""
    root = tmp_path_factory.mktemp("plain")
    for condition, make, count in (("normal", fan_sound, 14), ("abnormal", strange_sound, 5)):
        folder = root / "fan" / "id_00" / condition
        folder.mkdir(parents=True)
        for number in range(count):
            soundfile.write(folder / f"{number:04d}.wav", make(10, number), 16_000)
    return root


def test_every_way_of_scoring_is_compared_and_the_clips_are_named(
    plain: Path, small_bundle: Path, tmp_path: Path
) -> None:
    result = asdtrain("ablate", "--bundle", small_bundle, "--data", plain, "--out", tmp_path)
    assert result.exception is None, result.output
    content = json.loads((tmp_path / "ablation.json").read_text())
    names = [variant["name"] for variant in content["variants"]]
    ways = ["minimum-cosine", "nearest-reference", "local-density", "generalised-mean", "relative-deviation"]
    embeddings = ("", ", pooling over bands", ", loudness 2.5")
    assert names == [f"{way}{embedding}" for embedding in embeddings for way in ways]
    assert content["variants"][0]["difference_from_first"] == {"low": 0.0, "high": 0.0}
    assert all(variant["sections"][0]["figures"]["source_auc"] > 0.9 for variant in content["variants"])
    assert f"compared on the clips under {plain}" in result.output
    assert (tmp_path / "ablation.md").read_text() in result.output


def test_official_test_clips_are_refused_unless_they_are_asked_for(
    small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ablation, "COUNTS", ClipCounts(source_train=6, target_train=2, test=2))
    root = tmp_path / "data"
    ablation.simulate(root, 0, Console(quiet=True), ["fan"])
    refused = asdtrain("ablate", "--bundle", small_bundle, "--data", root, "--out", tmp_path / "out")
    assert "are official test clips" in str(refused.exception)
    assert list((tmp_path / "out").iterdir()) == []
    allowed = asdtrain("ablate", "--bundle", small_bundle, "--data", root, "--test-clips", "--out", tmp_path / "out")
    assert allowed.exception is None, allowed.output
    assert "a choice made here flatters" in allowed.output


def test_without_data_the_machines_are_simulated(
    small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ablation, "COUNTS", ClipCounts(source_train=6, target_train=2, test=2))
    monkeypatch.setattr(ablation.simulate, "__defaults__", (("fan",),))
    result = asdtrain("ablate", "--bundle", small_bundle, "--out", tmp_path, "--seed", 4)
    assert result.exception is None, result.output
    assert "compared on simulated machines, seed 4" in result.output


def test_branches_are_brought_to_one_scale_where_there_are_several(small_bundle: Path) -> None:
    bundle = bundles.load(small_bundle)
    two = replace(bundle, branches=(Branch("a", "audiomae"), Branch("b", "audiomae", "bands")))
    ways = ablation.variants_of(two)
    assert ways[0] == EvaluationSettings()
    assert {(way.pooling, way.normalise_branches) for way in ways} == {
        (pooling, scale) for pooling in ("bundle", "mean", "bands") for scale in (False, True)
    }


def test_a_fused_branch_can_be_pooled_otherwise_as_well(small_bundle: Path) -> None:
    bundle = bundles.load(small_bundle)
    fused = replace(bundle, branches=(FusedBranch("fused", ("beats", "audiomae")),))
    assert {way.pooling for way in ablation.variants_of(fused)} == {"bundle", "bands"}
    by_band = embedding_as(fused, EvaluationSettings(pooling="bands"))
    assert by_band.branches == (FusedBranch("fused", ("beats", "audiomae"), "attentive", "bands"),)
    assert {way.pooling for way in ablation.variants_of(by_band)} == {"bundle", "mean"}


def test_loudness_is_put_beside_the_embeddings_of_a_bundle_without_it_and_left_out_of_one_with_it(
    small_bundle: Path,
) -> None:
    bundle = bundles.load(small_bundle)
    assert {way.loudness for way in ablation.variants_of(bundle)} == {None, ablation.LOUDNESS}
    with_it = embedding_as(bundle, EvaluationSettings(loudness=ablation.LOUDNESS))
    assert with_it.branches == (Branch("audiomae", "audiomae", "mean", ablation.LOUDNESS),)
    ways = ablation.variants_of(with_it)
    assert {way.loudness for way in ways} == {None, 0.0}
    assert "minimum-cosine, no loudness" in {way.name for way in ways}


def test_pooling_over_bands_widens_the_embeddings(plain: Path, small_bundle: Path) -> None:
    bundle = bundles.load(small_bundle)
    settings = EvaluationSettings(pooling="bands")
    result, measured = evaluate(bundle, read_catalogue(plain), settings=settings, console=Console(quiet=True))
    assert measured[0].embedded[0][1]["audiomae"].shape == (1, 8 * 32)
    assert result.described["settings"] == {
        "back_end": "minimum-cosine",
        "normalise_branches": False,
        "pooling": "bands",
        "loudness": None,
        "separate": "off",
        "noise": None,
        "hop_seconds": 1.0,
        "seed": 0,
        "back_end_settings": {"source_prototypes": 16, "target_prototypes": 10, "target_step": 10},
    }
