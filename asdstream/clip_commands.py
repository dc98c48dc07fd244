"""The sound of a clip, for whoever asks for it over MQTT."""

import base64
import time
from collections.abc import Callable
from typing import Any

from asdstream.alarms.command import CommandRefusedError
from asdstream.clips.clip import ClipSound
from asdstream.clips.clips import Clips
from asdstream.command_desk import Handler, Order
from asdstream.mqtt.commands import ClipArgs, Command
from asdstream.token_bucket import TokenBucket

ANSWER_WITHIN_S = 10.0
MAX_REPLY_BYTES = 1 << 20
FLAC_BYTES = (MAX_REPLY_BYTES - 32_768) * 3 // 4
"""Base64 takes a third more, and there are other words in the reply, and the error map with its 496 numbers."""
CLIPS_PER_S = 2.0
CLIPS_AT_ONCE = 10
"""Somebody looks through a history of alarms, two parts each; more than that would crowd out the alarms themselves."""


def clip_handler(clips: Clips | None, clock: Callable[[], float] = time.monotonic) -> Handler:
    """Carries out `clip`: the answer holds FLAC in Base64, and is never larger than 1 MiB.

    Of a longer clip it is what fits around the raise of the alarm. `clips` is None where none are kept.
    """
    bucket = TokenBucket(CLIPS_PER_S, CLIPS_AT_ONCE, clock)

    def ask(command: Command) -> Order:
        args = command.args
        if not isinstance(args, ClipArgs):
            raise TypeError(f"{command.verb} is not asked for a clip")
        if clips is None:
            raise CommandRefusedError("this daemon keeps no clips; clips.enabled is false in its configuration")
        if not bucket.take():
            raise CommandRefusedError(f"too many clips are asked for at once; {CLIPS_PER_S:.0f} a second are given")
        return Order(
            clips.read(args.clip, args.part, FLAC_BYTES),
            ANSWER_WITHIN_S,
            lambda sound: _reply(args, sound),
            kept=False,
        )

    return ask


def _reply(args: ClipArgs, sound: ClipSound) -> dict[str, Any]:
    return {
        "clip": args.clip,
        "part": args.part,
        "audio_format": "flac",
        "audio_base64": base64.b64encode(sound.flac).decode(),
        "started": sound.started,
        "label": sound.label,
        "sentence": sound.sentence,
        "error_map": sound.error_map,
    }
