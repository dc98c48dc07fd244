"""The daemon: wires the rooms together, starts and stops them."""

import queue
import shutil
import threading
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import structlog
from numpy.typing import NDArray
from ulid import ULID

from asdstream import __version__
from asdstream import bundle as bundles
from asdstream.alarm_commands import alarm_handlers
from asdstream.alarms.channel_alarms import ChannelAlarms
from asdstream.alarms.command import CommandRefusedError
from asdstream.audio.capture import Capture, Listener, Presence
from asdstream.audio.channel import Channel
from asdstream.audio.mqtt import MqttSource
from asdstream.audio.window import Window
from asdstream.channel_scorers import ChannelScorers
from asdstream.clip_commands import clip_handler
from asdstream.command_desk import CommandDesk, Order
from asdstream.commissioning import Commissioning
from asdstream.config import ChannelSection, Config, MetricsSection, MqttSettings
from asdstream.engine.batching import batch_sizes
from asdstream.engine.embedding import Embedding
from asdstream.engine.lent import LentEngine
from asdstream.engine.loop import EngineLoop
from asdstream.engine.overload import OverloadPolicy
from asdstream.engine.separate_as import SeparateAs
from asdstream.enrolment import Belonging, Sound, enrol_sounds
from asdstream.evidence.error_mapping import ErrorMapping
from asdstream.forgotten_channels import retire_forgotten_channels
from asdstream.health import info_of
from asdstream.inquiry import Inquiry
from asdstream.judge import Case, Judge
from asdstream.live_enrolment import LiveEnrolment, LiveReference
from asdstream.mqtt.alarm_messages import state_message
from asdstream.mqtt.client import Handler, MqttClient
from asdstream.mqtt.commands import Command
from asdstream.mqtt.connection import Connection
from asdstream.mqtt.home_assistant import HomeAssistant
from asdstream.mqtt.outbox_publisher import OutboxPublisher
from asdstream.mqtt.presence import Presence as MqttPresence
from asdstream.mqtt.topics import Topics
from asdstream.reload import Reload
from asdstream.scoring.belonging import ReferenceRefusedError
from asdstream.service_manager import ServiceManager
from asdstream.standing import Standing
from asdstream.store.ledger import Ledger
from asdstream.store.room import RoomKeeper
from asdstream.store.store import Store
from asdstream.troubles import NodeTroubles, Troubles
from asdstream.web.readings import NodeReading
from asdstream.wiring import (
    alarm_policy,
    broker_of,
    clips_of,
    embedder_of,
    engine_loop_of,
    make_source,
    phases_of,
    separation_of,
    unlike_prototypes,
)
from asdstream.worker import IDLE_S, Crew

if TYPE_CHECKING:
    from asdstream.web.monitor import Monitor

log = structlog.get_logger()

CAPTURE_ROUND_S = 0.02
"""Seconds between two rounds over the sources: short against a hop, long against the cost of a round."""
HEALTH_EVERY_S = 10.0
CHECK_EVERY_S = 1.0
"""How often the technical alarms look for trouble."""
KEEP_EVERY_S = 10.0
"""How much of what happens between two transitions a crash can make the alarms forget."""
NODE = ""
"""In place of a channel: what belongs to all of them."""
ROOM_EVERY_S = 5.0
"""How soon room is made where there is none left."""
REFERENCES_EVERY_S = 2.0
"""How soon references that a command has put into the store are taken up."""
STOP_WITHIN_S = 3.0
CLIPS_WITHIN_S = 0.5
"""Of that, for clips whose sound is cut short: some, but the messages of their alarms matter more."""
STILL_S = 45.0
"""A thread that has not come round for so long stands still: longer than a name server may keep one waiting."""
RELOAD_WITHIN_S = 120.0
"""A large bundle takes so long to be read and verified."""
JUDGE_QUEUE = 64
"""Batches of embeddings that may wait for the judge."""
OVERLOAD = OverloadPolicy()
TAKEN_OVER = "another configuration takes over"


