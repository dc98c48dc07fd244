"""A CPU's cores side by side: each computes windows of its own, rather than all of them a part of each product."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

import torch

from asdstream.engine.device import Placement

Result = TypeVar("Result")


class Cores:
    """Runs parts of a batch at the same time, each on one of the placement's threads; all on the caller's on a GPU.

    Small networks are made of steps too short to be worth sharing: two cores separate a second of sound in half the
    time if each takes a channel, and gain a fifth if both take the same. Where there are fewer windows than threads,
    torch shares out each step as it always does. So it does without `side_by_side`, for what shares out its own steps.
    """

    def __init__(self, placement: Placement, *, side_by_side: bool = True) -> None:
        self._threads = placement.threads if placement.device.type == "cpu" and side_by_side else 1
        self._pool: ThreadPoolExecutor | None = None
        if self._threads > 1:
            self._pool = _pool_of_single_threads(self._threads)
            # What a worker sets for itself would otherwise hold for every thread that is begun later.
            torch.set_num_threads(placement.threads)

    def run(self, count: int, compute: Callable[[slice], list[Result]]) -> list[Result]:
        """What `compute` gives for slices of `count` windows, joined in order.

        An exception is raised once no part is at work any more: the first, in the order of the windows.
        """
        if self._pool is None or count < self._threads:
            return compute(slice(0, count))
        bounds = [count * i // self._threads for i in range(self._threads + 1)]
        parts = [self._pool.submit(compute, slice(*pair)) for pair in pairwise(bounds)]
        settled = [(part.exception(), part) for part in parts]
        for error, _ in settled:
            if error is not None:
                raise error
        return [result for _, part in settled for result in part.result()]


def _pool_of_single_threads(threads: int) -> ThreadPoolExecutor:
    all_begun = threading.Barrier(threads)

    def begin() -> None:
        # Asked first, because the first question makes torch give a thread the number that holds for all.
        torch.get_num_threads()
        torch.set_num_threads(1)
        all_begun.wait()

    pool = ThreadPoolExecutor(threads, thread_name_prefix="core", initializer=begin)
    for begun in [pool.submit(threading.get_ident) for _ in range(threads)]:
        begun.result()
    return pool
