"""What each channel is scored with, and what is enrolled while it runs."""

from collections.abc import Callable, Iterator, Mapping

import structlog

from asdstream.bundle import Bundle
from asdstream.config import ChannelSection, Config
from asdstream.engine.protocol import Engine
from asdstream.engine.separate_as import SeparateAs
from asdstream.enrolment import references_of
from asdstream.scoring.machine_scorer import MachineScorer
from asdstream.scoring.reference import Reference
from asdstream.store.database import StoreError
from asdstream.store.store import Store
from asdstream.wiring import bearable_rate, scorer_of

log = structlog.get_logger()


class ChannelScorers(Mapping[str, MachineScorer]):
    """The scorer of every channel, by its id; `look` has them take up references that have changed in the store."""

    def __init__(
        self, config: Config, store: Store, engine: Engine, bundle: Bundle, separate_as: Mapping[str, SeparateAs]
    ) -> None:
        self._channels = config.channels
        self._store = store
        self._engine = engine
        self._bundle = bundle
        self._separate_as = separate_as
        self._revisions = self._revisions_now()
        self._problem: str | None = None
        self._scorers = {
            channel.id: scorer_of(
                bundle,
                channel.machine,
                channel.machine_type,
                bearable_rate(config.alarms, channel.hop),
                self._references(channel),
                separate_as.get(channel.id),
            )
            for channel in config.channels
        }

    def __getitem__(self, channel: str) -> MachineScorer:
        return self._scorers[channel]

    def __iter__(self) -> Iterator[str]:
        return iter(self._scorers)

    def __len__(self) -> int:
        return len(self._scorers)

    def look(self, changed: Callable[[], object]) -> None:
        """Take up what a command has put into the store since, and call `changed` where there was anything.

        On the engine's thread, because references of another bundle are embedded anew here. Where the store cannot be
        read, windows are scored against what is known already.
        """
        try:
            revisions = self._revisions_now()
            for channel in self._channels:
                if revisions[channel.machine] != self._revisions[channel.machine]:
                    self._take_up(channel)
        except StoreError as error:
            if str(error) != self._problem:
                log.warning("references_not_taken_up", problem=str(error))
            self._problem = str(error)
            return
        self._problem = None
        if revisions != self._revisions:
            self._revisions = revisions
            changed()

    def _take_up(self, channel: ChannelSection) -> None:
        references = self._references(channel)
        scorer = self._scorers[channel.id]
        scorer.replace_references(references)
        log.info("references_taken_up", channel=channel.id, references=len(references), threshold=scorer.threshold)

    def _references(self, channel: ChannelSection) -> list[Reference]:
        separate_as = self._separate_as.get(channel.id)
        return references_of(self._store, self._engine, self._bundle, channel.machine, separate_as)

    def _revisions_now(self) -> dict[str, int]:
        references = self._store.references
        return {
            channel.machine: max((change.revision for change in references.revisions(channel.machine)), default=0)
            for channel in self._channels
        }
