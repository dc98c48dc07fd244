"""The engine against the loop that one writes first, against its bare encoders, and over an hour of sound.

python benchmarks/engine.py [--bundle BUNDLE] [--quick] [--parts speed latency memory] [--device cuda] [--json FILE]

Speed: 16 channels go on by one hop in every round. The engine (shared front end, streaming separation, batches, scores)
takes all of them; the plain loop (`plain_engine.py`: every window for itself, in float32, separated and transformed
anew) takes some of the same windows; the bare encoders take spectrograms that lie ready, at their best size of batch.
They take turns in one process, so that whatever else the machine does meets them alike, and ratios are medians over the
rounds. Latency: windows come in real time at 70 % of the channels that the measured speed would hold, through the
daemon's own loop; it is counted from the end of a window to its encoded score, twice in turns where the cores take
windows on their own: so, and with batches that all of them share. Memory: an hour of 16 channels is played
at 20 times real time; what comes faster than it can be worked off is shed by the daemon's policy, and counted.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, cast

import numpy as np
import torch
from encoders import seconds
from plain_engine import PlainEngine
from torch import Tensor

from asdstream import atomic, bundle
from asdstream.bench.machine import machine_of
from asdstream.bench.memory import resident_bytes
from asdstream.bench.paced import PacedRun, run_paced
from asdstream.bench.sound import ChannelSound
from asdstream.bench.subject import Subject, subject_of
from asdstream.bundle import Bundle
from asdstream.config import EngineSection
from asdstream.engine.device import choose
from asdstream.engine.loop import ALONE_OF_HOP
from asdstream.engine.protocol import Engine
from asdstream.models.fbank import shared_front_ends

CHANNELS = 16
PLAIN_WINDOWS = 2
"""Of each round; the plain loop takes as long for one as for another."""
HOP_S = 1.0
MACHINE_TYPE = "fan"
FURTHEST = 1e-5
"""1 - cos between the embeddings of both, where nothing is separated: then they are the same networks."""
LOAD = 0.7
PACE = 20.0
STRETCHES = 6
"""Pieces of the hour, after each of which the memory is read."""


@dataclass(frozen=True)
class Speed:
    """Windows per second and ratios, medians over the rounds; `one_minus_cosine` is the largest to the plain loop's."""

    separated: bool
    engine_windows_per_s: float
    plain_windows_per_s: float
    bare_windows_per_s: float
    bare_batch: int
    times_plain: float
    share_of_bare: float
    one_minus_cosine: float


@dataclass(frozen=True)
class Latency:
    """Seconds from the end of a window to its encoded score; with one lane, all cores take a batch together."""

    separated: bool
    lanes: int
    channels: int
    seconds: float
    p50: float
    p99: float
    held: bool


@dataclass(frozen=True)
class Memory:
    """Bytes of the process at the beginning and after each stretch of sound, and what became of the windows."""

    separated: bool
    sound_s: float
    resident: tuple[int, ...]
    windows: int
    scored: int
    shed: int
    dropped: int


class Bare:
    """The encoders alone, on spectrograms of `batch` windows: the number of them that is fastest."""

    def __init__(self, loaded: Bundle, device: torch.device, dtype: torch.dtype) -> None:
        self._device = device
        self._encoders = [
            loaded.build_encoder(name).to(device, dtype)
            for name in dict.fromkeys(name for branch in loaded.branches for name in branch.encoders)
        ]
        samples = np.stack([window.samples for window in ChannelSound(CHANNELS, HOP_S).round(0, 0.0)])
        with torch.inference_mode():
            self._heard: list[Tensor] = shared_front_ends(
                torch.from_numpy(samples).to(device), [encoder.front_end for encoder in self._encoders]
            )
        self.batch = max((1, 2, 4, 8, 16), key=lambda batch: batch / min(self._tried(batch) for _ in range(3)))

    def __call__(self) -> None:
        self._run(self.batch)

    def _tried(self, batch: int) -> float:
        return seconds(lambda: self._run(batch), self._device)

    def _run(self, batch: int) -> None:
        with torch.inference_mode():
            for encoder, heard in zip(self._encoders, self._heard, strict=True):
                encoder.encode_fbank(heard[:batch])


def furthest(made: Mapping[str, np.ndarray], plain: Mapping[str, np.ndarray]) -> float:
    """1 - cos of unit-length embeddings, the largest over the branches."""
    return max(float(1.0 - made[branch] @ plain[branch]) for branch in plain)


