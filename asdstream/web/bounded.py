"""What came from outside, cut to a size that a page can show: long texts, long lists and control characters go."""

import unicodedata
from collections.abc import Mapping, Sequence

LONGEST_TEXT = 500
LONGEST_LIST = 64
DEEPEST = 6
LARGEST_INTEGER = 2**53
"""Above it a browser no longer counts exactly."""


class OutOfBoundsError(ValueError):
    """A number or a nesting that nothing of ours would send."""


def bounded_text(text: str) -> str:
    """`text` on one line, at most 500 characters, without control and invisible formatting characters.

    Example:
        >>> bounded_text("hot\\x1b[31m bearing\\nhere")
        'hot[31m bearing here'
    """
    spaced = text[: LONGEST_TEXT * 2].replace("\n", " ").replace("\t", " ")
    return "".join(letter for letter in spaced if unicodedata.category(letter)[0] != "C")[:LONGEST_TEXT]


def bounded(value: object, depth: int = 0) -> object:
    """`value`, as JSON has it, cut to bounds. Raises OutOfBoundsError where cutting would change what it means."""
    if depth > DEEPEST:
        raise OutOfBoundsError("nested too deeply")
    match value:
        case str():
            return bounded_text(value)
        case bool() | float() | None:
            return value
        case int():
            if abs(value) > LARGEST_INTEGER:
                raise OutOfBoundsError("a number too large to count with")
            return value
        case Mapping():
            items = list(value.items())[:LONGEST_LIST]
            return {bounded_text(str(key)): bounded(item, depth + 1) for key, item in items}
        case Sequence():
            return [bounded(item, depth + 1) for item in value[:LONGEST_LIST]]
        case _:
            raise OutOfBoundsError("nothing that JSON knows")
