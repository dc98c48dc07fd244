"""What every stage of one run has at hand."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from trainer.catalogue import read_catalogue
from trainer.errors import DataError, TrainerError
from trainer.fingerprint import data_fingerprint
from trainer.folder_sound import folder_sound
from trainer.mixing import NoiseAugmentation
from trainer.noise_folder import read_noise
from trainer.processes import Processes
from trainer.products import Products
from trainer.progress import StageProgress
from trainer.recipe import FolderSound, Recipe, SimulatorSound
from trainer.run_folder import RunFolder
from trainer.simulated_sound import simulated_sound
from trainer.sound import Recording, TrainingSound
from trainer.waveforms import Waveforms


@dataclass(frozen=True, slots=True)
class Brought:
    """What the user brings along: folders of sound, and weights to start from.

    `audiomae` and `beats` are published checkpoints, `bundle` is a bundle whose encoders are taken.
    """

    data: Path | None = None
    more_data: tuple[Path, ...] = ()
    noise: Path | None = None
    audiomae: Path | None = None
    beats: Path | None = None
    bundle: str | None = None


class Run:
    """One recipe in one run folder. Sound is looked for when it is first asked for, so an export needs none.

    Args:
        recipe: what to do.
        folder: where everything goes.
        brought: what the user gave.
        processes: this process among those that train together.
        progress: shows how far each stage has come.
        workers: processes that prepare sound.
        repeats: whether finished training may be done anew where the recipe or the data have changed.
    """

    def __init__(
        self,
        recipe: Recipe,
        folder: RunFolder,
        brought: Brought,
        processes: Processes,
        progress: StageProgress,
        *,
        workers: int = 1,
        repeats: bool = False,
    ) -> None:
        self.recipe = recipe
        self.folder = folder
        self.brought = brought
        self.processes = processes
        self.progress = progress
        self.workers = workers
        self.repeats = repeats
        self.products = Products(folder.weights)

    @cached_property
    def sound(self) -> TrainingSound:
        """Everything that the recipe listens to. Raises TrainerError where it asks for data that was not given."""
        settings, seed = self.recipe.sound, self.recipe.seed
        if isinstance(settings, FolderSound):
            sound = self._recorded(settings)
            if settings.variety is not None:
                simulated = simulated_sound(SimulatorSound(kind="simulator", variety=settings.variety), seed)
                variety, noise = sound.variety + simulated.variety, sound.noise + simulated.noise
                sound = replace(sound, variety=variety, noise=noise)
        else:
            sound = simulated_sound(settings, seed)
        if self.brought.noise is None:
            return sound
        return replace(sound, noise=sound.noise + read_noise(self.brought.noise))

    def _recorded(self, settings: FolderSound) -> TrainingSound:
        if self.brought.data is None:
            raise TrainerError(f"the recipe {self.recipe.name} trains on recordings; say where they are with --data")
        more = [read_catalogue(root) for root in self.brought.more_data]
        return folder_sound(settings, read_catalogue(self.brought.data), self.recipe.seed, more)

    @cached_property
    def _waveforms(self) -> Waveforms:
        return self.kept(self.sound.all, "sound")

    def kept(self, recordings: Iterable[Recording], what: str) -> Waveforms:
        """Recordings, decoded or rendered into a file of the run folder."""
        waveforms = Waveforms(tuple(recordings), self.folder.waveforms, int(self.recipe.sound.cache_gib * 2**30))
        with self.progress.counting(what, len(waveforms)) as counter:
            waveforms.fill(self.workers, on_recording=counter.advance)
        return waveforms

    def waveforms(self, recordings: Iterable[Recording]) -> Waveforms:
        """Some of the recordings of `sound`."""
        return self._waveforms.part(recordings)

    def augmentation(self, *, wanted: bool) -> NoiseAugmentation | None:
        """What mixes noise into a stage's clips and changes their level, if stage and recipe want it."""
        settings = self.recipe.augmentation
        if not wanted or not settings.changes_sound:
            return None
        noise = None if settings.noise == "off" else self.waveforms(self.sound.noise)
        return NoiseAugmentation(noise, settings.snr_db, settings.probability, settings.gain_db)

    def check_noise(self) -> None:
        """Raise DataError where the recipe mixes noise in and there is none."""
        if self.recipe.augmentation.noise != "off" and not self.sound.noise:
            raise DataError(
                f"the recipe {self.recipe.name} mixes noise into its clips, and there is no recording of noise; "
                'give some with --noise, or set noise = "off" in [augmentation]'
            )

    def noise_fingerprint(self, *, wanted: bool) -> dict[str, object] | None:
        """What a stage's clips owe to noise, for JSON; None without."""
        if not wanted or not self.recipe.augmentation.changes_sound:
            return None
        return {
            "settings": self.recipe.augmentation.model_dump(mode="json"),
            "recordings": data_fingerprint(self.sound.noise),
        }