def measure_speed(loaded: Bundle, subject: Subject, section: EngineSection, rounds: int) -> Speed:
    placement = choose(section.device, section.precision, section.threads)
    sound = ChannelSound(CHANNELS, HOP_S)
    separations = {} if subject.separate_as is None else dict.fromkeys(sound.names, subject.separate_as)
    separated = bool(separations)
    plain = PlainEngine(loaded, MACHINE_TYPE, placement.device)
    bare = Bare(loaded, placement.device, placement.dtype)
    took: dict[str, list[float]] = {"engine": [], "plain": [], "bare": []}
    apart = 0.0
    for number in range(rounds + 2):
        windows = sound.round(number, captured=float(number))
        some = [windows[(number * PLAIN_WINDOWS + i) % CHANNELS] for i in range(PLAIN_WINDOWS)]
        made: dict[str, Mapping[str, np.ndarray]] = {}
        plainly: list[dict[str, np.ndarray]] = []

        def by_engine(windows: list = windows, made: dict = made) -> None:
            for first in range(0, CHANNELS, subject.max_batch):
                for embedding in subject.engine.embed(windows[first : first + subject.max_batch], separations):
                    subject.scorer.score(embedding)
                    made[embedding.window.channel] = embedding.vectors

        def by_plain(some: list = some, plainly: list = plainly) -> None:
            plainly.extend(plain.embed(window.samples, separated=separated) for window in some)

        ways = {"engine": by_engine, "plain": by_plain, "bare": bare}
        order = list(ways)
        for way in order[number % 3 :] + order[: number % 3]:
            spent = seconds(ways[way], placement.device)
            # The first windows of the streams share nothing with an earlier one, and networks warm up.
            if number > 1:
                took[way].append(spent)
        apart = max([apart, *(furthest(made[w.channel], one) for w, one in zip(some, plainly, strict=True))])
    if not separated and apart > FURTHEST and placement.dtype == torch.float32:
        raise SystemExit(
            f"the engine's embeddings lie {apart:.1e} from the plain loop's: they are not the same networks"
        )
    each = {
        "engine": [spent / CHANNELS for spent in took["engine"]],
        "plain": [spent / PLAIN_WINDOWS for spent in took["plain"]],
        "bare": [spent / bare.batch for spent in took["bare"]],
    }
    return Speed(
        separated=separated,
        engine_windows_per_s=1.0 / median(each["engine"]),
        plain_windows_per_s=1.0 / median(each["plain"]),
        bare_windows_per_s=1.0 / median(each["bare"]),
        bare_batch=bare.batch,
        times_plain=median(p / e for p, e in zip(each["plain"], each["engine"], strict=True)),
        share_of_bare=median(b / e for b, e in zip(each["bare"], each["engine"], strict=True)),
        one_minus_cosine=apart,
    )


def paced(subject: Subject, channels: int, sound_s: float, pace: float = 1.0) -> PacedRun:
    return run_paced(
        subject.engine,
        subject.scorer,
        channels,
        subject.hop_s,
        sound_s / pace,
        subject.separate_as,
        max_batch=subject.max_batch,
        pace=pace,
    )


class Together:
    """An engine without lanes, so that all cores take one batch after the other."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def lanes(self, _within_s: float) -> int:
        return 1


def measure_latency(subject: Subject, windows_per_s: float, sound_s: float) -> Iterator[Latency]:
    """At 70 % of what the measured speed would hold."""
    channels = max(1, int(LOAD * windows_per_s * subject.hop_s))
    lanes = subject.engine.lanes(ALONE_OF_HOP * subject.hop_s)
    together = replace(subject, engine=cast(Engine, Together(subject.engine)))
    for one in (subject,) if lanes == 1 else (subject, together, together, subject):
        run = paced(one, channels, sound_s)
        used = lanes if one is subject else 1
        yield Latency(subject.separate_as is not None, used, channels, sound_s, run.p50, run.p99, run.held)


def measure_memory(subject: Subject, sound_s: float) -> Memory:
    runs: list[PacedRun] = []
    resident = [resident_bytes()]
    for _ in range(STRETCHES):
        runs.append(paced(subject, CHANNELS, sound_s / STRETCHES, PACE))
        resident.append(runs[-1].resident_bytes)
    return Memory(
        subject.separate_as is not None,
        sound_s,
        tuple(resident),
        *(sum(getattr(run, what) for run in runs) for what in ("windows", "scored", "shed", "dropped")),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--bundle", default="builtin:default")
    parser.add_argument("--quick", action="store_true", help="three rounds, and seconds where there would be minutes")
    parser.add_argument("--parts", nargs="+", choices=("speed", "latency", "memory"), default=("speed",))
    parser.add_argument("--separate", nargs="+", choices=("off", "on"), default=("off", "on"))
    parser.add_argument("--rounds", type=int, default=None, help="of the comparison of speeds (default 7)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=None, help="CPU threads (default: all that the process may use)")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("there is no CUDA device; right would be --device cpu")
    section = EngineSection(device=options.device, threads=options.threads)
    loaded = bundle.load(bundle.resolve(options.bundle))
    rounds = options.rounds or (3 if options.quick else 7)
    facts: dict[str, object] = {
        "date": datetime.now(UTC).date().isoformat(),
        "bundle": loaded.name,
        "machine": asdict(machine_of(section)),
        "channels": CHANNELS,
        "hop_s": HOP_S,
        "load_before": os.getloadavg()[0],
    }
    print(json.dumps(facts), flush=True)
    figures: dict[str, list[dict[str, object]]] = {"speed": [], "latency": [], "memory": []}

    def found(part: str, figure: Speed | Latency | Memory) -> None:
        figures[part].append(asdict(figure))
        print(part, json.dumps(asdict(figure)), flush=True)

    for separate in options.separate:
        subject = subject_of(loaded, section, MACHINE_TYPE, HOP_S, separate)
        if {"speed", "latency"} & set(options.parts):
            speed = measure_speed(loaded, subject, section, rounds)
            found("speed", speed)
            if "latency" in options.parts:
                sound_s = 5.0 if options.quick else 60.0
                for latency in measure_latency(subject, speed.engine_windows_per_s, sound_s):
                    found("latency", latency)
        if "memory" in options.parts:
            found("memory", measure_memory(subject, 120.0 if options.quick else 3600.0))
    if options.json:
        record = facts | {"load_after": os.getloadavg()[0], "rounds": rounds} | figures
        atomic.write_bytes(options.json, (json.dumps(record, indent=2) + "\n").encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
