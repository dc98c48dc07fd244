"""A whole run in small: from a recipe to a bundle, killed and resumed, and the mistakes that a user can make."""

import json
import shutil
from pathlib import Path

import pytest
import safetensors.torch
import soundfile
import torch
from typer.testing import CliRunner, Result

import trainer.loop
from asdstream import bundle as bundles
from asdstream.audio.simulator import MachineSpec, Simulator
from asdstream.scoring.calibration import Calibration
from trainer import cli
from trainer.checkpoint import Checkpoint, save_checkpoint
from trainer.metrics_log import MetricsLog
from trainer.products import Products

RECIPE = """\
name = "small"
seed = 3
[model]
decoder = {embed_dim = 32, depth = 1, heads = 2}
[sound]
kind = "simulator"
variety = {machine_types = ["valve"], identities = [0], recordings = 1, seconds = 10}
machines = [{machine_type = "fan", identity = 1, recordings = 2, held_out = 5, seconds = 20}]
[generative]
epochs = 2
warmup_epochs = 1
batch_size = 2
learning_rate = 1e-3
checkpoint_minutes = 1e-6
[prototypes]
source = 3
hop_seconds = 10
[calibration]
hop_seconds = 10
[export]
licence_notes = ["Simulated sound only."]
"""


# Whichever test comes first waits for the run that they share.
pytestmark = pytest.mark.timeout(600)


def write_recipe(folder: Path, text: str = RECIPE) -> Path:
    path = folder / "small.toml"
    path.write_text(text)
    return path


def asdtrain(command: str, *arguments: str | Path) -> Result:
    workers = ["--workers", "0"] if command in ("run", "stage") else []
    return CliRunner().invoke(cli.app, [command, *(str(argument) for argument in arguments), *workers])


def encoder_weights(run: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(run / "bundle" / "weights" / "audiomae.safetensors")


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken")
    result = asdtrain("run", write_recipe(folder), "--out", folder / "run")
    assert result.exception is None, result.output
    return folder / "run"


def test_a_run_leaves_a_bundle_that_the_daemon_can_load(unbroken: Path) -> None:
    bundle = bundles.verify(unbroken / "bundle")
    assert bundle.licence_notes == ("Simulated sound only.",)
    (machine_type,) = bundle.machine_types.items()
    name, known = machine_type
    assert name == "fan"
    assert known.prototypes["audiomae"].source.shape == (3, 192)
    assert known.prototypes["audiomae"].target.shape == (0, 192)
    assert known.calibration is not None
    assert Calibration.from_dict(known.calibration).looks == 10


def test_the_encoder_alone_is_exported_in_half_precision(unbroken: Path) -> None:
    weights = encoder_weights(unbroken)
    assert not any(name.startswith(("decoder", "mask_token")) for name in weights)
    assert {tensor.dtype for tensor in weights.values()} == {torch.float16}
    size = sum(path.stat().st_size for path in (unbroken / "bundle").rglob("*") if path.is_file())
    assert 5_000_000 < size < 6_500_000


def test_the_run_folder_tells_what_was_done_with_what(unbroken: Path) -> None:
    assert (unbroken / "recipe.toml").read_text() == RECIPE
    for name in (
        "versions.json",
        "data.json",
        "summary.json",
        "pictures/loss-generative.png",
        "pictures/reconstruction.png",
    ):
        assert (unbroken / name).stat().st_size > 50, name
    lines = MetricsLog(unbroken / "metrics.jsonl").read("generative")
    # Two recordings of 20 s and one of 10 s are five crops: three steps of two an epoch.
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]


def test_a_finished_stage_leaves_its_product_and_no_checkpoint(unbroken: Path) -> None:
    products = Products(unbroken / "weights")
    weights = products.read("generative-audiomae").tensors
    assert any(name.startswith("decoder") for name in weights), "it belongs to this encoder, and export may want it"
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}
    assert (products.has("prototypes-fan"), products.has("calibration-fan")) == (True, True)
    assert not list((unbroken / "checkpoints").iterdir())
    assert not (unbroken / "waveforms").exists()


def test_a_killed_run_resumes_to_the_bundle_of_an_unbroken_one(
    tmp_path: Path, unbroken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save_and_die(path: Path, checkpoint: Checkpoint) -> None:
        save_checkpoint(path, checkpoint)
        if checkpoint.step == 2:
            assert torch.load(path, weights_only=True)["step"] == 2
            raise SystemError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(trainer.loop, "save_checkpoint", save_and_die)
        killed = asdtrain("run", write_recipe(tmp_path), "--out", tmp_path / "run")
    assert isinstance(killed.exception, SystemError)
    assert not (tmp_path / "run" / "bundle").exists()

    resumed = asdtrain("run", write_recipe(tmp_path), "--out", tmp_path / "run", "--resume")
    assert resumed.exception is None, resumed.output
    wanted, found = encoder_weights(unbroken), encoder_weights(tmp_path / "run")
    assert wanted.keys() == found.keys()
    for name, tensor in wanted.items():
        assert torch.equal(tensor, found[name]), name
    manifests = [bundles.load(folder / "bundle").files for folder in (unbroken, tmp_path / "run")]
    assert manifests[0] == manifests[1]


def test_a_run_is_not_written_over_another(unbroken: Path, tmp_path: Path) -> None:
    result = asdtrain("run", write_recipe(tmp_path), "--out", unbroken)
    assert "holds a run already; go on with --resume" in str(result.exception)


def test_another_recipe_does_not_go_on_from_a_checkpoint(unbroken: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, RECIPE.replace("learning_rate = 1e-3", "learning_rate = 2e-3"))
    result = asdtrain("run", recipe, "--out", unbroken, "--resume")
    assert "was made with another recipe or other data" in str(result.exception)
    assert (unbroken / "recipe.toml").read_text() == RECIPE


def test_another_calibration_goes_on_from_the_trained_encoder(unbroken: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(unbroken, run)
    result = asdtrain(
        "run", write_recipe(tmp_path, RECIPE.replace("held_out = 5", "held_out = 6")), "--out", run, "--resume"
    )
    assert result.exception is None, result.output
    assert len(MetricsLog(run / "metrics.jsonl").read("generative")) == 6
    calibration = bundles.load(run / "bundle").machine_types["fan"].calibration
    assert calibration is not None
    assert calibration["looks"] == 12
    for name, tensor in encoder_weights(unbroken).items():
        assert torch.equal(tensor, encoder_weights(run)[name]), name


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (('machine_type = "fan"', 'machine_type = "loom"'), "the simulator knows no machine type 'loom'; it has fan"),
        (("held_out = 5", "held_out = 2"), "40 s of fan are held out for the calibration, which needs 100 s"),
    ],
)
def test_what_cannot_work_is_said_before_the_training(tmp_path: Path, change: tuple[str, str], sentence: str) -> None:
    result = asdtrain("run", write_recipe(tmp_path, RECIPE.replace(*change)), "--out", tmp_path / "run")
    assert sentence in str(result.exception)
    assert not (tmp_path / "run").exists()


