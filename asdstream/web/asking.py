"""Commands from the page to any node, and the answer to each, if one comes."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any, Protocol

from pydantic import ValidationError

from asdstream.errors import AsdstreamError
from asdstream.mqtt.commands import ReplyPayload, write_command
from asdstream.mqtt.topics import Topics
from asdstream.web.bounded import OutOfBoundsError, bounded, bounded_text
from asdstream.web.topic_address import Address

MOST_WAITING = 64


class NoAnswerError(AsdstreamError):
    """The node could not be asked, or did not answer."""


class Publisher(Protocol):
    """Takes a message to the broker."""

    @property
    def problem(self) -> str | None:
        """Why there is no connection, in one sentence."""

    def publish(self, topic: str, payload: bytes, *, qos: int = 0) -> bool:
        """Whether the message could be handed over."""


class Asking:
    """Asks on the event loop; answers come from any thread. At most 64 questions stand open at a time."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._lock = threading.Lock()
        self._waiting: dict[str, tuple[str, Callable[[ReplyPayload], None]]] = {}

    async def ask(self, node: str, verb: str, actor: str, args: dict[str, Any], within_s: float) -> ReplyPayload:
        """The answer of `node`, a key "site/node".

        Raises NoAnswerError where none comes within `within_s` seconds, and CommandError for what no daemon would take.
        """
        command, payload = write_command(verb, actor, args)
        transaction = command.transaction
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[ReplyPayload] = loop.create_future()

        def settle(reply: ReplyPayload) -> None:
            if not answered.done():
                answered.set_result(reply)

        def note(reply: ReplyPayload) -> None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(settle, reply)

        with self._lock:
            if len(self._waiting) >= MOST_WAITING:
                raise NoAnswerError("too many commands wait for their answer at present; try again in a moment")
            self._waiting[transaction] = (node, note)
        try:
            if not self._publisher.publish(Topics(*node.split("/")).command(verb), payload, qos=1):
                raise NoAnswerError(self._publisher.problem or "the broker does not take messages at present")
            return await asyncio.wait_for(answered, within_s)
        except TimeoutError:
            raise NoAnswerError(f"{node} did not answer within {within_s:g} s") from None
        finally:
            with self._lock:
                del self._waiting[transaction]

    def hear(self, address: Address, payload: bytes) -> None:
        """A reply came; whoever waits for just that one from just that node gets it."""
        with self._lock:
            waiting = self._waiting.get(address.name)
        if waiting is None or waiting[0] != address.node:
            return
        try:
            reply = ReplyPayload.model_validate_json(payload)
        except ValidationError:
            return
        if reply.transaction == address.name:
            waiting[1](reply)


def shown_reply(reply: ReplyPayload) -> dict[str, Any]:
    """A reply as the page gets it, cut to bounds."""
    try:
        data = None if reply.data is None else bounded(reply.data)
    except OutOfBoundsError:
        data = None
    return {
        "status": reply.status,
        "error": None if reply.error is None else bounded_text(reply.error),
        "data": data,
    }
