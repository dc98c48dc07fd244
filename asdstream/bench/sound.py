"""Sound of many channels that goes on for ever and costs nothing to make."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.simulator.machine import MachineSpec
from asdstream.audio.simulator.simulator import Simulator
from asdstream.audio.window import SAMPLE_RATE, WINDOW_SAMPLES, WINDOW_SECONDS, Window
from asdstream.audio.windower import hop_samples

LOOP_S = 30.0
FADE = SAMPLE_RATE // 10
APART = 0.381966
"""The golden section of the loop lies between the beginnings of two channels, so that they come close to no other."""


class ChannelSound:
    """Windows of `channels` streams of sound, each going on by `hop_s` from one window to the next.

    All are cut from one simulated fan that is rendered here, once, and joined to a loop; every channel begins elsewhere
    in it. Windows are views of it, so that a window costs microseconds and no memory. The same `seed` is the same
    sound. ValueError for less than one channel, or a hop of less than one sample.

    Example:
        >>> sound = ChannelSound(2, hop_s=1.0)
        >>> [window.channel for window in sound.round(0, captured=0.0)]
        ['channel-0', 'channel-1']
    """

    def __init__(self, channels: int, hop_s: float, seed: int = 0) -> None:
        if channels < 1:
            raise ValueError(f"{channels} channels are asked for; at least 1 is needed")
        self.names = tuple(f"channel-{channel}" for channel in range(channels))
        self.hop_s = hop_s
        self._hop = hop_samples(hop_s)
        loop = _loop(seed)
        self._period = len(loop)
        self._sound = np.concatenate([loop, loop[:WINDOW_SAMPLES]])
        self._sound.setflags(write=False)

    def window(self, channel: int, index: int, captured: float) -> Window:
        """The window `index` of a channel, counted from 0, whose last sample came at the monotonic second `captured`.

        Its UTC times count from the stream's beginning, as if that had been the epoch.
        """
        start = index * self._hop
        first = (round(channel * APART * self._period) + start) % self._period
        ended_at = start / SAMPLE_RATE + WINDOW_SECONDS
        return Window(
            channel=self.names[channel],
            index=index,
            samples=self._sound[first : first + WINDOW_SAMPLES],
            started_at=start / SAMPLE_RATE,
            ended_at=ended_at,
            captured=captured,
            start=start,
            heard=captured,
        )

    def round(self, index: int, captured: float) -> list[Window]:
        """The window `index` of every channel, in the order of `names`."""
        return [self.window(channel, index, captured) for channel in range(len(self.names))]


@lru_cache(maxsize=2)
def _loop(seed: int) -> NDArray[np.float32]:
    """Sound (n,) whose end goes over into its beginning."""
    period = round(LOOP_S * SAMPLE_RATE)
    sound = Simulator(MachineSpec("fan", identity=1), seed).render(LOOP_S + FADE / SAMPLE_RATE)
    weight = np.linspace(0.0, 1.0, FADE, dtype=np.float32)
    loop = sound[:period].copy()
    loop[:FADE] = weight * loop[:FADE] + (1 - weight) * sound[period : period + FADE]
    return loop
