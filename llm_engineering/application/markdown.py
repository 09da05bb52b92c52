"""What is code and what is a heading in a Markdown text (CommonMark 0.31, sections 4.2 and 4.5)."""

import re
from collections.abc import Iterator

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})(.*)$")
_LONGEST_HEADING = 1000
_HEADING = re.compile(r"^ {0,3}(#{1,6})[ \t]+(.+?)(?:[ \t]+#+)?[ \t]*$")


def lines_of(text: str) -> Iterator[tuple[str, bool]]:
    """Each line with its end, and whether it belongs to a fenced code block."""
    fence = None
    for line in text.splitlines(keepends=True):
        mark = _FENCE.match(line.rstrip()) if "```" in line or "~~~" in line else None
        if fence is None:
            fence = mark.group(1) if mark else None
            yield line, mark is not None
        else:
            yield line, True
            if mark and mark.group(1).startswith(fence) and not mark.group(2).strip():
                fence = None


def heading(line: str) -> tuple[int, str] | None:
    """Level (1 to 6) and text of a heading's line; None for other lines."""
    match = _HEADING.match(line.rstrip()) if "#" in line and len(line) <= _LONGEST_HEADING else None
    return (len(match.group(1)), match.group(2)) if match else None


def first_heading(text: str) -> str | None:
    """The text of the first heading of level 1; None where there is none."""
    found = (heading(line) for line, is_code in lines_of(text) if not is_code)
    return next((title for level, title in filter(None, found) if level == 1), None)
