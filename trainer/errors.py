"""What can go wrong in the trainer that a user can mend."""

from asdstream.errors import AsdstreamError


class TrainerError(AsdstreamError):
    """A run that cannot start or go on as asked."""


class RecipeError(TrainerError):
    """A recipe that says something the trainer does not understand."""

    exit_code = 78


class DataError(TrainerError):
    """Recordings that are missing, broken or not laid out as expected."""


class MetricError(TrainerError):
    """Scores or labels that no figure can be computed from."""
