"""A real headless Chromium on a loopback site."""

import os
import select
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from llm_engineering.domain.errors import CrawlError, ForbiddenLinkError, SourceMissingError
from llm_engineering.infrastructure.web.browser import browser as browser_module
from llm_engineering.infrastructure.web.browser.browser import ChromeBrowser
from llm_engineering.infrastructure.web.browser.resolver import look_up
from llm_engineering.infrastructure.web.http.guard import AddressGuard
from tests.integration.site import Reply, Site, article, closed_port, open_site

ROOT = Path(__file__).resolve().parents[2]
HOSTS = ["127.0.0.1"]
ADDRESSES = AddressGuard(["127.0.0.1", "localhost"]).addresses

pytestmark = pytest.mark.skipif(
    not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"))),
    reason="no Chromium on this machine",
)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser_module, "TEXT_SECONDS", 1.5)
    monkeypatch.setattr(browser_module, "SCROLL_POLL_SECONDS", 0.15)


@pytest.fixture
def site() -> Iterator[Site]:
    with open_site() as opened:
        yield opened


@pytest.fixture(scope="module")
def browser() -> Iterator[ChromeBrowser]:
    """One browser for the tests that leave it whole."""
    browser = ChromeBrowser(HOSTS, ADDRESSES)
    yield browser
    browser.close()


def nowhere(_host: str) -> list[str]:
    """An address that documents use as an example, where nobody answers."""
    return ["192.0.2.1"]


def guarded(host: str) -> list[str]:
    """Two names that are this machine, and one that may not be asked."""
    if host == "inside.example.com":
        raise ForbiddenLinkError("inside.example.com is at 127.0.0.1, not a public one")
    if host in ("notes.example.com", "other.example.com"):
        return ["::1", "127.0.0.1"]
    raise CrawlError(f"the address of {host} cannot be found")


GUARDED_HOSTS = ["notes.example.com", "other.example.com", "inside.example.com", "gone.example.com"]


@pytest.fixture(scope="module")
def guarded_browser() -> Iterator[ChromeBrowser]:
    browser = ChromeBrowser(GUARDED_HOSTS, guarded)
    yield browser
    browser.close()


def page(script: str = "", body: str = "") -> Reply:
    return Reply(f"<!doctype html><title>t</title><body>{body}<script>{script}</script></body>".encode())


def descendants(prefixes: tuple[str, ...] = ("chrom", "cat")) -> set[psutil.Process]:
    """The processes of drivers and browsers that this test process has started, or left behind."""
    return {process for process in psutil.Process().children(recursive=True) if runs_as(process, prefixes)}


def runs_as(process: psutil.Process, prefixes: tuple[str, ...]) -> bool:
    """A browser ends processes of its own at any moment, also between the listing of them and this look."""
    try:
        return process.name().startswith(prefixes) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def folders() -> set[Path]:
    root = Path(tempfile.gettempdir())
    return {path for pattern in ("moodswarm-chrome-*", "*org.chromium*") for path in root.glob(pattern)}


@pytest.fixture
def nothing_is_left() -> Iterator[None]:
    processes, files = descendants(), folders()
    yield
    assert descendants() - processes == set()
    assert folders() - files == set()


def test_a_page_comes_as_its_scripts_have_made_it(site: Site, browser: ChromeBrowser) -> None:
    text = "The engine weaves. " * 20
    script = f"setTimeout(() => document.body.innerHTML = '<article>{text}</article>', 300)"
    opened = browser.open(site.serve("/late", page(script)))
    assert opened.url == f"{site.url}/late"
    assert text.strip() in opened.html
    assert opened.media_type == "text/html"
    assert opened.bytes_read == len(opened.html.encode())


def test_many_pages_need_one_browser_and_several_threads_may_ask(site: Site, browser: ChromeBrowser) -> None:
    browser.open(site.serve("/first", Reply(article())))
    before = descendants(("chromedriver",))
    urls = [site.serve(f"/{number}", Reply(article(f"/{number}"))) for number in range(6)]
    with ThreadPoolExecutor(3) as pool:
        pages = list(pool.map(browser.open, urls))
    assert [opened.url for opened in pages] == urls
    assert all(f'href="/{number}"' in opened.html for number, opened in enumerate(pages))
    assert descendants(("chromedriver",)) == before


