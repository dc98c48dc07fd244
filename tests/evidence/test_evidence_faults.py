"""The evidence held against the simulator, which knows where its faults are; `benchmarks/evidence.py` has them all."""

from benchmark_script import benchmark_script


def test_the_band_of_nearly_every_fault_that_can_be_heard_is_named_and_most_rhythms() -> None:
    fault_sweep, evidence = benchmark_script("fault_sweep"), benchmark_script("evidence")
    (by_type,) = fault_sweep.sweep(evidence.measure, ("pump", "valve"), (0,), (1.0,)).values()
    counted = evidence.EvidenceTally()
    for tally in by_type.values():
        counted.add(tally)
    assert counted.heard >= 6
    assert counted.rate >= 0.8
    assert counted.chance / counted.heard < 0.6, "or naming any band would do"
    assert counted.rhythms_named >= 0.6 * counted.rhythms
