"""Blocks of HTML in the one form that the Markdown writer knows: code, tables, lists, headings, formulas."""

import re
from typing import Any

from llm_engineering.infrastructure.markup.tree import is_attached, letters

_LANGUAGE = re.compile(r"(?:^|\s)(?:language|lang|highlight-source|highlight|brush)[-:]\s*([A-Za-z][\w+#.]*)")
_LANGUAGE_ATTRIBUTES = ("data-lang", "data-language", "data-code-block-lang")
_PYGMENTS_LANGUAGE = re.compile(r"highlight ([a-z][\w+#.]*)")
_WEIGHT = re.compile(r"font-weight:\s*(?:bold|[6-9]00)", re.IGNORECASE)
_SLANT = re.compile(r"font-style:\s*(?:italic|oblique)", re.IGNORECASE)
_NO_LANGUAGE = frozenset({"default", "none", "plain", "plaintext", "text", "txt", "nohighlight", "notranslate", "wrap"})
_LINE_NUMBER_CLASSES = frozenset({"ln", "lnt", "linenos", "lineno", "linenumber", "line-number", "line-numbers", "gl"})
_LINES = frozenset({"div", "p", "li", "tr"})
_DIGITS = re.compile(r"[\d\s]+")
# A table of more columns is none that a person reads; spans of thousands are there to fill a crawler's memory.
MAX_COLUMNS = 30
_MAX_CELL = 1_500
_MAX_FILLED = 10_000
# Each line of an item or a quotation is written with the signs of all that it lies in.
_MAX_NESTED = 20
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")


def normalise(root: Any) -> None:
    """Bring every block under the element into its plain form, in place."""
    for step in (_formulas, _code, _emphasis, _headings, _permalinks, _lists, _nesting, _tables):
        step(root)


def _formulas(root: Any) -> None:
    """A formula is its TeX source, where the page has it; what draws it is left out."""
    for formula in list(root.iter("math")):
        source = next((part for part in formula.iter("annotation") if "tex" in (part.get("encoding") or "")), None)
        text = f"${''.join(source.itertext()).strip()}$" if source is not None else "".join(formula.itertext())
        _become_text(formula, "span", text)
        for parent in formula.iterancestors():
            if "mathml" in (parent.get("class") or "").lower() or "none" in (parent.get("style") or ""):
                parent.attrib.clear()  # it is there for screen readers only, and all that there is for us


def _code(root: Any) -> None:
    for table in list(root.iter("table")):
        if is_attached(table, root):
            _unwrap_line_numbers(table)
    for code in list(root.iter("code")):
        if code.find(".//br") is not None and next(code.iterancestors("pre"), None) is None:
            code.tag = "pre"
    for pre in list(root.iter("pre")):
        if is_attached(pre, root):
            _plain_code(pre)


def _unwrap_line_numbers(table: Any) -> None:
    """Highlighters put line numbers in a column beside the code: the code is all that is wanted."""
    blocks = list(table.iter("pre"))
    numbers = [block for block in blocks if _DIGITS.fullmatch("".join(block.itertext()))]
    if numbers and len(blocks) == 2 * len(numbers) and len(list(table.iter("tr"))) == len(numbers):
        for block in numbers:
            block.getparent().remove(block)
        for part in list(table.iter("table", "tbody", "tr", "td")):
            part.tag = "div"


def _plain_code(pre: Any) -> None:
    """Text with its line breaks, and the language in `data-language`."""
    language = _language(pre)
    for part in list(pre.iter("span", "a", "td", "div")):
        if _is_line_number(part):
            _become_text(part, "span", "")
    text = "".join(_code_text(pre)).rstrip()
    text = re.sub(r"\A(?:[ \t]*\r?\n)+", "", text)
    tail = pre.tail
    _become_text(pre, "pre", text.replace("\r\n", "\n"))
    pre.tail = tail
    pre.attrib.clear()
    pre.set("data-language", language)


def _is_line_number(element: Any) -> bool:
    names = set((element.get("class") or "").lower().split())
    return bool(names & _LINE_NUMBER_CLASSES) and _DIGITS.fullmatch("".join(element.itertext()) or " ") is not None


def _code_text(pre: Any) -> list[str]:
    """The text in order, with a line break for each `<br>` and after each block."""
    from lxml import etree

    parts: list[str] = []
    for event, element in etree.iterwalk(pre, events=("start", "end")):
        if event == "start":
            parts.append("\n" if element.tag == "br" else element.text or "")
            continue
        if element.tag in _LINES and not "".join(parts[-3:]).endswith("\n"):
            parts.append("\n")
        if element is not pre:
            parts.append(element.tail or "")
    return parts


