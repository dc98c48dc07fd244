"""A condition counts once it has held for a while, and is over once it has been gone for a while."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Delay:
    """Seconds until what is there counts (`on_s`), and until what is gone no longer does (`off_s`)."""

    on_s: float
    off_s: float = 0.0

    def change(self, counts: bool, present: bool, since: float | None, elapsed: float) -> tuple[bool, float | None]:
        """Whether the condition counts from `elapsed` on, and since when it has differed from what counts.

        `counts` and `since` are those of the moment before, `present` is what is seen now.
        """
        if present == counts:
            return counts, None
        since = elapsed if since is None else since
        if elapsed - since >= (self.on_s if present else self.off_s):
            return present, None
        return counts, since
