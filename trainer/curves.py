"""The figures of a stage as TensorBoard draws them."""

from pathlib import Path
from types import TracebackType
from typing import Self


class Curves:
    """Appends to the event files in `folder`; a context manager that closes them.

    `done` steps are kept of what an earlier run wrote; TensorBoard drops those beyond, which are taken again.
    """

    def __init__(self, folder: Path, done: int) -> None:
        # Half a second of imports that only a training run needs.
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(folder, purge_step=done + 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    def write(self, step: int, **figures: float) -> None:
        """Add a point to each of these curves."""
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)
