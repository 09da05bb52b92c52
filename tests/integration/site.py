"""A web site on a loopback port, for tests of what fetches pages."""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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
    """What a path answers. `hangs` keeps the client waiting until the site closes."""

    body: bytes = b""
    status: int = 200
    content_type: str | None = HTML
    headers: Mapping[str, str] = field(default_factory=dict)
    hangs: bool = False


class Site:
    """Paths and their answers: one after the other, the last one again and again. Other paths are 404."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: Counter[str] = Counter()
        self.user_agents: set[str] = set()
        self.closing = threading.Event()
        self._replies: dict[str, list[Reply]] = {}

    def serve(self, path: str, *replies: Reply) -> str:
        """Answer this path so; returns its URL."""
        self._replies[path] = list(replies)
        return self.url + path

    def reply(self, path: str, user_agent: str) -> Reply:
        """The answer to the next request of the path."""
        self.user_agents.add(user_agent)
        replies = self._replies.get(path) or [Reply(b"There is nothing here.", 404)]
        reply = replies[min(self.requests[path], len(replies) - 1)]
        self.requests[path] += 1
        return reply


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    site: Site

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has read enough closes the connection."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        reply = self.server.site.reply(self.path, self.headers["User-Agent"])
        if reply.hangs:
            self.server.site.closing.wait()
            return
        self.send_response(reply.status)
        if reply.content_type is not None:
            self.send_header("Content-Type", reply.content_type)
        for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def open_site() -> Iterator[Site]:
    """A site that is there while the context lasts."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        site = server.site = Site(f"http://127.0.0.1:{server.server_port}")
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
