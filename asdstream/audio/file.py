"""Recordings played as a channel: in real time, or as fast as they are asked for."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from asdstream.audio.block import AudioBlock, Break
from asdstream.audio.recording import Recording, find_recordings
from asdstream.audio.source import AudioError, SourceState

log = structlog.get_logger()

BLOCK_S = 0.5
"""Seconds of sound in a block."""
MAX_BLOCKS_PER_POLL = 8
"""In real time: after a pause of the reader this much is caught up with in one call."""


class FileSource:
    """Plays WAV and FLAC files, and folders of them in the order of their names, one after another.

    A file that cannot be read, or breaks off, is counted in `rejected`, logged and passed over. Each new file begins
    with `Break.RECORDING`. With `realtime` it keeps to the clock; otherwise every `poll` gives the next block. With
    `loop` it begins again at the end, unless a whole round gave no sound.
    """

    def __init__(self, paths: Sequence[Path], realtime: bool, loop: bool = False) -> None:
        self._paths = [Path(path) for path in paths]
        self._realtime = realtime
        self._loop = loop
        self._queue: list[Path] = []
        self._files: list[Path] = []
        self._recording: Recording | None = None
        self._begins = False
        self._round_gave_sound = False
        self._state = SourceState.WAITING
        self._problem: str | None = None
        self._rejected = 0
        self._started = 0.0
        self._played_s = 0.0

    @property
    def paced(self) -> bool:
        """Whether it keeps to real time."""
        return self._realtime

    @property
    def state(self) -> SourceState:
        """WAITING before the start, LIVE, then ENDED."""
        return self._state

    @property
    def problem(self) -> str | None:
        """What was wrong with the last file that was passed over."""
        return self._problem

    @property
    def rejected(self) -> int:
        """Files passed over, in whole or from some point on."""
        return self._rejected

    def start(self, now: float) -> None:
        """Look the files up. Raises AudioError where there are none."""
        self._files = find_recordings(self._paths)
        self._queue = list(self._files)
        self._started = now
        self._played_s = 0.0
        self._state = SourceState.LIVE

    def poll(self, now: float) -> list[AudioBlock]:
        """The blocks that are due at `now`; without `realtime`, the next one."""
        blocks: list[AudioBlock] = []
        while self._state is SourceState.LIVE and len(blocks) < (MAX_BLOCKS_PER_POLL if self._realtime else 1):
            if self._realtime and now - self._started < self._played_s + BLOCK_S:
                break
            block = self._next_block()
            if block is not None:
                blocks.append(block)
                self._played_s += len(block.samples) / block.sample_rate
        return blocks

    def stop(self) -> None:
        """Close what is open."""
        if self._recording is not None:
            self._recording.close()
            self._recording = None
        self._state = SourceState.ENDED

    def _next_block(self) -> AudioBlock | None:
        """The next block; None where a file ended or was passed over, or everything has been played."""
        if self._recording is None:
            self._open_next()
            return None
        try:
            block = self._recording.read(max(1, round(BLOCK_S * self._recording.sample_rate)))
        except AudioError as error:
            self._pass_over(error)
            block = None
        if block is None:
            self._recording.close()
            self._recording = None
            return None
        self._round_gave_sound = True
        if self._begins:
            self._begins = False
            return replace(block, break_before=Break.RECORDING)
        return block

    def _open_next(self) -> None:
        if not self._queue:
            if not self._loop or not self._round_gave_sound:
                self.stop()
                return
            self._queue = list(self._files)
            self._round_gave_sound = False
        try:
            self._recording = Recording(self._queue.pop(0))
            self._begins = True
        except AudioError as error:
            self._pass_over(error)

    def _pass_over(self, error: AudioError) -> None:
        self._rejected += 1
        self._problem = str(error)
        log.warning("recording_passed_over", problem=self._problem)
