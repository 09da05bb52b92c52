"""A judge behind OpenAI's API that judges by rule: what stands word for word in the context is supported.

It reads the input that ragas puts into its prompts, and answers in the form that the prompt's schema asks for.
"""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def _sentences(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"(?<=[.!?])\s+", text) if part.strip()]


def verdict(prompt: str) -> dict[str, Any]:
    """The answer to a prompt of ragas."""
    asked = json.loads(prompt.rpartition("input: ")[2].rpartition("\nOutput:")[0])
    if asked.keys() == {"question", "answer"}:
        return {"statements": _sentences(asked["answer"])}
    if asked.keys() == {"context", "statements"}:
        said = [(statement, int(statement in asked["context"])) for statement in asked["statements"]]
        return {"statements": [{"statement": text, "reason": "by rule", "verdict": is_in} for text, is_in in said]}
    if asked.keys() == {"response"}:
        return {"question": asked["response"], "noncommittal": 0}
    if asked.keys() == {"question", "context", "answer"} and "classifications" in prompt:
        said = [(sentence, int(sentence in asked["context"])) for sentence in _sentences(asked["answer"])]
        return {
            "classifications": [{"statement": text, "reason": "by rule", "attributed": is_in} for text, is_in in said]
        }
    return {"reason": "by rule", "verdict": int(asked["answer"] in asked["context"])}


@contextmanager
def open_judge(broken: str = "") -> Iterator[str]:
    """Its URL. A prompt with the word `broken` gets an answer that is no JSON."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            prompt = next(message["content"] for message in body["messages"] if message["role"] == "user")
            text = "I would rather not." if broken and broken in prompt else json.dumps(verdict(prompt))
            message = {"role": "assistant", "content": text}
            answer = {
                "id": "1",
                "object": "chat.completion",
                "created": 0,
                "model": body["model"],
                "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
                "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
            }
            payload = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with _served(Handler) as url:
        yield url


@contextmanager
def open_refusing_judge() -> Iterator[tuple[str, list[str]]]:
    """The URL of one that takes no key, and the paths it was asked for."""
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            requests.append(self.path)
            self.rfile.read(int(self.headers["content-length"]))
            payload = json.dumps({"error": {"message": "Incorrect API key", "code": "invalid_api_key"}}).encode()
            self.send_response(401)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with _served(Handler) as url:
        yield url, requests


@contextmanager
def _served(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
