"""The graph of stages: what is finished is skipped, what is missing is said, one stage can run alone."""

import dataclasses
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from asdstream import bundle as bundles
from asdstream.models.audiomae import AudioMAEConfig
from asdstream.models.beats import BEATs, BEATsConfig
from asdstream.models.masked_audiomae import DecoderConfig, MaskedAudioMAE
from trainer import cli
from trainer.first_layers import layer_count
from trainer.metrics_log import MetricsLog
from trainer.products import Products
from trainer.recipe import Phase1Settings
from trainer.stages.training import what_matters

SHORT = """\
epochs = 1
warmup_epochs = 0
batch_size = 8
learning_rate = 1e-3
"""
HEAD = """\
name = "small"
seed = 3
system = SYSTEM
[model]
decoder = {embed_dim = 32, depth = 1, heads = 2}
attention_dim = 16
[sound]
kind = "simulator"
variety = {machine_types = ["valve"], identities = [0, 1], recordings = 1, seconds = 10}
machines = [
    {machine_type = "fan", identity = 1, recordings = 2, held_out = 5, seconds = 20},
]
[prototypes]
source = 3
hop_seconds = 10
[calibration]
hop_seconds = 10
[export]
licence_notes = ["Simulated sound only."]
"""
PUMP = '    {machine_type = "pump", identity = 1, recordings = 2, held_out = 5, seconds = 20},\n'
GENERATIVE = f"[generative]\n{SHORT}"
PHASE1 = f"[phase1]\n{SHORT}crop_seconds = 2\nclips_per_epoch = 8\n"
PHASE2 = f"[phase2]\n{SHORT}crop_seconds = 2\nclips_per_epoch = 8\nrank = 2\n"
FUSION = f'[fusion]\n{SHORT}hears = "all"\ncrop_seconds = 2\nclips_per_epoch = 8\nrank = 2\naudiomae_spread = 2.0\n'
SEPARATORS = f"[separators]\n{SHORT}seconds = 1\nidentities = 1\nrecordings = 1\nnoises = 2\n"

SYSTEMS = {
    1: GENERATIVE + PHASE1 + PHASE2,
    2: GENERATIVE + PHASE1 + PHASE2,
    3: GENERATIVE + PHASE1 + FUSION + SEPARATORS,
    4: PHASE1 + FUSION,
}


# Whichever test comes first waits for the run that they share.
pytestmark = pytest.mark.timeout(600)


def write_recipe(folder: Path, system: int, tables: str | None = None) -> Path:
    path = folder / "small.toml"
    path.write_text(HEAD.replace("SYSTEM", str(system)) + (SYSTEMS[system] if tables is None else tables))
    return path


def asdtrain(*arguments: str | Path) -> Result:
    workers = ["--workers", "0"] if arguments[0] in ("run", "stage") else []
    return CliRunner().invoke(cli.app, [*(str(argument) for argument in arguments), *workers])


def done(*arguments: str | Path) -> Result:
    result = asdtrain(*arguments)
    assert result.exception is None, f"{result.output}{result.exception!r}"
    return result


def tensors(run: Path, name: str) -> dict[str, torch.Tensor]:
    return dict(Products(run / "weights").read(name).tensors)


@pytest.fixture(scope="module")
def system3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("system3")
    done("run", write_recipe(folder, 3), "--out", folder / "run")
    return folder / "run"