def test_it_says_that_it_is_automated(site: Site, browser: ChromeBrowser) -> None:
    url = site.serve("/me", page("document.title = navigator.webdriver + ' ' + navigator.userAgent"))
    html = browser.open(url).html
    assert "true" in html
    assert "HeadlessChrome" in html


def test_a_page_that_grows_is_scrolled_until_it_stops(site: Site, browser: ChromeBrowser) -> None:
    script = """
        let shown = 0;
        const more = () => {
            for (let i = 0; i < 10 && shown < 30; i++, shown++)
                document.body.insertAdjacentHTML(
                    'beforeend', `<p style="height:300px"><a href="/p/${shown}">x</a></p>`);
        };
        more();
        addEventListener('scroll', () => setTimeout(more, 200));
    """
    url = site.serve("/grows", page(script))
    assert "/p/29" in browser.open(url, scroll=True).html
    assert "/p/29" not in browser.open(url).html


def test_a_page_that_grows_for_ever_is_left_at_the_deadline(site: Site, nothing_is_left: None) -> None:
    script = "setInterval(() => document.body.insertAdjacentHTML('beforeend', '<p>more</p>'), 20)"
    endless = ChromeBrowser(HOSTS, ADDRESSES, scroll_seconds=1.5)
    try:
        assert "<p>more</p>" in endless.open(site.serve("/endless", page(script)), scroll=True).html
    finally:
        endless.close()


@pytest.mark.parametrize(("status", "permanent"), [(404, False), (410, True)])
def test_a_page_that_is_not_there_is_missing(site: Site, browser: ChromeBrowser, status: int, permanent: bool) -> None:
    with pytest.raises(SourceMissingError, match=str(status)) as caught:
        browser.open(site.serve("/gone", Reply(article(), status)))
    assert caught.value.permanent is permanent


@pytest.mark.parametrize("status", [403, 429, 500, 503])
def test_an_error_status_is_a_failure_even_with_a_page_of_text(site: Site, browser: ChromeBrowser, status: int) -> None:
    with pytest.raises(CrawlError, match=f"answered {status}") as caught:
        browser.open(site.serve("/error", Reply(article(), status)))
    assert not isinstance(caught.value, SourceMissingError)


@pytest.mark.parametrize(
    "link",
    [
        "file:///etc/passwd",
        "data:text/html,<p>hi",
        "chrome://version",
        "javascript:alert(1)",
        "about:blank",
        "http://localhost:PORT/x",
        "http://127.0.0.2:PORT/x",
        "http://[::1]:PORT/x",
        "http://2130706433:PORT/x",
        "http://127.0.0.2:PORT\\@127.0.0.1:PORT/x",
        "http://127.0.0.1\t:PORT/x",
        "http://127.0.0.1.evil.example/x",
        "http://[/x",
        "",
    ],
)
def test_what_is_not_on_an_allowed_host_is_refused_before_a_browser_starts(site: Site, link: str) -> None:
    unstarted = ChromeBrowser(HOSTS, ADDRESSES, chrome="/nonexistent/chrome")
    with pytest.raises(ForbiddenLinkError):
        unstarted.open(link.replace("PORT", site.url.rpartition(":")[2]))
    assert site.requests.total() == 0


def test_a_subdomain_pattern_allows_subdomains_only() -> None:
    browser = ChromeBrowser(["*.medium.com", "example.org"], nowhere, chrome="/nonexistent/chrome")
    for allowed in ("https://ada.medium.com/", "https://www.example.org/", "https://example.org/"):
        with pytest.raises(CrawlError, match="does not start"):
            browser.open(allowed)
    for refused in ("https://medium.com/", "https://evilmedium.com/", "https://a.example.org/"):
        with pytest.raises(ForbiddenLinkError, match="MEDIUM_HOSTS"):
            browser.open(refused)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.2"])
