"""What becomes of an embedding: score, alarm, what must survive, what is told."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from asdstream.alarms.channel_alarm import ChannelAlarm
from asdstream.alarms.event import AlarmEvent
from asdstream.audio.capture import Presence
from asdstream.engine.embedding import Embedding
from asdstream.mqtt.alarm_messages import event_messages
from asdstream.mqtt.payloads import ScorePayload
from asdstream.mqtt.topics import Topics
from asdstream.scoring.machine_scorer import MachineScorer
from asdstream.store.store import Store

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Case:
    """A channel with what it is judged by."""

    scorer: MachineScorer
    alarm: ChannelAlarm


class Judge:
    """Scores embeddings and moves the alarms; owned by one thread.

    Transitions are committed to the store, with the messages that tell of them, before anything else happens; scores
    are only passed on to `publish`, since a lost score is replaced by the next one a hop later.
    """

    def __init__(
        self,
        cases: Mapping[str, Case],
        store: Store,
        topics: Topics,
        boot_id: str,
        publish: Callable[[str, bytes], object],
        wake_outbox: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cases = cases
        self._store = store
        self._topics = topics
        self._boot_id = boot_id
        self._publish = publish
        self._wake_outbox = wake_outbox
        self._clock = clock
        self._scored: Counter[str] = Counter()
        self._said: set[str] = set()

    @property
    def windows_scored(self) -> Mapping[str, int]:
        """By channel, since the start."""
        return dict(self._scored)

    def hear(self, embeddings: Sequence[Embedding]) -> None:
        """Score a batch, in the order in which it comes."""
        for embedding in embeddings:
            channel = embedding.window.channel
            case = self._cases[channel]
            if not case.scorer.ready:
                self._say_once(channel, "nothing_to_score_against", machine=case.scorer.machine)
                continue
            scored = case.scorer.score(embedding)
            self._scored[channel] += 1
            self._commit(case.alarm, case.alarm.observe(scored))
            payload = ScorePayload.of(replace(scored, published=self._clock()))
            self._publish(self._topics.score(channel), payload.encode())

    def notice(self, changes: Sequence[Presence], utc: float) -> None:
        """Sound has been lost or has come back."""
        for change in changes:
            alarm = self._cases[change.channel].alarm
            if change.lost:
                log.warning("sound_lost", channel=change.channel, reason=change.reason)
                self._commit(alarm, alarm.source_lost(utc, change.reason))
            else:
                log.info("sound_back", channel=change.channel)
                self._commit(alarm, alarm.source_back(utc))

    def _commit(self, alarm: ChannelAlarm, events: Sequence[AlarmEvent]) -> None:
        if not events:
            return
        self._store.commit([alarm.snapshot()], event_messages(self._topics, events, self._boot_id))
        self._wake_outbox()
        for event in events:
            log.warning(
                "alarm",
                transition=event.transition.value,
                kind=event.state.kind.value,
                channel=event.state.channel,
                score=event.state.score,
                threshold=event.state.threshold,
                event_id=event.event_id,
            )

    def _say_once(self, channel: str, event: str, **facts: object) -> None:
        if channel not in self._said:
            self._said.add(channel)
            log.warning(event, channel=channel, **facts)
