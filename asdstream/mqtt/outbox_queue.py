"""Which outbox messages are on their way; the order and the limit, without threads."""


class OutboxQueue:
    """Counts messages from sending to acknowledgement.

    Messages are sent in the order of their ids and at most `limit` are ahead of their acknowledgement. After a lost
    connection or a refusal everything that was not acknowledged is sent again, from the oldest on: a consumer may see
    a message twice, but never one before an older one of which it has no copy.
    """

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ValueError(f"the limit should be at least 1, not {limit}")
        self._limit = limit
        self._in_flight: set[int] = set()
        self._latest = 0

    @property
    def room(self) -> int:
        """How many more may be sent now."""
        return self._limit - len(self._in_flight)

    @property
    def in_flight(self) -> int:
        """How many were sent and are not acknowledged."""
        return len(self._in_flight)

    @property
    def latest(self) -> int:
        """The id after which to go on reading."""
        return self._latest

    def sent(self, number: int) -> None:
        """Message `number` is on its way."""
        if number <= self._latest:
            raise ValueError(f"message {number} after message {self._latest}: the outbox goes out in order")
        if self.room < 1:
            raise ValueError(f"message {number} is one too many: {self._limit} are in flight")
        self._in_flight.add(number)
        self._latest = number

    def acknowledged(self, number: int) -> None:
        """The broker has message `number`; one that is not in flight is ignored."""
        self._in_flight.discard(number)

    def start_over(self) -> None:
        """Nothing is on its way any more."""
        self._in_flight.clear()
        self._latest = 0