def test_no_redirect_leads_to_another_host(site: Site, browser: ChromeBrowser, host: str) -> None:
    port = site.url.rpartition(":")[2]
    url = site.serve("/away", Reply(status=302, headers={"Location": f"http://{host}:{port}/secret"}))
    with pytest.raises(CrawlError, match=f"leads to {host}"):
        browser.open(url)
    assert site.requests["/secret"] == 0


def test_a_host_is_asked_at_its_checked_address_by_its_own_name(site: Site, guarded_browser: ChromeBrowser) -> None:
    site.serve("/a", Reply(article()))
    link = site.at("notes.example.com", "/a")
    opened = guarded_browser.open(link)
    assert opened.url == link
    assert "How the engine weaves" in opened.html
    assert [headers["host"] for headers in site.headers["/a"]] == [f"notes.example.com:{site.port}"]


def test_a_redirect_to_another_allowed_host_is_followed(site: Site, guarded_browser: ChromeBrowser) -> None:
    site.serve("/a", Reply(article()))
    link = site.at("other.example.com", "/a")
    site.serve("/away", Reply(status=302, headers={"Location": link}))
    assert guarded_browser.open(site.at("notes.example.com", "/away")).url == link


@pytest.mark.parametrize(
    ("host", "reason"),
    [("inside.example.com", "at 127.0.0.1, not a public one"), ("gone.example.com", "cannot be found")],
)
def test_an_allowed_host_whose_address_may_not_be_asked_is_not_reached(
    site: Site, guarded_browser: ChromeBrowser, host: str, reason: str
) -> None:
    site.serve("/secret", Reply(article()))
    link = site.at(host, "/secret")
    site.serve("/away", Reply(status=302, headers={"Location": link}))
    for opened in (link, site.at("notes.example.com", "/away")):
        with pytest.raises(CrawlError, match=f"may not open {host}: .*{reason}"):
            guarded_browser.open(opened)
    assert site.requests["/secret"] == 0


@pytest.mark.parametrize("host", ["inside.example.com", "gone.example.com"])
def test_no_script_reaches_an_allowed_host_whose_address_may_not_be_asked(
    site: Site, guarded_browser: ChromeBrowser, host: str
) -> None:
    with Listener() as listener:
        site.serve("/prober", page(probe(f"{host}:{listener.port}")))
        assert "settled" in guarded_browser.open(site.at("notes.example.com", "/prober")).html
        assert listener.is_untouched


def test_hosts_are_looked_up_when_the_browser_starts_and_not_before(site: Site) -> None:
    asked: list[str] = []

    def addresses(host: str) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    browser = ChromeBrowser(["notes.example.com"], addresses)
    try:
        assert asked == []
        site.serve("/a", Reply(article()))
        for _ in range(2):
            browser.open(site.at("notes.example.com", "/a"))
        assert sorted(asked) == ["notes.example.com", "www.notes.example.com"]
    finally:
        browser.close()


def test_over_tls_a_mapped_host_is_asked_by_its_name_and_must_have_a_valid_certificate(
    guarded_browser: ChromeBrowser, certificate: Path
) -> None:
    names: list[str | None] = []

    def asked_for(_socket: object, name: str | None, _context: object) -> None:
        names.append(name)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sni_callback = asked_for
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve_tls, args=(server, context), daemon=True)
        thread.start()
        with pytest.raises(CrawlError, match=r"notes\.example\.com cannot be reached \(ERR_CERT"):
            guarded_browser.open(f"https://notes.example.com:{server.getsockname()[1]}/a")
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert set(names) == {"notes.example.com"}


def serve_tls(server: socket.socket, context: ssl.SSLContext) -> None:
    """Shake hands with everybody, until the socket is shut."""
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection, suppress(OSError):
            context.wrap_socket(connection, server_side=True).close()


def test_the_rules_name_one_checked_address_of_each_host_and_leave_only_medium_s_subdomains_to_dns() -> None:
    known = {"medium.com": ["2606::1", "162.159.0.1", "162.159.0.2"], "six.example.com": ["2606::2"]}

    def addresses(host: str) -> list[str]:
        if host not in known:
            raise CrawlError("unknown")
        return known[host]

    hosts = look_up(["*.medium.com", "medium.com", "www.medium.com", "six.example.com", "no.example.com"], addresses)
    assert hosts.rules.split(", ") == [
        "MAP medium.com 162.159.0.1", "MAP six.example.com [2606::2]", "MAP * ~NOTFOUND", "EXCLUDE *.medium.com",
    ]  # fmt: skip
    assert hosts.refused == {"no.example.com": "unknown"}


