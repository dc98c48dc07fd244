"""The error map held against the simulator, which knows where its faults are; `benchmarks/error_map.py` has more."""

import importlib.util
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(300)
def test_the_strongest_region_lies_where_the_fault_is_far_more_often_than_chance() -> None:
    path = Path(__file__).parents[2] / "benchmarks" / "error_map.py"
    spec = importlib.util.spec_from_file_location("error_map_benchmark", path)
    assert spec is not None
    assert spec.loader is not None
    benchmark = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = benchmark
    spec.loader.exec_module(benchmark)
    (by_type,) = benchmark.run("builtin:demo", ("shaker",), (1,), (1.0,)).values()
    heard = sum(one.heard for one in by_type.values())
    assert heard >= 5
    there, chance = (sum(getattr(one, name) for one in by_type.values()) / heard for name in ("there", "chance"))
    assert there >= 0.8
    assert chance <= 0.5, "or any region would do"
