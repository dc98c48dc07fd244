"""The gamma tail agrees with scipy where scipy is at hand."""

import pytest

from asdstream.scoring.gamma import upper_quantile, upper_tail

stats = pytest.importorskip("scipy.stats")


@pytest.mark.parametrize("shape", [0.25, 1.0, 3.7, 400.0, 1e6])
@pytest.mark.parametrize("probability", [0.9, 0.5, 1e-2, 1e-4, 1e-8])
def test_the_quantile_is_scipys(shape: float, probability: float) -> None:
    assert upper_quantile(shape, probability) == pytest.approx(stats.gamma.isf(probability, shape), rel=1e-6)


def test_the_tail_is_scipys() -> None:
    assert upper_tail(2.5, 9.0) == pytest.approx(stats.gamma.sf(9.0, 2.5), rel=1e-9)
    assert upper_tail(2.5, -1.0) == 1.0


@pytest.mark.parametrize(("shape", "probability"), [(0, 0.5), (float("nan"), 0.5), (1, 0), (1, 1), (1, float("nan"))])
def test_what_has_no_quantile_is_refused(shape: float, probability: float) -> None:
    with pytest.raises(ValueError, match="must be"):
        upper_quantile(shape, probability)
