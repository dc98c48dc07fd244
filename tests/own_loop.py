"""Coroutines in tests, also where a browser's driver already keeps a loop in this thread."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")


def in_its_own_loop(work: Coroutine[Any, Any, Result]) -> Result:
    """What `work` gives, in a thread and a loop of its own."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()
