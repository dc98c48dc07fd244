"""What can go wrong between a window and its embedding."""

from asdstream.errors import AsdstreamError


class EngineError(AsdstreamError):
    """The networks cannot be run as asked."""


class DeviceLostError(EngineError):
    """The device that the networks run on works no more in this process, whatever is asked of it."""


class EmbeddingError(EngineError):
    """Windows that gave no usable embedding; `positions` are their places in the batch, the others are sound."""

    def __init__(self, message: str, positions: tuple[int, ...]) -> None:
        super().__init__(message)
        self.positions = positions
