"""HTML to Markdown by markdownify, with what it leaves open: exact code, absolute links, tables that hold together."""

import re
import textwrap
from functools import cache
from typing import Any

from llm_engineering.infrastructure.markup.blocks import MAX_COLUMNS, normalise, number
from llm_engineering.infrastructure.markup.tree import absolute

# Code stands apart while the text around it is tidied. `parse` has removed these characters from the page.
_MARK = "\ue000{}\ue001"
_MARKED = re.compile("^(.*?)\ue000(\\d+)\ue001(.*)$", re.MULTILINE)
# A text that begins like a heading or a fence is neither. What looks like a list was meant as one.
_BLOCK_SIGN = re.compile(r"^(\s*)(#{1,6}(?=\s)|```|~~~)")
_TRAILING = re.compile(r"[ \t]+$", re.MULTILINE)
_BLANK_LINES = re.compile(r"\n{3,}")
_NOTE = re.compile(r"\[?\s*(\d{1,3}|\*|†)\s*\]?")
_NOTE_BRACKETS = re.compile(r"\[(\[\^[\d*†]+\])\]")
_NOTE_ALONE = re.compile(r"^(\[\^[\d*†]+\])\n\n(?=\S)", re.MULTILINE)
_FILE_NAME = re.compile(r"\.\w{2,4}$|^[\w-]+$")
_MAX_LINK_TEXT = 300
_BLOCKS = ("main", "header", "footer", "aside", "address", "figure", "details", "summary", "center", "hgroup", "form")


def to_markdown(root: Any, url: str) -> str:
    """The element as Markdown; `url` is what its relative links are relative to. The element is changed on the way."""
    from bs4 import BeautifulSoup
    from lxml import etree

    normalise(root)
    code = _take_code_out(root)
    html = etree.tostring(root, encoding="unicode", method="html", with_tail=False)
    writer = _writer()(url)
    text = writer.convert_soup(BeautifulSoup(html, "lxml"))
    text = _NOTE_BRACKETS.sub(r"\1", _TRAILING.sub("", text))
    text = _NOTE_ALONE.sub(r"\1: ", _BLANK_LINES.sub("\n\n", text).strip())
    return _MARKED.sub(lambda match: _put_code_back(match, code), text)


def _take_code_out(root: Any) -> list[str]:
    """Each code block as a fenced one; a paragraph with a mark stands in its place."""
    blocks = []
    for position, pre in enumerate(list(root.iter("pre"))):
        text = pre.text or ""
        longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
        fence = "`" * max(3, longest + 1)
        blocks.append(f"{fence}{pre.get('data-language') or ''}\n{text}\n{fence}" if text.strip() else "")
        pre.tag, pre.text = "div", _MARK.format(position)
    return blocks


def _put_code_back(match: re.Match[str], code: list[str]) -> str:
    """The block with what stands before it on the line (quote marks, a list's bullet) before each of its lines."""
    before, after = match.group(1), match.group(3)
    lines = code[int(match.group(2))].split("\n")
    deeper = re.sub(r"[^>\s]", " ", before)
    return "\n".join([before + lines[0], *(deeper + line if line else deeper.rstrip() for line in lines[1:])]) + after


@cache
def _writer() -> Any:
    """Markdownify's converter with the functions below; made when first needed, so that the import costs nothing."""
    import markdownify

    base: Any = markdownify.MarkdownConverter
    methods = {
        "__init__": _configure, "process_text": _text, "convert_a": _link, "convert_b": _bold, "convert_strong": _bold,
        "convert_br": _line_break, "convert_img": _image, "convert_li": _item, "convert_td": _cell, "convert_th": _cell,
        "base": base, **{f"convert_{tag}": base.convert_div for tag in _BLOCKS},
    }  # fmt: skip
    return type("Writer", (base,), methods)


# They are called as methods of the converter: with it, the element, the Markdown of what is in the element, and the
# names of the tags around it (`_inline` in a heading or cell, `_noformat` in code).


def _configure(self: Any, url: str) -> None:
    # No escapes within a line: to a model, backslashes are noise.
    self.base.__init__(self, heading_style="atx", bullets="-", table_infer_header=True, escape_asterisks=False,
                       escape_underscores=False)  # fmt: skip
    self.url = url


def _text(self: Any, element: Any, parent_tags: set[str] | None = None) -> str:
    text = str(self.base.process_text(self, element, parent_tags))
    before = element.previous_sibling
    if before is not None and before.name == "br":
        text = text.lstrip()
    starts_line = before is None or before.name in ("br", "p", "div")
    return _BLOCK_SIGN.sub(r"\1\\\2", text) if starts_line else text


def _link(self: Any, element: Any, text: str, parent_tags: set[str]) -> str:
    shown, href = " ".join(text.split()), element.get("href") or ""
    if href.startswith("#"):
        note = _NOTE.fullmatch(shown)
        return f"[^{note.group(1)}]" if note else text
    target = absolute(self.url, href) if href else None
    if not shown or target is None or "_noformat" in parent_tags or len(shown) > _MAX_LINK_TEXT:
        return text
    before, after = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    return f"{before}[{shown.lstrip('#> ')}]({_escaped(target)}){after}"


def _bold(self: Any, element: Any, text: str, parent_tags: set[str]) -> str:
    """Bold in bold is bold, and so is a heading."""
    if parent_tags & {"b", "strong", "h1", "h2", "h3", "h4", "h5", "h6"}:
        return text
    return str(self.base.convert_b(self, element, text, parent_tags))


def _line_break(_self: Any, _element: Any, text: str, parent_tags: set[str]) -> str:
    return f" {text}" if "_inline" in parent_tags else f"\n{text}"


def _image(self: Any, element: Any, _markdown: str, **_context: Any) -> str:
    """An emoji or formula is its text. Another image is its description, where no caption says it."""
    alt = " ".join((element.get("alt") or "").split())
    if re.search(r"emoji|latex|math|smiley", str(element.get("class") or "")):
        return alt
    figure = element.find_parent("figure")
    captioned = figure is not None and figure.find("figcaption") is not None
    source = absolute(self.url, element.get("src") or "")
    if captioned or source is None or len(alt.split()) < 3 or _FILE_NAME.search(alt):
        return ""
    return f"![{alt}]({_escaped(source)})"


def _item(_self: Any, element: Any, text: str, **_context: Any) -> str:
    sign = f"{element['value']}. " if element.get("value") and element.parent.name == "ol" else "- "
    width = " " * len(sign)
    return f"{sign}{textwrap.indent(text.strip(), width)[len(width) :]}\n" if text.strip() else "\n"


def _cell(_self: Any, element: Any, text: str, **_context: Any) -> str:
    cell = " ".join(text.split()).replace("|", "\\|")
    return f" {cell} |" + "  |" * (number(element.get("colspan"), 1, MAX_COLUMNS) - 1)


def _escaped(link: str) -> str:
    """As CommonMark wants a link's target: no blanks, no brackets."""
    return link.replace(" ", "%20").replace("(", "%28").replace(")", "%29")
