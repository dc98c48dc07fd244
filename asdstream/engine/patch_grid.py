"""The patches in which the masked autoencoder draws a window."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PatchGrid:
    """`times` patches of `step_s` seconds each, and frequency bands with these edges in Hz, ascending.

    Every patch has been hidden from the network, and drawn by it, after so many `turns`.
    """

    turns: int
    times: int
    step_s: float
    edges_hz: tuple[float, ...]

    @property
    def bands(self) -> int:
        """Patches along frequency."""
        return len(self.edges_hz) - 1
