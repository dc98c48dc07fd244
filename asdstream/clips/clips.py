"""Keeps the sound around alarms: it is heard beforehand, and written down when what follows has come."""

import queue
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
import structlog
from numpy.typing import NDArray

from asdstream.alarms.command import CommandRefusedError
from asdstream.audio.flac import encode_flac
from asdstream.audio.window import SAMPLE_RATE, Window
from asdstream.clips.clip import ClipOrder, ClipSound
from asdstream.clips.folder import ALARM, PICTURE, REFERENCE, ClipFolder
from asdstream.clips.picture import MapPanel, Panel, picture_of
from asdstream.clips.roll import Roll, to_16_bit
from asdstream.clips.shortened import shortened
from asdstream.errors import AsdstreamError
from asdstream.evidence.error_map import ErrorMap
from asdstream.mqtt.payloads import utc_text

log = structlog.get_logger()

SLACK_S = 5.0
"""A window is judged some time after it was heard; so much of what came meanwhile is held as well."""
OPEN = 64
"""Clips that wait for what follows; further alarms at once have none."""
ASKED = 16
"""Clips that wait to be written or read, of up to 2 MB each; on a disk that cannot keep up further ones are lost."""
OVERDUE_S = 5.0
"""What has not come so long after it should have does not come: the source is lost, or the machine stands still."""
TIDY_EVERY_S = 600.0


@dataclass(frozen=True, slots=True, eq=False)
class _Open:
    """A clip that waits for the sample `end` of its run."""

    order: ClipOrder
    begin: int
    end: int
    due: float


@dataclass(frozen=True, slots=True, eq=False)
class _Cut:
    """Sound that is to be written, from the sample `begin` of the run of the order's window."""

    order: ClipOrder
    begin: int
    samples: NDArray[np.int16]


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    clip: str
    part: str
    most: int
    answer: "Future[ClipSound]"


