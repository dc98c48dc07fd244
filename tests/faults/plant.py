"""A plant in which alarms come and go many times a second: broker, daemon, a journal of what happened, and a witness.

Two machines are heard from recordings that are played as fast as they can be scored, one healthy and one strange in
turn. Each recording is 10 s long, one window, and the alarms are set to follow every window, so that each makes a
transition. A third machine, `far`, is heard over MQTT, where a test says what it sounds like.
"""

import io
import signal
from pathlib import Path

import numpy as np
import soundfile
from faults.account import Account, settle
from faults.forked_daemon import PATIENCE_S, ForkedDaemon, Launcher
from faults.journal import Journal
from faults.witness import Witness
from mosquitto_broker import MosquittoBroker
from numpy.typing import NDArray
from processes import wait_until
from small_bundle import fan_sound, strange_sound

ROOT = "asd/v1/plant/line-1"
RECORDING_S = 10
PLAYED = ("fan-1", "fan-2")
FAR = "far"
MOST_GROWTH_MB = 30.0
"""Far less than keeping a part of each window would come to in any of the long runs."""
BROKER = (
    # What the broker has acknowledged should not wait inside it for a subscriber that is a moment behind.
    "max_inflight_messages 0",
    "max_queued_messages 0",
)


class Plant:
    """Everything in `folder`; the daemon is started by `start`, and again after a test has ended it."""

    def __init__(self, folder: Path, bundle: Path, recordings: Path, launcher: Launcher) -> None:
        self.folder = folder
        self.recordings = recordings
        self.launcher = launcher
        self.broker = MosquittoBroker(folder, BROKER, persistence=True)
        self.broker.start()
        self.journal = Journal(folder / "state.db")
        self.witness = Witness(self.broker.port, ROOT)
        assert self.witness.connected.wait(PATIENCE_S)
        # A broker that ends politely keeps the witness's session on disk, and knows it even after it was killed.
        self.restart_broker(kill=False)
        self.config = folder / "asdstream.toml"
        self.write_config(bundle)
        self.daemons: list[ForkedDaemon] = []

    def write_config(self, bundle: Path, more: str = "", *, port: int | None = None, store: str = "state.db") -> Path:
        """As `config`, or beside it where another store is named."""
        path = self.config if store == "state.db" else self.folder / f"{store}.toml"
        channels = "".join(
            f"""
[[channels]]
id = "{name}"
machine = "{name}"
machine_type = "fan"
source = {{ kind = "file", path = "{self.recordings / name}", realtime = false, loop = true }}
"""
            for name in PLAYED
        )
        path.write_text(
            f"""
bundle = "{bundle}"
[site]
name = "plant"
node = "line-1"
[mqtt]
port = {port or self.broker.port}
home_assistant = true
[engine]
threads = 1
max_batch = 2
[store]
path = "{store}"
[alarms]
k = 1
n = 1
clear_windows = 1
clear_level = 1.0
min_duration_s = 0.0
source_lost_after_s = 1000.0
disk_free_min_mb = 0.0
[clips]
enabled = false
{channels}
[[channels]]
id = "{FAR}"
machine = "{FAR}"
machine_type = "fan"
hop = 10.0
source = {{ kind = "mqtt" }}
{more}
"""
        )
        return path

    @property
    def daemon(self) -> ForkedDaemon:
        """The latest."""
        return self.daemons[-1]

    def start(self, config: Path | None = None, constants: dict[str, float] | None = None, **environment: str) -> None:
        """A daemon begins to work; returns at once."""
        self.daemons.append(self.launcher.start(config or self.config, constants, **environment))

    def play(self, sound: NDArray[np.float32]) -> None:
        """Let `far` sound like that, 16 kHz mono (n,)."""
        file = io.BytesIO()
        soundfile.write(file, sound, 16_000, format="WAV", subtype="PCM_16")
        self.witness.send(f"{ROOT}/channel/{FAR}/audio", file.getvalue())

    @property
    def times_listened(self) -> int:
        """How often a daemon has told the broker that it wants to hear `far`: once for each connection."""
        return self.broker.log.count(f" 0 {ROOT}/channel/{FAR}/audio\n")

    def restart_broker(self, *, kill: bool = True) -> None:
        """End the broker, start it again; the witness is back."""
        self.broker.stop(kill=kill)
        self.witness.connected.clear()
        self.broker.start()
        assert self.witness.connected.wait(PATIENCE_S)

    def more_transitions(self, count: int, timeout_s: float = PATIENCE_S) -> None:
        """Wait until so many more have been made."""
        before = len(self.journal.transitions)
        assert wait_until(lambda: len(self.journal.transitions) >= before + count, timeout_s), self.daemon.log[-10:]

    def made(self, alarm: str) -> list[str]:
        """What happened to that alarm so far."""
        return [transition.name for transition in self.journal.transitions if transition.alarm_id == alarm]

    def account(self, *others: Journal, timeout_s: float = PATIENCE_S) -> Account:
        """Once the witness has seen all that was made until now, or time is up. `others` are of further daemons."""
        journals = (self.journal, *others)
        due = {transition.event_id for journal in journals for transition in journal.transitions}
        wait_until(lambda: due <= {transition.event_id for transition in list(self.witness.events)}, timeout_s)
        seen = list(self.witness.events)
        came = {transition.event_id for transition in seen}
        # What was made since is not late yet, but it is not invented either.
        return settle(
            seen, *([one for one in journal.transitions if one.event_id in due | came] for journal in journals)
        )

    def check_alive(self, threads: int) -> None:
        """Every thread of the daemon still does its work, and it has nothing to complain of."""
        counts = self.witness.counts
        before = counts.copy()
        for name in PLAYED:
            topic = f"channel/{name}/score"
            assert wait_until(lambda topic=topic: counts[topic] > before[topic], PATIENCE_S), (
                f"{name} is no longer scored"
            )
        assert self.witness.ask("alarms")["status"] == "ok"
        assert not self.daemon.complaints
        assert self.daemon.threads >= threads

    def check_standing(self) -> None:
        """The broker hands out the alarms that stand, and none that does not. While nothing moves."""
        states = self.witness.states
        assert wait_until(
            lambda: {alarm for alarm, state in states.items() if state} == self.journal.standing, PATIENCE_S
        )

    def stop(self) -> None:
        """Everything ends."""
        for daemon in self.daemons:
            if daemon.code is None:
                daemon.end(signal.SIGKILL)
        self.witness.stop()
        self.broker.stop(kill=True)


def write_recordings(folder: Path) -> None:
    """A folder for each of the machines that are heard from recordings."""
    for seed, name in enumerate(PLAYED):
        (folder / name).mkdir(parents=True)
        healthy, strange = fan_sound(RECORDING_S, 500 + seed), strange_sound(RECORDING_S, 600 + seed)
        soundfile.write(folder / name / "healthy.wav", healthy, 16_000, subtype="PCM_16")
        soundfile.write(folder / name / "strange.wav", strange, 16_000, subtype="PCM_16")
