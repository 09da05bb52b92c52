"""Markdown as note-takers write it: front matter, Obsidian's wiki links and comments, Notion's page ids."""

import json
import re
import tomllib
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from llm_engineering.domain.sources import SourceFile
from llm_engineering.infrastructure.files.texts import language_of, moment, one_line, web_link
from llm_engineering.infrastructure.files.tree import SkippedError, head

_MAX_FRONT_MATTER = 64 * 1024
_YAML_BOUNDARY = re.compile(r"^-{3,}[ \t]*\r?$\n?", re.MULTILINE)
_TOML_BOUNDARY = re.compile(r"^\+{3,}[ \t]*\r?$\n?", re.MULTILINE)
_FENCE = re.compile(r"^[ \t>]*(?:[-*+][ \t]+|\d{1,9}[.)][ \t]+)?(`{3,}|~{3,})(.*)$")
_LIST_ITEM = re.compile(r"^[ \t>]*(?:[-*+]|\d{1,9}[.)])[ \t]")
_INLINE_CODE = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
_PARAGRAPHS = re.compile(r"(\n[ \t]*\r?\n)")
_WIKI_LINK = re.compile(r"(!?)\[\[(?!\s)([^\[\]\n|]{1,300}?)(?:\\?\|([^\[\]\n]{0,300}))?\]\](?![(\[])")
_INLINE_COMMENT = re.compile(r"(?<![^\s(])%%((?:(?!%%)[^\n])+)%%(?![\w%])")
_CALLOUT = re.compile(
    r"^([ \t]*(?:>[ \t]*)+)\[!([\w-]{1,40})(?:\|[^\]\n]{0,80})?\][-+]?[ \t]*(.*?)[ \t]*(\r?)$", re.MULTILINE
)
DATA_IMAGE = re.compile(r"!\[[^\[\]\n]{0,300}\]\(data:[^()\s]*\)")
_RELATIVE_LINK = re.compile(r"\]\((?![a-zA-Z][a-zA-Z0-9+.-]*:)([^()\n]*)\)")
_NOTION_ID = re.compile(r"(?:%20|[ +])[0-9a-f]{32}(?=$|[/.#?_])")
_NOTION_NAME = re.compile(r"^(.+?) [0-9a-f]{32}\.(?:md|markdown)$")
_FIRST_TITLE = re.compile(r"\A\s*# +(\S.*)$", re.MULTILINE)
_EMBEDDED_FILE = re.compile(r"\.(?!md$)[A-Za-z][A-Za-z0-9]{1,4}$")
_DATES = ("date", "published_at", "publishdate", "publish_date", "pubdate", "date_published", "published")


def markdown_note(path: str, text: str) -> SourceFile:
    """A Markdown file's document, with what its front matter says of it.

    Raises:
        SkippedError: the front matter calls it a draft.
    """
    fields, body = front_matter(text)
    if _says(fields.get("draft"), "true") or _says(fields.get("published"), "false"):
        raise SkippedError("draft")
    page = _NOTION_NAME.match(path.rpartition("/")[2])
    return SourceFile(
        path=path,
        text=_without_notion_ids(readable(body)) if page else readable(body),
        title=one_line(fields.get("title")) or (_notion_title(body, page.group(1)) if page else None),
        subtitle=one_line(fields.get("subtitle")) or one_line(fields.get("description")),
        language=language_of(fields.get("lang") or fields.get("language")),
        published_at=next(filter(None, (moment(fields.get(name)) for name in _DATES)), None),
        link=web_link(fields.get("canonical_url")) or web_link(fields.get("canonical")) or web_link(fields.get("url")),
    )


def front_matter(text: str) -> tuple[dict[str, Any], str]:
    """The fields of the YAML or TOML block at the beginning, and the text after it.

    What is no table of fields, is broken, or is far too large is the author's text and stays in it.
    """
    from frontmatter.default_handlers import BaseHandler

    for boundary, load in ((_YAML_BOUNDARY, _yaml), (_TOML_BOUNDARY, tomllib.loads)):
        handler = BaseHandler(fm_boundary=boundary)
        if not handler.detect(text):
            continue
        try:
            block, body = handler.split(text)
            fields = load(block) if len(block) <= _MAX_FRONT_MATTER else None
        except (ValueError, RecursionError):  # no end, no form
            return {}, text
        if fields is None and not block.strip():
            return {}, body
        if isinstance(fields, dict):
            return {str(name).lower(): value for name, value in fields.items()}, body.lstrip("\r\n")
    return {}, text


def readable(text: str) -> str:
    """The text without Obsidian's own marks; code stays as it is."""
    return "".join(part if is_code else _readable_prose(part) for part, is_code in _parts(text))


