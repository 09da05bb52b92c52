"""A headless Chromium for pages that only show themselves to a browser. Selenium drives it; it does not hide that."""

import atexit
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from llm_engineering.domain.errors import CrawlError, ForbiddenLinkError, SourceMissingError
from llm_engineering.domain.links import without_credentials
from llm_engineering.domain.sources import FetchedPage
from llm_engineering.infrastructure.web.browser.chrome import Chrome, ChromeCrashError
from llm_engineering.infrastructure.web.browser.resolver import Addresses, KnownHosts, look_up

# Text that a page fetches after it has loaded is waited for this long; a page without any is taken as it is.
TEXT_SECONDS = 5.0
POLL_SECONDS = 0.1
# A page has stopped growing when it is the same in so many polls; whatever it does, it is not scrolled for ever.
SCROLL_POLL_SECONDS = 0.5
STILL_POLLS = 4
MAX_SCROLLS = 400
_HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})
_MISSING_STATUSES = frozenset({404, 410})
_NET_ERROR = re.compile(r"net::(ERR_\w+)")
# Chromium reads these as other than Python does: `http://10.0.0.1\@medium.com` is 10.0.0.1 to it.
_AMBIGUOUS = re.compile(r"[\\\s\x00-\x1f\x7f]")
_LOADED = "return document.readyState === 'complete'"
_HAS_TEXT = """
return [...document.querySelectorAll('article, main, [role=main]')].some(part => part.innerText.trim().length >= 200)
"""
_SCROLL = """
const page = document.scrollingElement || document.documentElement;
window.scrollTo(0, page.scrollHeight);
return [page.scrollHeight, document.links.length];
"""
_STATUS = "return performance.getEntriesByType('navigation')[0]?.responseStatus ?? 0"
_CONTENT = """
const html = document.documentElement?.outerHTML ?? '';
const failed = location.protocol === 'chrome-error:';  // Chromium's own page, as about a bad certificate
return {failed, type: document.contentType, length: html.length, html: html.length > arguments[0] ? '' : html};
"""


