"""Bytes of the web as text, and what kind of text they are."""

import codecs
import re
from collections.abc import Iterator

_BYTE_ORDER_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
# Where browsers look too.
_HEAD_BYTES = 4096
_NAMED_INSIDE = re.compile(
    rb"<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([\w.:-]{1,40})|<meta[^>]{0,400}?charset\s*=\s*[\"']?\s*([\w.:-]{1,40})",
    re.IGNORECASE,
)
_SERVER_NAMES = re.compile(r"charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.IGNORECASE)
_PLAIN = re.compile(r"\s*text/(plain|markdown|x-markdown)", re.IGNORECASE)
# The encodings that browsers know (WHATWG), as Python calls them. Python has others, not all of them for text.
_KNOWN = re.compile(
    r"utf-8|utf-16(-[bl]e)?|cp(125\d|866|874|932|949)|iso8859-\d+|koi8-[ru]|mac-(roman|cyrillic)|ascii"
    r"|gb(k|2312|18030)|big5(hkscs)?|euc_(jp|kr)|shift_jis|iso2022_jp|tis-620"
)
# What browsers take these names for: supersets, which is what people mean.
_MEANT = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
}
# Beyond this share of characters that are none, the name of the encoding is wrong, and not just a byte.
_MOST_BROKEN = 0.01
# Encodings of Latin letters. Which of them a text is in, few letters beyond ASCII do not tell: then it is the one of
# Western Europe, as on most pages. Czech or Polish have one such letter in six, French has one in twenty-five.
_LATIN = re.compile(r"cp125[02478]|iso8859-([1-49]|1[03-6])|mac-roman")
_FEW = 0.05
_BROKEN = "\N{REPLACEMENT CHARACTER}"


def decoded(body: bytes, content_type: str) -> str:
    """The text, by byte order mark, by what the server or the page itself names, else by what the bytes look like."""
    for encoding in _named_encodings(body, content_type):
        text = body.decode(encoding, errors="replace")
        if text.count(_BROKEN) <= _MOST_BROKEN * len(text):
            return text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")
    return body.decode(_detected(body), errors="replace")


def sniffed(body: bytes) -> str | None:
    """The media type that the first bytes tell; None when they are no text and no PDF."""
    if body.startswith(b"%PDF-"):
        return "application/pdf"
    if body.startswith(b"\x1f\x8b"):
        return "application/gzip"
    start = body[:_HEAD_BYTES]
    if b"\0" in start and not any(body.startswith(mark) for mark, _ in _BYTE_ORDER_MARKS):
        return None
    opening = start.removeprefix(codecs.BOM_UTF8).lstrip().lower()
    if re.search(rb"<!doctype html|<html|<head|<body", opening):
        return "text/html"
    if opening.startswith((b"<?xml", b"<rss", b"<feed", b"<urlset", b"<sitemapindex")):
        return "application/xml"
    return "text/html" if opening.startswith(b"<") else "text/plain"


def _named_encodings(body: bytes, content_type: str) -> Iterator[str]:
    yield from (encoding for mark, encoding in _BYTE_ORDER_MARKS if body.startswith(mark))
    by_server = _SERVER_NAMES.search(content_type)
    # A plain text does not name its encoding, though it may quote a page that does.
    inside = None if _PLAIN.match(content_type) else _NAMED_INSIDE.search(body[:_HEAD_BYTES])
    if by_server:
        yield from _known(by_server.group(1))
    if inside:
        name = (inside.group(1) or inside.group(2)).decode("ascii")
        # It could be read as ASCII, so it is not UTF-16, whatever it says.
        yield from ("utf-8" if known.startswith("utf-16") else known for known in _known(name))
    yield "utf-8"


def _known(name: str) -> Iterator[str]:
    try:
        python_name = codecs.lookup(name).name
    except (LookupError, ValueError):
        return
    if _KNOWN.fullmatch(python_name):
        yield _MEANT.get(python_name, python_name)


def _detected(body: bytes) -> str:
    # Imported here: it takes 0.5 s, and few pages need it.
    from trafilatura.utils import detect_encoding

    guess = next((known for guess in detect_encoding(body) for known in _known(guess)), "utf-8")
    return "cp1252" if _LATIN.fullmatch(guess) and _has_few_letters_beyond_ascii(body, guess) else guess


def _has_few_letters_beyond_ascii(body: bytes, encoding: str) -> bool:
    """Of the letters in those texts between tags that are not all ASCII."""
    texts = b" ".join(text for text in re.split(rb"[<>]", body) if not text.isascii()).decode(encoding, errors="ignore")
    letters = [letter for letter in texts if letter.isalpha()]
    return sum(not letter.isascii() for letter in letters) <= _FEW * len(letters)
