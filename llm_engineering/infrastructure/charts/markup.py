"""Small parts of a page: tables, bars, marks. Every text is escaped."""

from collections.abc import Iterable, Sequence
from html import escape


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def table(header: Sequence[str], rows: Iterable[Sequence[object]], texts: int = 1) -> str:
    """A table whose first `texts` columns are text, the others numbers; it scrolls where it is too wide."""
    names = "".join(f"<th{_class(number < texts)}>{escape(name)}</th>" for number, name in enumerate(header))
    lines = "".join(
        f"<tr>{''.join(f'<td{_class(number < texts)}>{_cell(cell)}</td>' for number, cell in enumerate(row))}</tr>"
        for row in rows
    )
    if not lines:
        return nothing()
    return f'<div class="wide"><table><thead><tr>{names}</tr></thead><tbody>{lines}</tbody></table></div>'


def bars(counted: Sequence[tuple[str, int]], whole: int) -> str:
    """A list of names with their counts, each on a bar that shows its share of the whole."""
    items = "".join(
        f'<li style="background:linear-gradient(90deg,#d6e6f2 {100 * count / max(whole, 1):.1f}%,transparent 0)">'
        f"<span>{escape(name)}</span><b>{count:,}</b></li>"
        for name, count in counted
    )
    return f'<ol class="bars">{items}</ol>' if items else nothing()


def mark(good: bool, yes: str, no: str) -> Markup:
    """Green or red, and in words."""
    return Markup(f'<span class="mark {"yes" if good else "no"}">{escape(yes if good else no)}</span>')


def cut(text: str, characters: int = 1200) -> str:
    """The beginning of a text, escaped; how much is left out is told."""
    left = len(text) - characters
    return escape(text) if left <= 0 else f"{escape(text[:characters])}… ({left:,} more characters)"


def nothing() -> str:
    """In place of what there is none of."""
    return '<p class="quiet">None.</p>'


def _class(is_text: bool) -> str:
    return ' class="text"' if is_text else ""


def _cell(cell: object) -> str:
    if isinstance(cell, Markup):
        return cell
    return escape(f"{cell:,}" if isinstance(cell, int) else str(cell))
