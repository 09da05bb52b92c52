"""Whole crawls in processes of their own: killed, run twice at once, run again; a real site, store and HTTP client."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from llm_engineering.domain.documents import DataCategory
from llm_engineering.infrastructure.db.mongo import MongoDocumentStore
from llm_engineering.settings import PROJECT_ROOT, Settings
from tests.integration.site import Reply, Site, open_site

ROOT = Path(__file__).resolve().parents[2]
PAGES = 24
CRAWL = """
import json, sys
from llm_engineering.application.etl import crawl_links
from llm_engineering.bootstrap import build_services

with build_services() as services:
    author = services.documents.get_or_create_author("Ada Lovelace")
    options = services.crawl_options(limit=100, since=None)
    links = json.load(sys.stdin)
    report = crawl_links(links, author, services.crawlers(), services.documents, services.progress, options)
print(report.model_dump_json())
"""


@pytest.fixture
def site() -> Iterator[Site]:
    with open_site() as site:
        yield site


@pytest.fixture
def environment(mongo_uri: str, tmp_path: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name not in Settings.model_fields}
    return {
        **inherited,
        "DATABASE_HOST": mongo_uri,
        "DATABASE_NAME": f"test_{uuid4().hex}",
        "LOCAL_STATE_DIR": str(tmp_path / "state"),
        "MODELS_DIR": str(PROJECT_ROOT / ".local" / "models"),
        "CRAWL_ALLOWED_HOSTS": "127.0.0.1",
        "CRAWL_ALLOWED_PATHS": str(tmp_path),
        "CRAWL_BACKOFF_SECONDS": "0.01",
    }


@pytest.fixture
def store(environment: dict[str, str]) -> Iterator[MongoDocumentStore]:
    store = MongoDocumentStore(environment["DATABASE_HOST"], environment["DATABASE_NAME"])
    yield store
    store.close()


def page(name: str) -> Reply:
    text = "".join(f"<p>Note {n} of {name}: the engine weaves pattern {n} for {name}.</p>" for n in range(12))
    body = f"<html><head><title>{name}</title></head><body><article>{text}</article></body></html>"
    return Reply(body.encode())


def publish(site: Site, silent_at_first: Sequence[int] = ()) -> list[str]:
    """Pages with one text each, of which the last two are the same; some do not answer the first request."""
    names = [f"page {n}" for n in range(PAGES - 1)]
    links = []
    for n, name in enumerate([*names, names[-1]]):
        silence = [Reply(hangs=True)] if n in silent_at_first else []
        links.append(site.serve(f"/{n}", *silence, page(name)))
    return links


def begin(environment: dict[str, str], links: list[str]) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", CRAWL],
        env=environment,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    process.stdin.write(json.dumps(links))
    process.stdin.close()
    process.stdin = None
    return process


def end(process: "subprocess.Popen[str]") -> Any:
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return json.loads(output)


def counts(report: Any) -> dict[str, int]:
    names = ("new", "changed", "unchanged", "linked")
    return {name: sum(source["documents"][name] for source in report["sources"]) for name in names}


def contents(store: MongoDocumentStore) -> list[str]:
    return sorted(document.title for document in store.stream(DataCategory.ARTICLES))


def test_a_crawl_killed_in_the_middle_is_completed_by_the_next_with_nothing_twice(
    site: Site, environment: dict[str, str], store: MongoDocumentStore
) -> None:
    links = publish(site, silent_at_first=(8, 9))  # these keep both requests that a host is asked at once
    process = begin(environment, links)
    deadline = time.monotonic() + 60
    while store.count(DataCategory.ARTICLES) < 8 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert store.count(DataCategory.ARTICLES) == 8
    after_kill = counts(end(begin(environment, links)))
    assert after_kill == {"new": PAGES - 1 - 8, "changed": 0, "unchanged": 8, "linked": 1}
    assert contents(store) == sorted(f"page {n}" for n in range(PAGES - 1))
    unfinished = [run.finished_at is None for run in store.runs(10)]
    assert unfinished == [False, True]


def test_two_crawls_at_once_store_each_document_once(
    site: Site, environment: dict[str, str], store: MongoDocumentStore
) -> None:
    links = publish(site)
    reports = [end(process) for process in [begin(environment, links) for _ in range(2)]]
    assert sum(counts(report)["new"] for report in reports) == PAGES - 1
    assert contents(store) == sorted(f"page {n}" for n in range(PAGES - 1))


def test_a_second_crawl_stores_nothing_anew_and_links_the_same_text_again(
    site: Site, environment: dict[str, str], store: MongoDocumentStore
) -> None:
    links = publish(site)
    first, second = (counts(end(begin(environment, links))) for _ in range(2))
    assert first == {"new": PAGES - 1, "changed": 0, "unchanged": 0, "linked": 1}
    assert second == {"new": 0, "changed": 0, "unchanged": PAGES, "linked": 0}


def test_a_file_that_changed_in_a_repository_is_the_only_one_that_is_written(
    environment: dict[str, str], store: MongoDocumentStore, tmp_path: Path
) -> None:
    repository = tmp_path / "engine"
    repository.mkdir()

    def git(*arguments: str) -> None:
        command = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.com", *arguments]
        subprocess.run(command, cwd=repository, check=True, capture_output=True)

    git("init", "--quiet")
    for n in range(5):
        (repository / f"part{n}.py").write_text(f"PART = {n}\n")
    git("add", ".")
    git("commit", "--quiet", "-m", "parts")
    first = end(begin(environment, [str(repository)]))
    unmoved = end(begin(environment, [str(repository)]))
    (repository / "part3.py").write_text("PART = 33\n")
    git("commit", "--quiet", "--all", "-m", "a new part")
    moved = end(begin(environment, [str(repository)]))
    store._database["repositories"].delete_one({"title": {"$regex": "part1"}})
    mended = end(begin(environment, [str(repository)]))
    assert counts(first)["new"] == 5
    assert counts(unmoved) == {"new": 0, "changed": 0, "unchanged": 5, "linked": 0}
    assert counts(moved) == {"new": 0, "changed": 1, "unchanged": 4, "linked": 0}
    assert counts(mended) == {"new": 1, "changed": 0, "unchanged": 4, "linked": 0}
    assert moved["sources"][0]["bytes_read"] == 4 * len("PART = 0\n") + len("PART = 33\n")
