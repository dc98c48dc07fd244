"""What people read, README and docs, taken apart: commands, blocks, links."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
DOCUMENTS = {
    path.relative_to(REPOSITORY).as_posix(): path.read_text()
    for path in (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md")))
}
"""The text of each, by its path in the repository."""

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_INLINE = re.compile(r"`((?:asdstream|asdtrain) [^`\n]+)`")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def blocks(language: str) -> list[tuple[str, str]]:
    """Every fenced block of that language: the document, and the text of the block."""
    return [
        (name, found[2]) for name, text in DOCUMENTS.items() for found in _BLOCK.finditer(text) if found[1] == language
    ]


def commands() -> list[str]:
    """Every command in a fenced block, once, without the remark behind it."""
    lines = [line for _, block in blocks("sh") for line in block.replace("\\\n", " ").splitlines()]
    return sorted({re.sub(r"\s+", " ", line.split("  #")[0]).strip() for line in lines if line.strip()})


def mentioned() -> list[str]:
    """Every command of ours within a line of text."""
    texts = (_BLOCK.sub("", text) for text in DOCUMENTS.values())
    return sorted({found for text in texts for found in _INLINE.findall(text)})


def links() -> list[tuple[str, str]]:
    """Every link and picture that leads to a place in the repository: the document, and where it leads."""
    return [
        (name, target)
        for name, text in DOCUMENTS.items()
        for target in _LINK.findall(_BLOCK.sub("", text))
        if "://" not in target
    ]


def anchors(text: str) -> set[str]:
    """What the headings of a document can be linked by, as GitHub makes it of them."""
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _HEADING.findall(_BLOCK.sub("", text)))
    return {heading.strip().replace(" ", "-") for heading in plain}
