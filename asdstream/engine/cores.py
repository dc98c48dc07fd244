"""A CPU's cores side by side: each computes windows of its own, rather than all of them a part of each product."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from typing import Any, TypeVar

import torch

from asdstream.engine.device import Placement

Result = TypeVar("Result")


class Cores:
    """Runs parts of a batch at the same time, each on one of the placement's threads; all on the caller's on a GPU.

    Small networks are made of steps too short to be worth sharing: two cores separate a second of sound in half the
    time if each takes a channel, and gain a fifth if both take the same. Where there are fewer windows than threads,
    torch shares out each step as it always does. So it does without `side_by_side`, for what shares out its own steps.

    What is begun with `begin` keeps to one core; while any of it is under way nothing else spreads over all of them.
    """

    def __init__(self, placement: Placement, *, side_by_side: bool = True) -> None:
        self._threads = placement.threads if placement.device.type == "cpu" and side_by_side else 1
        self._pool: ThreadPoolExecutor | None = None
        self._here = _Here()
        self._under_way: set[Future[Any]] = set()
        if self._threads > 1:
            self._pool = _pool_of_single_threads(self._threads, self._here)
            # What a worker sets for itself would otherwise hold for every thread that is begun later.
            torch.set_num_threads(placement.threads)

    @property
    def count(self) -> int:
        """How many there are to compute side by side; 1 where all is done on the caller's thread."""
        return self._threads

    def begin(self, work: Callable[[], Result]) -> Future[Result]:
        """What `work` gives, on the next core that is free: it does not wait for any other. There must be several."""
        if self._pool is None:
            raise ValueError("there is one core; right would be to do the work at once")
        begun = self._pool.submit(work)
        self._under_way.add(begun)
        begun.add_done_callback(self._under_way.discard)
        return begun

    def run(self, count: int, compute: Callable[[slice], list[Result]]) -> list[Result]:
        """What `compute` gives for slices of `count` windows, joined in order.

        An exception is raised once no part is at work any more: the first, in the order of the windows.
        """
        too_few = count < self._threads and not self._under_way
        if self._pool is None or self._here.is_core or too_few or not count:
            return compute(slice(0, count))
        shares = min(count, self._threads)
        bounds = [count * i // shares for i in range(shares + 1)]
        parts = [self._pool.submit(compute, slice(*pair)) for pair in pairwise(bounds)]
        settled = [(part.exception(), part) for part in parts]
        for error, _ in settled:
            if error is not None:
                raise error
        return [result for _, part in settled for result in part.result()]


class _Here(threading.local):
    """Whether this thread is one of the cores."""

    is_core = False


def _pool_of_single_threads(threads: int, here: _Here) -> ThreadPoolExecutor:
    all_begun = threading.Barrier(threads)

    def begin() -> None:
        # Asked first, because the first question makes torch give a thread the number that holds for all.
        torch.get_num_threads()
        torch.set_num_threads(1)
        here.is_core = True
        all_begun.wait()

    pool = ThreadPoolExecutor(threads, thread_name_prefix="core", initializer=begin)
    for begun in [pool.submit(threading.get_ident) for _ in range(threads)]:
        begun.result()
    return pool
