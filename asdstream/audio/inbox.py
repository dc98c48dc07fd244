"""Sound that has arrived and waits to be fetched; when it is full the oldest goes, and the loss is marked."""

import threading
from collections import deque
from dataclasses import replace

from asdstream.audio.block import AudioBlock, Break


class Inbox:
    """A bounded queue of blocks between the thread that receives and the one that polls. Thread-safe.

    It holds at most `max_seconds` of sound, `max_bytes` of samples and `max_blocks` blocks, except that the newest
    block always stays. The block that follows dropped sound carries `Break.GAP`.
    """

    def __init__(self, max_seconds: float, max_bytes: int = 64 << 20, max_blocks: int = 4096) -> None:
        self._max_seconds = max_seconds
        self._max_bytes = max_bytes
        self._max_blocks = max_blocks
        self._lock = threading.Lock()
        self._blocks: deque[AudioBlock] = deque()
        self._seconds = 0.0
        self._bytes = 0
        self._gap_next = False
        self._dropped_seconds = 0.0

    @property
    def dropped_seconds(self) -> float:
        """How much sound was dropped so far because nobody fetched it in time."""
        return self._dropped_seconds

    def mark_gap(self) -> None:
        """The next block does not continue the last one."""
        with self._lock:
            self._gap_next = True

    def put(self, block: AudioBlock) -> None:
        """Add the newest block, dropping the oldest where there is no room."""
        with self._lock:
            if self._gap_next:
                block = replace(block, break_before=Break.GAP)
                self._gap_next = False
            self._blocks.append(block)
            self._seconds += _seconds(block)
            self._bytes += block.samples.nbytes
            dropped = False
            while len(self._blocks) > 1 and self._is_over_full():
                oldest = self._blocks.popleft()
                self._seconds -= _seconds(oldest)
                self._bytes -= oldest.samples.nbytes
                self._dropped_seconds += _seconds(oldest)
                dropped = True
            if dropped:
                self._blocks[0] = replace(self._blocks[0], break_before=Break.GAP)

    def drain(self) -> list[AudioBlock]:
        """Take everything out, oldest first."""
        with self._lock:
            blocks = list(self._blocks)
            self._blocks.clear()
            self._seconds = 0.0
            self._bytes = 0
        return blocks

    def _is_over_full(self) -> bool:
        return (
            self._seconds > self._max_seconds or self._bytes > self._max_bytes or len(self._blocks) > self._max_blocks
        )


def _seconds(block: AudioBlock) -> float:
    return len(block.samples) / block.sample_rate
