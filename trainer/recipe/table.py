"""What the tables of a recipe have in common."""

from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict

from asdstream.config_problems import problem

Value = TypeVar("Value")


class Table(BaseModel):
    """A table that knows all its keys, whose numbers are finite, and that does not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _ascending(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise problem("should begin with the smaller value, not {low:g}", low=bounds[0])
    return bounds


def not_empty(values: tuple[Value, ...]) -> tuple[Value, ...]:
    """Refuse an empty list."""
    if not values:
        raise problem("should have at least one element")
    return values


def each_once(values: tuple[Value, ...]) -> tuple[Value, ...]:
    """Refuse a list that names something twice."""
    for place, value in enumerate(values):
        if value in values[:place]:
            raise problem("should name {value} once", value=value)
    return values


Range = Annotated[tuple[float, float], AfterValidator(_ascending)]
"""Smallest and largest value."""
