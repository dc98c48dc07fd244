import numpy as np

from asdstream.audio.block import AudioBlock, Break
from asdstream.audio.inbox import Inbox


def second(value: float, break_before: Break | None = None) -> AudioBlock:
    return AudioBlock(np.full((16_000, 1), value, np.float32), 16_000, break_before)


def values(blocks: list[AudioBlock]) -> list[float]:
    return [float(block.samples[0, 0]) for block in blocks]


def test_blocks_come_out_in_order_and_once() -> None:
    inbox = Inbox(10.0)
    for value in (1, 2, 3):
        inbox.put(second(value))
    assert values(inbox.drain()) == [1, 2, 3]
    assert inbox.drain() == []


def test_when_full_the_oldest_goes_and_what_follows_is_marked() -> None:
    inbox = Inbox(2.0)
    for value in (1, 2, 3, 4):
        inbox.put(second(value))
    blocks = inbox.drain()
    assert values(blocks) == [3, 4]
    assert [block.break_before for block in blocks] == [Break.GAP, None]
    assert inbox.dropped_seconds == 2.0


def test_the_bounds_in_bytes_and_in_blocks_hold_as_well() -> None:
    for inbox in (Inbox(1e9, max_bytes=2 * 64_000), Inbox(1e9, max_blocks=2)):
        for value in range(1000):
            inbox.put(second(value))
        assert values(inbox.drain()) == [998, 999]


def test_a_block_larger_than_the_inbox_is_kept_alone() -> None:
    inbox = Inbox(0.5)
    inbox.put(second(1))
    inbox.put(second(2))
    assert values(inbox.drain()) == [2]


def test_a_marked_gap_belongs_to_the_next_block_only() -> None:
    inbox = Inbox(10.0)
    inbox.put(second(1))
    inbox.mark_gap()
    inbox.put(second(2))
    inbox.put(second(3))
    assert [block.break_before for block in inbox.drain()] == [None, Break.GAP, None]
