"""asdstream: anomalous sound detection for factory edge boxes."""

__version__ = "0.1.0"
