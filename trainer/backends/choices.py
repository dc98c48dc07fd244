"""The back ends by the name that a user gives."""

from collections.abc import Callable
from types import MappingProxyType

from trainer.backends.back_end import BackEnd
from trainer.backends.generalised_mean import GeneralisedMean
from trainer.backends.local_density import LocalDensity
from trainer.backends.minimum_cosine import MinimumCosine
from trainer.backends.nearest_reference import NearestReference
from trainer.backends.relative_deviation import RelativeDeviation
from trainer.errors import TrainerError

DEFAULT = "minimum-cosine"

BACK_ENDS: MappingProxyType[str, Callable[[], BackEnd]] = MappingProxyType(
    {
        DEFAULT: MinimumCosine,
        "nearest-reference": NearestReference,
        "local-density": LocalDensity,
        "generalised-mean": GeneralisedMean,
        "relative-deviation": RelativeDeviation,
    }
)


def back_end(name: str) -> BackEnd:
    """The back end `name` with its default settings. Raises TrainerError for an unknown one."""
    if name not in BACK_ENDS:
        raise TrainerError(f"there is no back end {name!r}; there are {', '.join(BACK_ENDS)}")
    return BACK_ENDS[name]()