def _language(pre: Any) -> str:
    """What the block, the code in it or one of the three elements around it says."""
    for element in [*pre.iter("code"), pre, *list(pre.iterancestors())[:3]]:
        said = next(filter(None, map(element.get, _LANGUAGE_ATTRIBUTES)), "")
        if element.tag == "code":
            said = said or element.get("lang") or ""
        names = (element.get("class") or "").strip()
        found = _LANGUAGE.search(names) or _PYGMENTS_LANGUAGE.fullmatch(names)
        name = (said or (found.group(1) if found else "")).lower()
        if name:
            return "" if name in _NO_LANGUAGE else re.sub(r"[^\w+#.-]", "", name)
    return ""


def _emphasis(root: Any) -> None:
    """Editors on the web write bold and italic as styles."""
    for span in root.iter("span"):
        style = span.get("style") or ""
        if _WEIGHT.search(style) or _SLANT.search(style):
            span.tag = "b" if _WEIGHT.search(style) else "i"


def _headings(root: Any) -> None:
    for element in root.xpath(".//*[@role='heading']"):
        if element.tag not in _HEADINGS:
            element.tag = f"h{max(1, number(element.get('aria-level'), 2, 6))}"


def _permalinks(root: Any) -> None:
    """The `#` or `¶` beside a heading, and the arrow that leads back from a footnote, are no text."""
    for link in list(root.iter("a")):
        to_this_page = (link.get("href") or "").startswith("#") or "#" in (link.get("data-href") or "")
        if to_this_page and not letters("".join(link.itertext())):
            link.drop_tree()


def _lists(root: Any) -> None:
    """A list directly in a list belongs to the item before it; items carry their number."""
    for inner in list(root.iter("ul", "ol")):
        before = inner.getprevious()
        if inner.getparent() is not None and inner.getparent().tag in ("ul", "ol") and before is not None:
            before.append(inner)
    for numbered in root.iter("ol"):
        for position, item in enumerate(numbered.findall("li"), number(numbered.get("start"), 1, 999_999)):
            item.set("value", str(position))


def _nesting(root: Any) -> None:
    """Items and quotations that lie deeper in each other than people write them are plain blocks."""
    from lxml import etree

    depth, deep = 0, []
    for event, element in etree.iterwalk(root, events=("start", "end"), tag=("li", "blockquote")):
        depth += 1 if event == "start" else -1
        if event == "start" and depth > _MAX_NESTED:
            deep.append(element)
    for element in deep:
        element.tag = "div"


def _tables(root: Any) -> None:
    room = _MAX_FILLED
    for table in list(root.iter("table")):
        for part in list(table.iter("colgroup", "col")):
            part.drop_tree()
        for caption in table.findall("caption"):
            caption.tag = "p"
            table.addprevious(caption)
        if _is_layout(table):
            for part in list(table.iter("table", "thead", "tbody", "tfoot", "tr", "td", "th")):
                part.tag = "div"
        else:
            room -= _fill_row_spans(table, room)


def _is_layout(table: Any) -> bool:
    """A table that only arranges other things: one column, or what no cell of Markdown can hold."""
    if next(table.iterdescendants("table", "pre", *_HEADINGS), None) is not None:
        return True  # asked first: the cells of tables in tables would be read over and over
    long_cell = any(len("".join(cell.itertext())) > _MAX_CELL for cell in table.iter("td"))
    widths = [len(row.xpath("./td|./th")) for row in table.iter("tr")]
    return long_cell or max(widths, default=0) < 2 or table.get("role") == "presentation"


def _fill_row_spans(table: Any, room: int) -> int:
    """A cell that reaches down leaves empty cells in the rows below, so that columns stay columns.

    Returns how many there are: at most `room`, about.
    """
    from lxml import etree

    below, filled = dict[int, int](), 0
    for row in table.iter("tr"):
        column = 0
        for cell in [*row.xpath("./td|./th"), None]:
            while below.get(column, 0) > 0 and column < MAX_COLUMNS and filled < room:
                below[column] -= 1
                empty = etree.Element("td")
                row.append(empty) if cell is None else cell.addprevious(empty)
                column, filled = column + 1, filled + 1
            if cell is not None:
                width = _span(cell, "colspan") if column < MAX_COLUMNS else 1
                cell.set("colspan", str(width))
                below.update({column + i: _span(cell, "rowspan") - 1 for i in range(width)})
                column += width
    return filled


def _span(cell: Any, name: str) -> int:
    return max(1, number(cell.get(name), 1, MAX_COLUMNS))


def number(value: str | None, otherwise: int, largest: int) -> int:
    """What an attribute says in digits, if it says nothing else."""
    return min(int(value), largest) if value and re.fullmatch(r"[0-9]{1,9}", value) else otherwise


def _become_text(element: Any, tag: str, text: str) -> None:
    for child in list(element):
        element.remove(child)
    element.tag, element.text = tag, text
