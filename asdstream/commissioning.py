"""A new machine listens for a stated time, then knows what it sounds like and when to raise an alarm, by itself."""

import json
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial

import numpy as np
import structlog
from numpy.typing import NDArray
from pydantic import TypeAdapter
from ulid import ULID

from asdstream.audio.flac import encode_flac
from asdstream.audio.window import SAMPLE_RATE
from asdstream.bundle import Bundle
from asdstream.config import AlarmsSection, ChannelSection, CommissioningSection
from asdstream.config.channel import MAX_LISTEN_S
from asdstream.engine.embedding import Embedding
from asdstream.engine.separate_as import SEPARATED, SeparateAs, ways
from asdstream.enrolment import maker_of
from asdstream.errors import AsdstreamError
from asdstream.held_out_sound import MAX_KEPT_S
from asdstream.kept_sound import KeptSound, heard_windows, whole
from asdstream.scoring.commissioning_report import CommissioningProgress, CommissioningReport
from asdstream.scoring.lesson import learn
from asdstream.scoring.listening import PIECE_S, Listening, Piece
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
LONGER = 0.25
"""The share of what has been heard by which it is listened to for longer where that gives no threshold."""
_REPORT = TypeAdapter(CommissioningReport)
_ROUNDING_S = 0.001
_NO_THRESHOLD_YET = "what has been heard gives no threshold, so it is listened to for longer than asked"
InBackground = Callable[[Callable[[], None]], object]


class NoThresholdYetError(AsdstreamError):
    """There is too little normal sound for any threshold."""


@dataclass(slots=True, eq=False)
class _Machine:
    """A machine that is commissioned: `kept_s` is the sound in the store by channel, `coming` is on its way there.

    `goal_s` is the sound of each channel that is listened to, `problem` why that is more than was asked for. Once it
    is reached, what was heard is `unjudged` until a lesson is made of it, and that is `concluding` until its references
    have been taken up.
    """

    name: str
    section: CommissioningSection
    channels: tuple[ChannelSection, ...]
    separate_as: SeparateAs | None
    maker: str
    goal_s: float
    learning: bool = False
    unjudged: bool = False
    concluding: bool = False
    report: CommissioningReport | None = None
    listenings: dict[str, Listening] = field(default_factory=dict)
    kept_s: dict[str, float] = field(default_factory=dict)
    coming: list[Piece] = field(default_factory=list)
    problem: str | None = None
    keeping_problem: str | None = None

    @property
    def hops(self) -> dict[str, float]:
        """By channel."""
        return {one.id: one.hop for one in self.channels}

    @property
    def least_kept_s(self) -> float:
        """Of the channel of which least is in the store."""
        return min(self.kept_s.get(one.id, 0.0) for one in self.channels)

    @property
    def ripe(self) -> bool:
        """Whether there is enough to make a lesson of that has not been tried yet."""
        return (
            self.learning and self.unjudged and not self.concluding and self.least_kept_s >= self.goal_s - _ROUNDING_S
        )

    @property
    def heard_s(self) -> float:
        """Of the channel that has heard least."""
        return min(self.taken_s(one.id) + self._waiting_s(one.id) for one in self.channels)

    def taken_s(self, channel: str) -> float:
        """In the store or on its way there."""
        return self.kept_s.get(channel, 0.0) + sum(one.seconds for one in self.coming if one.channel == channel)

    def _waiting_s(self, channel: str) -> float:
        listening = self.listenings.get(channel)
        return 0.0 if listening is None else listening.waiting_s