class ChromeBrowser:
    """Implements `Browser`: one Chromium for many pages, one page at a time, from any thread.

    It starts with the first page and only reaches the given hosts (`medium.com`, `*.medium.com`): no page, redirect or
    script leads it anywhere else. `addresses` looks a host up, and raises CrawlError for one that may not be asked;
    the browser connects to what it returned when the browser started. `close` ends it; so does the end of the process.
    """

    def __init__(
        self,
        hosts: Iterable[str],
        addresses: Addresses,
        timeout_seconds: float = 20.0,
        scroll_seconds: float = 60.0,
        max_page_bytes: int = 10 * 1024 * 1024,
        chrome: str | None = None,
        driver: str | None = None,
    ) -> None:
        names = {host.strip().lower() for host in hosts}
        self._hosts = tuple(sorted(names | {f"www.{name}" for name in names if not name.startswith(("*.", "www."))}))
        self._addresses = addresses
        self._known = KnownHosts("", {})
        self._timeout = timeout_seconds
        self._scroll_seconds = scroll_seconds
        self._max_page_bytes = max_page_bytes
        self._paths = (chrome, driver)
        self._lock = threading.Lock()
        self._chrome: Chrome | None = None
        self._broken: str | None = None

    def open(self, url: str, scroll: bool = False) -> FetchedPage:
        """The page once its text is there; with `scroll`, once it has stopped growing.

        Raises:
            ForbiddenLinkError: the link, or where it leads, is not on one of the hosts.
            SourceMissingError: the server answered 404 or 410.
            CrawlError: no browser on this machine, another status, no page in time, none in HTML, or a large one.
        """
        self._check(url)
        with self._lock:
            try:
                return self._open(url, scroll)
            except ChromeCrashError:  # a browser that has run for hours may; a second time, it is the page
                pass
            try:
                return self._open(url, scroll)
            except ChromeCrashError as error:
                raise CrawlError(f"the browser crashed twice on this page ({error})") from error

    def close(self) -> None:
        """Quit the browser; its processes and its profile are gone then."""
        with self._lock:
            self._stop()
            self._broken = None

    def _open(self, url: str, scroll: bool) -> FetchedPage:
        """One try; whatever goes wrong on the way, the next page gets a browser that works.

        Raises ChromeCrashError when it is the browser that failed.
        """
        from selenium.common.exceptions import TimeoutException, WebDriverException
        from urllib3.exceptions import HTTPError, ReadTimeoutError

        chrome = self._started()
        try:
            return self._visit(chrome.driver, url, scroll)
        except CrawlError:
            raise
        except (TimeoutException, ReadTimeoutError) as error:  # a script that never ends would go on in this browser
            self._stop()
            raise CrawlError(f"the page did not load in {self._timeout:g} seconds") from error
        except (WebDriverException, HTTPError, OSError) as error:
            reason = _NET_ERROR.search(str(error))
            if reason:
                raise CrawlError(self._unreachable(chrome.driver, reason.group(1))) from error
            self._stop()
            raise ChromeCrashError(type(error).__name__) from error
        except BaseException:  # an interruption too: no browser is left in the middle of a page
            self._stop()
            raise

    def _started(self) -> Chrome:
        # On a machine on which it does not start, not every link waits for that.
        if self._broken:
            raise CrawlError(self._broken)
        if self._chrome is None:
            try:
                self._known = look_up(self._hosts, self._addresses)
                self._chrome = Chrome.start(self._known.rules, self._timeout, *self._paths)
            except CrawlError as error:
                self._broken = str(error)
                raise
            atexit.register(self.close)
        return self._chrome

    def _stop(self) -> None:
        chrome, self._chrome = self._chrome, None
        if chrome is not None:
            chrome.stop()
            atexit.unregister(self.close)

    def _visit(self, driver: Any, url: str, scroll: bool) -> FetchedPage:
        driver.get(url)
        self._wait(driver, _LOADED, self._timeout)
        status = int(driver.execute_script(_STATUS))
        if status < 400:
            self._settle(driver, scroll)
        shown = str(driver.current_url)
        content = driver.execute_script(_CONTENT, self._max_page_bytes)
        if content["failed"]:
            reason = _NET_ERROR.search(content["html"])
            raise CrawlError(self._unreachable(driver, reason.group(1) if reason else "the browser does not say why"))
        _leave(driver)
        self._check(shown)
        if status >= 400:
            raise _status_error(status)
        if content["type"] not in _HTML_TYPES:
            raise CrawlError(f"not an HTML page but {content['type']}")
        size = len(content["html"].encode("utf-8", "surrogatepass"))
        if max(size, content["length"]) > self._max_page_bytes:
            raise CrawlError(f"larger than {self._max_page_bytes // 1024 // 1024} MiB")
        return FetchedPage(url=shown, html=content["html"], media_type=content["type"], bytes_read=size)

    def _settle(self, driver: Any, scroll: bool) -> None:
        from selenium.common.exceptions import TimeoutException
        from selenium.webdriver.support.wait import WebDriverWait

        if not scroll:
            self._wait(driver, _HAS_TEXT, TEXT_SECONDS)
            return
        try:
            WebDriverWait(driver, self._scroll_seconds, SCROLL_POLL_SECONDS).until(_Growth().has_ended)
        except TimeoutException:  # what has shown itself by then is a good deal of it
            return

    def _wait(self, driver: Any, script: str, seconds: float) -> None:
        """Until the script says so; a page on which it never does is taken as it is."""
        from selenium.common.exceptions import TimeoutException
        from selenium.webdriver.support.wait import WebDriverWait

        try:
            WebDriverWait(driver, seconds, POLL_SECONDS).until(lambda page: page.execute_script(script))
        except TimeoutException:
            return

    def _check(self, url: str) -> None:
        """Raises ForbiddenLinkError unless the browser may show this page."""
        try:
            parts = urlsplit(url)
            host = (parts.hostname or "").rstrip(".")
        except ValueError as error:
            raise ForbiddenLinkError(f"{without_credentials(url)!r} is not a valid link") from error
        if parts.scheme not in ("http", "https") or _AMBIGUOUS.search(url):
            raise ForbiddenLinkError("the browser opens plain http and https links only")
        if not any(_is_one_of(host, pattern) for pattern in self._hosts):
            raise ForbiddenLinkError(
                f"the browser may not open {host}: if it belongs to Medium, add it to MEDIUM_HOSTS"
            )

    def _unreachable(self, driver: Any, reason: str) -> str:
        """A host that is not allowed has no address; after a redirect the browser shows which."""
        host = urlsplit(str(driver.current_url)).hostname or "the host"
        if host in self._known.refused:
            return f"the browser may not open {host}: {self._known.refused[host]}"
        if any(_is_one_of(host, pattern) for pattern in self._hosts):
            return f"{host} cannot be reached ({reason})"
        return f"it leads to {host}, which the browser may not open: if it belongs to Medium, add it to MEDIUM_HOSTS"


@dataclass
class _Growth:
    """Scrolls down and sees whether that makes a page longer."""

    size: object = None
    still: int = 0
    scrolls: int = 0

    def has_ended(self, driver: Any) -> bool:
        """Scroll once more."""
        size = driver.execute_script(_SCROLL)
        self.still = self.still + 1 if size == self.size else 0
        self.size = size
        self.scrolls += 1
        return self.still >= STILL_POLLS or self.scrolls >= MAX_SCROLLS


def _leave(driver: Any) -> None:
    """Let the page's scripts end, and close what it has opened."""
    first, *others = driver.window_handles
    for window in others:
        driver.switch_to.window(window)
        driver.close()
    if others:
        driver.switch_to.window(first)
    driver.get("about:blank")


def _status_error(status: int) -> CrawlError:
    message = f"the server answered {status}"
    return SourceMissingError(message, status == 410) if status in _MISSING_STATUSES else CrawlError(message)


def _is_one_of(host: str, pattern: str) -> bool:
    return host == pattern or (pattern.startswith("*.") and host.endswith(pattern[1:]))
