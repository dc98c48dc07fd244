"""A new machine listens for a stated time, then knows what it sounds like and when to raise an alarm, by itself."""

import io
import json
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial

import numpy as np
import soundfile
import structlog
from numpy.typing import NDArray
from pydantic import TypeAdapter
from ulid import ULID

from asdstream.audio.window import SAMPLE_RATE, WINDOW_SAMPLES
from asdstream.audio.windower import hop_samples
from asdstream.bundle import Bundle
from asdstream.config import AlarmsSection, ChannelSection, CommissioningSection
from asdstream.engine.embedding import Embedding
from asdstream.engine.separate_as import SEPARATED, SeparateAs, ways
from asdstream.enrolment import flac_of, maker_of
from asdstream.errors import AsdstreamError
from asdstream.held_out_sound import MAX_KEPT_S
from asdstream.scoring.commissioning_report import CommissioningProgress, CommissioningReport
from asdstream.scoring.heard_windows import HeardWindows
from asdstream.scoring.lesson import learn
from asdstream.scoring.listening import Listening, Piece
from asdstream.scoring.machine_scorer import MachineScorer
from asdstream.scoring.reference import LABEL_PREFIX, Reference
from asdstream.store.commissionings import KeptPiece
from asdstream.store.database import StoreError
from asdstream.store.references import NewReference
from asdstream.store.store import Store
from asdstream.wiring import bearable_rate, scorer_of

log = structlog.get_logger()

ACTOR = "commissioning"
MOST_TIMES_TOLD = 20
"""Stretches of sound that a report names as left out; all of them are counted."""
_REPORT = TypeAdapter(CommissioningReport)
InBackground = Callable[[Callable[[], None]], object]


@dataclass(slots=True, eq=False)
class _Machine:
    """A machine that is commissioned: `kept` counts the windows in the store by channel."""

    name: str
    section: CommissioningSection
    channels: tuple[ChannelSection, ...]
    separate_as: SeparateAs | None
    maker: str
    learning: bool = False
    report: CommissioningReport | None = None
    listenings: dict[str, Listening] = field(default_factory=dict)
    kept: Counter[str] = field(default_factory=Counter)
    problem: str | None = None

    @property
    def enough(self) -> bool:
        return all(self.kept[one.id] * one.hop >= self.section.listen_s for one in self.channels)

    @property
    def heard_s(self) -> float:
        """Of the channel that has heard least."""
        return min((self.kept[one.id] + self._waiting(one.id)) * one.hop for one in self.channels)

    def _waiting(self, channel: str) -> int:
        listening = self.listenings.get(channel)
        return 0 if listening is None else listening.waiting