@pytest.mark.parametrize("host", ["*.example.com", "*", "a.example.com, EXCLUDE *", "a b", ""])
def test_no_other_pattern_gets_into_the_rules(host: str) -> None:
    with pytest.raises(CrawlError, match="no host name"):
        look_up(["*.medium.com", host], nowhere)


class Listener:
    """A port on every address of this machine, and whether anybody has connected to it."""

    def __enter__(self) -> "Listener":
        self.socket = socket.create_server(("0.0.0.0", 0))
        self.port = self.socket.getsockname()[1]
        self.datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.datagrams.bind(("0.0.0.0", self.port))
        self.datagrams.setblocking(False)
        self.connections: list[Any] = []
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()
        return self

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            connection.close()
            self.connections.append(connection)

    @property
    def is_untouched(self) -> bool:
        return not self.connections and not select.select([self.datagrams], [], [], 0)[0]

    def __exit__(self, *_: object) -> None:
        self.datagrams.close()
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join()


def probe(place: str) -> str:
    """A script that tries to reach a place in each way that a page has."""
    return f"""
        const done = [
            fetch('http://{place}/f', {{mode: 'no-cors'}}),
            new Promise(end => {{ const s = new WebSocket('ws://{place}/w'); s.onclose = end; }}),
        ];
        navigator.sendBeacon('http://{place}/b', 'x');
        for (const tag of ['script', 'iframe', 'img', 'video']) {{
            const part = document.createElement(tag);
            part.src = 'http://{place}/' + tag;
            document.body.append(part);
        }}
        window.open('http://{place}/popup');
        try {{
            const servers = [
                {{urls: 'turn:{place}?transport=tcp', username: 'a', credential: 'b'}}, {{urls: 'stun:{place}'}}];
            const rtc = new RTCPeerConnection({{iceServers: servers}});
            rtc.createDataChannel('c');
            rtc.createOffer().then(offer => rtc.setLocalDescription(offer));
        }} catch (error) {{ console.log(error); }}
        Promise.allSettled(done).then(() => setTimeout(
            () => document.body.innerHTML = '<article>{"settled " * 40}</article>', 300));
    """


@pytest.mark.parametrize("host", ["localhost", "127.0.0.2", "0.0.0.0", "2130706434"])
def test_no_script_reaches_another_host(site: Site, browser: ChromeBrowser, host: str) -> None:
    with Listener() as listener:
        url = site.serve("/prober", page(probe(f"{host}:{listener.port}")))
        assert "settled" in browser.open(url).html
        assert listener.is_untouched


def test_a_script_does_reach_an_allowed_host(site: Site) -> None:
    """Or the test above would prove nothing."""
    browser = ChromeBrowser([*HOSTS, "localhost"], ADDRESSES)
    with Listener() as listener:
        browser.open(site.serve("/prober", page(probe(f"localhost:{listener.port}"))))
        browser.close()
        assert listener.connections != []


def test_a_script_that_leads_the_page_away_is_noticed(site: Site, browser: ChromeBrowser) -> None:
    port = site.url.rpartition(":")[2]
    url = site.serve("/leaves", page(f"location = 'http://localhost:{port}/secret'"))
    with pytest.raises(CrawlError):
        browser.open(url)
    assert site.requests["/secret"] == 0


def test_a_download_is_no_page_and_is_not_kept(site: Site, browser: ChromeBrowser) -> None:
    headers = {"Content-Disposition": "attachment; filename=evil.html"}
    with pytest.raises(CrawlError):
        browser.open(site.serve("/file", Reply(article(), headers=headers)))
    assert not list(Path.cwd().glob("evil*"))
    assert browser.open(site.serve("/next", Reply(article()))).url.endswith("/next")


def test_what_is_not_html_is_refused(site: Site, browser: ChromeBrowser) -> None:
    with pytest.raises(CrawlError, match="not an HTML page but application/json"):
        browser.open(site.serve("/data", Reply(b'{"a": 1}', content_type="application/json")))


