"""The learning rate over a run."""

import pytest

from trainer.schedule import learning_rate


def rate(step: int, warmup_steps: int = 10) -> float:
    return learning_rate(step, steps=110, warmup_steps=warmup_steps, base=2e-4, minimum=1e-6)


def test_it_rises_in_a_straight_line_to_the_base() -> None:
    assert rate(0) == pytest.approx(2e-5)
    assert rate(4) == pytest.approx(1e-4)
    assert rate(9) == pytest.approx(2e-4)


def test_it_falls_by_half_a_cosine_to_the_minimum_at_the_last_step() -> None:
    assert rate(10) == pytest.approx(2e-4)
    assert rate(10 + 99 // 2) == pytest.approx((2e-4 + 1e-6) / 2, rel=0.03)
    assert rate(109) == pytest.approx(1e-6)
    assert all(rate(step + 1) < rate(step) for step in range(10, 109))


def test_without_warm_up_it_begins_at_the_base() -> None:
    assert rate(0, warmup_steps=0) == pytest.approx(2e-4)