class Commissioning:
    """Listens to the machines that are configured so and have no reference, and makes references of what it hears.

    A machine is learning exactly while it is configured to be commissioned and has no reference, not even one held
    out: one that is rolled back to none learns again, and one that is enrolled meanwhile stops. What is heard is kept
    in `store` minute by minute, so that a restart goes on; it begins anew where another bundle, or another hop, would
    hear it otherwise. `hear` is called by one thread, `step` by another; the rest may be called from any. What is made
    of hours of sound takes minutes on a slow box and is done `in_background`.
    """

    def __init__(
        self,
        store: Store,
        bundle: Bundle,
        channels: Sequence[ChannelSection],
        alarms: AlarmsSection,
        separate_as: Mapping[str, SeparateAs],
        clock: Callable[[], float] = time.time,
        in_background: InBackground | None = None,
    ) -> None:
        self._store = store
        self._bundle = bundle
        self._alarms = alarms
        self._clock = clock
        self._in_background = in_background or _in_background
        self._lock = threading.Lock()
        self._machines: dict[str, _Machine] = {}
        self._by_channel: dict[str, _Machine] = {}
        self._heard: Counter[str] = Counter()
        self._pieces: queue.SimpleQueue[tuple[_Machine, Piece]] = queue.SimpleQueue()
        for channel in channels:
            if channel.commissioning is not None and channel.machine not in self._machines:
                own = tuple(one for one in channels if one.machine == channel.machine)
                made = [maker_of(bundle, kind) for kind in ways(separate_as.get(channel.id)).values()]
                machine = _Machine(
                    channel.machine, channel.commissioning, own, separate_as.get(channel.id), " ".join(made)
                )
                self._machines[machine.name] = machine
                self._by_channel |= {one.id: machine for one in own}
        for machine in self._machines.values():
            machine.report = _reported(self._store, machine.name)
            self._look_at(machine)

    def learns(self, channel: str) -> bool:
        """Whether the machine of `channel` is still being listened to, so that no anomaly can be told."""
        machine = self._by_channel.get(channel)
        return machine is not None and machine.learning

    def heard(self, channel: str) -> int:
        """Windows of `channel` that were listened to, whether they counted or not, since the start."""
        return self._heard[channel]

    def progress(self, machine: str) -> CommissioningProgress | None:
        """How far `machine` is; None for one that is not configured to be commissioned and has never been."""
        known = self._machines.get(machine)
        if known is None:
            return progress_of(self._store, machine, ())
        with self._lock:
            return CommissioningProgress(known.learning, known.heard_s, known.section.listen_s, known.report)

    def references_changed(self) -> None:
        """Look again which machines have references."""
        for machine in self._machines.values():
            self._look_at(machine)

    def hear(self, embeddings: Iterable[Embedding]) -> None:
        """Take windows in, in order; never blocks for long."""
        for embedding in embeddings:
            channel = embedding.window.channel
            machine = self._by_channel.get(channel)
            if machine is None or not machine.learning:
                continue
            with self._lock:
                listening = machine.listenings.get(channel)
                if listening is None:
                    continue
                self._heard[channel] += 1
                for piece in listening.hear(embedding):
                    self._pieces.put((machine, piece))

    def step(self, timeout_s: float) -> None:
        """Keep the next piece, waiting at most so long for one, and conclude where that was enough."""
        try:
            machine, piece = self._pieces.get(timeout=timeout_s)
        except queue.Empty:
            return
        self._keep(machine, piece)
        if machine.listenings and machine.enough:
            with self._lock:
                machine.listenings = {}
            self._in_background(partial(self._conclude, machine))

    def close(self) -> None:
        """Keep what has been heard so far; when nobody calls `hear` and `step` any more."""
        for machine in self._machines.values():
            for listening in machine.listenings.values():
                for piece in listening.flush():
                    self._pieces.put((machine, piece))
        while not self._pieces.empty():
            self._keep(*self._pieces.get())

    def _look_at(self, machine: _Machine) -> None:
        learning = not self._store.references.entries(machine.name)
        if learning == machine.learning:
            return
        if not learning:
            machine.learning = False
            machine.listenings = {}
            self._store.commissionings.forget(machine.name)
            return
        hops = {one.id: one.hop for one in machine.channels}
        if self._store.commissionings.forget_unlike(machine.name, machine.maker, hops):
            log.warning("commissioning_begins_anew", machine=machine.name, problem="it would be heard otherwise now")
        kept: Counter[str] = Counter()
        for piece in self._store.commissionings.pieces(machine.name):
            kept[piece.channel] += piece.windows
        with self._lock:
            machine.kept = kept
            machine.learning = True
        self._listen(machine)
        log.info(
            "commissioning",
            machine=machine.name,
            heard_s=round(machine.heard_s),
            listen_s=machine.section.listen_s,
            problem="no anomaly alarm is raised until it has been listened to",
        )

    def _listen(self, machine: _Machine) -> None:
        with self._lock:
            machine.listenings = {
                one.id: Listening(one.id, one.hop, self._alarms.clipped_share, lambda: str(ULID()))
                for one in machine.channels
            }

    def _keep(self, machine: _Machine, piece: Piece) -> None:
        # Where all channels have been heard for long enough, more would only fill the disk.
        if not machine.listenings or machine.enough:
            return
        kept = KeptPiece(
            *(0, piece.channel, piece.stretch, piece.first, piece.at, piece.hop_s, piece.windows, piece.unusable)
        )
        try:
            self._store.commissionings.keep(machine.name, kept, machine.maker, flac_of(piece.samples), piece.vectors)
        except StoreError as error:
            if str(error) != machine.problem:
                log.warning("commissioning_piece_lost", machine=machine.name, problem=str(error))
            machine.problem = str(error)
            return
        machine.problem = None
        with self._lock:
            machine.kept[piece.channel] += piece.windows

    def _conclude(self, machine: _Machine) -> None:
        try:
            report, revision = self._teach(machine)
        except AsdstreamError as error:
            log.warning("commissioning_failed", machine=machine.name, problem=str(error))
            # It is tried again with the next piece.
            self._listen(machine)
            return
        machine.report = report
        say = log.info if report.enough else log.warning
        say(
            "commissioned",
            revision=revision,
            enough=report.enough,
            summary=report.sentence,
            **{key: value for key, value in asdict(report).items() if value is not None},
        )

    def _teach(self, machine: _Machine) -> tuple[CommissioningReport, int]:
        pieces = _whole(self._store.commissionings.pieces(machine.name))
        heard, sound = self._all_heard(pieces)
        lesson = learn(heard, machine.section.references, self._alarms.n)
        commissionings = self._store.commissionings
        # A try that failed may have left some.
        self._store.references.forget_unseen(machine.name)
        runs = [(one, one + 1) for one in lesson.references.tolist()] + list(lesson.held_out)
        made: list[Reference] = []
        held_out_s = 0.0
        for i, (first, end) in enumerate(runs):
            samples = sound.of(first, end)
            hop_s = None if i < len(lesson.references) else float(heard.hop_s[first])
            held_out_s += 0.0 if hop_s is None else len(samples) / SAMPLE_RATE
            rows = {branch: found[first:end] for branch, found in heard.vectors.items()}
            label = str(ULID())
            self._store.references.put_unseen(
                machine.name,
                NewReference(label, f"live sound of {sound.channel(first)}", flac_of(samples), {}, hop_s),
                self._by_maker(machine, rows),
            )
            made.append(Reference(f"{LABEL_PREFIX}{label}", rows, hop_s))
        rate = bearable_rate(self._alarms, machine.channels[0].hop)
        kind = machine.channels[0].machine_type
        scorer = scorer_of(self._bundle, machine.name, kind, rate, made, machine.separate_as)
        longest = sorted(lesson.excluded, key=lambda one: -one.windows)[:MOST_TIMES_TOLD]
        now = self._clock()
        report = CommissioningReport(
            machine=machine.name,
            finished_at=now,
            heard_s=sum(piece.windows * piece.hop_s for piece in pieces),
            windows=len(heard),
            unusable=sum(piece.unusable for piece in pieces),
            excluded_windows=sum(one.windows for one in lesson.excluded),
            excluded=tuple(sorted(longest, key=lambda one: one.started_at)),
            references=len(lesson.references),
            held_out_s=held_out_s,
            threshold=None if scorer.uncalibrated else scorer.threshold,
            false_alarms_per_day=rate.per_day,
            decided_by=_decided_by(scorer),
            shortage=scorer.shortage,
            uncalibrated=scorer.uncalibrated,
        )
        revision = commissionings.conclude(
            machine.name,
            [one.label.removeprefix(LABEL_PREFIX) for one in made],
            json.dumps(_REPORT.dump_python(report, mode="json")),
            actor=ACTOR,
            at=now,
            held_out_at_most_s=MAX_KEPT_S,
        )
        return report, revision

    def _all_heard(self, pieces: Sequence[KeptPiece]) -> tuple[HeardWindows, "_KeptSound"]:
        stretches = {name: i for i, name in enumerate(dict.fromkeys(piece.stretch for piece in pieces))}
        rows: dict[str, list[NDArray[np.float32]]] = {}
        for piece in pieces:
            for branch, found in self._store.commissionings.vectors(piece).items():
                rows.setdefault(branch, []).append(found)
        places = [np.arange(piece.first, piece.first + piece.windows) for piece in pieces]
        heard = HeardWindows(
            stretch=np.repeat([stretches[piece.stretch] for piece in pieces], [piece.windows for piece in pieces]),
            place=np.concatenate(places),
            at=np.concatenate([piece.at + np.arange(piece.windows) * piece.hop_s for piece in pieces]),
            hop_s=np.repeat([piece.hop_s for piece in pieces], [piece.windows for piece in pieces]),
            vectors={branch: np.concatenate(found) for branch, found in rows.items()},
        )
        return heard, _KeptSound(self._store, pieces)

    def _by_maker(
        self, machine: _Machine, rows: Mapping[str, NDArray[np.float32]]
    ) -> dict[str, dict[str, NDArray[np.float32]]]:
        """As the store keeps them: by what made them, under the branches' own names."""
        return {
            maker_of(self._bundle, kind): {
                branch.removesuffix(SEPARATED): found
                for branch, found in rows.items()
                if branch.endswith(SEPARATED) == (way == SEPARATED)
            }
            for way, kind in ways(machine.separate_as).items()
        }


