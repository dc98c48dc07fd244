"""PortAudio, through sounddevice: found only when a microphone is wanted, and shared by all of them."""

import importlib
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any

from asdstream.audio.source import AudioError

ALSA_CARDS = Path("/proc/asound/cards")

RELIST_S = 600.0
"""Devices that are no cards (PulseAudio's, another system's) come unseen: look for them this often while one is missed.
Not oftener, for every initialisation of PortAudio loses some 12 KiB inside the ALSA library."""
CARD_READY_S = 2.0
"""A card that has just come may not open at once (udev, permissions)."""


def import_sounddevice(import_module: Callable[[str], Any] = importlib.import_module) -> Any:
    """The sounddevice module, which starts PortAudio.

    Raises AudioError where that fails, and where either is missing, naming the package to install.
    """
    try:
        return import_module("sounddevice")
    except ImportError as error:
        raise AudioError("microphones need the Python package sounddevice: pip install sounddevice") from error
    except OSError as error:
        raise AudioError(
            "microphones need PortAudio, which is not installed; on Debian and Ubuntu: apt install libportaudio2"
        ) from error
    except Exception as error:  # sounddevice's own, which cannot be named without it
        raise AudioError(f"PortAudio cannot be started, so there are no microphones: {error}") from error


def alsa_cards() -> str:
    """What changes when a sound card comes or goes; empty where there is no ALSA."""
    try:
        return ALSA_CARDS.read_text()
    except OSError:
        return ""


class PortAudio:
    """The process's one PortAudio. Thread-safe.

    PortAudio lists the devices once, when it is initialised, and it may be initialised anew only while no stream is
    open. So when a card has come since the last list, a microphone that wants to open its device is told to wait
    (`outdated`), the others see `refresh_wanted` and close their streams for a moment (a gap, counted), and with the
    last one closed the list is made anew. A card that goes, or comes back as it was, disturbs nobody.
    """

    def __init__(
        self,
        sounddevice: Any,
        cards: Callable[[], str] = alsa_cards,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sounddevice = sounddevice
        self._cards = cards
        self._clock = clock
        self._cards_listed = cards()
        self._listed_at = clock()
        self._card_came_at: float | None = None
        self._lock = threading.RLock()
        self._open = 0
        self._refresh_wanted = False
        self.listings = 1
        """How often the devices have been listed."""

    @property
    def refresh_wanted(self) -> bool:
        """Whether open streams should be closed so that the devices can be listed anew."""
        return self._refresh_wanted

    def devices(self) -> list[dict[str, Any]]:
        """PortAudio's devices in its order, each with the name of its host API as `host_api`.

        Raises AudioError where they cannot be listed.
        """
        with self._lock:
            try:
                apis = self._sounddevice.query_hostapis()
                return [
                    {**device, "host_api": str(apis[device["hostapi"]]["name"])}
                    for device in self._sounddevice.query_devices()
                ]
            except Exception as error:  # as above
                raise AudioError(f"the sound devices of this machine cannot be listed: {error}") from error

    def steady(self) -> AbstractContextManager[object]:
        """While this is held no list is made anew, so that an index looked up is still the same device when opened."""
        return self._lock

    def outdated(self) -> bool:
        """Whether a card has come that the list does not know; if so, see to it that the list is made anew.

        Until then an entry may stand for another card than it names, so nothing should be opened.
        """
        with self._lock:
            if not set(self._cards().splitlines()) - set(self._cards_listed.splitlines()):
                self._card_came_at = None
                return False
            if self._card_came_at is None:
                self._card_came_at = self._clock()
            if self._clock() - self._card_came_at < CARD_READY_S:
                return True
            if self._open == 0:
                self._refresh()
                return False
            self._refresh_wanted = True
            return True

    def relist_if_old(self) -> None:
        """A device is missed: list anew if that was long ago and no stream is open."""
        with self._lock:
            if self._open == 0 and self._clock() - self._listed_at >= RELIST_S:
                self._refresh()

    def open_input(self, **stream: Any) -> Any:
        """Open and start an input stream; the arguments are those of `sounddevice.InputStream`."""
        with self._lock:
            opened = self._sounddevice.InputStream(**stream)
            self._open += 1
        try:
            opened.start()
        except Exception:
            self.close(opened)
            raise
        return opened

    def close(self, stream: Any) -> None:
        """Close a stream of `open_input`. Errors of a device that is gone are of no use to anyone."""
        try:
            stream.abort(ignore_errors=True)
            stream.close(ignore_errors=True)
        finally:
            with self._lock:
                self._open -= 1
                if self._open == 0 and self._refresh_wanted:
                    self._refresh()

    def _refresh(self) -> None:
        self._refresh_wanted = False
        self._card_came_at = None
        self._cards_listed = self._cards()
        self._listed_at = self._clock()
        self._sounddevice._terminate()
        self._sounddevice._initialize()
        self.listings += 1


@cache
def portaudio() -> PortAudio:
    """The process's PortAudio. Raises AudioError where it is not installed."""
    return PortAudio(import_sounddevice())
