"""What can go wrong between an embedding and its score."""

from asdstream.errors import AsdstreamError


class ScoringError(AsdstreamError):
    """An embedding that cannot be scored, or prototypes that cannot be used."""


class CalibrationError(AsdstreamError):
    """Normal sound, or a rate of false alarms, from which no threshold follows."""
