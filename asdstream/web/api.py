"""What the page asks for and asks to be done, as JSON; only for those who have logged in."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from asdstream.mqtt.commands import CLIP_ID, CommandError, EnrollArgs, write_command
from asdstream.web.access import Access, from_own_page
from asdstream.web.asking import NoAnswerError, shown_reply
from asdstream.web.clips import ClipError, Clips
from asdstream.web.event_stream import EventStream, Listener, encode
from asdstream.web.fleet_watch import FleetWatch
from asdstream.web.history import MOST_AT_ONCE, Filter
from asdstream.web.rate_limit import RateLimit
from asdstream.web.small_body import small_body
from asdstream.web.topic_address import is_channel, is_node

ANSWER_WITHIN_S = 5.0
ENROL_SLACK_S = 20.0
"""On top of the sound itself, for computing its embeddings."""
OWN_HEADER = "asdstream"
"""No form and no picture of a foreign page can send a header of its own."""
_FEWEST, _USUAL = 1, 50

Endpoint = Callable[[Request, str], Awaitable[Response]]


class CommandRequest(BaseModel):
    """What the page asks to be done."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    node: str = Field(max_length=129)
    verb: Literal["ack", "shelve", "unshelve", "reset", "out_of_service", "in_service", "enroll"]
    args: dict[str, Any]


class Api:
    """The endpoints; each is called with whoever asks. `commands` and `sounds` limit how often each user may."""

    def __init__(
        self,
        access: Access,
        watch: FleetWatch,
        clips: Clips,
        stream: EventStream,
        commands: RateLimit,
        sounds: RateLimit,
    ) -> None:
        self._access = access
        self._watch = watch
        self._clips = clips
        self._stream = stream
        self._commands = commands
        self._sounds = sounds

    def routes(self) -> list[BaseRoute]:
        """Everything below `/api`, and `/events`."""
        return [
            Route("/api/fleet", self._known(self._fleet)),
            Route("/api/scores", self._known(self._scores)),
            Route("/api/history", self._known(self._history)),
            Route("/api/command", self._known(self._command), methods=["POST"]),
            Route("/api/clip/{clip}", self._known(self._picture)),
            Route("/api/clip/{clip}/{part}.flac", self._known(self._sound)),
            Route("/events", self._known(self._events)),
        ]

    def _known(self, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            user = self._access.user(request)
            if user is None:
                return JSONResponse({"error": "log in first"}, 401)
            return await endpoint(request, user)

        return answer

    async def _fleet(self, _request: Request, user: str) -> Response:
        return JSONResponse({**self._watch.snapshot(), "user": user})

    async def _scores(self, request: Request, _user: str) -> Response:
        node, channel = request.query_params.get("node", ""), request.query_params.get("channel", "")
        if not (is_node(node) and is_channel(channel)):
            return _wrong('scores are asked for with node="site/node" and channel')
        return JSONResponse(self._watch.scores(node, channel))

    async def _history(self, request: Request, _user: str) -> Response:
        given = {name: value for name, value in request.query_params.items() if value}
        limit = given.pop("limit", str(_USUAL))
        if not limit.isdecimal() or len(limit) > 6 or not _FEWEST <= int(limit) <= MOST_AT_ONCE:
            return _wrong(f"limit should be {_FEWEST} to {MOST_AT_ONCE}")
        names = ("node", "machine", "kind", "transition", "before")
        if given.keys() - set(names) or any(len(value) > 129 for value in given.values()):
            return _wrong("history is filtered by node, machine, kind, transition, before and limit")
        events, more = self._watch.search(Filter(**given), int(limit))
        return JSONResponse({"events": events, "more": more})

    async def _command(self, request: Request, user: str) -> Response:
        refusal = self._refusal(request, user)
        if refusal is not None:
            return refusal
        try:
            wanted = CommandRequest.model_validate_json(await small_body(request))
            seconds = _answer_within_s(wanted, user)
        except ValidationError:
            return _not_done("a command has node, verb and args", 400)
        except CommandError as error:
            return _not_done(str(error), 400)
        if not self._watch.knows(wanted.node):
            return _not_done("there is no such node", 404)
        return await self._ask(wanted, user, seconds)

    def _refusal(self, request: Request, user: str) -> Response | None:
        if request.headers.get("x-requested-with") != OWN_HEADER or not from_own_page(request):
            return _not_done("commands are taken from the dashboard's own page alone", 403)
        if not self._commands.take(user):
            return _not_done("too many commands at a time; wait a moment", 429)
        return None

    async def _ask(self, wanted: CommandRequest, user: str, within_s: float) -> Response:
        try:
            reply = await self._watch.asking.ask(wanted.node, wanted.verb, user, wanted.args, within_s)
        except NoAnswerError as error:
            return _not_done(str(error), 504, "failed")
        return JSONResponse(shown_reply(reply))

    async def _picture(self, request: Request, user: str) -> Response:
        return await self._of_clip(request, user, self._clips.picture)

    async def _sound(self, request: Request, user: str) -> Response:
        part = request.path_params["part"]
        if part not in ("alarm", "reference"):
            return _wrong("a clip has alarm.flac and reference.flac", 404)

        async def sound(node: str, clip: str, user: str) -> bytes:
            return (await self._clips.sound(node, clip, part, user)).flac

        return await self._of_clip(request, user, sound, "audio/flac")

    async def _of_clip(
        self,
        request: Request,
        user: str,
        made: Callable[[str, str, str], Awaitable[bytes]],
        media_type: str = "application/json",
    ) -> Response:
        node, clip = request.query_params.get("node", ""), request.path_params["clip"]
        if not is_node(node) or not re.fullmatch(CLIP_ID, clip):
            return _wrong('a clip is asked for by its id and node="site/node"')
        if not self._watch.knows(node):
            return _wrong("there is no such node", 404)
        if not self._sounds.take(user):
            return _wrong("too many clips at a time; wait a moment", 429)
        try:
            return Response(await made(node, clip, user), media_type=media_type)
        except ClipError as error:
            return _wrong(str(error), 404)
        except NoAnswerError as error:
            return _wrong(str(error), 504)

    async def _events(self, request: Request, _user: str) -> Response:
        listener = self._stream.open()
        if listener is None:
            return _wrong("too many pages are open at present", 503)
        listener.offer(encode("fleet", self._watch.snapshot()))
        return StreamingResponse(self._told(request, listener), media_type="text/event-stream")

    async def _told(self, request: Request, listener: Listener) -> AsyncIterator[bytes]:
        try:
            async for message in listener.messages():
                if self._access.user(request) is None:
                    return
                yield message
        finally:
            self._stream.leave(listener)


def _answer_within_s(wanted: CommandRequest, user: str) -> float:
    """How long the node may take. Raises CommandError for what no daemon would take, so that it is never sent."""
    command, _ = write_command(wanted.verb, user, wanted.args)
    args = command.args
    return args.seconds + ENROL_SLACK_S if isinstance(args, EnrollArgs) else ANSWER_WITHIN_S


def _wrong(sentence: str, status: int = 400) -> Response:
    return JSONResponse({"error": sentence}, status)


def _not_done(sentence: str, status: int, word: Literal["refused", "failed"] = "refused") -> Response:
    return JSONResponse({"status": word, "error": sentence, "data": None}, status)
