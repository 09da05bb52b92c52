"""The parts of a file of code: its definitions by name, by the syntax where that is cheap to know, else by its look.

Python is parsed. Other languages are told by their layout: a definition begins at the margin after a blank line. A
parser for each of them (tree-sitter) would load its grammars from the network at run time, or weigh more than all else.
"""

import ast
import re
import warnings
from collections.abc import Iterable, Iterator
from itertools import pairwise

from llm_engineering.application.preprocessing.sections import Section, whole

Start = tuple[int, tuple[str, ...]]

_LINE_END = re.compile(r"\r\n?|\n")
_AT_MARGIN = re.compile(r"(?:\A|\n[ \t]*\n)(?=[^\s})\]])")
_MODIFIERS = (
    r"(?:(?:export|default|declare|public|private|protected|internal|static|final|abstract|async|pub(?:\([^)\n]*\))?"
    r"|unsafe|extern|sealed|open|data|partial|inline|const)[ \t]+)*"
)
_KINDS = (
    "class|interface|struct|enum|union|trait|impl|module|namespace|record|object|protocol|extension|type|func|function"
    "|fn|fun|def|defmodule|macro|mod|contract"
)
_DEFINITION = re.compile(
    rf"^{_MODIFIERS}(?P<kind>{_KINDS})\b\*?[ \t]*(?:\([^)\n]*\)|<[^>\n]*>)?[ \t]*(?P<name>[A-Za-z_$][\w$.]*)"
    r"|^(?P<shell>[A-Za-z_][\w-]*)[ \t]*\(\)[ \t]*\{",
    re.MULTILINE,
)
_YAML_KEY = re.compile(r"^(?P<name>[A-Za-z_][\w.-]*|\"[^\"\n]+\"|'[^'\n]+')[ \t]*:(?=\s|$)", re.MULTILINE)
_TABLE = re.compile(r"^\[\[?(?P<name>[^\]\n]+)\]\]?[ \t]*(?:#.*)?$", re.MULTILINE)
_FIRST_KEY = re.compile(r"\A\s*\{\s*?\n([ \t]+)\"")
_COMMENT = re.compile(r"\s*(?:#|//|/\*|\*|--)")
_KEYS = {".yaml": _YAML_KEY, ".yml": _YAML_KEY, ".toml": _TABLE, ".ini": _TABLE, ".cfg": _TABLE}


def code_sections(text: str, name: str) -> list[Section]:
    """The sections of the file with this name: classes and functions, or the keys of a configuration file."""
    suffix = f".{name.lower().rpartition('.')[2]}"
    if suffix in (".py", ".pyi") and (tree := _parsed(text)):
        starts: Iterable[Start] = _python_starts(tree, text)
    elif suffix in _KEYS:
        starts = _key_starts(_KEYS[suffix], text)
    elif suffix == ".json":
        indent = _FIRST_KEY.match(text)
        key = re.compile(rf"^{indent.group(1)}\"(?P<name>[^\"\n]+)\"[ \t]*:", re.MULTILINE) if indent else None
        starts = _key_starts(key, text) if key else ()
    else:
        starts = _definition_starts(text)
    return _sections(text, starts)


def _parsed(text: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():  # of escapes in the author's strings
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # another Python's, or no Python: by its look
        return None


def _python_starts(tree: ast.Module, text: str) -> Iterator[Start]:
    lines = [0, *(match.end() for match in _LINE_END.finditer(text)), len(text)]
    for line, path in _definitions(tree.body, ()):
        start = lines[min(line, len(lines)) - 1]
        yield (_above_comments(text, start) if path else start), path


def _definitions(body: Iterable[ast.stmt], above: tuple[str, ...]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The line, counted from 1, where each definition begins, and the one after its end, where `above` goes on."""
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            kind = "class" if isinstance(node, ast.ClassDef) else "def"
            path = (*above, f"{kind} {node.name}")
            yield min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]), path
            if isinstance(node, ast.ClassDef):
                yield from _definitions(node.body, path)
            yield (node.end_lineno or node.lineno) + 1, above


def _definition_starts(text: str) -> Iterator[Start]:
    """Blocks at the margin, each with the first definition in it; what has none belongs to the file."""
    starts = [match.end() for match in _AT_MARGIN.finditer(text)]
    for start, end in pairwise([*starts, len(text)]):
        found = _DEFINITION.search(text, start, end)
        if not found:
            yield start, ()
        elif found["shell"]:
            yield start, (f"function {found['shell']}",)
        else:
            yield start, (f"{found['kind']} {found['name']}",)


def _key_starts(key: re.Pattern[str], text: str) -> Iterator[Start]:
    for found in key.finditer(text):
        yield _above_comments(text, found.start()), (found["name"].strip("\"' "),)


def _above_comments(text: str, start: int) -> int:
    """Where the comment begins that stands right above the line at `start`."""
    while start:
        line = text.rfind("\n", 0, start - 1) + 1
        if not _COMMENT.match(text, line, start - 1):
            break
        start = line
    return start


def _sections(text: str, starts: Iterable[Start]) -> list[Section]:
    """From each start to the next; neighbours of the same path are one, and blank space stays with what it follows."""
    found: list[Start] = [(0, ())]
    for start, path in starts:
        if not text[found[-1][0] : start].strip():
            found.pop()
        if not found or path != found[-1][1]:
            found.append((start if found else 0, path))
    if len(found) > 1 and not text[found[-1][0] :].strip():
        found.pop()
    ends = [start for start, _ in found[1:]] + [len(text)]
    cut = [Section(start, end, path, start) for (start, path), end in zip(found, ends, strict=True) if end > start]
    return cut or whole(text)
