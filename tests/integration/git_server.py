"""A Git server on a loopback port: git's own `http-backend`, with passwords, redirects and plain files if need be."""

import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class GitServer:
    """Serves the repositories of a folder. `requests` lists method and path of each request."""

    def __init__(self, root: Path, port: int) -> None:
        self.root = root
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.requests: list[str] = []
        self.authorizations: list[str | None] = []
        self.demands: str | None = None
        self.redirects: Mapping[str, str] = {}
        self.plain_files = False
        self.holds = threading.Event()  # unset: answers to POST wait
        self.holds.set()

    def fetches(self) -> int:
        """How often files were fetched."""
        return sum(request.startswith("POST") for request in self.requests)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    git: GitServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed closes the connection."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, body: bytes) -> None:
        git = self.server.git
        path, _, query = self.path.partition("?")
        git.requests.append(f"{self.command} {path}")
        git.authorizations.append(self.headers["Authorization"])
        if self.command == "POST":
            git.holds.wait()
        target = next((to for start, to in git.redirects.items() if path.startswith(start)), None)
        if target:
            self._send(302, {"Location": target + self.path}, b"")
        elif git.demands and self.headers["Authorization"] != git.demands:
            self._send(401, {"WWW-Authenticate": 'Basic realm="git"'}, b"no")
        elif git.plain_files:
            file = git.root / path.lstrip("/")
            self._send(200 if file.is_file() else 404, {}, file.read_bytes() if file.is_file() else b"")
        else:
            self._send(*self._backend(path, query, body))

    def _backend(self, path: str, query: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.server.git.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_GLOBAL": str(self.server.git.root / "server.gitconfig"),
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": "127.0.0.1",
        }
        done = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        return int(headers.pop("Status", "200").split()[0]), headers, content

    def _send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def open_git_server(root: Path) -> Iterator[GitServer]:
    """A server that is there while the context lasts."""
    (root / "server.gitconfig").write_text("[safe]\n\tdirectory = *\n[uploadpack]\n\tallowFilter = true\n")
    with _Server(("127.0.0.1", 0), _Handler) as server:
        git = server.git = GitServer(root, server.server_port)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield git
        finally:
            git.holds.set()
            server.shutdown()
            thread.join()