def template_folder(vault: Path) -> Path | None:
    """Where an Obsidian vault keeps templates, which are no notes."""
    settings = head(vault / ".obsidian" / "templates.json")
    try:
        folder = json.loads(settings)["folder"] if settings else None
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return vault / folder.strip("/") if isinstance(folder, str) and folder.strip("/") else None


def _yaml(block: str) -> Any:
    """The block's fields. Aliases are refused: a few lines of them can stand for gigabytes."""
    import yaml

    class Loader(yaml.SafeLoader):
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise ValueError("an alias")
            return super().compose_node(parent, index)

    try:
        return yaml.load(block, Loader)  # noqa: S506 (a subclass of SafeLoader)
    except (yaml.YAMLError, TypeError, LookupError, ArithmeticError, AttributeError) as error:
        raise ValueError("no YAML") from error


def _says(value: object, word: str) -> bool:
    return str(value).strip().lower() == word


def _parts(text: str) -> Iterator[tuple[str, bool]]:
    """The text in its order, cut into prose and code; comments that fill whole lines are gone."""
    lines = list(_lines(text))
    part, was_code = "", False
    for line, is_code in _without_comment_lines(lines):
        if is_code != was_code:
            yield part, was_code
            part, was_code = "", is_code
        part += line
    yield part, was_code


def _lines(text: str) -> Iterator[tuple[str, bool]]:
    """Each line with its end, and whether it is code: fenced, or indented after a blank line outside of a list."""
    fence, after_blank, in_list, indented = "", True, False, False
    for line in text.splitlines(keepends=True):
        mark = _FENCE.match(line.rstrip())
        if fence:
            yield line, True
            is_end = mark and mark.group(1).startswith(fence) and not mark.group(2).strip()
            fence = "" if is_end else fence
            continue
        if mark and not (mark.group(1)[0] == "`" and "`" in mark.group(2)):
            fence = mark.group(1)
            yield line, True
            continue
        blank, deep = not line.strip(), line.startswith(("    ", "\t"))
        if not blank:
            in_list = _is_in_list(line, deep, after_blank, in_list)
            indented = deep and not in_list and (after_blank or indented)
        after_blank = blank
        yield line, indented and not blank


def _is_in_list(line: str, deep: bool, after_blank: bool, was_in_list: bool) -> bool:
    if _LIST_ITEM.match(line):
        return was_in_list or not deep
    return was_in_list and (line[0] in " \t" or not after_blank)


def _without_comment_lines(lines: list[tuple[str, bool]]) -> Iterator[tuple[str, bool]]:
    """Obsidian's comments from a line that begins with %% to one that ends with it; one without an end is text."""
    ends = deque(number for number, (line, _) in enumerate(lines) if line.rstrip().endswith("%%"))
    skip_to = -1
    for number, (line, is_code) in enumerate(lines):
        if number <= skip_to:
            continue
        start = line.strip()
        if not is_code and start.startswith("%%") and "%%" not in start[2:]:
            while ends and ends[0] <= number:
                ends.popleft()
            if ends:
                skip_to = ends[0]
                continue
        yield line, is_code


def _readable_prose(prose: str) -> str:
    pieces = []
    for paragraph in _PARAGRAPHS.split(prose):
        end = 0
        for code in _INLINE_CODE.finditer(paragraph):
            pieces += [_readable_words(paragraph[end : code.start()]), code.group()]
            end = code.end()
        pieces.append(_readable_words(paragraph[end:]))
    return "".join(pieces)


def _readable_words(words: str) -> str:
    words = _CALLOUT.sub(lambda found: f"{found[1]}**{found[3] or found[2].capitalize()}**{found[4]}", words)
    words = _WIKI_LINK.sub(_link_words, _INLINE_COMMENT.sub("", words))
    return DATA_IMAGE.sub("", words)


def _link_words(link: re.Match[str]) -> str:
    """What a reader sees of a wiki link: its words, else the page's and the heading's names. An image has none."""
    embedded, target, words = link.group(1), link.group(2).strip(), (link.group(3) or "").strip()
    page, _, heading = target.partition("#")
    if embedded and _EMBEDDED_FILE.search(page):
        return ""
    name = page.rpartition("/")[2].removesuffix(".md")
    heading = heading.rpartition("#")[2].lstrip("^")
    if words and not embedded:
        return words
    return " > ".join(part for part in (name, heading if "#^" not in target else "") if part) or heading


def _notion_title(body: str, name: str) -> str:
    first = _FIRST_TITLE.match(body)
    return first.group(1).strip() if first else name


def _without_notion_ids(text: str) -> str:
    """Links between pages without the ids in their targets' names."""
    return _RELATIVE_LINK.sub(lambda link: f"]({_NOTION_ID.sub('', link.group(1))})", text)