def test_a_recipe_for_recordings_asks_for_them(tmp_path: Path) -> None:
    text = 'name = "small"\n[sound]\nkind = "folder"\n[export]\nlicence_notes = ["none"]\n'
    result = asdtrain("run", write_recipe(tmp_path, text), "--out", tmp_path / "run")
    assert "say where they are with --data" in str(result.exception)


def test_an_error_is_one_line_with_its_exit_code_and_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write_recipe(tmp_path, RECIPE + "speed = 3\n")
    monkeypatch.setattr("sys.argv", ["asdtrain", "run", str(recipe)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 78
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"asdtrain: {recipe}:22: export.speed: unknown key")


@pytest.fixture(scope="module")
def dcase(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fan in the DCASE layout, made by the simulator: imbalance is the anomaly."""
    root = tmp_path_factory.mktemp("dcase")
    counts = {
        ("train", "source", "normal"): 8,
        ("train", "target", "normal"): 2,
        ("test", "source", "normal"): 2,
        ("test", "target", "normal"): 2,
        ("test", "source", "anomaly"): 2,
        ("test", "target", "anomaly"): 2,
    }
    seed = 0
    for (split, domain, condition), count in counts.items():
        (root / "fan" / split).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            # Another machine stands in for the anomaly: the encoder here has hardly been trained.
            identity = 0 if condition == "normal" else 5
            spec = MachineSpec("fan", identity=identity, load=0.6 if domain == "source" else 0.4)
            seed += 1
            sound = Simulator(spec, seed).render(10.0)
            name = f"section_00_{domain}_{split}_{condition}_{number:04d}_load_{60 if domain == 'source' else 40}"
            soundfile.write(root / "fan" / split / f"{name}.flac", sound, 16_000)
    return root


def test_evaluation_writes_the_official_files_and_every_figure(unbroken: Path, dcase: Path, tmp_path: Path) -> None:
    out = tmp_path / "evaluation"
    result = asdtrain("evaluate", "--bundle", unbroken / "bundle", "--data", dcase, "--machine", "fan", "--out", out)
    assert result.exception is None, result.output
    scores = (out / "anomaly_score_fan_section_00_test.csv").read_text().splitlines()
    decisions = (out / "decision_result_fan_section_00_test.csv").read_text().splitlines()
    assert len(scores) == len(decisions) == 8
    assert scores[0].startswith("section_00_source_test_anomaly_0000_load_60.flac,0.")
    assert {line.rpartition(",")[2] for line in decisions} <= {"0", "1"}
    content = json.loads((out / "evaluation.json").read_text())
    figures = content["sections"][0]["figures"]
    assert set(figures) == {"source_auc", "target_auc", "partial_auc", "harmonic_mean"}
    assert figures["source_auc"] == 1.0
    assert content["harmonic_mean"] == pytest.approx(figures["harmonic_mean"])
    assert "fan" in result.output


def test_the_catalogue_is_printed_and_broken_files_set_the_exit_code(dcase: Path, tmp_path: Path) -> None:
    result = asdtrain("data", dcase)
    assert result.exit_code == 0
    assert "8 train source normal" in result.output
    broken = tmp_path / "pump" / "train" / "section_00_source_train_normal_0001.wav"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"RIFF")
    result = asdtrain("data", tmp_path)
    assert result.exit_code == 1
    assert "is not a WAV or FLAC recording" in result.output


def test_a_folder_recipe_holds_out_training_clips_and_never_sees_test_clips(dcase: Path) -> None:
    from trainer.catalogue import read_catalogue
    from trainer.folder_sound import folder_sound
    from trainer.recipe import FolderSound

    sound = folder_sound(FolderSound(kind="folder", held_out=0.25), read_catalogue(dcase), seed=1)
    (machine,) = sound.machines
    assert (len(machine.source), len(machine.target), len(machine.held_out)) == (6, 2, 2)
    names = [recording.name for recording in sound.all]
    assert len(set(names)) == 10
    assert all("/train/" in name for name in names)
    assert not {recording.name for recording in machine.held_out} & {recording.name for recording in sound.generative}