class Daemon:
    """Everything between the sources and the broker, for one configuration.

    Raises AsdstreamError from the constructor where the bundle, the store, the certificates or a source cannot work
    as configured. A broker or a device that is away is no error. `manager` is told how it is; `reload`, where there is
    one, is asked in every round whether another configuration should take its place.
    """

    def __init__(self, config: Config, manager: ServiceManager | None = None, reload: Reload | None = None) -> None:
        self._config = config
        self._manager = manager or ServiceManager({})
        self._reload = reload
        self._bundle = bundles.load(bundles.resolve(config.bundle))
        self._topics = Topics(config.site.name, config.site.node)
        self._boot_id = str(ULID())
        self._store = Store(config.store.path, config.store.max_bytes)
        self._ledger = Ledger(self._store)
        self._clips = clips_of(config.clips, config.store.path.parent / "clips", [one.id for one in config.channels])
        self._room = RoomKeeper(
            self._store,
            config.store.max_bytes,
            self._disk_free,
            lambda: self._ledger.problem is not None,
            () if self._clips is None else (self._clips.folder,),
        )
        engine = config.engine
        self._embedder = embedder_of(engine, self._bundle, config.store.path.parent)
        presence = MqttPresence(self._topics, self._boot_id, __version__, time.time, self._ledger.next_birth)
        self._identity = f"asdstream-{config.site.name}-{config.site.node}"
        self._broker = broker_of(config.mqtt)
        self._client = MqttClient(self._broker, self._identity, presence)
        self._outbox = OutboxPublisher(
            self._ledger, self._client, config.mqtt.max_in_flight, config.mqtt.outbox_per_second
        )
        self._listeners = {channel.id: self._listener(channel) for channel in config.channels}
        self._capture = Capture(list(self._listeners.values()), config.alarms.source_lost_after_s)
        self._separate_as = self._separations()
        self._batch_sizes = batch_sizes(engine.max_batch)
        self._engine = self._engine_loop()
        self._scorers = ChannelScorers(config, self._store, self._embedder, self._bundle, self._separate_as)
        self._references_due = time.monotonic()
        self._commissioning = Commissioning(
            self._store, self._bundle, config.channels, config.alarms, self._separate_as
        )
        self._monitor = None if config.metrics is None else self._monitor_of(config.metrics)
        remembered = self._ledger.snapshots()
        policy = alarm_policy(config.alarms)
        cases = {
            channel.id: Case(
                self._scorers[channel.id],
                ChannelAlarms(policy, channel.id, channel.machine, _new_id, remembered.get(channel.id)),
            )
            for channel in config.channels
        }
        self._lent_engine = LentEngine(self._embedder, engine.max_batch)
        self._judge = Judge(
            cases,
            self._ledger,
            self._topics,
            self._boot_id,
            self._client.publish,
            self._alarm_moved,
            time.monotonic,
            ChannelAlarms(policy, NODE, "", _new_id, remembered.get(NODE)),
            None if self._monitor is None else self._monitor.metrics,
            self._commissioning.learns,
            Inquiry(
                self._listeners,
                self._store.references,
                self._clips,
                ErrorMapping(self._embedder, self._lent_engine.lend),
            ),
        )
        # The first channel of a machine speaks for it, as it does for the commands.
        first = {channel.machine: channel.id for channel in reversed(config.channels)}
        self._live_enrolment = LiveEnrolment(first, self._hears, self._enrol)
        handlers = {
            **alarm_handlers(self._judge, self._ledger),
            "clip": clip_handler(self._clips),
            "enroll": self._live_enrolment.begin,
            "reload": self._reload_order,
        }
        self._desk = CommandDesk(self._topics, handlers, self._client.publish)
        self._standing = Standing(
            config, self._listeners, self._engine, self._judge, self._scorers, self._commissioning
        )
        hops = {channel.id: channel.hop for channel in config.channels}
        self._node_troubles = NodeTroubles(hops, config.alarms.disk_free_min_mb)
        self._health_due = threading.Event()
        self._check_due = time.monotonic()
        self._keep_due = time.monotonic() + KEEP_EVERY_S
        # Filled by capture and engine, emptied by the judge; bounded, so that a slow disk slows the engine down.
        self._cases_to_hear: queue.Queue[Sequence[Embedding] | Sequence[Presence]] = queue.Queue(JUDGE_QUEUE)
        self._crew = Crew()
        self._publishers = {"mqtt": self._client.pulse, "outbox": self._outbox.pulse}
        self._end_reason = "every recording has been scored"
        self._still: list[str] = []

    def run(self, stop: threading.Event) -> int:
        """Work until `stop` is set, every source has ended, a worker has died, or another configuration takes over.

        Returns the exit code.
        """
        for section in self._config.channels:
            unlike = unlike_prototypes(self._bundle, section.machine_type, self._separate_as.get(section.id))
            if unlike is not None:
                log.warning("prototypes_left_out", channel=section.id, problem=unlike)
        for channel, scorer in self._scorers.items():
            if self._commissioning.learns(channel):
                continue
            if scorer.uncalibrated:
                log.warning("no_threshold", channel=channel, problem=scorer.uncalibrated)
            elif scorer.shortage:
                log.warning("threshold_extrapolated", channel=channel, problem=scorer.shortage)
        warm_up_s = self._embedder.warm_up(self._batch_sizes, self._separate_as.values())
        log.info("warmed_up", seconds=round(warm_up_s, 2))
        self._listen_on_mqtt()
        retire_forgotten_channels(
            self._store,
            {NODE, *self._listeners},
            alarm_policy(self._config.alarms),
            self._topics,
            self._boot_id,
            _new_id,
        )
        self._client.on_connection(self._connection_changed)
        self._capture.start(time.monotonic())
        # After every birth the outbox waits until all that stands has been told.
        self._outbox.start()
        self._client.start()
        self._crew.hire("capture", self._capture_step)
        self._crew.hire("engine", self._engine_step)
        self._crew.hire("judge", self._judge_step)
        self._crew.hire("commands", self._desk.step)
        self._crew.hire("room", self._room_step)
        if self._clips is not None:
            self._crew.hire("clips", partial(self._clips.step, IDLE_S))
        self._crew.hire("commissioning", partial(self._commissioning.step, IDLE_S))
        log.info("started", version=__version__, bundle=self._bundle.name, channels=len(self._listeners))
        if self._monitor is not None:
            self._monitor.start()
        self._manager.ready(f"listens to {len(self._listeners)} channels")
        try:
            self._watch(stop)
        finally:
            self._shut_down()
        if self._crew.failure is not None:
            log.error("stopped", reason=self._crew.failure)
            return 1
        log.info("stopped", reason=self._end_reason if not stop.is_set() else "asked to")
        return 0

    def close(self) -> None:
        """Let go of a daemon that was made but not run."""
        self._lent_engine.close()
        self._store.close()

    def _monitor_of(self, served: MetricsSection) -> "Monitor":
        # A daemon that serves no metrics does without what they take.
        from asdstream.web.metrics import Metrics
        from asdstream.web.monitor import Monitor

        metrics = Metrics(__version__, (self._bundle.name, self._bundle.sha256), self._reading)
        for state in self._ledger.alarms():
            metrics.stands(state)
        return Monitor(metrics, self._reading, served.host, served.port, served.certificate, served.token())

    def _listener(self, channel: ChannelSection) -> Listener:
        source = make_source(channel)
        phase_s = phases_of(self._config.channels).get(channel.id) if source.paced else None
        return Listener(source, Channel(channel.id, channel.hop, paced=source.paced, phase_s=phase_s))

    def _engine_loop(self) -> EngineLoop:
        hops = {channel.id: channel.hop for channel in self._config.channels}
        unpaced = frozenset(name for name, listener in self._listeners.items() if not listener.source.paced)
        return engine_loop_of(
            self._embedder, self._config.engine.max_batch, hops, self._separate_as, OVERLOAD, unpaced=unpaced
        )

    def _separations(self) -> dict[str, SeparateAs]:
        """By channel whose sound is separated, as what."""
        found = {
            channel.id: separation_of(self._bundle, channel.machine_type, channel.separate)
            for channel in self._config.channels
        }
        return {channel: separate_as for channel, separate_as in found.items() if separate_as is not None}

    def _listen_on_mqtt(self) -> None:
        # Whatever the connection lets through: what is too large is refused and counted further on.
        limit = self._broker.max_packet_bytes
        self._client.subscribe(self._topics.commands, self._desk.receive, qos=1, max_bytes=limit, retained=False)
        for channel in self._config.channels:
            source = self._listeners[channel.id].source
            if isinstance(source, MqttSource) and isinstance(channel.source, MqttSettings):
                self._client.subscribe(self._topics.audio(channel.id), _delivery(source), max_bytes=limit)
        if self._config.mqtt.home_assistant:
            HomeAssistant(
                self._client,
                self._topics,
                identity=self._identity,
                version=__version__,
                channels=[channel.id for channel in self._config.channels],
                prefix=self._config.mqtt.home_assistant_prefix,
            ).attach()

    def _capture_step(self) -> None:
        before = self._capture.windows
        changes = self._capture.round(time.monotonic(), time.time(), self._engine.has_room, self._window_complete)
        if changes:
            self._hand_to_judge(changes)
        if self._capture.windows == before or self._capture.ended:
            self._crew.stop.wait(CAPTURE_ROUND_S)

    def _window_complete(self, window: Window) -> None:
        self._live_enrolment.hear(window)
        if self._clips is not None:
            self._clips.hear(window)
        self._engine.offer(window)

    def _hears(self, channel: str) -> bool:
        last_sound = self._listeners[channel].channel.stats.last_sound
        return last_sound is not None and time.monotonic() - last_sound < self._config.alarms.source_lost_after_s

    def _enrol(self, channel: str, samples: NDArray[np.float32], actor: str, force: bool) -> LiveReference:
        section = next(section for section in self._config.channels if section.id == channel)
        belonging = None if force else Belonging(self._scorers[channel], self._config.alarms.clipped_share)
        sound = Sound(f"the sound of {section.machine}", f"live sound of {channel}", samples)
        try:
            (made,) = enrol_sounds(
                self._store,
                self._lent_engine,
                self._bundle,
                section.machine,
                [sound],
                actor,
                time.time(),
                self._separate_as.get(channel),
                belonging,
            )
        except ReferenceRefusedError as refused:
            raise CommandRefusedError(str(refused)) from refused
        entries = self._store.references.entries(section.machine)
        count = sum(entry.held_out_hop_s is None for entry in entries)
        revision = next(entry.revision for entry in entries if entry.label == made.label)
        return LiveReference(section.machine, channel, made.label, made.seconds, made.windows, count, revision)

    def _engine_step(self) -> None:
        if time.monotonic() >= self._references_due:
            self._references_due = time.monotonic() + REFERENCES_EVERY_S
            self._scorers.look(self._references_changed)
        self._lent_engine.serve()
        embeddings = self._engine.step(IDLE_S)
        if embeddings:
            self._hand_to_judge(embeddings)

    def _judge_step(self) -> None:
        self._judge.obey(time.time())
        now = time.monotonic()
        if now >= self._check_due:
            self._check_due = now + CHECK_EVERY_S
            self._judge.check(self._look_for_trouble(now), time.time())
        if now >= self._keep_due:
            self._keep_due = now + KEEP_EVERY_S
            self._judge.keep()
        try:
            batch = self._cases_to_hear.get(timeout=IDLE_S)
        except queue.Empty:
            return
        try:
            embeddings = [item for item in batch if isinstance(item, Embedding)]
            self._commissioning.hear(embeddings)
            self._judge.hear(embeddings)
            self._judge.notice([item for item in batch if isinstance(item, Presence)], time.time())
        finally:
            self._cases_to_hear.task_done()

    def _room_step(self) -> None:
        self._room.keep()
        self._crew.stop.wait(ROOM_EVERY_S)

    def _look_for_trouble(self, now: float) -> dict[str, Troubles]:
        """By channel, and of the node."""
        node = self._node_troubles.look(self._standing.shedding(), self._disk_free(), self._ledger.problem)
        return self._standing.troubles(now) | {NODE: node}

    def _hand_to_judge(self, batch: Sequence[Embedding] | Sequence[Presence]) -> None:
        while not self._crew.stop.is_set():
            try:
                self._cases_to_hear.put(batch, timeout=IDLE_S)
            except queue.Full:
                continue
            return

    def _watch(self, stop: threading.Event) -> None:
        """The main thread's round: health, signs of life, and whether there is anything left to do."""
        next_health = time.monotonic()
        hop_changes = 0
        while not (stop.wait(IDLE_S) or self._crew.stop.is_set()):
            now = time.monotonic()
            if not (self._client.alive and self._outbox.alive):
                self._crew.failure = "the connection to the broker is no longer looked after: its thread has ended"
                return
            self._give_sign_of_life(now)
            # Where the disk takes nothing, only this process knows how the alarms stand: it stays until that is stored.
            if self._reload is not None and self._ledger.problem is None and self._reload.accepted():
                self._end_reason = TAKEN_OVER
                return
            if now >= next_health or self._engine.hop_changes != hop_changes or self._health_due.is_set():
                self._health_due.clear()
                next_health = now + HEALTH_EVERY_S
                hop_changes = self._engine.hop_changes
                self._tell_health()
            if self._all_done():
                self._tell_health()
                return

    def _give_sign_of_life(self, now: float) -> None:
        """Only while all go on: capture, engine, judge and commands, and what carries messages to the broker."""
        if not self._manager.feed_due(now):
            return
        still = self._standing_still()
        if not still:
            self._manager.feed(now)
        elif still != self._still:
            log.error("stands_still", workers=still, seconds=STILL_S)
        self._still = still

    def _standing_still(self) -> list[str]:
        publishers = [name for name, pulse in self._publishers.items() if pulse.still_s > STILL_S]
        return self._crew.still(STILL_S) + publishers

    def _reload_order(self, _command: Command) -> Order:
        if self._reload is None:
            raise CommandRefusedError("this daemon was started without a configuration file to read again")
        if self._ledger.problem is not None:
            raise CommandRefusedError(f"what the alarms remember would be lost: {self._ledger.problem}")
        return Order(self._reload.ask(), RELOAD_WITHIN_S, lambda _: {})

    def _all_done(self) -> bool:
        return (
            self._capture.ended
            and self._engine.idle
            and self._cases_to_hear.unfinished_tasks == 0
            and not self._commissioning.busy
            and not (self._client.connected and self._ledger.outbox_size())
        )

    def _references_changed(self) -> None:
        self._commissioning.references_changed()
        self._health_due.set()

    def _connection_changed(self, connection: Connection | None) -> None:
        """After every birth: what this daemon is, which alarms stand, and how its channels are."""
        if connection is None:
            return
        info = info_of(self._config, self._bundle, self._boot_id, time.time())
        self._client.publish(self._topics.info, info.encode(), qos=1, retain=True)
        for state in self._ledger.alarms():
            # A broker that was started anew has forgotten what it retained, or remembers what has changed since.
            standing = state_message(self._topics, state)
            self._client.publish(standing.topic, standing.payload, qos=1, retain=standing.retain)
        self._tell_health()
        self._desk.connected()

    def _alarm_moved(self) -> None:
        """On the thread of the judge, which must not be kept."""
        self._outbox.wake()
        self._health_due.set()

    def _reading(self) -> NodeReading:
        """How it stands now; asked by the monitor, from its thread."""
        problems = [self._client.problem, self._outbox.problem, self._ledger.problem]
        problems += [f"channel {channel} has nothing to score against" for channel in self._standing.unready()]
        return NodeReading(
            channels=self._standing.readings(),
            still=self._standing_still(),
            problems=[problem for problem in problems if problem is not None],
            windows_waiting=self._engine.waiting,
            batches_waiting=self._cases_to_hear.qsize(),
            outbox=self._ledger.outbox_size(),
            connected=self._client.connected,
            connections=self._client.connections,
            messages_dropped=self._client.dropped,
            messages_rejected=self._client.rejected,
            disk_free_bytes=self._disk_free(),
            device_memory_bytes=self._embedder.device_memory(),
        )

    def _disk_free(self) -> int | None:
        try:
            return shutil.disk_usage(self._config.store.path.parent).free
        except OSError:
            return None

    def _tell_health(self) -> None:
        for health in self._standing.health():
            self._client.publish(self._topics.health(health.channel), health.encode(), qos=1, retain=True)

    def _shut_down(self) -> None:
        if self._end_reason != TAKEN_OVER:
            self._manager.stopping()
        deadline = time.monotonic() + STOP_WITHIN_S
        # First, because whoever waits for the engine could not end.
        self._lent_engine.close()
        left = self._crew.dismiss((deadline - time.monotonic()) / 2)
        if left:
            log.warning("workers_still_at_work", workers=left)
        if "judge" not in left:
            self._judge.keep()
        if not {"judge", "commissioning"} & set(left):
            self._commissioning.close()
        self._tell_what_is_held(deadline)
        self._desk.close()
        if self._clips is not None and "clips" not in left:
            self._clips.close(min(CLIPS_WITHIN_S, deadline - time.monotonic()))
        self._capture.stop()
        if self._monitor is not None:
            self._monitor.stop()
        self._outbox.stop(max(0.1, (deadline - time.monotonic()) / 2))
        self._client.stop(max(0.1, deadline - time.monotonic()))
        self._store.close()

    def _tell_what_is_held(self, deadline: float) -> None:
        """What the disk does not take at the very end either is known to the broker alone."""
        if self._ledger.settle():
            return
        while self._ledger.held and self._client.connected and time.monotonic() < deadline - 1.0:
            time.sleep(0.02)
        if self._ledger.held:
            log.error("alarm_messages_lost", messages=self._ledger.held, problem=self._ledger.problem)


def _new_id() -> str:
    return str(ULID())


def _delivery(source: MqttSource) -> Handler:
    return lambda _topic, payload: source.deliver(payload, time.monotonic())
