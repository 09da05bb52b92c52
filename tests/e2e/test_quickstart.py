"""The whole way, as a new user goes it: crawl the project, ask the twin, serve it."""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from llm_engineering.settings import PROJECT_ROOT
from tests.e2e.commands import run
from tests.e2e.conftest import Quickstart

CORPUS = [
    {
        "_id": "a964f3ac-e92f-4fcb-847a-a46da3d697d9",
        "content": {
            "Title": "Why I count tokens",
            "Subtitle": None,
            "Content": "# Why I count tokens\n\nA chunk that is longer than the window of the model is cut silently.",
            "language": "en",
        },
        "platform": "ada.example.com",
        "author_id": "eff74089-0271-4319-8543-745c087f4f61",
        "author_full_name": "Ada Lovelace",
        "link": "https://ada.example.com/tokens",
    }
]


def test_the_quickstart_answers_from_the_projects_own_docs(quickstart: Quickstart) -> None:
    assert "mongodb: runs at" in quickstart.up
    assert "Failed:" not in quickstart.first_run
    question = "How are documents chunked?"
    asked = run(quickstart.environment, "tools.rag", "--answer", "--query", question)
    assert "/docs/" in asked.stdout
    assert "google/gemma-3-270m" in asked.stdout


def test_a_second_run_loads_no_model(quickstart: Quickstart) -> None:
    second = run(quickstart.environment, "tools.run", "--run-end-to-end-data").stdout
    assert "load model" in quickstart.first_run
    assert "load model" not in second


def test_a_handbook_dump_is_imported_once_and_exported_again(environment: dict[str, str], tmp_path: Path) -> None:
    dump = tmp_path / "dump"
    dump.mkdir()
    (dump / "ArticleDocument.json").write_text(json.dumps(CORPUS))
    imported = run(environment, "tools.data_warehouse", "--import-raw-data", "--data-dir", str(dump)).stdout
    again = run(environment, "tools.data_warehouse", "--import-raw-data", "--data-dir", str(dump)).stdout
    assert [cell.strip() for cell in _row(imported, "articles")] == ["articles", "1", "0", "0", "0"]
    assert [cell.strip() for cell in _row(again, "articles")] == ["articles", "0", "0", "1", "0"]
    exported = tmp_path / "exported"
    run(environment, "tools.data_warehouse", "--export-raw-data", "--data-dir", str(exported))
    records = json.loads((exported / "ArticleDocument.json").read_text())
    [ours] = [record for record in records if record["author_full_name"] == "Ada Lovelace"]
    assert ours["content"] == CORPUS[0]["content"]
    assert (ours["link"], ours["platform"]) == ("https://ada.example.com/tokens", "ada.example.com")


def test_the_service_answers_over_http_and_refuses_what_is_no_question(environment: dict[str, str]) -> None:
    run(environment, "tools.run", "--run-feature-engineering")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    server = subprocess.Popen(
        [sys.executable, "-m", "tools.ml_service", "--port", str(port)],
        cwd=PROJECT_ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert _wait_for(f"{url}/health", server) == {
            "status": "ok",
            "dependencies": dict.fromkeys(("mongodb", "qdrant", "embedding_model", "language_model"), "ok"),
        }
        body = {"query": "What happens to a chunk longer than the window?", "author": "Ada Lovelace"}
        status, answer = _post(f"{url}/rag", body)
        assert status == 200
        assert [source["link"] for source in answer["sources"]] == ["https://ada.example.com/tokens"]
        assert answer["sources"][0].keys() == {"title", "link", "score", "excerpt"}
        assert answer["answer"]
        assert _post(f"{url}/rag", {"query": " "})[0] == 422
        status, refused = _post(f"{url}/rag", {"query": "why", "author": "Grace Hopper"})
        assert status == 422
        assert "Known authors: Ada Lovelace, MoodSwarm Authors" in refused["detail"]
        # The embedded vector store is the service's while it runs.
        locked = subprocess.run(
            [sys.executable, "-m", "tools.rag", "--query", "why"],
            cwd=PROJECT_ROOT,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert locked.returncode == 1
        assert f"process {server.pid}" in locked.stderr
    finally:
        server.terminate()
        server.wait(30)


def _row(table: str, name: str) -> list[str]:
    return next(line.strip("│ ").split("│") for line in table.splitlines() if line.startswith(f"│ {name}"))


def _wait_for(url: str, server: "subprocess.Popen[bytes]") -> Any:
    deadline = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(url, timeout=30) as response:
                return json.load(response)
        except urllib.error.URLError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.3)


def _post(url: str, body: dict[str, Any]) -> tuple[int, Any]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=120) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)
