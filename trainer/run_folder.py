"""The folder of one run: what was asked, with what, on what, and what came of it."""

import importlib.metadata
import json
import platform
import shutil
from collections.abc import Mapping
from pathlib import Path

from asdstream import __version__, atomic
from trainer.errors import TrainerError
from trainer.metrics_log import MetricsLog

PACKAGES = ("torch", "numpy", "scikit-learn", "scipy", "soundfile", "soxr", "safetensors", "peft", "accelerate")


class RunFolder:
    """`recipe.toml`, `versions.json`, `data.json`, `metrics.jsonl`, `pictures/`, `tensorboard/`, `weights/` with the
    products of finished stages, `checkpoints/` of unfinished ones, `waveforms/` while there is something to train,
    and at the end `summary.json` and `bundle/`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def bundle(self) -> Path:
        """Where the bundle goes."""
        return self.path / "bundle"

    @property
    def weights(self) -> Path:
        """Where finished stages leave their products."""
        return self.path / "weights"

    @property
    def waveforms(self) -> Path:
        """Where decoded or rendered sound is kept."""
        return self.path / "waveforms"

    @property
    def curves(self) -> Path:
        """What TensorBoard is to be pointed at."""
        return self.path / "tensorboard"

    @property
    def is_described(self) -> bool:
        """Whether it holds a run."""
        return (self.path / "recipe.toml").exists()

    @property
    def metrics(self) -> MetricsLog:
        """The figures of the run."""
        return MetricsLog(self.path / "metrics.jsonl")

    def checkpoint(self, stage: str) -> Path:
        """Where a stage keeps its state."""
        return self.path / "checkpoints" / f"{stage}.pt"

    def picture(self, name: str) -> Path:
        """Where a picture goes."""
        return self.path / "pictures" / f"{name}.png"

    def open(self, *, resume: bool) -> None:
        """Make the folder, or go on in it. Raises TrainerError where it holds a run and `resume` is not set."""
        if not resume and self.is_described:
            raise TrainerError(
                f"{self.path} holds a run already; go on with --resume, or choose another folder with --out"
            )
        try:
            for folder in (self.path, self.path / "checkpoints", self.path / "pictures", self.weights):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TrainerError(f"the run folder {self.path} cannot be made: {error.strerror}") from error

    def describe(self, recipe_text: str, data: Mapping[str, object], weights: Mapping[str, object]) -> None:
        """Write down what the run is made from; `weights` are those brought along, by encoder."""
        self.write_json("versions.json", versions() | {"weights": dict(weights)})
        self.write_json("data.json", dict(data))
        atomic.write_text(self.path / "recipe.toml", recipe_text)

    def forget_waveforms(self) -> None:
        """Remove the sound that is kept, gigabytes that can be made again."""
        shutil.rmtree(self.waveforms, ignore_errors=True)

    def write_json(self, name: str, content: object) -> None:
        """Write `content` to the file `name`."""
        atomic.write_text(self.path / name, json.dumps(content, indent=2) + "\n")


def versions() -> dict[str, object]:
    """Versions of everything that a result depends on."""
    found: dict[str, object] = {
        "asdstream": __version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
