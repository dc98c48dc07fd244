"""What Prometheus reads: counts and levels are taken at each scrape, latencies and alarms as they happen."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from asdstream.alarms.event import AlarmEvent, AlarmState
from asdstream.scoring.scored_window import ScoredWindow
from asdstream.web.readings import ChannelReading, NodeReading

LATENCY_BUCKETS_S = (0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
"""Fine around half of the usual hop of 1 s, where a box should lie; the last tells a backlog from a standstill."""


class Metrics:
    """The metrics of one daemon, in a registry of its own.

    Args:
        version: of asdstream.
        bundle: name and SHA-256 of the bundle that scores.
        read: gives how the daemon stands; called at each scrape, on any thread.

    `scored` and `moved` make it a witness of the judge's work.
    """

    def __init__(self, version: str, bundle: tuple[str, str], read: Callable[[], NodeReading]) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        info = Gauge(
            "asdstream_build_info",
            "1, with what runs in the labels.",
            ["version", "bundle", "bundle_sha256"],
            registry=self._registry,
        )
        info.labels(version, *bundle).set(1)
        self._score = Gauge("asdstream_anomaly_score", "Of the latest window.", ["channel"], registry=self._registry)
        self._threshold = Gauge(
            "asdstream_anomaly_threshold", "A higher score is anomalous.", ["channel"], registry=self._registry
        )
        self._latency = Histogram(
            "asdstream_latency_seconds",
            "From the last sample of a window to its published score (total), and parts of that.",
            ["stage"],
            buckets=LATENCY_BUCKETS_S,
            registry=self._registry,
        )
        self._transitions = Counter(
            "asdstream_alarm_transitions",
            "Transitions of alarms.",
            ["channel", "kind", "transition"],
            registry=self._registry,
        )
        self._alarms = Gauge(
            "asdstream_alarm_active",
            "1 while the alarm stands and is not kept quiet.",
            ["channel", "kind", "priority"],
            registry=self._registry,
        )
        self._priorities: dict[tuple[str, str], str] = {}
        self._registry.register(_AtEachScrape(read))

    def scored(self, window: ScoredWindow) -> None:
        """Note a window that has been told."""
        self._score.labels(window.channel).set(window.score)
        self._threshold.labels(window.channel).set(window.threshold)
        if window.times is not None:
            self._latency.labels("queue").observe(window.times.taken - window.times.queued)
            self._latency.labels("compute").observe(window.times.computed - window.times.taken)
        if window.published is not None:
            self._latency.labels("total").observe(window.published - window.captured)

    def moved(self, event: AlarmEvent) -> None:
        """Note a transition, and how the alarm stands after it."""
        state = event.state
        self._transitions.labels(state.channel, state.kind.value, event.transition.value).inc()
        self.stands(state)

    def stands(self, state: AlarmState) -> None:
        """Note how an alarm stands, without a transition: as the daemon remembers it at its start."""
        kind, priority = state.kind.value, state.priority.value
        before = self._priorities.get((state.channel, kind))
        if before not in (None, priority):
            # The series of another priority would stand on for ever.
            self._alarms.remove(state.channel, kind, before)
        self._priorities[state.channel, kind] = priority
        self._alarms.labels(state.channel, kind, priority).set(state.active and not state.quiet)

    def text(self) -> bytes:
        """In Prometheus's text format."""
        return generate_latest(self._registry)


_OF_CHANNELS: tuple[tuple[type[CounterMetricFamily] | type[GaugeMetricFamily], str, str, str], ...] = (
    (CounterMetricFamily, "windows", "Windows of sound that became complete.", "windows"),
    (CounterMetricFamily, "windows_scored", "Windows that were scored.", "scored"),
    (CounterMetricFamily, "windows_shed", "Windows left out to widen the hop under overload.", "shed"),
    (CounterMetricFamily, "windows_dropped", "Windows lost: no room, or not fit to be embedded.", "dropped"),
    (CounterMetricFamily, "sound_gaps", "Times that sound was lost or unusable.", "gaps"),
    (CounterMetricFamily, "audio_rejected", "Messages or blocks of sound that could not be used.", "rejected"),
    (CounterMetricFamily, "nan_samples", "Samples that were no number.", "nan_samples"),
    (GaugeMetricFamily, "hop_seconds", "From one scored window to the next, at present.", "hop_s"),
    (GaugeMetricFamily, "sound_age_seconds", "Since the latest sound.", "sound_age_s"),
    (GaugeMetricFamily, "sound_level_dbfs", "RMS level of the last second, dB of full scale.", "level_dbfs"),
)
_OF_THE_NODE: tuple[tuple[type[CounterMetricFamily] | type[GaugeMetricFamily], str, str, str], ...] = (
    (GaugeMetricFamily, "windows_waiting", "Windows that wait for the engine.", "windows_waiting"),
    (GaugeMetricFamily, "batches_waiting", "Batches of embeddings that wait to be scored.", "batches_waiting"),
    (GaugeMetricFamily, "outbox_messages", "Alarm messages that the broker has not taken yet.", "outbox"),
    (GaugeMetricFamily, "mqtt_connected", "1 while the broker is connected.", "connected"),
    (CounterMetricFamily, "mqtt_connections", "Connections to the broker.", "connections"),
    (
        CounterMetricFamily,
        "mqtt_messages_dropped",
        "Messages not told for want of a broker.",
        "messages_dropped",
    ),
    (CounterMetricFamily, "mqtt_messages_rejected", "Messages from the broker that were refused.", "messages_rejected"),
    (GaugeMetricFamily, "disk_free_bytes", "On the disk of the store.", "disk_free_bytes"),
    (GaugeMetricFamily, "device_memory_bytes", "Memory that the engine's GPU has in use.", "device_memory_bytes"),
)


class _AtEachScrape(Collector):
    def __init__(self, read: Callable[[], NodeReading]) -> None:
        self._read = read

    def describe(self) -> Iterable[Metric]:
        """Nothing: to be asked at registration, before the daemon stands, would be too early."""
        return ()

    def collect(self) -> Iterator[Metric]:
        reading = self._read()
        for family, name, text, attribute in _OF_CHANNELS:
            metric = family(f"asdstream_{name}", text, labels=["channel", "machine"])
            for channel in reading.channels:
                _add(metric, (channel.channel, channel.machine), channel, attribute)
            yield metric
        for family, name, text, attribute in _OF_THE_NODE:
            metric = family(f"asdstream_{name}", text, labels=())
            _add(metric, (), reading, attribute)
            yield metric


def _add(
    metric: CounterMetricFamily | GaugeMetricFamily,
    labels: tuple[str, ...],
    reading: ChannelReading | NodeReading,
    attribute: str,
) -> None:
    value = getattr(reading, attribute)
    if value is not None:
        metric.add_metric(labels, float(value))
