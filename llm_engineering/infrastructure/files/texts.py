"""Bytes to text, and the small values that files say of themselves: dates, links, languages, titles."""

import codecs
import re
import unicodedata
from datetime import UTC, date, datetime

from llm_engineering.domain.errors import InvalidInputError
from llm_engineering.domain.links import canonical_link

# What libraries raise on a broken file beside their own errors: each of these was seen or may be.
BROKEN = (
    ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError, NameError, OSError,
    RuntimeError, TypeError, ValueError,
)  # fmt: skip
_TITLE_CHARACTERS = 300
_NO_NAME = frozenset({"Cc", "Cs", "Zl", "Zp"})
_BYTE_ORDER_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_HIGH = re.compile(rb"[\x80-\xff]")
_LETTERS = re.compile(rb"[A-Za-z\x80-\xff]")


def decode(content: bytes) -> str | None:
    """The text: UTF-8, what a byte order mark says, else what it most probably is; None for no text.

    A few bytes above ASCII among Latin letters are Windows-1252, which browsers assume too: statistics
    (charset-normalizer) need more to go by, and are asked where such bytes prevail, as in Cyrillic or Japanese.
    """
    for mark, name in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return _decoded(content, name)
    if b"\0" in content:
        return None
    text = _decoded(content, "utf-8")
    if text is not None or _CONTROLS.search(content):
        return text
    if (text := _mostly_utf_8(content)) is not None:
        return text
    if len(_HIGH.findall(content)) * 4 <= len(_LETTERS.findall(content)):
        text = _decoded(content, "cp1252")
    return text if text is not None else _guessed(content)


def printable(text: str) -> str:
    """The text without what UTF-8 or a database cannot hold: halves of surrogate pairs, and NUL."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")


def is_text_name(name: str) -> bool:
    """Whether a file's name can stand in links and titles: it has no control characters, broken text or line ends.

    Joiners, no-break spaces and the like are in the names that people give their files.
    """
    return not any(unicodedata.category(character) in _NO_NAME for character in name)


def one_line(value: object) -> str | None:
    """A title's or subtitle's text in one line of bounded length; None where there is none."""
    if not isinstance(value, str | int | float | date) or isinstance(value, bool):
        return None
    return shortened(" ".join(printable(str(value)).split()), _TITLE_CHARACTERS) or None


def shortened(text: str, length: int) -> str:
    """The text, cut at a word where it is longer."""
    if len(text) <= length:
        return text
    start = text[:length]
    return f"{start[:-1].rpartition(' ')[0].rstrip() or start[:-1]}…"


def moment(value: object) -> datetime | None:
    """The moment that a value names, in UTC; None where it names none."""
    if isinstance(value, str):
        value = _parsed(value.strip())
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, datetime):
        return None
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (OverflowError, ValueError):  # the first and last days of the calendar
        return None


def web_link(value: object) -> str | None:
    """The value, if it is an http(s) link."""
    if not isinstance(value, str) or not value.strip().lower().startswith(("http://", "https://")):
        return None
    try:
        canonical = canonical_link(value)
    except (InvalidInputError, UnicodeError):
        return None
    return value.strip() if canonical.partition("://")[2].strip("/") else None


def language_of(value: object) -> str | None:
    """The language of a tag as `en-GB`: `en`."""
    match = re.match(r"\s*([A-Za-z]{2,3})(?![A-Za-z])", value) if isinstance(value, str) else None
    return match.group(1).lower() if match else None


def _parsed(text: str) -> datetime | None:
    from email.utils import parsedate_to_datetime

    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(text[:100])
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _mostly_utf_8(content: bytes) -> str | None:
    """The text, where only a few of its characters above ASCII are broken."""
    text = content.decode("utf-8", "replace")
    others = sum(1 for character in text if character > "\x7f")
    return text if text.count("\ufffd") * 20 <= others else None


def _decoded(content: bytes, name: str) -> str | None:
    try:
        return content.decode(name)
    except UnicodeDecodeError:
        return None


def _guessed(content: bytes) -> str | None:
    from charset_normalizer import from_bytes

    best = from_bytes(content).best()
    return str(best) if best else None
