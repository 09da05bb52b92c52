"""What a site's robots.txt allows (RFC 9309)."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from llm_engineering.domain.errors import CrawlError, ForbiddenLinkError

if TYPE_CHECKING:
    from protego import Protego

MAX_ROBOTS_BYTES = 500 * 1024
LONGEST_CRAWL_DELAY_SECONDS = 10.0


@dataclass
class _Site:
    lock: threading.Lock = field(default_factory=threading.Lock)
    rules: "Protego | None" = None
    failure: str = ""
    failed_at: float = 0.0


class Robots:
    """The rules of each site, read once; a site whose robots.txt cannot be read is asked again after a while."""

    def __init__(
        self,
        user_agent: str,
        read: Callable[[str], str],
        retry_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`read` brings the text behind a URL, '' when the site has none, and raises CrawlError when it fails."""
        # Groups name the product alone: "MoodSwarm" of "MoodSwarm/0.1 (...)".
        self._product = (user_agent.replace("/", " ").split() or ["*"])[0]
        self._read = read
        self._retry_seconds = retry_seconds
        self._clock = clock
        self._sites: dict[str, _Site] = {}
        self._lock = threading.Lock()

    def allows(self, origin: str, url: str) -> bool:
        """Whether the page may be fetched. `origin` is the scheme, host and port of the URL.

        Raises:
            CrawlError: robots.txt cannot be read; then nothing may be fetched.
        """
        return self._rules(origin).can_fetch(url, self._product)

    def delay(self, origin: str) -> float:
        """The seconds to leave between two requests, as far as we follow that wish.

        Raises:
            CrawlError: robots.txt cannot be read.
        """
        wished = self._rules(origin).crawl_delay(self._product) or 0.0
        return min(wished, LONGEST_CRAWL_DELAY_SECONDS) if wished > 0 else 0.0

    def _rules(self, origin: str) -> "Protego":
        with self._lock:
            site = self._sites.setdefault(origin, _Site())
        with site.lock:  # whoever comes while it is read waits for it
            if site.rules is None:
                self._load(origin, site)
            if site.rules is None:
                raise CrawlError(site.failure)
            return site.rules

    def _load(self, origin: str, site: _Site) -> None:
        from protego import Protego

        if site.failure and self._clock() < site.failed_at + self._retry_seconds:
            return
        try:
            text = self._read(f"{origin}/robots.txt")
        except ForbiddenLinkError:
            raise
        except CrawlError as error:
            host = origin.partition("//")[2]
            site.failure = f"nothing may be fetched there, for robots.txt of {host} could not be read: {error}"
            site.failed_at = self._clock()
            return
        site.rules = Protego.parse(_without_others(text, self._product))


def _without_others(text: str, product: str) -> str:
    """The same rules for us, with all other robots under one name.

    The parser keeps a list of rules for each robot that is named: some thousand names for some thousand rules would
    fill the memory.
    """
    return "\n".join(_group_line(line, product.lower()) for line in text.splitlines())


def _group_line(line: str, product: str) -> str:
    head, agent, name = line.strip().lower().partition("agent")
    if not agent or not head.startswith("user"):
        return line
    name = name.partition("#")[0].strip(" \t:")
    bare = name.replace("*", "")
    if name and not bare:
        return "User-agent: *"
    return f"User-agent: {bare}" if bare and bare in product else "User-agent: another-robot"
