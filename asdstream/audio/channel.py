"""One audio stream on its way from blocks to windows."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.block import AudioBlock, Break
from asdstream.audio.phase import samples_to_phase
from asdstream.audio.quality import Quality, QualityMeter
from asdstream.audio.resampler import Resampler
from asdstream.audio.sound_format import LOUDEST
from asdstream.audio.timeline import Timeline
from asdstream.audio.window import SAMPLE_RATE, WINDOW_SECONDS, Window
from asdstream.audio.windower import Windower, hop_samples


@dataclass(frozen=True, slots=True)
class ChannelStats:
    """What a channel has seen so far.

    `samples` counts frames at the source's rate; `gaps` the times that sound was lost or unusable; `recordings` the
    new beginnings without loss; `nan_samples` the frames with a value that is no number or absurdly large;
    `clock_corrections` the times the mapping to UTC was moved. `quality` is of the last whole second. `last_sound` is
    monotonic seconds.
    """

    blocks: int = 0
    samples: int = 0
    windows: int = 0
    gaps: int = 0
    recordings: int = 0
    nan_samples: int = 0
    clipped_samples: int = 0
    clock_corrections: int = 0
    quality: Quality | None = None
    last_sound: float | None = None

    @property
    def level_dbfs(self) -> float | None:
        """RMS level of the last second, direct current left out; None before there is one."""
        return self.quality.level_dbfs if self.quality else None

    @property
    def clipped(self) -> float:
        """Share of clipped samples in the last second."""
        return self.quality.clipped if self.quality else 0.0

    @property
    def silent(self) -> bool:
        """Whether the last second was as quiet as only a dead input is."""
        return self.quality is not None and self.quality.silent


class Channel:
    """Takes blocks of any format, gives windows of 16 kHz mono. Fed by one thread; `stats` may be read by any.

    A gap, a new recording, a change of format and a damaged sample each end the run of sound: what came before still
    completes its windows, and no window spans the break. `paced` is the source's; `pick` chooses one of the source's
    channels, counted from 0, instead of their mean. With `phase_s`, all windows of a run but its first end so many
    seconds after a multiple of the hop on the monotonic clock; the first two are then less than a hop apart.
    """

    def __init__(
        self,
        channel_id: str,
        hop_s: float,
        window_s: float = WINDOW_SECONDS,
        *,
        paced: bool = True,
        pick: int | None = None,
        phase_s: float | None = None,
    ) -> None:
        self.channel_id = channel_id
        self._window_s = window_s
        self._phase_s = phase_s
        self._hop = hop_samples(hop_s)
        self._windower = Windower(round(window_s * SAMPLE_RATE), self._hop)
        self._timeline = Timeline(paced)
        self._meter = QualityMeter()
        self._pick = pick
        self._resampler: Resampler | None = None
        self._format: tuple[int, int] | None = None
        self._run_frames = 0
        self._runs = 0
        self._damaged = False
        self._blocks = self._samples = self._windows = 0
        self._gaps = self._recordings = self._nan_samples = 0
        self._last_sound: float | None = None
        self._stats = ChannelStats()

    @property
    def stats(self) -> ChannelStats:
        """A snapshot as of the last block."""
        return self._stats

    def feed(self, block: AudioBlock, now: float, utc: float) -> list[Window]:
        """Take a block whose last sample arrived at monotonic second `now` and at `utc`; give the windows it completes.

        A block without the picked channel is a gap. ValueError where its shape is not (frames, channels).
        """
        return list(self.windows(block, now, utc))

    def windows(self, block: AudioBlock, now: float, utc: float) -> Iterator[Window]:
        """As `feed`, one window after the other, since those of a long block together take much memory.

        The iterator must be run to its end before the next block.
        """
        if block.samples.ndim != 2:
            raise ValueError(f"a block must be of shape (frames, channels), not {block.samples.shape}")
        new_format = (block.sample_rate, block.samples.shape[1])
        if block.break_before is not None or new_format != self._format:
            yield from self._break(block.break_before, now)
            self._format = new_format
            if self._resampler is None or self._resampler.sample_rate != block.sample_rate:
                self._resampler = Resampler(block.sample_rate, self._pick)
        self._blocks += 1
        if len(block.samples):
            self._samples += len(block.samples)
            self._last_sound = now
        if len(block.samples) and (self._pick is None or self._pick < block.samples.shape[1]):
            for samples, remaining_s in self._sound_parts(block):
                if samples is None:
                    yield from self._end_run(now)
                else:
                    yield from self._run(samples, block.sample_rate, now, utc, remaining_s)
        self._publish_stats()

    def finish(self, now: float) -> list[Window]:
        """The source has ended: give the windows that the samples held back in the resampler still complete."""
        windows = list(self._end_run(now))
        self._publish_stats()
        return windows

    def _sound_parts(self, block: AudioBlock) -> Iterator[tuple[NDArray[np.float32] | None, float]]:
        """The usable parts of a block, each with the seconds of the block that follow it; None between them is a break.

        What lies between the first and the last damaged sample of a block is left out whole: it is at most a block.
        """
        samples = block.samples
        sound = np.abs(samples) <= LOUDEST  # false for NaN as well
        if sound.all():
            self._damaged = False
            yield samples, 0.0
            return
        damaged = np.flatnonzero(~sound.all(axis=1))
        self._nan_samples += len(damaged)
        first, last = int(damaged[0]), int(damaged[-1])
        if first or not self._damaged:
            self._gaps += 1
        if first:
            yield samples[:first], (len(samples) - first) / block.sample_rate
        yield None, 0.0
        self._damaged = last == len(samples) - 1
        if not self._damaged:
            yield samples[last + 1 :], 0.0

    def _break(self, kind: Break | None, now: float) -> Iterator[Window]:
        """End the run for a break that the source reports, or for a change of format, which counts as a gap."""
        if kind is Break.RECORDING:
            self._recordings += 1
        elif kind is Break.GAP or self._format is not None:
            self._gaps += 1
        yield from self._end_run(now)

    def _run(
        self, samples: NDArray[np.float32], sample_rate: int, now: float, utc: float, remaining_s: float
    ) -> Iterator[Window]:
        if self._resampler is None:
            raise AssertionError("a resampler is made with the first block")
        self._meter.add(samples, sample_rate)
        self._run_frames += len(samples)
        self._timeline.arrived(self._run_frames / sample_rate, now - remaining_s, utc - remaining_s)
        yield from self._cut(self._resampler.process(samples), now)

    def _end_run(self, now: float) -> Iterator[Window]:
        if self._resampler is not None and self._run_frames:
            yield from self._cut(self._resampler.flush(), now)
            self._runs += 1
        self._windower.reset()
        self._timeline.restart()
        self._run_frames = 0

    def _cut(self, samples: NDArray[np.float32], now: float) -> Iterator[Window]:
        for end, window in self._windower.push(samples):
            window.flags.writeable = False
            ended_at = self._timeline.utc_at(end / SAMPLE_RATE)
            heard = self._timeline.monotonic_at(end / SAMPLE_RATE)
            if self._phase_s is not None and end == len(window):
                self._windower.next_after(samples_to_phase(heard, self._phase_s, self._hop, len(samples)))
            yield Window(
                self.channel_id,
                self._windows,
                window,
                ended_at - self._window_s,
                ended_at,
                captured=now,
                run=self._runs,
                start=end - len(window),
                heard=heard,
            )
            self._windows += 1

    def _publish_stats(self) -> None:
        self._stats = ChannelStats(
            blocks=self._blocks,
            samples=self._samples,
            windows=self._windows,
            gaps=self._gaps,
            recordings=self._recordings,
            nan_samples=self._nan_samples,
            clipped_samples=self._meter.clipped_samples,
            clock_corrections=self._timeline.corrections,
            quality=self._meter.latest,
            last_sound=self._last_sound,
        )
