"""The map of what a network did not expect of a sound, from errors that are given."""

import numpy as np
import pytest
from numpy.typing import NDArray

from asdstream.evidence.error_map import ErrorRegion, error_map

EDGES = (20.0, 500.0, 1_000.0, 2_000.0, 8_000.0)


def errors(**patches: float) -> NDArray[np.float32]:
    """Ten times four patches without error, but for those from the third to the sixth moment in some bands."""
    made = np.zeros((10, 4), np.float32)
    for name, value in patches.items():
        made[3:6, int(name[-1])] = value
    return made


def test_what_is_louder_than_drawn_is_a_region_with_its_bands_and_seconds() -> None:
    found = error_map(errors(band1=8.0, band2=10.0), errors(), 0.5, EDGES)
    assert found.region == ErrorRegion(500.0, 2_000.0, 1.5, 3.0, 10.0)
    assert found.excess_db.shape == (4, 10)
    assert found.excess_db[2, 4] == 10.0


def test_what_is_never_drawn_well_is_no_surprise() -> None:
    normal = np.full((10, 4), 12.0, np.float32) * np.array([1.0, 0.0, 0.0, 0.0], np.float32)
    found = error_map(normal + errors(band3=6.0), normal, 0.5, EDGES)
    assert found.region is not None
    assert (found.region.low_hz, found.region.excess_db) == (2_000.0, pytest.approx(6.0))
    assert found.excess_db[0].tolist() == [0.0] * 10


def test_nothing_and_what_is_missing_is_no_region() -> None:
    assert error_map(errors(), errors(), 0.5, EDGES).region is None
    assert error_map(errors(band1=2.9), errors(), 0.5, EDGES).region is None
    quieter = error_map(errors(band1=-20.0), errors(), 0.5, EDGES)
    assert quieter.region is None
    assert quieter.excess_db.min() == -20.0


def test_a_region_at_the_edges_of_the_map_ends_there() -> None:
    everything = np.full((10, 4), 9.0, np.float32)
    assert error_map(everything, errors(), 0.5, EDGES).region == ErrorRegion(20.0, 8_000.0, 0.0, 5.0, 9.0)


def test_for_json_it_is_rounded() -> None:
    told = error_map(errors(band1=8.06), errors(), 0.16, EDGES).to_dict()
    assert told["excess_db"][1][4] == 8.1
    assert told["edges_hz"] == [20, 500, 1_000, 2_000, 8_000]
    assert told["region"] == {"low_hz": 500, "high_hz": 1_000, "from_s": 0.48, "to_s": 0.96, "excess_db": 8.1}
    assert error_map(errors(), errors(), 0.16, EDGES).to_dict()["region"] is None
