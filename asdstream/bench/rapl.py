"""Energy counters of Intel and AMD processors, as Linux shows them (RAPL, `Documentation/power/powercap`)."""

from functools import partial
from pathlib import Path

from asdstream.bench.energy import EnergyCounter, EnergyNotToldError

POWERCAP = Path("/sys/class/powercap")


def processor_counters(root: Path = POWERCAP) -> list[EnergyCounter]:
    """One counter for each processor package and for the memory attached to it.

    A package holds its cores, and a whole platform (`psys`) the packages, so that neither of these counts beside it.
    Raises EnergyNotToldError where there are none or they may not be read.
    """
    counters = []
    for zone in sorted(root.glob("intel-rapl:*")):
        name = _read(zone / "name")
        if name.startswith("package") or name == "dram":
            read = partial(_number, zone / "energy_uj")
            counters.append(EnergyCounter(f"{name} (RAPL)", read, _number(zone / "max_energy_range_uj")))
    if not counters:
        raise EnergyNotToldError(f"the processor shows no energy counters below {root}")
    for counter in counters:
        counter.read()
    return counters


def _number(path: Path) -> int:
    return int(_read(path))


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except PermissionError:
        raise EnergyNotToldError(f"{path} may be read by root only") from None
    except OSError as error:
        raise EnergyNotToldError(f"{path} cannot be read: {error.strerror}") from None