def test_system3_becomes_a_bundle_with_fusion_and_separators(system3: Path) -> None:
    bundle = bundles.verify(system3 / "bundle")
    assert [branch.encoders for branch in bundle.branches] == [("beats", "audiomae")]
    assert set(bundle.fusions) == {"fused"}
    assert set(bundle.separators) == {"fan"}
    assert {name: known.separated for name, known in bundle.machine_types.items()} == {"fan": True}
    assert bundle.machine_types["fan"].prototypes["fused"].source.shape == (3, 192)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("system", "sizes"),
    [
        (1, {"audiomae": 192}),
        (2, {"audiomae": 192, "beats": 192}),
        (4, {"fused": 384}),
    ],
)
def test_every_system_becomes_a_bundle(tmp_path: Path, system: int, sizes: dict[str, int]) -> None:
    recipe = write_recipe(tmp_path, system)
    recipe.write_text(recipe.read_text().replace("machines = [\n", "machines = [\n" + PUMP))
    done("run", recipe, "--out", tmp_path / "run")
    bundle = bundles.verify(tmp_path / "run" / "bundle")
    assert {branch.name: bundle.embedding_size(branch.name) for branch in bundle.branches} == sizes
    assert set(bundle.machine_types) == {"fan", "pump"}
    assert not bundle.separators


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_processes_make_the_bundle_of_one(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, 1, PHASE1)
    done("run", recipe, "--out", tmp_path / "alone")
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--rdzv-backend", "c10d"]
    launch += ["--rdzv-endpoint", "127.0.0.1:0", "-m", "trainer", "run", str(recipe), "--workers", "0"]
    joined = subprocess.run(
        [*launch, "--out", str(tmp_path / "joined")],
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert joined.returncode == 0, joined.stderr
    assert joined.stdout.count("last loss") == 1
    for name, tensor in tensors(tmp_path / "alone", "phase1-audiomae").items():
        assert torch.allclose(tensor, tensors(tmp_path / "joined", "phase1-audiomae")[name], atol=1e-4), name
    assert bundles.verify(tmp_path / "joined" / "bundle").machine_types.keys() == {"fan"}


def test_fusion_moves_queries_and_keys_alone(system3: Path) -> None:
    before, after = tensors(system3, "phase1-beats"), tensors(system3, "fusion-beats")
    assert before.keys() == after.keys()
    moved = {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}
    assert moved
    assert all(re.search(r"\.(q_proj|k_proj)\.weight$", name) for name in moved), moved


def test_fusion_brings_audiomae_to_the_spread_that_was_asked_for(system3: Path) -> None:
    before, after = tensors(system3, "phase1-audiomae"), tensors(system3, "fusion-audiomae")
    times = after["norm.weight"] / before["norm.weight"]
    assert times.std() < 1e-5, "all tokens alike"
    assert abs(times.mean() - 1.0) > 0.01


def test_phase_one_moves_the_whole_encoder(system3: Path) -> None:
    before, after = tensors(system3, "generative-audiomae"), tensors(system3, "phase1-audiomae")
    same = {name for name, tensor in after.items() if torch.equal(tensor, before[name])}
    assert same <= {"pos_embed"}
    assert not any(name.startswith("decoder") for name in after), "it no longer belongs to this encoder"


def test_audiomae_trains_for_its_own_epochs_and_what_was_made_without_them_is_still_taken(tmp_path: Path) -> None:
    run, recipe = tmp_path / "run", write_recipe(tmp_path, 2, PHASE1)
    names = ("phase1-beats", "phase1-audiomae")
    done("stage", "phase1", recipe, "--out", run)
    before = {name: tensors(run, name) for name in names}
    fingerprints = {name: Products(run / "weights").fingerprint(name) for name in names}

    recipe.write_text(recipe.read_text().replace("epochs = 1\n", "epochs = 1\naudiomae_epochs = 1\n"))
    done("stage", "phase1", recipe, "--out", run)
    assert {name: Products(run / "weights").fingerprint(name) for name in names} == fingerprints

    recipe.write_text(recipe.read_text().replace("audiomae_epochs = 1\n", "audiomae_epochs = 2\n"))
    done("stage", "phase1", recipe, "--out", run)
    assert Products(run / "weights").fingerprint("phase1-beats") == fingerprints["phase1-beats"]
    assert Products(run / "weights").fingerprint("phase1-audiomae") != fingerprints["phase1-audiomae"]
    after = {name: tensors(run, name) for name in names}
    assert all(torch.equal(tensor, after["phase1-beats"][key]) for key, tensor in before["phase1-beats"].items())
    epochs = {
        name: {line["epoch"] for line in MetricsLog(run / "metrics.jsonl").read(name) if "loss" in line}
        for name in names
    }
    assert epochs == {"phase1-beats": {1}, "phase1-audiomae": {1, 2}}


def test_what_a_product_depended_on_before_audiomae_had_epochs_of_its_own_it_depends_on_still() -> None:
    matters = what_matters(Phase1Settings())
    assert "audiomae_epochs" not in matters
    assert what_matters(Phase1Settings(audiomae_epochs=72).of("beats")) == matters
    assert what_matters(Phase1Settings(audiomae_epochs=72).of("audiomae")) == {**matters, "epochs": 72}


def test_the_run_says_how_well_classes_are_told_apart(system3: Path) -> None:
    (line,) = [line for line in MetricsLog(system3 / "metrics.jsonl").read("phase1-beats") if "accuracy" in line]
    assert line["classes"] == len(set_of_labels(system3))
    assert 0.0 <= float(line["accuracy"] or 0.0) <= 1.0
    for name in ("loss-phase1-beats", "confusion-phase1-beats", "confusion-fusion", "reconstruction"):
        assert (system3 / "pictures" / f"{name}.png").stat().st_size > 1000
    assert list((system3 / "tensorboard" / "fusion").iterdir())


def set_of_labels(run: Path) -> set[str]:
    from trainer.recipe import SimulatorSound, read_recipe
    from trainer.simulated_sound import simulated_sound

    recipe = read_recipe(run / "recipe.toml")
    assert isinstance(recipe.sound, SimulatorSound)
    return {recording.label for recording in simulated_sound(recipe.sound, recipe.seed).generative}


def test_a_finished_run_does_nothing_again(system3: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(system3, run)
    before = {path.name: path.stat().st_mtime_ns for path in (run / "weights").iterdir()}
    done("run", write_recipe(tmp_path, 3), "--out", run, "--resume")
    assert {path.name: path.stat().st_mtime_ns for path in (run / "weights").iterdir()} == before
    assert bundles.verify(run / "bundle").files == bundles.verify(system3 / "bundle").files


SUMMARIES = ("prototypes-", "calibration-")
"""Products that are made of embeddings, and not by training."""


def test_loudness_beside_the_embeddings_changes_no_training(system3: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(system3, run)

    def trained() -> dict[str, int]:
        weights = (run / "weights").iterdir()
        return {path.name: path.stat().st_mtime_ns for path in weights if not path.name.startswith(SUMMARIES)}

    before = trained()
    recipe = write_recipe(tmp_path, 3)
    recipe.write_text(recipe.read_text().replace("[model]\n", "[model]\nloudness = 2.5\n"))
    done("run", recipe, "--out", run, "--resume")
    assert trained() == before
    loud = bundles.verify(run / "bundle")
    assert loud.branches == (bundles.FusedBranch("fused", ("beats", "audiomae"), "attentive", "mean", 2.5),)
    assert loud.machine_types["fan"].prototypes["fused"].source.shape == (3, 192 + 128)


def test_a_stage_runs_alone_from_the_products_of_others(system3: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "weights").mkdir(parents=True)
    for name in ("phase1-audiomae", "phase1-beats"):
        shutil.copy(system3 / "weights" / f"{name}.safetensors", run / "weights")
    result = done("stage", "fusion", write_recipe(tmp_path, 3), "--out", run)
    assert f"{run}/weights/fusion-attention.safetensors" in result.output
    for name in ("fusion-beats", "fusion-audiomae", "fusion-attention"):
        for key, tensor in tensors(system3, name).items():
            assert torch.equal(tensor, tensors(run, name)[key]), (name, key)


def test_a_stage_says_which_earlier_one_is_missing(tmp_path: Path) -> None:
    result = asdtrain("stage", "fusion", write_recipe(tmp_path, 3), "--out", tmp_path / "run")
    assert "the stage fusion needs" in str(result.exception)
    assert "phase1-beats.safetensors, which is not there; run the stage phase1 first" in str(result.exception)


def test_a_stage_that_the_recipe_does_not_have_is_refused(tmp_path: Path) -> None:
    result = asdtrain("stage", "phase2", write_recipe(tmp_path, 3), "--out", tmp_path / "run")
    assert "the recipe small has nothing to do in the stage phase2" in str(result.exception)


CHANGED = SYSTEMS[3].replace(FUSION, FUSION.replace("rank = 2", "rank = 3"))


def test_a_run_does_not_throw_a_finished_training_away(system3: Path, tmp_path: Path) -> None:
    result = asdtrain("run", write_recipe(tmp_path, 3, CHANGED), "--out", system3, "--resume")
    assert "the stage fusion in" in str(result.exception)
    assert "was made with another recipe or other data" in str(result.exception)
    assert "repeat it with asdtrain stage fusion" in str(result.exception)
    assert "rank = 3" not in (system3 / "recipe.toml").read_text()


@pytest.mark.slow
def test_a_changed_stage_is_done_anew_alone_and_all_that_follows_from_it(system3: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(system3, run)
    recipe = write_recipe(tmp_path, 3, CHANGED)
    done("stage", "fusion", recipe, "--out", run)
    done("run", recipe, "--out", run, "--resume")
    files = [bundles.verify(folder / "bundle").files for folder in (system3, run)]
    different = {name for name, sha256 in files[0].items() if files[1][name] != sha256}
    assert {"weights/beats.safetensors", "weights/prototypes-fan.safetensors"} <= different
    assert "weights/separator-fan.safetensors" not in different


def test_the_bundle_is_exported_again_without_data(system3: Path, tmp_path: Path) -> None:
    done("export", system3, "--out", tmp_path / "bundle")
    assert bundles.verify(tmp_path / "bundle").files == bundles.verify(system3 / "bundle").files


def test_an_export_of_what_is_no_run_is_refused(tmp_path: Path) -> None:
    assert "is no run folder" in str(asdtrain("export", tmp_path, "--out", tmp_path / "bundle").exception)


def public_checkpoints(folder: Path) -> tuple[Path, Path]:
    """Files laid out as the published ones, of the tiny size."""
    torch.manual_seed(7)
    audiomae = MaskedAudioMAE(AudioMAEConfig.tiny(), DecoderConfig(embed_dim=64, depth=1, heads=2))
    torch.save({"model": audiomae.state_dict()}, folder / "audiomae.pth")
    config = dataclasses.replace(BEATsConfig.tiny(), predictor_class=5)
    cfg = {**config.to_dict(), "finetuned_model": True}
    torch.save({"cfg": cfg, "model": BEATs(config).state_dict()}, folder / "beats.pt")
    return folder / "audiomae.pth", folder / "beats.pt"


def test_published_checkpoints_start_the_encoders_and_leave_their_licence(tmp_path: Path) -> None:
    audiomae, beats = public_checkpoints(tmp_path)
    run = tmp_path / "run"
    done("run", write_recipe(tmp_path, 2, ""), "--out", run, "--audiomae", audiomae, "--beats", beats)
    bundle = bundles.verify(run / "bundle")
    assert any("CC BY-NC 4.0" in note and "SHA-256" in note for note in bundle.licence_notes)
    assert '"file"' in (run / "versions.json").read_text()
    wanted = torch.load(audiomae, weights_only=True)["model"]
    found = tensors(run, "start-audiomae")
    assert all(torch.equal(found[name], tensor) for name, tensor in wanted.items())
    assert not any(name.startswith("predictor") for name in tensors(run, "start-beats"))
    done("run", write_recipe(tmp_path, 2, ""), "--out", run, "--resume")


def test_a_bundle_starts_the_encoders_of_another_recipe(system3: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done("run", write_recipe(tmp_path, 2, ""), "--out", run, "--start", system3 / "bundle")
    for name in ("audiomae", "beats"):
        for key, tensor in tensors(system3, f"fusion-{name}").items():
            assert torch.allclose(tensors(run, f"start-{name}")[key], tensor, atol=2e-3, rtol=1e-3), key
    assert bundles.verify(run / "bundle").licence_notes == ("Simulated sound only.",)


def test_fusion_may_take_up_the_first_layers_alone_and_keep_bands(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, 3, PHASE1 + FUSION + 'layers = 2\npooling = "bands"\n')
    done("run", recipe, "--out", tmp_path / "run")
    bundle = bundles.verify(tmp_path / "run" / "bundle")
    assert bundle.branches == (bundles.FusedBranch("fused", ("beats", "audiomae"), "attentive", "bands"),)
    assert bundle.embedding_size("fused") == 8 * 192
    assert {layer_count(bundle.build_encoder(name)) for name in bundle.encoders} == {2}
    assert any(name.startswith("blocks.5.") for name in tensors(tmp_path / "run", "phase1-audiomae"))
    assert bundle.machine_types["fan"].prototypes["fused"].source.shape == (3, 8 * 192)
    deeper = write_recipe(tmp_path, 3, FUSION + "layers = 3\n")
    result = asdtrain("run", deeper, "--out", tmp_path / "deeper", "--start", tmp_path / "run" / "bundle")
    assert "[fusion] cannot take up the first layers of BEATs: 3 layers were asked for; right would be 1 to 2" in str(
        result.exception
    )


def test_fusion_may_keep_a_share_of_what_was_brought_along(system3: Path, tmp_path: Path) -> None:
    """With nearly all of it kept the encoders are nearly as they came; by themselves they move away."""
    run = tmp_path / "run"
    moved = {}
    for share in (0.0, 0.99):
        recipe = write_recipe(tmp_path, 4, PHASE1 + FUSION + f"brought_share = {share}\n")
        # What comes before the fusion is the same for both, and finished the second time.
        for stage in ("start", "phase1", "fusion"):
            done("stage", stage, recipe, "--out", run, "--start", system3 / "bundle")
        came, left = tensors(run, "start-beats"), tensors(run, "fusion-beats")
        moved[share] = sum(float((left[name] - tensor).abs().sum()) for name, tensor in came.items())
    assert 0.0 < moved[0.99] < 0.02 * moved[0.0]


def test_a_share_of_nothing_is_refused_before_the_training(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, 4, PHASE1 + FUSION + "brought_share = 0.5\n")
    result = asdtrain("run", recipe, "--out", tmp_path / "run")
    assert "keeps a share of weights that were brought along, and there are none of beats" in str(result.exception)


def test_a_bundle_that_starts_from_one_with_a_decoder_keeps_it(tmp_path: Path) -> None:
    run = tmp_path / "run"
    done("run", write_recipe(tmp_path, 1, ""), "--out", run, "--start", "builtin:demo")
    masked = bundles.load(run / "bundle").build_masked_audiomae()
    demo = bundles.load(bundles.resolve("builtin:demo")).build_masked_audiomae()
    assert masked is not None
    assert demo is not None
    assert torch.equal(masked.decoder_pred.weight, demo.decoder_pred.weight)


@pytest.mark.parametrize(
    ("tables", "options", "sentence"),
    [
        ("", [], "would leave the encoder beats untrained; give weights with --beats or --start"),
        (PHASE1, ["--audiomae", "beats.pt"], "is BEATs, fine-tuned, with its predictor; --audiomae needs another"),
        (PHASE1, ["--audiomae", "away.pth"], "there is no checkpoint away.pth"),
        (PHASE1 + '[augmentation]\nnoise = "sound"\n', [], "there is no recording of noise; give some with --noise"),
    ],
)
def test_what_cannot_work_is_said_before_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tables: str, options: list[str], sentence: str
) -> None:
    public_checkpoints(tmp_path)
    monkeypatch.chdir(tmp_path)
    result = asdtrain("run", write_recipe(tmp_path, 2, tables), "--out", tmp_path / "run", *options)
    assert sentence in str(result.exception)
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_checkpoints_of_another_size_than_the_recipe_says_are_refused(tmp_path: Path) -> None:
    audiomae, _ = public_checkpoints(tmp_path)
    recipe = write_recipe(tmp_path, 1, PHASE1)
    recipe.write_text(recipe.read_text().replace("[model]", '[model]\nsize = "base"'))
    result = asdtrain("run", recipe, "--out", tmp_path / "run", "--audiomae", audiomae)
    assert "is 192 wide, and the recipe's size 'base' is 768" in str(result.exception)
