"""The body of an answer, decompressed with bounds: what a bomb holds beyond them is never unpacked."""

import zlib
from typing import Protocol

import httpx

from llm_engineering.domain.errors import CrawlError
from llm_engineering.infrastructure.web.http.transport import NoAnswerError

ACCEPT_ENCODING = "gzip, deflate"
_GZIP_MAGIC = b"\x1f\x8b"
_MOST_MEMBERS = 1_000


def read_body(response: httpx.Response, limit: int, truncate: bool = False) -> tuple[bytes, int]:
    """The body, of at most `limit` bytes packed and unpacked, and how many bytes came over the wire.

    Raises:
        CrawlError: it is larger and not to be truncated, or packed in a way that was not asked for.
        NoAnswerError: it broke off.
    """
    if not truncate and int(response.headers.get("content-length", 0)) > limit:
        raise too_large(limit)
    unpacker = _unpacker(response.headers.get("content-encoding", ""))
    body, wire = bytearray(), 0
    for part in response.iter_raw():
        wire += len(part)
        body += unpacker.feed(part, limit + 1 - len(body))
        if max(len(body), wire) > limit:
            if not truncate:
                raise too_large(limit)
            return bytes(body[:limit]), wire
    unpacker.finish()
    return bytes(body), wire


def too_large(limit: int) -> CrawlError:
    """The error for a body beyond the limit (bytes)."""
    return CrawlError(f"larger than {limit / 1024 / 1024:g} MiB, the limit (CRAWL_MAX_PAGE_MIB)")


class _Unpacker(Protocol):
    def feed(self, part: bytes, room: int) -> bytes: ...

    def finish(self) -> None: ...


class _Plain:
    def feed(self, part: bytes, room: int) -> bytes:
        return part[:room]

    def finish(self) -> None:
        """Whether it is whole is HTTP's affair."""


class _Inflater:
    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._waiting = b""
        self._stream: zlib._Decompress | None = None
        self._members = 0
        self._empty = True

    def feed(self, part: bytes, room: int) -> bytes:
        """Unpack the part as far as there is room (bytes, at least 1); more than that is not unpacked."""
        self._empty = self._empty and not part
        packed, unpacked = self._waiting + part, bytearray()
        self._waiting = b""
        while packed and len(unpacked) < room and (stream := self._current(packed)) is not None:
            try:
                unpacked += stream.decompress(packed, room - len(unpacked))
            except zlib.error as error:
                raise CrawlError(f"the answer calls itself {self._encoding} and is not") from error
            packed = stream.unused_data
        return bytes(unpacked)

    def _current(self, packed: bytes) -> "zlib._Decompress | None":
        """The stream that the bytes belong to: gzip may have several (RFC 1952). None: too few bytes, or padding."""
        if self._stream is not None and not self._stream.eof:
            return self._stream
        if len(packed) < len(_GZIP_MAGIC):
            self._waiting = packed
            return None
        if self._stream is not None and not (self._encoding == "gzip" and packed.startswith(_GZIP_MAGIC)):
            return None
        self._members += 1
        if self._members > _MOST_MEMBERS:
            raise CrawlError(f"the answer is packed in more than {_MOST_MEMBERS:,} pieces")
        self._stream = zlib.decompressobj(zlib.MAX_WBITS | 16 if self._encoding == "gzip" else _deflate_bits(packed))
        return self._stream

    def finish(self) -> None:
        """Raises NoAnswerError when something is missing."""
        if not self._empty and (self._stream is None or not self._stream.eof):
            raise NoAnswerError(f"the answer broke off: its {self._encoding} is not whole")


def _unpacker(encoding: str) -> _Unpacker:
    name = encoding.strip().lower().removeprefix("x-")
    if name in ("", "identity", "none", "utf-8"):  # the last two are common mistakes, and mean nothing
        return _Plain()
    if name in ("gzip", "deflate"):
        return _Inflater(name)
    raise CrawlError(f"the answer is packed as {name[:40]!r}, which was not asked for ({ACCEPT_ENCODING})")


def _deflate_bits(head: bytes) -> int:
    """Zlib's format, as RFC 9110 says that `deflate` is, or the bare one that some servers send."""
    zlib_header = head[0] & 0x0F == 8 and int.from_bytes(head[:2], "big") % 31 == 0
    return zlib.MAX_WBITS if zlib_header else -zlib.MAX_WBITS
