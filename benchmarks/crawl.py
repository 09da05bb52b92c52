"""Crawling many hosts at once beside one page after the other, in one run.

    python -m benchmarks.crawl

A site on loopback answers each request after 300 ms: 50 pages, spread over ten hosts (127.0.0.2 and on: Linux knows
them all). Three ways take turns, each in a process of its own, into an embedded MongoDB that is emptied before:

    reference    a loop: fetch with httpx, extract with trafilatura, insert
    sequential   MoodSwarm with CRAWL_CONCURRENCY=1
    concurrent   MoodSwarm as it comes: 16 sources at once, two requests a host
    again        the same once more: conditional requests, nothing has changed

MoodSwarm also asks each host for its robots.txt, which the reference does not.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from rich.console import Console
from rich.table import Table

from llm_engineering.bootstrap import build_services
from llm_engineering.infrastructure.local.mongo_daemon import MongoDaemon
from llm_engineering.settings import PROJECT_ROOT, Settings

LATENCY_SECONDS = 0.3
HOSTS = [f"127.0.0.{n}" for n in range(2, 12)]
PAGES_A_HOST = 5
PARAGRAPHS = 40
WAYS = ("reference", "sequential", "concurrent", "again")


class _Handler(BaseHTTPRequestHandler):
    """Pages that differ by host and path, with an ETag."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        time.sleep(LATENCY_SECONDS)
        if self.path == "/robots.txt":
            self._answer(404, b"")
            return
        etag = f'"{hash(self.path) & 0xFFFF}"'
        if self.headers.get("If-None-Match") == etag:
            self._answer(304, b"", etag)
        else:
            self._answer(200, _page(f"{self.headers['Host']}{self.path}"), etag)

    def _answer(self, status: int, body: bytes, etag: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if etag:
            self.send_header("ETag", etag)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _page(name: str) -> bytes:
    paragraphs = "".join(
        f"<p>Paragraph {n} of {name} tells at some length what the engine does with number {n}: it takes it from the "
        f"store, weaves it into pattern {n * n}, and gives it back to whoever turns the handle.</p>"
        for n in range(PARAGRAPHS)
    )
    return (
        f"<html lang=en><head><title>{name}</title></head><body><article>{paragraphs}</article></body></html>".encode()
    )


@contextmanager
def _site() -> Iterator[list[str]]:
    """The links of all pages, while they are served."""
    with ExitStack() as stack:
        port, links = 0, []
        for host in HOSTS:
            server = stack.enter_context(ThreadingHTTPServer((host, port), _Handler))
            port = server.server_port
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
            links += [f"http://{host}:{port}/page/{n}" for n in range(PAGES_A_HOST)]
        yield links


def _reference(links: list[str]) -> int:
    import httpx
    import trafilatura
    from pymongo import MongoClient

    with build_services() as services:
        services.documents.ping()
    uri = MongoDaemon(Path(os.environ["LOCAL_STATE_DIR"])).ensure_running().uri
    with MongoClient[dict[str, str]](uri) as mongo:
        articles = mongo["twin"]["articles"]
        for link in links:
            text = trafilatura.extract(httpx.get(link, timeout=20).text, output_format="markdown")
            articles.insert_one({"link": link, "content": text or ""})
        return articles.count_documents({})


def _moodswarm(links: list[str]) -> int:
    from llm_engineering.application.etl import crawl_links

    with build_services() as services:
        author = services.documents.get_or_create_author("Ada Lovelace")
        options = services.crawl_options(limit=100, since=None)
        report = crawl_links(links, author, services.crawlers(), services.documents, services.progress, options)
    return report.documents.total


def _child(way: str) -> None:
    links = json.load(sys.stdin)
    run: Callable[[list[str]], int] = _reference if way == "reference" else _moodswarm
    # What is imported when it is first used is not the crawl's time, in no way of it.
    import httpx  # noqa: F401
    import trafilatura

    from llm_engineering.domain.sources import FetchedPage
    from llm_engineering.infrastructure.web.html.extraction import TrafilaturaExtractor

    page = _page("warm").decode()
    trafilatura.extract(page)
    TrafilaturaExtractor().extract(FetchedPage("https://example.com/warm", html=page))
    with build_services() as services:
        services.documents.ping()
        services.crawlers()
    started = time.perf_counter()
    documents = run(links)
    print(json.dumps({"documents": documents, "seconds": time.perf_counter() - started}))


def _measure(way: str, links: list[str], state: Path) -> float:
    environment = {name: value for name, value in os.environ.items() if name not in Settings.model_fields}
    environment |= {"LOCAL_STATE_DIR": str(state), "CRAWL_ALLOWED_HOSTS": "127.0.0.0/8", "LOG_LEVEL": "WARNING"}
    if way == "sequential":
        environment["CRAWL_CONCURRENCY"] = "1"
    command = [sys.executable, "-m", "benchmarks.crawl", "--child", way]
    result = subprocess.run(
        command,
        env=environment,
        cwd=PROJECT_ROOT,
        input=json.dumps(links),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    measured = json.loads(result.stdout.splitlines()[-1])
    if measured["documents"] != len(links):
        raise RuntimeError(f"{way} stored {measured['documents']} of {len(links)} pages")
    return float(measured["seconds"])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Crawling many hosts at once beside one page after the other.")
    parser.add_argument("--rounds", type=int, default=3, help="How often the ways take turns.")
    parser.add_argument("--child", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        _child(arguments.child)
        return
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    with _site() as links:
        for _ in range(arguments.rounds):
            with tempfile.TemporaryDirectory() as folder:
                for way in WAYS:
                    # "again" finds what "concurrent" stored.
                    state = Path(folder) / way.replace("again", "concurrent")
                    try:
                        seconds[way].append(_measure(way, links, state))
                    finally:
                        if way != "concurrent":
                            MongoDaemon(state).stop()
    table = Table(
        "Way", "Seconds (median)", "All", title=f"{len(links)} pages, {LATENCY_SECONDS * 1000:.0f} ms latency"
    )
    for way, measured in seconds.items():
        table.add_row(way, f"{statistics.median(measured):.1f}", " ".join(f"{value:.1f}" for value in measured))
    Console().print(table)


if __name__ == "__main__":
    main()
