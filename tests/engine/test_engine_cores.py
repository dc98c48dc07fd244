"""Cores of a CPU that compute side by side."""

import threading
import time

import pytest
import torch

from asdstream.engine.cores import Cores
from asdstream.engine.device import Placement


def cores(threads: int) -> Cores:
    return Cores(Placement(torch.device("cpu"), torch.float32, threads))


def test_each_core_takes_a_part_and_the_order_is_kept() -> None:
    met = threading.Barrier(2, timeout=60.0)

    def compute(part: slice) -> list[int]:
        met.wait()  # nobody comes past it alone
        return list(range(part.start, part.stop))

    assert cores(2).run(5, compute) == [0, 1, 2, 3, 4]


def test_a_core_computes_alone_and_everybody_else_with_all_threads() -> None:
    threads_of: list[int] = []

    def compute(part: slice) -> list[int]:
        threads_of.append(torch.get_num_threads())
        return [part.start]

    beside = cores(3)
    elsewhere: list[int] = []
    thread = threading.Thread(target=lambda: elsewhere.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    beside.run(3, compute)
    assert (threads_of, elsewhere, torch.get_num_threads()) == ([1, 1, 1], [3], 3)


def test_fewer_windows_than_threads_are_not_shared_out() -> None:
    parts: list[slice] = []

    def compute(part: slice) -> list[str]:
        parts.append(part)
        return [threading.current_thread().name]

    assert cores(4).run(3, compute) == [threading.current_thread().name]
    assert parts == [slice(0, 3)]
    assert cores(1).run(8, compute) == [threading.current_thread().name]
    alone = Cores(Placement(torch.device("cpu"), torch.float32, 4), side_by_side=False)
    assert alone.run(8, compute) == [threading.current_thread().name]


def test_the_first_failure_is_raised_once_all_are_done() -> None:
    done: list[int] = []

    def compute(part: slice) -> list[int]:
        if part.start == 0:
            raise RuntimeError("no memory")
        time.sleep(0.1)
        done.append(part.start)
        return []

    with pytest.raises(RuntimeError, match="no memory"):
        cores(2).run(4, compute)
    assert done == [2]


def test_what_is_begun_keeps_to_one_core_and_waits_for_no_other() -> None:
    beside = cores(2)
    released, threads_of = threading.Event(), []

    def work() -> list[int]:
        # What is begun shares nothing out again, or it would wait for cores that wait for it.
        return beside.run(8, lambda part: [part.start, part.stop, torch.get_num_threads()])

    def held() -> None:
        assert released.wait(5.0)

    other = beside.begin(held)
    try:
        assert beside.begin(work).result(5.0) == [0, 8, 1]
        assert beside.run(1, lambda _part: threads_of.append(torch.get_num_threads()) or [0]) == [0]
        assert threads_of == [1], "one that comes between takes no core from those at work"
    finally:
        released.set()
    other.result(5.0)
    beside.run(1, lambda _part: threads_of.append(torch.get_num_threads()) or [0])
    assert threads_of == [1, 2], "and all of them once they have nothing else to do"


def test_where_there_is_one_core_nothing_is_begun_beside_another() -> None:
    assert (cores(1).count, cores(3).count) == (1, 3)
    with pytest.raises(ValueError, match="one core"):
        cores(1).begin(lambda: None)
