"""From the windows of a channel to the sound that follows a command."""

import time
from concurrent.futures import CancelledError

import numpy as np
import pytest
from numpy.typing import NDArray

from asdstream.alarms.command import CommandRefusedError
from asdstream.audio.window import WINDOW_SAMPLES, Window
from asdstream.live_enrolment import LiveEnrolment, LiveReference
from asdstream.mqtt.commands import Command, EnrollArgs

STREAM = np.arange(40 * 16_000, dtype=np.float32)


class Place:
    def __init__(self) -> None:
        self.hears = True
        self.enrolled: list[tuple[str, NDArray[np.float32], str, bool]] = []
        self.live = LiveEnrolment({"fan-1": "a", "fan-2": "b"}, lambda _: self.hears, self._enrol)

    def _enrol(self, channel: str, samples: NDArray[np.float32], actor: str, force: bool) -> LiveReference:
        self.enrolled.append((channel, samples, actor, force))
        return LiveReference("fan-1", channel, "label", 10.0, 1, 1, 1)

    def windows(self, ends: list[float], channel: str = "a", run: int = 0) -> None:
        for i, end_s in enumerate(ends):
            end = round(end_s * 16_000)
            samples = STREAM[end - WINDOW_SAMPLES : end]
            self.live.hear(Window(channel, i, samples, end_s - 10, end_s, end_s, run=run, start=end - WINDOW_SAMPLES))


def enroll(machine: str = "fan-1", seconds: float = 10.0) -> Command:
    return Command("enroll", "t", "ann", EnrollArgs(machine=machine, seconds=seconds))


@pytest.mark.parametrize("ends", [[11, 12.5, 14, 15.5, 17, 18.5, 20, 21.5], [11, 21], [11, *range(12, 30)]])
def test_the_sound_after_the_command_is_put_together_of_windows_that_overlap(ends: list[float]) -> None:
    place = Place()
    order = place.live.begin(enroll())
    place.windows([5 + 10], channel="b")
    place.windows(ends)
    made = order.outcome.result(5)
    ((channel, samples, actor, force),) = place.enrolled
    assert (channel, actor, force, order.tell(made)["label"]) == ("a", "ann", False, "label")
    np.testing.assert_array_equal(samples, STREAM[11 * 16_000 : 21 * 16_000])


def test_sound_that_breaks_off_is_no_reference() -> None:
    place = Place()
    order = place.live.begin(enroll())
    place.windows([11], run=0)
    place.windows([12, 15], run=1)
    place.windows([12], run=2)
    with pytest.raises(CommandRefusedError, match="broke off after 3 of 10 s"):
        order.outcome.result(5)
    assert place.enrolled == []


def test_a_machine_is_enrolled_once_at_a_time_and_again_after_it_was_given_up() -> None:
    place = Place()
    order = place.live.begin(enroll())
    with pytest.raises(CommandRefusedError, match="fan-1 is being enrolled already"):
        place.live.begin(enroll())
    assert order.outcome.cancel()
    with pytest.raises(CancelledError):
        order.outcome.result(0)
    again = place.live.begin(enroll())
    place.windows([11, 21])
    assert again.outcome.result(5)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            place.live.begin(enroll())
        except CommandRefusedError:
            time.sleep(0.01)
        else:
            return
    pytest.fail("it was never free again")


def test_what_cannot_be_heard_is_refused_at_once() -> None:
    place = Place()
    with pytest.raises(CommandRefusedError, match='no machine "fan-9"; the configuration has fan-1, fan-2'):
        place.live.begin(enroll("fan-9"))
    place.hears = False
    with pytest.raises(CommandRefusedError, match="no sound comes in on channel a"):
        place.live.begin(enroll())
