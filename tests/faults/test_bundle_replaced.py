"""The bundle is replaced under a running daemon: by another, by a broken one, and by half of one."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from faults.forked_daemon import PATIENCE_S
from faults.plant import MOST_GROWTH_MB, Plant
from processes import wait_until

from asdstream import bundle as bundles


@pytest.fixture
def bundle(plant: Plant, small_bundle: Path) -> Path:
    """A copy of its own, which the daemon works with."""
    folder = plant.folder / "bundle"
    shutil.copytree(small_bundle, folder)
    plant.config.write_text(plant.config.read_text().replace(f'"{small_bundle}"', f'"{folder}"'))
    return folder


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("times", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_another_bundle_is_taken_whole_and_what_is_none_is_not_taken_at_all(
    plant: Plant, bundle: Path, small_bundle: Path, times: int, report: Callable[..., None]
) -> None:
    plant.start()
    plant.daemon.wait_for("mqtt_connected")
    assert wait_until(lambda: "info" in plant.witness.messages, PATIENCE_S)
    threads = memory_mb = 0.0
    for i in range(1, times + 1):
        # Half of it is there: the manifest of the new one, and the weights of the old.
        half_written(bundle)
        plant.daemon.send(signal.SIGHUP)
        assert "has SHA-256" in plant.daemon.wait_for("reload_refused", times=2 * i - 1)["problem"]
        plant.more_transitions(2)

        shutil.rmtree(bundle / "weights")
        plant.daemon.send(signal.SIGHUP)
        assert "missing" in plant.daemon.wait_for("reload_refused", times=2 * i)["problem"]
        plant.more_transitions(2)
        assert plant.witness.messages["info"]["bundle"]["name"] == ("small" if i == 1 else f"small-{i - 1}")

        rename(small_bundle, bundle, f"small-{i}")
        plant.daemon.send(signal.SIGHUP)
        plant.daemon.wait_for("reload_accepted", times=i)
        plant.daemon.wait_for("started", times=i + 1)
        assert wait_until(lambda i=i: plant.witness.messages["info"]["bundle"]["name"] == f"small-{i}", PATIENCE_S)
        assert plant.witness.messages["info"]["bundle"]["sha256"] == bundles.load(bundle).sha256
        plant.more_transitions(4)
        if i == 1:
            threads, memory_mb = plant.daemon.threads, plant.daemon.memory_mb
    account = plant.account()
    after_mb = plant.daemon.memory_mb
    report(account, bundles=times, threads=(threads, plant.daemon.threads), memory_mb=(memory_mb, after_mb))
    account.check()
    refused = [line for line in plant.daemon.complaints if line["event"] == "reload_refused"]
    assert plant.daemon.complaints == refused
    assert len(refused) == 2 * times
    assert plant.daemon.threads <= threads + 1, "what served the old bundle has ended"
    assert after_mb < memory_mb + MOST_GROWTH_MB
    assert plant.daemon.end() == 0


def test_half_a_bundle_does_not_disturb_who_runs_and_who_starts_says_so_in_a_sentence(
    plant: Plant, bundle: Path, small_bundle: Path
) -> None:
    plant.start()
    plant.daemon.wait_for("mqtt_connected")
    half_written(bundle)
    plant.more_transitions(6)
    assert not plant.daemon.complaints
    plant.daemon.end(signal.SIGKILL)
    plant.start()
    assert plant.daemon.wait_for_end() == 1
    said = " ".join(line["event"] for line in plant.daemon.log)
    assert "damaged or changed" in said
    assert "Traceback" not in said
    rename(small_bundle, bundle, "small")
    plant.start()
    plant.more_transitions(6)
    plant.account().check()
    assert plant.daemon.end() == 0


def half_written(bundle: Path) -> None:
    """As a copy leaves it that is under way, or was broken off."""
    (weights,) = (bundle / "weights").glob("audiomae*")
    content = weights.read_bytes()
    weights.write_bytes(content[: len(content) // 2])


def rename(source: Path, bundle: Path, name: str) -> None:
    """Put the bundle `source` into the place of `bundle`, under another name."""
    shutil.rmtree(bundle)
    shutil.copytree(source, bundle)
    manifest = bundle / "bundle.json"
    manifest.write_text(manifest.read_text().replace('"name": "small"', f'"name": "{name}"'))
