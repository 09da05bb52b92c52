"""The part of the Hugging Face Hub's HTTP API that publishing and fetching small files takes, kept in memory.

After the client's own requests (huggingface_hub) and https://huggingface.co/docs/hub/api: repositories with commits,
private ones seen by the token alone, `parentCommit` held to, the error headers that the client reads.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

TOKEN = "hf_SecretTokenOfTheTest"


@dataclass
class Commit:
    """All files after it."""

    oid: str
    message: str
    files: dict[str, bytes]


@dataclass
class Repository:
    """Its commits, oldest first."""

    private: bool
    commits: list[Commit]

    def at(self, revision: str) -> Commit | None:
        """The commit of this name; of `main` the last."""
        if revision == "main":
            return self.commits[-1]
        return next((commit for commit in self.commits if commit.oid == revision), None)


@dataclass
class Failure:
    """What a request gets instead of an answer."""

    path: str
    status: int
    text: str
    method: str
    headers: dict[str, str]


@dataclass
class Hub:
    """The server's state, and what it was asked."""

    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    # Called once, before the next commit is looked at.
    before_commit: Callable[[], None] | None = None

    def add(self, name: str, private: bool, files: dict[str, bytes] | None = None) -> Repository:
        """A repository with its first commit, as the Hub makes it."""
        first = {".gitattributes": b"*.parquet filter=lfs diff=lfs merge=lfs -text\n", **(files or {})}
        self.repositories[name] = Repository(private=private, commits=[_commit(None, "initial commit", first)])
        return self.repositories[name]

    def fail(
        self, path: str, status: int, text: str = "", method: str = "", headers: dict[str, str] | None = None
    ) -> None:
        """Answer all requests whose path has `path` in it with this status."""
        self.failures.append(Failure(path, status, text, method, headers or {}))


@contextmanager
def open_hub() -> Iterator[Hub]:
    """A hub on loopback."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _commit(parent: Commit | None, message: str, files: dict[str, bytes]) -> Commit:
    text = repr((parent.oid if parent else "", message, sorted(files.items())))
    return Commit(oid=hashlib.sha1(text.encode()).hexdigest(), message=message, files=files)


def _blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0%s" % (len(content), content)).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def do_GET(self) -> None:
        self._handle()

    def do_HEAD(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _handle(self) -> None:
        path = unquote(urlsplit(self.path).path)
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.hub.requests.append(f"{self.command} {path}")
        for failure in self.hub.failures:
            if failure.path in path and failure.method in ("", self.command):
                return self._send(failure.status, {"error": failure.text}, failure.headers)
        if self.headers.get("authorization") not in (None, f"Bearer {TOKEN}"):
            said = "Invalid credentials in Authorization header"
            return self._send(401, {"error": said}, {"X-Error-Message": said})
        return self._answer(path, body)

    def _answer(self, path: str, body: bytes) -> None:
        asked = re.fullmatch(r"/api/datasets/([^/]+/[^/]+)(?:/(\w+)/([^/]+).*)?", path)
        file = re.fullmatch(r"/datasets/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        if path == "/api/validate-yaml":
            self._validate(json.loads(body)["content"])
        elif path == "/api/repos/create":
            self._create(json.loads(body))
        elif asked:
            self._ask(asked[1], asked[2] or "revision", asked[3] or "main", body)
        elif file:
            self._resolve(file[1], file[2], file[3])
        else:
            self._send(404, {"error": "no such endpoint"})

    def _validate(self, content: str) -> None:
        front = yaml.safe_load(content.split("---")[1])
        errors = [] if isinstance(front.get("license"), str) else [{"message": '"license" must be a string'}]
        self._send(400 if errors else 200, {"errors": errors, "warnings": []})

    def _create(self, wanted: dict[str, Any]) -> None:
        name = f"{wanted['organization']}/{wanted['name']}"
        if not self.headers.get("authorization"):
            return self._send(401, {"error": "Invalid username or password."})
        if name in self.hub.repositories:
            return self._send(409, {"error": "You already created this dataset repo", "url": f"{self.hub.url}/{name}"})
        self.hub.add(name, wanted.get("visibility") == "private" or wanted.get("private") is True)
        return self._send(200, {"url": f"{self.hub.url}/datasets/{name}"})

    def _found(self, name: str, revision: str) -> tuple[Repository, Commit] | None:
        repository = self.hub.repositories.get(name)
        if repository is None or (repository.private and not self.headers.get("authorization")):
            self._send(404 if repository is None else 401, {"error": "not found"}, {"X-Error-Code": "RepoNotFound"})
            return None
        commit = repository.at(revision)
        if commit is None:
            self._send(404, {"error": "Invalid rev id"}, {"X-Error-Code": "RevisionNotFound"})
            return None
        return repository, commit

    def _ask(self, name: str, what: str, revision: str, body: bytes) -> None:
        found = self._found(name, revision)
        if found is None:
            return
        repository, commit = found
        if what == "revision":
            self._send(200, {"id": name, "sha": commit.oid, "private": repository.private, "tags": []})
        elif what == "tree":
            tree = [{"type": "file", "path": p, "size": len(c), "oid": _blob(c)} for p, c in commit.files.items()]
            self._send(200, tree)
        elif what == "commits":
            fields = {"date": "2026-01-01T00:00:00.000Z", "authors": []}
            newest_first = reversed(repository.commits)
            self._send(200, [{"id": c.oid, "title": c.message, "message": "", **fields} for c in newest_first])
        elif what == "preupload":
            files = {file["path"]: commit.files.get(file["path"]) for file in json.loads(body)["files"]}
            answers = [
                {"path": p, "uploadMode": "regular", "shouldIgnore": False, "oid": None if c is None else _blob(c)}
                for p, c in files.items()
            ]
            self._send(200, {"files": answers})
        elif what == "commit":
            self._take(name, repository, [json.loads(line) for line in body.splitlines()])
        else:
            self._send(404, {"error": "no such endpoint"})

    def _take(self, name: str, repository: Repository, lines: list[dict[str, Any]]) -> None:
        if not self.headers.get("authorization"):
            return self._send(401, {"error": "Unauthorized"})
        if self.hub.before_commit:
            before, self.hub.before_commit = self.hub.before_commit, None
            before()
        head, parent = lines[0]["value"], repository.commits[-1]
        if head.get("parentCommit") not in (None, parent.oid):
            return self._send(412, {"error": "A commit has happened since. Please refresh and try again."})
        files = dict(parent.files)
        for line in lines[1:]:
            if line["key"] == "deletedFile":
                del files[line["value"]["path"]]
            else:
                files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        commit = _commit(parent, head["summary"], files)
        repository.commits.append(commit)
        url = f"{self.hub.url}/datasets/{name}/commit/{commit.oid}"
        return self._send(200, {"success": True, "commitOid": commit.oid, "commitUrl": url})

    def _resolve(self, name: str, revision: str, path: str) -> None:
        found = self._found(name, revision)
        if found is None:
            return None
        content = found[1].files.get(path)
        if content is None:
            return self._send(404, {"error": "no entry"}, {"X-Error-Code": "EntryNotFound"})
        return self._send(200, content, {"ETag": f'"{_blob(content)}"', "X-Repo-Commit": found[1].oid})

    def _send(self, status: int, answer: Any, headers: dict[str, str] | None = None) -> None:
        payload = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        kind = "application/octet-stream" if isinstance(answer, bytes) else "application/json"
        for name, value in {"content-type": kind, "content-length": str(len(payload)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(payload)