def test_a_dialog_does_not_stop_the_browser(site: Site, browser: ChromeBrowser) -> None:
    url = site.serve("/dialog", page("alert(1)", body="<main>" + "words and words " * 30 + "</main>"))
    assert "words and words" in browser.open(url).html


def test_a_server_that_does_not_answer_is_given_up_and_the_next_page_comes(site: Site, nothing_is_left: None) -> None:
    impatient = ChromeBrowser(HOSTS, ADDRESSES, timeout_seconds=1)
    try:
        for path, reply in (("/hangs", Reply(hangs=True)), ("/spins", page("while (true);"))):
            with pytest.raises(CrawlError, match="did not load in 1 seconds"):
                impatient.open(site.serve(path, reply))
        assert "mill" in impatient.open(site.serve("/a", Reply(article()))).html
    finally:
        impatient.close()


def test_a_proxy_that_the_environment_names_is_not_used(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    browser = ChromeBrowser(HOSTS, ADDRESSES)
    try:
        assert "mill" in browser.open(site.serve("/a", Reply(article()))).html
    finally:
        browser.close()


def test_the_environment_with_its_secrets_is_not_the_browser_s(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    before = descendants()
    browser = ChromeBrowser(HOSTS, ADDRESSES)
    try:
        browser.open(site.serve("/a", Reply(article())))
        started = descendants() - before
        assert started
        assert not any("OPENAI_API_KEY" in process.environ() for process in started)
    finally:
        browser.close()


def test_a_large_page_is_refused(site: Site, nothing_is_left: None) -> None:
    small = ChromeBrowser(HOSTS, ADDRESSES, max_page_bytes=10_000)
    try:
        with pytest.raises(CrawlError, match="larger than"):
            small.open(site.serve("/large", page(body="<article>" + "long " * 3000)))
    finally:
        small.close()


def test_a_browser_that_crashes_is_started_again_once(site: Site, nothing_is_left: None) -> None:
    browser = ChromeBrowser(HOSTS, ADDRESSES)
    url = site.serve("/a", Reply(article()))
    before = descendants()
    try:
        browser.open(url)
        for name in ("chromium", "chromedriver"):  # the browser dies, then its driver
            for process in descendants() - before:
                if process.name().startswith(name) and process.is_running():
                    process.kill()
            assert "mill" in browser.open(url).html
    finally:
        browser.close()


def test_a_browser_that_was_never_used_starts_nothing(nothing_is_left: None) -> None:
    before = descendants()
    browser = ChromeBrowser(HOSTS, ADDRESSES)
    assert descendants() == before
    browser.close()
    browser.close()


def test_a_closed_browser_starts_again_when_it_is_asked(site: Site, nothing_is_left: None) -> None:
    browser = ChromeBrowser(HOSTS, ADDRESSES)
    url = site.serve("/a", Reply(article()))
    for _ in range(2):
        assert "mill" in browser.open(url).html
        browser.close()


@pytest.mark.parametrize("chrome", ["/nonexistent/chrome", "/bin/cat", "/bin/false"])
def test_a_browser_that_does_not_start_says_so_and_leaves_nothing(nothing_is_left: None, chrome: str) -> None:
    browser = ChromeBrowser(HOSTS, ADDRESSES, chrome=chrome)
    for _ in range(2):
        with pytest.raises(CrawlError, match="does not start"):
            browser.open("http://127.0.0.1:9/")
    browser.close()


def test_a_watcher_that_cannot_be_started_leaves_nothing(
    nothing_is_left: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(CrawlError, match="does not start"):
        ChromeBrowser(HOSTS, ADDRESSES).open("http://127.0.0.1:9/")


def test_a_machine_without_a_browser_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(CrawlError, match="install one"):
        ChromeBrowser(HOSTS, ADDRESSES).open("http://127.0.0.1:9/")


def test_an_interrupt_in_the_middle_of_a_page_leaves_nothing(
    site: Site, nothing_is_left: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = ChromeBrowser(HOSTS, ADDRESSES)
    browser.open(site.serve("/a", Reply(article())))

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("selenium.webdriver.support.wait.WebDriverWait.until", interrupted)
    with pytest.raises(KeyboardInterrupt):
        browser.open(f"{site.url}/a")


def test_the_end_of_the_interpreter_ends_the_browser(site: Site, nothing_is_left: None) -> None:
    code = (
        "import sys; from llm_engineering.infrastructure.web.browser.browser import ChromeBrowser;"
        "browser = ChromeBrowser(['127.0.0.1'], lambda host: [host]); browser.open(sys.argv[1]);"
        "import psutil; print(*(child.pid for child in psutil.Process().children(recursive=True)))"
    )
    url = site.serve("/a", Reply(article()))
    result = subprocess.run([sys.executable, "-c", code, url], cwd=ROOT, check=True, capture_output=True, text=True)
    pids = [int(pid) for pid in result.stdout.split()]
    assert len(pids) > 2
    assert [process for process in processes_of(pids) if is_alive(process)] == []


def test_a_host_that_would_change_the_resolver_rules_is_refused() -> None:
    with pytest.raises(CrawlError, match="no host name"):
        ChromeBrowser(["medium.com , EXCLUDE *", "127.0.0.1"], nowhere).open("http://127.0.0.1:9/")


USES_A_BROWSER = """
import os, psutil, sys, threading, time
from llm_engineering.infrastructure.web.browser import leftovers
from llm_engineering.infrastructure.web.browser.browser import ChromeBrowser
if sys.argv[2] == "unwatched":
    watch = leftovers.watch
    def unwatched(folder):
        process = watch(folder)
        process.kill()
        return process
    leftovers.watch = unwatched
browser = ChromeBrowser(["127.0.0.1"], lambda host: [host])
thread = threading.Thread(target=browser.open, args=[sys.argv[1]])
thread.start()
thread.join()
browser.open(sys.argv[1])
print(*(child.pid for child in psutil.Process().children(recursive=True)), flush=True)
time.sleep(600)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """One with a short name: the path of Chromium's socket may only have 108 bytes."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        yield Path(name)


def killed_in_the_middle(site: Site, folder: Path, watched: str) -> list[psutil.Process]:
    """Processes of a browser whose user was killed, and whose files are in this folder."""
    url = site.serve("/a", Reply(article()))
    environment = {"PATH": os.environ["PATH"], "TMPDIR": str(folder)}
    command = [sys.executable, "-c", USES_A_BROWSER, url, watched]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as user:
        assert user.stdout
        line = user.stdout.readline()
        processes = processes_of(map(int, line.split()))
        user.kill()
    assert len(processes) > 2
    return processes


def processes_of(pids: Iterable[int]) -> list[psutil.Process]:
    """Those that are still there."""
    found = []
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            found.append(psutil.Process(pid))
    return found


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_kill_of_the_process_ends_the_browser_too(site: Site, folder: Path) -> None:
    processes = killed_in_the_middle(site, folder, "watched")
    psutil.wait_procs([process for process in processes if is_alive(process)], timeout=20)
    assert not any(map(is_alive, processes))
    assert list(folder.glob("moodswarm-chrome-*")) == []


def test_the_next_start_ends_what_a_killed_process_has_left_and_nothing_else(
    site: Site, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes = killed_in_the_middle(site, folder, "unwatched")
    (left,) = folder.glob("moodswarm-chrome-*")
    assert any(map(is_alive, processes))
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "kept").touch()
    (folder / "moodswarm-chrome-link").symlink_to(folder / "elsewhere")
    (folder / "moodswarm-chrome-just-made").mkdir()
    browser = ChromeBrowser(HOSTS, ADDRESSES)
    other = ChromeBrowser(HOSTS, ADDRESSES)
    try:
        browser.open(f"{site.url}/a")
        assert not any(map(is_alive, processes))
        assert not left.exists()
        other.open(f"{site.url}/a")
        assert len(list(folder.glob("moodswarm-chrome-*"))) == 4
        assert "mill" in browser.open(f"{site.url}/a").html
    finally:
        browser.close()
        other.close()
    assert (folder / "elsewhere" / "kept").exists()
