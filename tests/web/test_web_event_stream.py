import threading

import pytest
from own_loop import in_its_own_loop

from asdstream.web.event_stream import BACKLOG, EventStream, Listener, encode


async def first(listener: Listener, count: int) -> list[bytes]:
    found = []
    async for message in listener.messages(beat_s=5.0):
        found.append(message)
        if len(found) == count:
            break
    return found


def test_an_event_is_one_block_whatever_it_holds() -> None:
    assert encode("alarm", {"note": "a\n\nevent: fleet\r\ndata: {}"}).count(b"\n") == 3


def test_everybody_who_listens_is_told_from_whatever_thread() -> None:
    async def run() -> None:
        stream = EventStream()
        listeners = [stream.open(), stream.open()]
        threading.Thread(target=stream.publish, args=("score", {"score": 0.5})).start()
        for listener in listeners:
            assert listener is not None
            assert await first(listener, 2) == [b"retry: 2000\n\n", b'event: score\ndata: {"score":0.5}\n\n']

    in_its_own_loop(run())


def test_there_are_at_most_so_many_listeners() -> None:
    async def run() -> None:
        stream = EventStream(most=2)
        one, two = stream.open(), stream.open()
        assert one is not None
        assert two is not None
        assert stream.open() is None
        stream.leave(one)
        assert stream.listeners == 1
        assert stream.open() is not None

    in_its_own_loop(run())


def test_a_browser_that_does_not_keep_up_is_let_go_and_nothing_is_kept_for_it() -> None:
    async def run() -> None:
        stream = EventStream()
        slow = stream.open()
        assert slow is not None
        for number in range(3 * BACKLOG):
            stream.publish("score", number)
        told = b"".join([message async for message in slow.messages(beat_s=5.0)])
        assert told.count(b"event: score") == BACKLOG + 1

    in_its_own_loop(run())


@pytest.mark.parametrize("waiting", [0, 3])
def test_closing_ends_every_stream_after_what_waits(waiting: int) -> None:
    async def run() -> None:
        stream = EventStream()
        listener = stream.open()
        assert listener is not None
        for number in range(waiting):
            stream.publish("score", number)
        stream.close()
        told = b"".join([message async for message in listener.messages(beat_s=5.0)])
        assert told.count(b"event: score") == waiting
        assert stream.open() is None

    in_its_own_loop(run())


def test_a_line_on_which_nothing_happens_shows_that_it_lives() -> None:
    async def run() -> None:
        listener = EventStream().open()
        assert listener is not None
        told = listener.messages(beat_s=0.01)
        assert [await anext(told), await anext(told)] == [b"retry: 2000\n\n", b"event: beat\ndata: null\n\n"]

    in_its_own_loop(run())