class Clips:
    """`hear` is called by capture, `begin` by the judge, `read` by anybody; `step` by a thread of its own.

    A clip reaches from `pre_roll_s` before the end of the window that raised the alarm to `post_roll_s` after it, or to
    where the sound breaks off. It is whole on the disk or not there. A disk that does not take it costs the clip, which
    is logged, and nothing else.
    """

    def __init__(
        self,
        folder: ClipFolder,
        channels: Collection[str],
        pre_roll_s: float,
        post_roll_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = folder
        self._before = round(pre_roll_s * SAMPLE_RATE)
        self._after = round(post_roll_s * SAMPLE_RATE)
        self._clock = clock
        self._lock = threading.Lock()
        capacity = self._before + self._after + round(SLACK_S * SAMPLE_RATE)
        self._rolls = {channel: Roll(capacity) for channel in channels}
        self._open: list[_Open] = []
        self._work: queue.Queue[_Cut | _Asked] = queue.Queue(ASKED)
        self._unfinished: set[str] = set()
        self._tidy_due = clock() + TIDY_EVERY_S

    def hear(self, window: Window) -> None:
        """Sound has come. Never blocks for long, and writes nothing."""
        with self._lock:
            roll = self._rolls[window.channel]
            if roll.run != window.run:
                self._cut(lambda one: one.order.window.channel == window.channel)
            roll.hear(window)
            self._cut(lambda one: one.order.window.channel == window.channel and roll.end >= one.end)

    def begin(self, order: ClipOrder) -> bool:
        """An alarm was raised at the end of the order's window; whether its sound will be kept."""
        end = order.window.start + len(order.window.samples)
        due = self._clock() + self._after / SAMPLE_RATE + OVERDUE_S
        with self._lock:
            if len(self._open) >= OPEN:
                log.warning("clip_not_kept", clip=order.clip, problem="too many clips at once")
                return False
            self._unfinished.add(order.clip)
            self._open.append(_Open(order, end - self._before, end + self._after, due))
            roll = self._rolls[order.window.channel]
            if roll.run != order.window.run or roll.end >= end + self._after:
                self._cut(lambda one: one.order is order)
        return True

    def read(self, clip: str, part: str, most: int) -> "Future[ClipSound]":
        """Sound of a clip, `alarm` or `reference`, in at most `most` bytes; CommandRefusedError where there is none."""
        answer: Future[ClipSound] = Future()
        try:
            self._work.put_nowait(_Asked(clip, part, most, answer))
        except queue.Full:
            answer.set_exception(CommandRefusedError("too many clips are asked for at once; ask again in a moment"))
        return answer

    def step(self, timeout_s: float) -> None:
        """Write or read what is due, waiting at most `timeout_s` for it."""
        now = self._clock()
        with self._lock:
            self._cut(lambda one: now >= one.due)
        if now >= self._tidy_due:
            self._tidy_due = now + TIDY_EVERY_S
            self.folder.tidy()
        try:
            work = self._work.get(timeout=timeout_s)
        except queue.Empty:
            return
        if isinstance(work, _Cut):
            self._write(work)
        elif work.answer.set_running_or_notify_cancel():
            self._answer(work)

    def close(self, within_s: float) -> None:
        """Write what has come of the clips that are open; what takes longer than `within_s` is lost."""
        deadline = time.monotonic() + within_s
        with self._lock:
            self._cut(lambda _: True)
        while time.monotonic() < deadline and not self._work.empty():
            self.step(0.0)

    def _cut(self, which: Callable[[_Open], bool]) -> None:
        """Hand what has come of some clips over to be written; under the lock."""
        for one in [one for one in self._open if which(one)]:
            self._open.remove(one)
            window = one.order.window
            roll = self._rolls[window.channel]
            begin, samples = roll.cut(one.begin, one.end) if roll.run == window.run else (0, np.zeros(0, np.int16))
            if not len(samples):
                # Sound broke off before the alarm was judged: the window is all there is.
                begin, samples = window.start, to_16_bit(window.samples)
            try:
                self._work.put_nowait(_Cut(one.order, begin, samples))
            except queue.Full:
                self._unfinished.discard(one.order.clip)
                log.warning("clip_not_kept", clip=one.order.clip, problem="the disk cannot keep up")

    def _write(self, cut: _Cut) -> None:
        clip = cut.order.clip
        try:
            self._keep(cut)
        except OSError as error:
            log.warning("clip_not_kept", clip=clip, problem=error.strerror or str(error))
        except Exception:
            # Sound beside an alarm is not worth the alarms to come.
            log.exception("clip_not_kept", clip=clip)
        finally:
            with self._lock:
                self._unfinished.discard(clip)

    def _keep(self, cut: _Cut) -> None:
        order, window = cut.order, cut.order.window
        started = window.started_at + (cut.begin - window.start) / SAMPLE_RATE
        raised_s = (window.start + len(window.samples) - cut.begin) / SAMPLE_RATE
        panels: list[Panel | MapPanel] = [
            Panel(f"{window.channel}, {utc_text(started)}: {order.sentence}", cut.samples, raised_s)
        ]
        parts = {ALARM: encode_flac(cut.samples)}
        if order.normal is not None:
            normal = to_16_bit(order.normal)
            panels.append(Panel(f"normal sound: {order.normal_label}", normal))
            parts[REFERENCE] = encode_flac(normal)
        found = _error_map(order)
        if found is not None:
            panels.append(
                MapPanel(f"louder than expected, in the {len(window.samples) / SAMPLE_RATE:g} s to the raise", found)
            )
        parts[PICTURE] = picture_of(panels)
        facts = {
            "schema": "asd.clip/1",
            "clip": order.clip,
            **order.facts,
            "channel": window.channel,
            "started": utc_text(started),
            "ended": utc_text(started + len(cut.samples) / SAMPLE_RATE),
            "raised_s": round(raised_s, 3),
            "sentence": order.sentence,
            "reference": order.normal_label,
            "started_utc_s": started,
            "error_map": None
            if found is None
            else {"begins_s": round((window.start - cut.begin) / SAMPLE_RATE, 3), **found.to_dict()},
        }
        self.folder.put(order.clip, parts, facts)
        log.info("clip_kept", clip=order.clip, channel=window.channel, seconds=len(cut.samples) / SAMPLE_RATE)

    def _answer(self, asked: _Asked) -> None:
        try:
            asked.answer.set_result(self._found(asked))
        except CommandRefusedError as refused:
            asked.answer.set_exception(refused)
        except Exception as error:
            # Files of which somebody asks may be damaged; that is theirs to know, and no reason to stop.
            log.warning("clip_not_read", clip=asked.clip, problem=f"{type(error).__name__}: {error}")
            asked.answer.set_exception(CommandRefusedError(f"clip {asked.clip} is damaged and cannot be read"))

    def _found(self, asked: _Asked) -> ClipSound:
        facts = self.folder.facts(asked.clip)
        if facts is None:
            with self._lock:
                unfinished = asked.clip in self._unfinished
            if unfinished:
                raise CommandRefusedError(f"clip {asked.clip} is not finished yet; ask again in a few seconds")
            raise CommandRefusedError(
                f"there is no clip {asked.clip}: it was never finished, or has made room for others"
            )
        flac = self.folder.part(asked.clip, ALARM if asked.part == "alarm" else REFERENCE)
        if flac is None:
            raise CommandRefusedError(f"clip {asked.clip} has no normal sound beside it: there was none at hand")
        sentence = str(facts["sentence"])
        if asked.part == "reference":
            return ClipSound(shortened(flac, asked.most, 0.0)[0], None, facts["reference"], sentence)
        flac, cut_s = shortened(flac, asked.most, float(facts["raised_s"]))
        surprise = facts.get("error_map")
        if surprise is not None:
            surprise = {**surprise, "begins_s": round(surprise["begins_s"] - cut_s, 3)}
        return ClipSound(flac, utc_text(float(facts["started_utc_s"]) + cut_s), None, sentence, surprise)


def _error_map(order: ClipOrder) -> ErrorMap | None:
    """None where there is none to be had."""
    if order.error_map is None:
        return None
    try:
        return order.error_map()
    except (AsdstreamError, TimeoutError) as error:
        log.warning("no_error_map", clip=order.clip, problem=str(error) or "the engine had no time for it")
    except Exception:
        log.exception("no_error_map", clip=order.clip)
    return None