class Commissioning:
    """Listens to the machines that are configured so and have no reference, and makes references of what it hears.

    A machine is learning exactly while it is configured to be commissioned and has no reference, not even one held
    out: one that is rolled back to none learns again, and one that is enrolled meanwhile stops. What is heard is kept
    in `store` minute by minute, so that a restart goes on; it begins anew where another bundle, or another hop, would
    hear it otherwise. Where what was heard gives no threshold it is listened to for a quarter longer, again and again
    up to six hours: a machine that was commissioned can raise alarms. `hear` is called by one thread, `step` by
    another; the rest may be called from any. What is made of hours of sound takes a while on a slow box and is done
    `in_background`. Before the first `step` nothing is changed in `store`: a configuration may only be looked at.
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
        self._failure: Exception | None = None
        self._pieces: queue.SimpleQueue[tuple[_Machine, Piece]] = queue.SimpleQueue()
        # There may be sound in the store from which nobody learns any more.
        self._untidy = threading.Event()
        self._untidy.set()
        self._tidying_problem: str | None = None
        for channel in channels:
            if channel.commissioning is not None and channel.machine not in self._machines:
                own = tuple(one for one in channels if one.machine == channel.machine)
                made = [maker_of(bundle, kind) for kind in ways(separate_as.get(channel.id)).values()]
                machine = _Machine(
                    *(channel.machine, channel.commissioning, own, separate_as.get(channel.id), " ".join(made)),
                    goal_s=channel.commissioning.listen_s,
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
            return CommissioningProgress(known.learning, known.heard_s, known.goal_s, known.report, known.problem)

    @property
    def busy(self) -> bool:
        """Whether what has been heard is still on its way into the store, or being made references of."""
        with self._lock:
            return any(bool(one.coming) or one.ripe or one.concluding for one in self._machines.values())

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
                self._heard[channel] += 1
                listening = machine.listenings.get(channel)
                # More of one channel than was asked for would only fill the disk until the others are there.
                if listening is None or machine.taken_s(channel) >= machine.goal_s - _ROUNDING_S:
                    continue
                pieces = listening.hear(embedding)
                on_hand_s = machine.taken_s(channel) + sum(piece.seconds for piece in pieces) + listening.waiting_s
                if on_hand_s >= machine.goal_s - _ROUNDING_S:
                    pieces += listening.flush()
                for piece in pieces:
                    machine.coming.append(piece)
                    self._pieces.put((machine, piece))

    def step(self, timeout_s: float) -> None:
        """Keep the next piece, waiting at most so long for one, and conclude where there is enough."""
        if self._failure is not None:
            raise self._failure
        if self._untidy.is_set():
            self._tidy()
        with suppress(queue.Empty):
            self._keep(*self._pieces.get(timeout=timeout_s))
        for machine in self._machines.values():
            with self._lock:
                if not machine.ripe or self._untidy.is_set():
                    continue
                machine.unjudged, machine.concluding, machine.listenings = False, True, {}
            self._in_background(partial(self._conclude, machine))

    def close(self) -> None:
        """Keep what has been heard so far; when nobody calls `hear` and `step` any more."""
        for machine in self._machines.values():
            for listening in machine.listenings.values():
                for piece in listening.flush():
                    machine.coming.append(piece)
                    self._pieces.put((machine, piece))
        while not self._pieces.empty():
            self._keep(*self._pieces.get())

    def _look_at(self, machine: _Machine) -> None:
        learning = not self._store.references.entries(machine.name)
        if learning == machine.learning:
            return
        if not learning:
            with self._lock:
                machine.learning = machine.unjudged = machine.concluding = False
                machine.listenings, machine.kept_s = {}, {}
                machine.goal_s, machine.problem = machine.section.listen_s, None
            self._untidy.set()
            return
        kept_s = _kept_s(
            self._store, machine.name, self._store.commissionings.unlike(machine.name, machine.maker, machine.hops)
        )
        with self._lock:
            machine.kept_s = kept_s
            machine.learning = machine.unjudged = True
            self._untidy.set()
            self._listen(machine)
        log.info(
            "commissioning",
            machine=machine.name,
            heard_s=round(machine.heard_s),
            listen_s=machine.section.listen_s,
            problem="no anomaly alarm is raised until it has been listened to",
        )

    def _tidy(self) -> None:
        """Let go of sound from which nobody learns any more; where the store does not let it go, the next step does."""
        self._untidy.clear()
        kept = self._store.commissionings
        try:
            for name in kept.machines():
                machine = self._machines.get(name)
                if machine is None or not machine.learning:
                    kept.forget(name)
                    continue
                unlike = kept.unlike(name, machine.maker, machine.hops)
                if unlike:
                    kept.let_go(unlike)
                    log.warning("commissioning_begins_anew", machine=name, problem="it would be heard otherwise now")
        except StoreError as error:
            self._untidy.set()
            if str(error) != self._tidying_problem:
                log.warning("commissioning_sound_not_let_go_of", problem=str(error))
            self._tidying_problem = str(error)
            return
        self._tidying_problem = None

    def _listen(self, machine: _Machine) -> None:
        machine.listenings = {one.id: self._listening(one) for one in machine.channels}

    def _listening(self, channel: ChannelSection) -> Listening:
        return Listening(channel.id, channel.hop, self._alarms.clipped_share, lambda: str(ULID()))

    def _keep(self, machine: _Machine, piece: Piece) -> None:
        kept = machine.learning and self._stored(machine, piece)
        with self._lock:
            machine.coming.remove(piece)
            if kept and machine.learning:
                machine.kept_s[piece.channel] = machine.kept_s.get(piece.channel, 0.0) + piece.seconds
                machine.unjudged = True
            elif machine.listenings:
                # What follows a lost piece lacks its first seconds unless it begins anew.
                channel = next(one for one in machine.channels if one.id == piece.channel)
                machine.listenings[channel.id] = self._listening(channel)

    def _stored(self, machine: _Machine, piece: Piece) -> bool:
        kept = KeptPiece(
            *(0, piece.channel, piece.stretch, piece.first, piece.at, piece.hop_s, piece.windows, piece.unusable)
        )
        try:
            self._store.commissionings.keep(
                machine.name, kept, machine.maker, encode_flac(piece.samples), piece.vectors
            )
        except StoreError as error:
            if str(error) != machine.keeping_problem:
                log.warning("commissioning_piece_lost", machine=machine.name, problem=str(error))
            machine.keeping_problem = str(error)
            return False
        machine.keeping_problem = None
        return True

    def _conclude(self, machine: _Machine) -> None:
        try:
            report, revision = self._teach(machine)
        except NoThresholdYetError as error:
            more_s = min(max(PIECE_S, LONGER * machine.least_kept_s), MAX_LISTEN_S - machine.least_kept_s)
            log.warning("commissioning_goes_on", machine=machine.name, longer_s=round(more_s), problem=str(error))
            self._go_on(machine, more_s, _NO_THRESHOLD_YET)
            return
        except AsdstreamError as error:
            log.warning("commissioning_failed", machine=machine.name, problem=str(error))
            # It is tried again with the next piece.
            self._go_on(machine, PIECE_S, str(error))
            return
        except Exception as error:  # It must not end a thread that nobody misses: the next step raises it.
            self._failure = error
            return
        with self._lock:
            machine.report = report
        say = log.info if report.enough else log.warning
        say(
            "commissioned",
            revision=revision,
            enough=report.enough,
            summary=report.sentence,
            **{key: value for key, value in asdict(report).items() if value is not None},
        )

    def _go_on(self, machine: _Machine, more_s: float, problem: str) -> None:
        with self._lock:
            machine.concluding = False
            if machine.learning:
                machine.goal_s, machine.problem = machine.least_kept_s + more_s, problem
                self._listen(machine)

    def _teach(self, machine: _Machine) -> tuple[CommissioningReport, int]:
        pieces = whole(self._store.commissionings.pieces(machine.name))
        heard, sound = heard_windows(self._store, pieces), KeptSound(self._store, pieces)
        lesson = learn(heard, machine.section.references, self._alarms.n)
        commissionings = self._store.commissionings
        runs = [(one, one + 1) for one in lesson.references.tolist()] + list(lesson.held_out)
        made = [
            Reference(
                f"{LABEL_PREFIX}{ULID()}",
                {branch: found[first:end] for branch, found in heard.vectors.items()},
                None if i < len(lesson.references) else float(heard.hop_s[first]),
            )
            for i, (first, end) in enumerate(runs)
        ]
        rate = bearable_rate(self._alarms, machine.channels[0].hop)
        kind = machine.channels[0].machine_type
        scorer = scorer_of(self._bundle, machine.name, kind, rate, made, machine.separate_as)
        kept_s = machine.least_kept_s
        if scorer.uncalibrated and kept_s < MAX_LISTEN_S - _ROUNDING_S:
            raise NoThresholdYetError(f"{kept_s:.0f} s give no threshold yet: {scorer.uncalibrated}")
        # A try that failed may have left some.
        self._store.references.forget_unseen(machine.name)
        held_out_s = 0.0
        for reference, (first, end) in zip(made, runs, strict=True):
            samples = sound.of(first, end)
            held_out_s += 0.0 if reference.held_out_hop_s is None else len(samples) / SAMPLE_RATE
            self._store.references.put_unseen(
                machine.name,
                NewReference(
                    reference.label.removeprefix(LABEL_PREFIX),
                    f"live sound of {sound.channel(first)}",
                    encode_flac(samples),
                    {},
                    reference.held_out_hop_s,
                ),
                self._by_maker(machine, reference.vectors),
            )
        longest = sorted(lesson.excluded, key=lambda one: -one.windows)[:MOST_TIMES_TOLD]
        now = self._clock()
        report = CommissioningReport(
            machine=machine.name,
            finished_at=now,
            heard_s=sum(piece.seconds for piece in pieces),
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
            prolonged_s=kept_s - machine.section.listen_s if machine.problem == _NO_THRESHOLD_YET else 0.0,
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
    kept_s = _kept_s(store, machine)
    heard_s = min(kept_s.get(one.id, 0.0) for one in channels)
    longer = heard_s > section.listen_s + max(one.hop for one in channels)
    return CommissioningProgress(True, heard_s, section.listen_s, report, _NO_THRESHOLD_YET if longer else None)


def _kept_s(store: Store, machine: str, unlike: Collection[int] = ()) -> dict[str, float]:
    kept_s: dict[str, float] = {}
    for piece in whole([one for one in store.commissionings.pieces(machine) if one.id not in unlike]):
        kept_s[piece.channel] = kept_s.get(piece.channel, 0.0) + piece.seconds
    return kept_s


def _reported(store: Store, machine: str) -> CommissioningReport | None:
    text = store.commissionings.report(machine)
    return None if text is None else _REPORT.validate_python(json.loads(text))


def _in_background(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="commissioned", daemon=True).start()


def _decided_by(scorer: MachineScorer) -> str | None:
    return next((bank.decided_by for bank in scorer.banks.values() if bank.decided_by), None)
