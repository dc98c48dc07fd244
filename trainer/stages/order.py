"""The stages by name."""

from enum import StrEnum


class StageName(StrEnum):
    """In the order in which they run; `start` takes over weights that the user brings."""

    START = "start"
    GENERATIVE = "generative"
    PHASE1 = "phase1"
    PHASE2 = "phase2"
    FUSION = "fusion"
    SEPARATORS = "separators"
    PROTOTYPES = "prototypes"
    CALIBRATION = "calibration"
    EXPORT = "export"
