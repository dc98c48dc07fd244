"""The error map held against the simulator, which knows where its faults are; `benchmarks/error_map.py` has more."""

import pytest
from benchmark_script import benchmark_script


@pytest.mark.timeout(300)
def test_the_strongest_region_lies_where_the_fault_is_far_more_often_than_chance() -> None:
    fault_sweep, error_map = benchmark_script("fault_sweep"), benchmark_script("error_map")
    found = fault_sweep.sweep(error_map.measure_with("builtin:demo"), ("shaker",), (1,), (1.0,))
    ((counted,),) = (by_type.values() for by_type in found.values())
    assert counted.heard >= 5
    assert counted.rate >= 0.8
    assert counted.chance / counted.heard <= 0.5, "or any region would do"
