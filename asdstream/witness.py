"""Who looks on while the judge works, and changes nothing."""

from typing import Protocol

from asdstream.alarms.event import AlarmEvent
from asdstream.scoring.scored_window import ScoredWindow


class Witness(Protocol):
    """Told of each scored window and each transition of an alarm, on the thread that made it; must be quick."""

    def scored(self, window: ScoredWindow) -> None: ...

    def moved(self, event: AlarmEvent) -> None: ...
