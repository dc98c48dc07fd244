"""How much nearer a bundle's separators bring noisy machine sound to the recording that the noise was mixed into."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from asdstream.audio.window import WINDOW_SAMPLES
from asdstream.bundle import Bundle
from asdstream.engine.device import choose
from asdstream.engine.separation import Separator
from asdstream.models.hybrid_loss import si_snr
from trainer.audible import SILENCE_RMS, audible_stretch, rms
from trainer.catalogue import Catalogue, Clip
from trainer.catalogue.clip import Split
from trainer.errors import DataError
from trainer.evaluate import way_to_hear
from trainer.fingerprint import data_fingerprint
from trainer.folder_sound import clip_recording
from trainer.mixing import mix_at_snr
from trainer.noise_folder import read_noise
from trainer.progress import StageProgress
from trainer.randomness import numpy_generator, torch_generator
from trainer.sound import Recording
from trainer.waveforms import Waveforms

SNRS_DB = (-5.0, 0.0, 5.0, 10.0)
SHOWN_SNR_DB = 0.0
SHOWN = 3
"""Clips whose spectrograms are drawn."""
PREFERRED: tuple[Split, ...] = ("test", "clean", "train")

Sound = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Improvement:
    """SI-SDR in dB of a mixture and of its estimate, both against the recording; `condition` as in "normal test".

    `snr_db` is that of the mixture; None where nothing was added, and then `before` is infinite and not given.
    """

    machine: str
    condition: str
    clip: str
    snr_db: float | None
    before: float | None
    after: float

    @property
    def gain(self) -> float:
        """By how much separation improves the SI-SDR."""
        return self.after - (self.before or 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A clip to look at: three waveforms (160000,)."""

    machine: str
    clip: str
    mixture: Sound
    estimate: Sound
    clean: Sound


@dataclass(frozen=True, slots=True, eq=False)
class SeparationReport:
    """What was measured of one bundle, and on what."""

    bundle: str
    bundle_sha256: str
    seed: int
    clips_sha256: str
    noise_sha256: str
    improvements: tuple[Improvement, ...]
    examples: tuple[Example, ...]

    def quartiles(self, machine: str, condition: str, snr_db: float | None) -> tuple[float, float, float]:
        """First quartile, median and third quartile of the improvement; of the SI-SDR where nothing was added."""
        gains = [
            one.gain
            for one in self.improvements
            if (one.machine, one.condition, one.snr_db) == (machine, condition, snr_db)
        ]
        low, middle, high = np.percentile(gains, (25.0, 50.0, 75.0))
        return float(low), float(middle), float(high)

    @property
    def groups(self) -> list[tuple[str, str]]:
        """Machines and conditions, in the order of the clips."""
        return list(dict.fromkeys((one.machine, one.condition) for one in self.improvements))


def chosen_clips(
    catalogue: Catalogue, machines: Sequence[str] | None, split: Split | None, count: int, seed: int
) -> list[Clip]:
    """Up to `count` normal and as many anomalous clips of each machine, drawn from the seed.

    Where `split` is None they are test clips, which no separator has learnt from, else clips of the machine alone,
    else training clips, whichever are there. Raises DataError where there are none.
    """
    found: list[Clip] = []
    clips = catalogue.chosen(machines)
    for machine in dict.fromkeys(clip.machine for clip in clips):
        of_machine = [clip for clip in clips if clip.machine == machine and clip.anomalous is not None]
        there = {clip.split for clip in of_machine}
        wanted = split or next((one for one in PREFERRED if one in there), None)
        for anomalous in (False, True):
            part = [clip for clip in of_machine if clip.split == wanted and clip.anomalous is anomalous]
            order = numpy_generator(seed, "clips", machine, int(anomalous)).permutation(len(part))[:count]
            found += [part[place] for place in sorted(order)]
    if not found:
        kind = f"{split} clips" if split else "test clips, clips without background or training clips"
        raise DataError(f"there are no {kind} under {catalogue.root} that are known to be normal or anomalous")
    return found


def measure_separation(
    bundle: Bundle, clips: Sequence[Clip], noise_root: Path, *, seed: int, console: Console
) -> SeparationReport:
    """Mix noise below `noise_root` into every clip at every ratio, separate, and compare with the clip.

    A clip is heard with the same stretch of noise at every ratio. Raises TrainerError where the bundle has no
    separator for a machine, DataError where a clip is silent or there is no noise.
    """
    machines = {clip.machine for clip in clips}
    for machine in sorted(machines):
        way_to_hear(bundle, machine, "on")
    noise = read_noise(noise_root)
    # Nothing is kept on disk, so there is no folder.
    waveforms = Waveforms(noise, Path(), 0)
    recordings = [clip_recording(clip) for clip in clips]
    # On the CPU and in float32, so that the figures do not depend on the machine that made them.
    separator = Separator(bundle, choose("cpu", "float32", torch.get_num_threads()))
    improvements: list[Improvement] = []
    examples: list[Example] = []
    with StageProgress(console).counting(f"{bundle.name}: separating", len(clips)) as counter:
        for clip, recording in zip(clips, recordings, strict=True):
            clean = _first_window(recording)
            added = audible_stretch(
                waveforms, len(clean), torch_generator(seed, "noise", recording.name, recording.identity)
            )
            heard = np.stack([clean, *(mix_at_snr(clean, added, snr_db) for snr_db in SNRS_DB)])
            estimates = separator.separate(heard, clip.machine)
            condition = f"{'anomalous' if clip.anomalous else 'normal'} {clip.split}"
            for snr_db, mixture, estimate in zip((None, *SNRS_DB), heard, estimates, strict=True):
                before = None if snr_db is None else _si_sdr(mixture, clean)
                after = _si_sdr(estimate, clean)
                improvements.append(Improvement(clip.machine, condition, clip.file, snr_db, before, after))
            shown = [example.machine for example in examples]
            if len(examples) < SHOWN and (clip.machine not in shown or len(machines) == 1):
                place = 1 + SNRS_DB.index(SHOWN_SNR_DB)
                examples.append(Example(clip.machine, clip.file, heard[place], estimates[place], clean))
            counter.advance()
    return SeparationReport(
        bundle.name,
        bundle.sha256,
        seed,
        data_fingerprint(recordings),
        data_fingerprint(noise),
        tuple(improvements),
        tuple(examples),
    )


def _first_window(recording: Recording) -> Sound:
    sound = recording.read()[:WINDOW_SAMPLES]
    if rms(sound) <= SILENCE_RMS:
        raise DataError(f"{recording.name} is silent; noise has no ratio to it")
    return np.pad(sound, (0, WINDOW_SAMPLES - len(sound)))


def _si_sdr(estimate: Sound, clean: Sound) -> float:
    """In float64 and at unit level, so that the metric's own small constant never counts."""
    level = float(np.std(clean, dtype=np.float64))
    one, other = (torch.from_numpy(sound.astype(np.float64) / level) for sound in (estimate, clean))
    return float(si_snr(one, other))
