"""What becomes of an embedding: score, alarm, what must survive, what is told."""

import logging
import queue
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

import structlog

from asdstream.alarms.alarm import alarm_name
from asdstream.alarms.channel_alarms import ChannelAlarms
from asdstream.alarms.command import Command, CommandRefusedError
from asdstream.alarms.elapsed import Instant
from asdstream.alarms.event import AlarmEvent, AlarmKind, AlarmState, Transition
from asdstream.audio.capture import Presence
from asdstream.engine.embedding import Embedding
from asdstream.inquiry import Inquiry
from asdstream.mqtt.alarm_messages import event_messages
from asdstream.mqtt.payloads import ScorePayload
from asdstream.mqtt.topics import Topics
from asdstream.scoring.machine_scorer import MachineScorer
from asdstream.scoring.scored_window import ScoredWindow
from asdstream.store.ledger import Ledger
from asdstream.witness import Witness

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Case:
    """A channel with what it is judged by."""

    scorer: MachineScorer
    alarms: ChannelAlarms


class Judge:
    """Scores embeddings and moves the alarms; owned by one thread.

    Transitions are entered into the ledger, with the messages that tell of them, before anything else happens; scores
    are only passed on to `publish`, since a lost score is replaced by the next one a hop later. `node` holds the alarms
    that belong to no channel. While a channel `learns` what its machine sounds like, its windows raise no alarm. In
    every method `utc` is seconds since the epoch; `clock` is monotonic.
    """

    def __init__(
        self,
        cases: Mapping[str, Case],
        ledger: Ledger,
        topics: Topics,
        boot_id: str,
        publish: Callable[[str, bytes], object],
        wake_outbox: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
        node: ChannelAlarms | None = None,
        witness: Witness | None = None,
        learns: Callable[[str], bool] = lambda _: False,
        inquiry: Inquiry | None = None,
    ) -> None:
        self._cases = cases
        self._ledger = ledger
        self._topics = topics
        self._boot_id = boot_id
        self._publish = publish
        self._wake_outbox = wake_outbox
        self._clock = clock
        self._witness = witness
        self._inquiry = inquiry
        self._learns = learns
        self._alarms = {channel: case.alarms for channel, case in cases.items()}
        if node is not None:
            self._alarms[""] = node
        self._commands: queue.SimpleQueue[tuple[Command, Future[AlarmState]]] = queue.SimpleQueue()
        self._scored: Counter[str] = Counter()
        self._said: set[str] = set()

    @property
    def windows_scored(self) -> Mapping[str, int]:
        """By channel, since the start."""
        return dict(self._scored)

    def anomaly(self, channel: str) -> AlarmState:
        """The alarm about the sound of `channel`, as it stands; may be asked from any thread."""
        return self._cases[channel].alarms.state(alarm_name(channel, AlarmKind.ANOMALY))

    def hear(self, embeddings: Sequence[Embedding]) -> None:
        """Score a batch, in the order in which it comes."""
        for embedding in embeddings:
            channel = embedding.window.channel
            case = self._cases[channel]
            learns = self._learns(channel)
            if not case.scorer.ready:
                if not learns:
                    self._say_once(channel, "nothing_to_score_against", machine=case.scorer.machine)
                continue
            scored = case.scorer.score(embedding)
            self._scored[channel] += 1
            if not learns:
                self._commit(case.alarms, self._observe(case, embedding, scored))
            told = replace(scored, published=self._clock())
            self._publish(self._topics.score(channel), ScorePayload.of(told).encode())
            if self._witness is not None:
                self._witness.scored(told)

    def notice(self, changes: Sequence[Presence], utc: float) -> None:
        """Sound has been lost or has come back."""
        for change in changes:
            alarms = self._cases[change.channel].alarms
            if change.lost:
                log.warning("sound_lost", channel=change.channel, reason=change.reason)
                self._commit(alarms, alarms.source_lost(self._instant(utc), change.reason))
            else:
                log.info("sound_back", channel=change.channel)
                self._commit(alarms, alarms.source_back(self._instant(utc)))

    def check(self, troubles: Mapping[str, Mapping[AlarmKind, str | None]], utc: float) -> None:
        """Take in what is wrong at present, by channel; the empty name stands for the node.

        To be called about once a second: what the store did not take before, it is asked to take here.
        """
        self._ledger.settle()
        for channel, found in troubles.items():
            alarms = self._alarms[channel]
            self._commit(alarms, alarms.check(self._instant(utc), found))

    def submit(self, command: Command) -> "Future[AlarmState]":
        """From any thread: have `command` carried out by the thread of the judge.

        Gives the alarm as it stands then, once that is in the ledger; raises `CommandRefusedError` where it makes no
        sense.
        """
        answer: Future[AlarmState] = Future()
        self._commands.put((command, answer))
        return answer

    def obey(self, utc: float) -> None:
        """Carry out what was submitted, in that order."""
        while True:
            try:
                command, answer = self._commands.get_nowait()
            except queue.Empty:
                return
            if not answer.set_running_or_notify_cancel():
                continue
            try:
                answer.set_result(self._carry_out(command, utc))
            except CommandRefusedError as refused:
                log.info("command_refused", actor=command.actor, problem=str(refused))
                answer.set_exception(refused)
            except BaseException as error:
                answer.set_exception(error)
                raise

    def keep(self) -> None:
        """Put what the alarms remember between transitions on disk, so that a restart goes on from about here."""
        self._ledger.commit([alarms.snapshot() for alarms in self._alarms.values()], [])

    def _carry_out(self, command: Command, utc: float) -> AlarmState:
        channel, _, kind = command.alarm_id.rpartition(".")
        alarms = self._alarms.get(channel)
        if alarms is None or kind not in set(AlarmKind):
            raise CommandRefusedError(
                f'there is no alarm "{command.alarm_id}"; right would be <channel>.<kind>, as in alarm/<alarm_id>/state'
            )
        self._commit(alarms, alarms.obey(command, self._instant(utc)))
        return alarms.state(command.alarm_id)

    def _observe(self, case: Case, embedding: Embedding, scored: ScoredWindow) -> list[AlarmEvent]:
        """What the window does to the alarm; of one that begins, with what is known of its sound."""
        events = case.alarms.observe(scored)
        if self._inquiry is None:
            return events
        begun = [event for event in events if event.transition in (Transition.RAISED, Transition.SUPPRESSED)]
        if not begun:
            self._inquiry.scored(embedding, scored)
            return events
        return case.alarms.explain(events, *self._inquiry.begins(embedding, scored, case.scorer, begun[-1].state))

    def _instant(self, utc: float) -> Instant:
        return Instant(self._clock(), utc)

    def _commit(self, alarms: ChannelAlarms, events: Sequence[AlarmEvent]) -> None:
        if not events:
            return
        self._ledger.commit([alarms.snapshot()], event_messages(self._topics, events, self._boot_id))
        self._wake_outbox()
        for event in events:
            if self._witness is not None:
                self._witness.moved(event)
            log.log(
                logging.WARNING if event.transition.has_event else logging.INFO,
                "alarm" if event.transition.has_event else "alarm_condition",
                transition=event.transition.value,
                kind=event.state.kind.value,
                channel=event.state.channel,
                priority=event.state.priority.value,
                score=event.state.score,
                threshold=event.state.threshold,
                event_id=event.event_id,
                **({} if event.actor is None else {"actor": event.actor}),
            )

    def _say_once(self, channel: str, event: str, **facts: object) -> None:
        if channel not in self._said:
            self._said.add(channel)
            log.warning(event, channel=channel, **facts)
