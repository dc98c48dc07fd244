"""The evidence held against the simulator, which knows where its faults are; `benchmarks/evidence.py` has them all."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "evidence.py"
    spec = importlib.util.spec_from_file_location("evidence_benchmark", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_band_of_nearly_every_fault_that_can_be_heard_is_named_and_most_rhythms(benchmark: ModuleType) -> None:
    (by_type,) = benchmark.run(("pump", "valve"), identities=1, severities=(1.0,)).values()
    heard = sum(one.heard for one in by_type.values())
    assert heard >= 6
    assert sum(one.named for one in by_type.values()) / heard >= 0.8
    assert sum(one.chance for one in by_type.values()) / heard < 0.6, "or naming any band would do"
    assert sum(one.rhythms_named for one in by_type.values()) >= 0.6 * sum(one.rhythms for one in by_type.values())
