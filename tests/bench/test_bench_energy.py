"""Energy counters: arithmetic, the processor's, the GPU's."""

import ctypes
from collections.abc import Callable
from pathlib import Path

import pytest

from asdstream.bench.energy import EnergyCounter, EnergyMeter, EnergyNotToldError, drawn_uj
from asdstream.bench.nvml import gpu_counter
from asdstream.bench.rapl import processor_counters


def counter(readings: list[int], range_uj: int | None = None) -> EnergyCounter:
    left = iter(readings)
    return EnergyCounter("part", lambda: next(left), range_uj)


def test_a_counter_that_has_begun_again_has_counted_on() -> None:
    assert drawn_uj(100, 250, range_uj=1000) == 150
    assert drawn_uj(950, 20, range_uj=1000) == 70
    assert drawn_uj(5, 5, range_uj=None) == 0


@pytest.mark.parametrize("range_uj", [None, 900])
def test_a_counter_that_runs_backwards_is_not_believed(range_uj: int | None) -> None:
    with pytest.raises(ValueError, match="950 back to 20"):
        drawn_uj(950, 20, range_uj)


def test_a_meter_adds_its_counters_over_any_number_of_turns() -> None:
    meter = EnergyMeter([counter([900_000, 100_000, 0], 1_000_000), counter([0, 5_000_000, 9_000_000])])
    meter.start()
    assert meter.joules() == pytest.approx(0.2 + 5.0)
    assert meter.joules() == pytest.approx(0.2 + 0.9 + 9.0), "once round since the last reading"


@pytest.fixture
def zone(tmp_path: Path) -> Callable[[str, str, int], Path]:
    def make(folder: str, name: str, energy_uj: int) -> Path:
        path = tmp_path / folder
        path.mkdir()
        (path / "name").write_text(f"{name}\n")
        (path / "energy_uj").write_text(f"{energy_uj}\n")
        (path / "max_energy_range_uj").write_text("262143328850\n")
        return path

    return make


def test_packages_and_their_memory_count_once(tmp_path: Path, zone: Callable[[str, str, int], Path]) -> None:
    zone("intel-rapl:0", "package-0", 10)
    zone("intel-rapl:0:0", "core", 9)
    zone("intel-rapl:0:1", "dram", 2)
    zone("intel-rapl:1", "psys", 30)
    zone("intel-rapl-mmio:0", "package-0", 10)
    found = processor_counters(tmp_path)
    assert [(one.source, one.read()) for one in found] == [("package-0 (RAPL)", 10), ("dram (RAPL)", 2)]
    assert found[0].range_uj == 262143328850


def test_a_processor_without_counters_does_not_tell(tmp_path: Path) -> None:
    with pytest.raises(EnergyNotToldError, match="shows no energy counters"):
        processor_counters(tmp_path)


def test_counters_that_may_not_be_read_are_named(
    tmp_path: Path, zone: Callable[[str, str, int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    zone("intel-rapl:0", "package-0", 10)
    read_text = Path.read_text

    def guarded(path: Path) -> str:
        if path.name == "energy_uj":
            raise PermissionError
        return read_text(path)

    monkeypatch.setattr(Path, "read_text", guarded)
    with pytest.raises(EnergyNotToldError, match="energy_uj may be read by root only"):
        processor_counters(tmp_path)


class Driver:
    """NVML of a machine with one GPU."""

    def __init__(self, millijoules: int | None) -> None:
        self._millijoules = millijoules
        self.nvmlErrorString = lambda code: {3: b"Not Supported", 6: b"Not Found"}[code]

    def nvmlInit_v2(self) -> int:  # noqa: N802
        return 0

    def nvmlDeviceGetHandleByUUID(self, uuid: bytes, handle: object) -> int:  # noqa: N802
        return 0 if uuid == b"GPU-1" else 6

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: object, place: object) -> int:  # noqa: N802
        if self._millijoules is None:
            return 3
        ctypes.cast(place, ctypes.POINTER(ctypes.c_ulonglong))[0] = self._millijoules
        return 0


def test_a_gpu_tells_in_millijoules() -> None:
    assert gpu_counter("GPU-1", Driver(1234)).read() == 1_234_000


@pytest.mark.parametrize(
    ("uuid", "driver", "complaint"),
    [
        ("GPU-2", Driver(1), "does not know the GPU GPU-2: Not Found"),
        ("GPU-1", Driver(None), "does not tell what it draws: Not Supported"),
    ],
)
def test_a_gpu_that_does_not_tell_says_why(uuid: str, driver: Driver, complaint: str) -> None:
    with pytest.raises(EnergyNotToldError, match=complaint):
        gpu_counter(uuid, driver)


def test_without_a_driver_no_gpu_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asdstream.bench.nvml.LIBRARY", "libno-such-driver.so")
    with pytest.raises(EnergyNotToldError, match="cannot be loaded"):
        gpu_counter("GPU-1")
