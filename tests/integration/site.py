"""A web site on a loopback port, for tests of what fetches pages."""

import http
import ssl
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HTML = "text/html; charset=utf-8"
ARTICLE = """\
<!DOCTYPE html>
<html lang="en-GB">
<head>
<meta charset="utf-8">
<title>How the engine weaves | Ada's notebook</title>
<meta name="description" content="What the store and the mill are for.">
<meta property="og:title" content="How the engine weaves">
<meta property="article:published_time" content="2024-03-05T10:00:00+00:00">
CANONICAL
</head>
<body>
<div id="cookie-banner" class="cookie-consent" role="dialog">
<p>We value your privacy. Accept all cookies to go on reading.</p><button>Accept all</button>
</div>
<header><nav class="navbar"><ul>
<li><a href="/">Home of the notebook</a></li>
<li><a href="/archive">Archive of every note</a></li>
<li><a href="/subscribe">Subscribe to the newsletter</a></li>
</ul></nav></header>
<main><article>
<h1>How the engine weaves</h1>
<p>The Analytical Engine weaves algebraical patterns just as the Jacquard loom weaves flowers and leaves. Its two parts
are the store, which holds the variables, and the mill, which works on them one pair after the other.</p>
<h2>What the mill does</h2>
<p>The mill takes two numbers from the store and gives one back, as <a href="/notes/mill?id=7">the note on the mill</a>
tells at length, with an example of each of the four operations of arithmetic — naïve as they are.</p>
<ul>
<li>Addition takes one turn of the handle</li>
<li>Division takes a great many turns</li>
</ul>
<pre><code>def mill(a, b):
    if a &lt; b:
        return a * b
    return a + b
</code></pre>
<table>
<thead><tr><th>Operation</th><th>Turns</th></tr></thead>
<tbody><tr><td>Addition</td><td>1</td></tr><tr><td>Division</td><td>61</td></tr></tbody>
</table>
<p>It can do whatever we know how to order it to perform; it has no pretensions to originate anything.</p>
</article></main>
<footer class="footer">
<p>Copyright 1843 The Notebook Press. All rights reserved.</p><a href="/imprint">Imprint and privacy policy</a>
</footer>
</body>
</html>
"""


def article(canonical: str | None = None) -> bytes:
    """The page of an article, which names this canonical link."""
    link = f'<link rel="canonical" href="{canonical}">' if canonical else ""
    return ARTICLE.replace("CANONICAL", link).encode()


@dataclass(frozen=True)
class Reply:
    """What a path answers, and how badly.

    `hangs` keeps the client waiting until the site closes; `endless` sends the body again and again; `pause` (seconds)
    is left before each part of the answer's head and body, which come byte by byte if `drips`; `meets` waits for other
    requests. A client that already knows the `etag` or `last_modified` gets a 304.
    """

    body: bytes = b""
    status: int = 200
    content_type: str | None = HTML
    headers: Mapping[str, str] = field(default_factory=dict)
    hangs: bool = False
    endless: bool = False
    drips: bool = False
    pause: float = 0.0
    meets: threading.Barrier | None = None
    etag: str | None = None
    last_modified: str | None = None


class Site:
    """Paths and their answers: one after the other, the last one again and again. Other paths are 404."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.port = int(url.rpartition(":")[2])
        self.requests: Counter[str] = Counter()
        self.order: list[str] = []
        self.headers: dict[str, list[Mapping[str, str]]] = {}  # of each request of a path; names in lower case
        self.user_agents: set[str] = set()
        self.most_at_once: Counter[str] = Counter()  # by the name under which the site was asked
        self.closing = threading.Event()
        self._at_once: Counter[str] = Counter()
        self._replies: dict[str, list[Reply]] = {}
        self._lock = threading.Lock()

    def serve(self, path: str, *replies: Reply) -> str:
        """Answer this path so; returns its URL."""
        self._replies[path] = list(replies)
        return self.url + path

    def at(self, host: str, path: str = "") -> str:
        """The URL of the path under another name of this machine."""
        return f"http://{host}:{self.port}{path}"

    def reply(self, path: str, headers: Mapping[str, str]) -> Reply:
        """The answer to the next request of the path."""
        with self._lock:
            self.user_agents.add(headers.get("user-agent", ""))
            self.headers.setdefault(path, []).append(headers)
            replies = self._replies.get(path) or [Reply(b"There is nothing here.", 404)]
            reply = replies[min(self.requests[path], len(replies) - 1)]
            self.requests[path] += 1
            self.order.append(path)
            known = {headers.get("if-none-match"), headers.get("if-modified-since")} - {None}
            return replace(reply, status=304, body=b"") if known & {reply.etag, reply.last_modified} else reply

    @contextmanager
    def counted(self, host: str) -> Iterator[None]:
        """Count the request among those that are answered at the same time."""
        with self._lock:
            self._at_once[host] += 1
            self.most_at_once[host] = max(self.most_at_once[host], self._at_once[host])
        try:
            yield
        finally:
            with self._lock:
                self._at_once[host] -= 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    site: Site

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has read enough closes the connection."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        site = self.server.site
        headers = {name.lower(): value for name, value in self.headers.items()}
        with site.counted(headers.get("host", "").partition(":")[0]):
            reply = site.reply(self.path, headers)
            if reply.meets:
                reply.meets.wait()
            if reply.hangs:
                site.closing.wait()
                return
            self._head(reply)
            self._send(reply.body, reply)
            while reply.endless and not site.closing.is_set():
                self._send(reply.body, reply)

    def _head(self, reply: Reply) -> None:
        lines = [f"HTTP/1.0 {reply.status} {http.HTTPStatus.OK.phrase}"]
        length = {} if reply.endless or reply.drips else {"Content-Length": str(len(reply.body))}
        kind = {} if reply.content_type is None else {"Content-Type": reply.content_type}
        known = {"ETag": reply.etag, "Last-Modified": reply.last_modified}
        named = {**kind, **length, **{name: value for name, value in known.items() if value}, **reply.headers}
        lines += [f"{name}: {value}" for name, value in named.items()]
        self._send("\r\n".join([*lines, "", ""]).encode("latin-1"), reply)

    def _send(self, content: bytes, reply: Reply) -> None:
        for part in (content[at : at + 1] for at in range(len(content))) if reply.drips else [content]:
            if reply.pause and self.server.site.closing.wait(reply.pause):
                return
            self.wfile.write(part)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def open_site(certificate: Path | None = None) -> Iterator[Site]:
    """A site that is there while the context lasts; with a certificate and its key, over TLS."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        scheme = "https" if certificate else "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        site = server.site = Site(f"{scheme}://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield site
        finally:
            site.closing.set()
            server.shutdown()
            thread.join()


def closed_port() -> int:
    """A port on which nobody listens."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        return server.server_port
