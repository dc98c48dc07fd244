"""How much memory the daemon takes while the broker is away and the sound of every alarm is kept."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from statistics import median

import numpy as np
import pytest
import soundfile
from faults.plant import PLAYED, Plant
from small_bundle import fan_sound, strange_sound

MINUTES = 120
"""Of sound, which is played faster than time."""
SPELL_S = 30
"""Longer than a clip, so that clips have what came before and after their alarm."""
SPELLS = 4
"""Of each kind in a recording; the sound goes on without a break from one to the next."""
MOST_GROWTH_MB = 20.0
"""Less than 16 clips that wait for the disk at once."""


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_memory_stays_where_it_is_while_the_broker_is_away_for_hours_and_clips_are_kept(
    plant: Plant, small_bundle: Path, report: Callable[..., None]
) -> None:
    plant.recordings = plant.folder / "recordings"
    for seed, name in enumerate(PLAYED):
        (plant.recordings / name).mkdir(parents=True)
        spells = [sound(SPELL_S, 10 * seed + i) for i in range(SPELLS) for sound in (fan_sound, strange_sound)]
        soundfile.write(plant.recordings / name / "spells.wav", np.concatenate(spells), 16_000, subtype="PCM_16")
    plant.write_config(small_bundle)
    plant.config.write_text(plant.config.read_text().replace("[clips]\nenabled = false", "[clips]\nenabled = true"))
    plant.start()
    plant.daemon.wait_for("mqtt_connected")
    plant.more_transitions(4)
    threads = plant.daemon.threads

    plant.broker.stop(kill=True)
    began = len(plant.journal.transitions)
    due = len(PLAYED) * MINUTES * 60 // SPELL_S
    memory_mb = []
    while (made := len(plant.journal.transitions) - began) < due:
        # A third for what only fills up at first: of sound, of clips that wait, of what the libraries set aside.
        memory_mb.append((3 * made // due, plant.daemon.memory_mb))
        plant.more_transitions(1)
    away = plant.journal.transitions[began:]
    spanned_s = (datetime.fromisoformat(away[-1].ts) - datetime.fromisoformat(away[0].ts)).total_seconds()
    thirds = [median(mb for third, mb in memory_mb if third == wanted) for wanted in range(3)]
    kept, not_kept = (len(plant.daemon.said(event)) for event in ("clip_kept", "clip_not_kept"))

    plant.broker.start()
    plant.more_transitions(4)
    account = plant.account(timeout_s=300)
    report(
        account,
        minutes_away=round(spanned_s / 60),
        clips=kept,
        clips_the_disk_was_too_slow_for=not_kept,
        memory_mb_by_thirds=[round(mb) for mb in thirds],
        most_mb=round(max(mb for _, mb in memory_mb)),
    )
    account.check()
    assert kept > due // 4, "every alarm has a clip, as far as the disk takes them"
    assert thirds[2] < thirds[1] + MOST_GROWTH_MB
    plant.check_alive(threads)
    assert plant.daemon.end() == 0