def progress_of(store: Store, machine: str, channels: Sequence[ChannelSection]) -> CommissioningProgress | None:
    """How far `machine`, which these channels listen to, is by what `store` holds of it, whoever listens.

    None for one that is not configured to be commissioned and has never been.
    """
    report = _reported(store, machine)
    section = channels[0].commissioning if channels else None
    if section is None or store.references.entries(machine):
        return None if report is None else CommissioningProgress(False, report.heard_s, report.heard_s, report)
    kept: Counter[str] = Counter()
    for piece in store.commissionings.pieces(machine):
        kept[piece.channel] += piece.windows
    return CommissioningProgress(True, min(kept[one.id] * one.hop for one in channels), section.listen_s, report)


def _reported(store: Store, machine: str) -> CommissioningReport | None:
    text = store.commissionings.report(machine)
    return None if text is None else _REPORT.validate_python(json.loads(text))


class _KeptSound:
    """The sound of windows in a row, out of the pieces that hold it."""

    def __init__(self, store: Store, pieces: Sequence[KeptPiece]) -> None:
        self._store = store
        self._pieces = pieces
        self._begins = np.cumsum([0, *(piece.windows for piece in pieces)])
        self._latest: tuple[int, NDArray[np.float32]] | None = None

    def channel(self, window: int) -> str:
        return self._pieces[self._piece_of(window)].channel

    def of(self, first: int, end: int) -> NDArray[np.float32]:
        """16 kHz mono (m,) from the beginning of window `first` to the end of the last before `end`, of one stretch."""
        one, last = self._piece_of(first), self._piece_of(end - 1)
        stretch, hop = self._pieces[one].stretch, hop_samples(self._pieces[one].hop_s)
        begin = (self._pieces[one].first + first - int(self._begins[one])) * hop
        finish = (self._pieces[last].first + end - 1 - int(self._begins[last])) * hop + WINDOW_SAMPLES
        # A window begins in a piece before its own, unless that is the first of its stretch.
        while one and self._pieces[one - 1].stretch == stretch and self._begin(one) > begin:
            one -= 1
        parts = []
        for i in range(one, last + 1):
            samples, at = self._samples(i), self._begin(i)
            parts.append(samples[max(0, begin - at) : max(0, finish - at)])
        return np.concatenate(parts)

    def _begin(self, i: int) -> int:
        """Where the sound of a piece begins, in samples of its stretch."""
        piece = self._pieces[i]
        return 0 if piece.first == 0 else (piece.first - 1) * hop_samples(piece.hop_s) + WINDOW_SAMPLES

    def _samples(self, i: int) -> NDArray[np.float32]:
        if self._latest is None or self._latest[0] != i:
            audio = self._store.commissionings.audio(self._pieces[i])
            samples, _ = soundfile.read(io.BytesIO(audio), dtype="float32")
            self._latest = (i, samples)
        return self._latest[1]

    def _piece_of(self, window: int) -> int:
        return int(np.searchsorted(self._begins, window, side="right")) - 1


def _whole(pieces: Sequence[KeptPiece]) -> list[KeptPiece]:
    """The pieces stretch by stretch, each up to its first hole: what follows one lacks its first seconds."""
    stretches: dict[tuple[str, str], list[KeptPiece]] = {}
    for piece in pieces:
        found = stretches.setdefault((piece.channel, piece.stretch), [])
        if piece.first == sum(one.windows for one in found):
            found.append(piece)
    in_order = sorted(stretches.items(), key=lambda item: item[0][0])
    return [piece for _, found in in_order for piece in found]


def _in_background(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="commissioned", daemon=True).start()


def _decided_by(scorer: MachineScorer) -> str | None:
    return next((bank.decided_by for bank in scorer.banks.values() if bank.decided_by), None)
