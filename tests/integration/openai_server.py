"""A stand-in for a server with OpenAI's API, scripted down to the bytes, on loopback in a thread or process of its own.

Each prompt names in square brackets what is to go wrong with it: "[500] ..." is answered with status 500 the first time
and well from then on, "[500!] ..." each time. What is in `next` comes first, whatever is asked.
"""

import asyncio
import json
import re
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_TOLD = re.compile(r"\[([\w-]+)(!?)\]")


@dataclass
class Answer:
    """What goes over the wire: a status with headers and a body, or a body that stops."""

    content: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    # Sent drop by drop, so many seconds apart; None: at once.
    drop_seconds: float | None = None
    # Cut the connection after this share of the body.
    cut_at: float | None = None

    @property
    def body(self) -> bytes:
        """The content as bytes."""
        return self.content if isinstance(self.content, bytes) else json.dumps(self.content).encode()


@dataclass
class Asked:
    """One request, and when it came."""

    at: float
    path: str
    headers: str
    body: Any

    @property
    def prompt(self) -> str:
        """What was asked, by a person's message or to be continued."""
        messages = self.body.get("messages")
        return str(messages[-1]["content"] if messages else self.body.get("prompt", ""))


def fill(schema: Any, definitions: Any = None) -> Any:
    """The smallest value of a JSON schema: of a list one item, of a text 'said'."""
    definitions = schema.get("$defs", definitions)
    if "$ref" in schema:
        return fill(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        return fill(schema["anyOf"][0], definitions)
    if "enum" in schema or "const" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    if schema["type"] == "object":
        return {name: fill(one, definitions) for name, one in schema.get("properties", {}).items()}
    if schema["type"] == "array":
        return [fill(schema["items"], definitions)] * max(1, schema.get("minItems", 1))
    return {"string": "said", "integer": 1, "number": 1.0, "boolean": True, "null": None}[schema["type"]]


def said(text: str | None, finish: str = "stop", chat: bool = True, **message: Any) -> dict[str, Any]:
    """A whole response with this text; every one counts 10 tokens of prompt and 5 of completion."""
    choice: dict[str, Any] = {"index": 0, "finish_reason": finish}
    choice |= {"message": {"role": "assistant", "content": text, **message}} if chat else {"text": text}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    kind = "chat.completion" if chat else "text_completion"
    return {"id": "1", "object": kind, "created": 1, "model": "stand-in", "choices": [choice], "usage": usage}


def refused(status: int, code: str | None = None, param: str | None = None, **headers: str) -> Answer:
    """An error as OpenAI words it; the server repeats the key, as OpenAI does."""
    error = {"message": "Bad: sk-secret123", "type": "some_error", "param": param, "code": code}
    return Answer({"error": error}, status, {name.replace("_", "-"): value for name, value in headers.items()})


def well(asked: Asked) -> Answer:
    """An answer in the form that was asked for, or the prompt in capitals."""
    form = asked.body.get("response_format", {})
    if form.get("type") == "json_schema":
        return Answer(said(json.dumps(fill(form["json_schema"]["schema"]))))
    if form.get("type") == "json_object":
        system = asked.body["messages"][0]["content"]
        return Answer(said(json.dumps(fill(json.loads(system[system.index("{") :])))))
    return Answer(said(asked.prompt.upper(), chat="messages" in asked.body))


# llama.cpp's, whose code is a number.
TOO_LONG = {"error": {"code": 400, "message": "the request exceeds ...", "type": "exceed_context_size_error"}}

# What can go wrong, by its name in a prompt.
TROUBLE: dict[str, Callable[[Asked], Answer]] = {
    "400": lambda _: refused(400, "unknown"),
    "too-long": lambda _: Answer(TOO_LONG, 400),
    "filtered": lambda _: refused(400, "content_filter"),
    "429": lambda _: refused(429, "rate_limit_exceeded", retry_after="0.2"),
    "500": lambda _: refused(500),
    "reset": lambda _: Answer(said("x" * 500), cut_at=0.0),
    "half-body": lambda _: Answer(said("x" * 500), cut_at=0.5),
    "half-json": lambda _: Answer(b'{"id": "1", "choices": [{"index": 0, "mess'),
    "page": lambda _: Answer(b"<html>gateway</html>", headers={"content-type": "text/html"}),
    "truncated": lambda _: Answer(said('{"pairs": [{"question": "a", "answer": "b"}, {"questi', "length")),
    "cut": lambda _: Answer(said('{"pai', "length")),
    "wrong-form": lambda _: Answer(said('{"pairs": "none"}')),
    "no-json": lambda _: Answer(said("I would rather not.")),
    "no-choices": lambda _: Answer({**said(""), "choices": []}),
    "no-message": lambda _: Answer({**said(""), "choices": [{"index": 0, "finish_reason": "stop"}]}),
    "null": lambda _: Answer(said(None)),
    "all-reasoning": lambda _: Answer(said("", "length")),
    "empty": lambda asked: Answer(said("", chat="messages" in asked.body)),
    "refusal": lambda _: Answer(said(None, refusal="I cannot help with that.")),
    "held-back": lambda _: Answer(said("", "content_filter")),
    "drops": lambda _: Answer(said("x" * 500), drop_seconds=0.02),
    "silence": lambda _: Answer(said("late"), drop_seconds=30),
}


class OpenAIServer:
    """Its script and its notes. `asked` has every request, `most_at_once` how many it worked on side by side."""

    def __init__(self, latency_seconds: float = 0.0, answer: Callable[[Asked], Answer] = well) -> None:
        self.latency_seconds = latency_seconds
        self.answer = answer
        self.next: deque[Answer] = deque()
        self.asked: list[Asked] = []
        self.most_at_once = 0
        # Keeps the request of this number, counted from 1, waiting for its answer as long as it says so.
        self.holds: Callable[[int], bool] = lambda _: False
        self.url = ""
        self._at_once = 0
        self._healed = False
        self._failed: Counter[str] = Counter()

    def heal(self) -> None:
        """From now on nothing goes wrong."""
        self._healed = True

    def prompts(self) -> Counter[str]:
        """How often each prompt came."""
        return Counter(asked.prompt for asked in self.asked)

    async def serve(self, ready: Callable[[], None], end: asyncio.Event) -> None:
        """Listen until the end."""
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, backlog=512)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        ready()
        await end.wait()
        server.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._exchange(reader, writer):
                pass
        writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        content = await reader.readexactly(int(length[1])) if length else b"{}"
        asked = Asked(time.monotonic(), head.split(b" ")[1].decode(), head.decode(), json.loads(content))
        self.asked.append(asked)
        number = len(self.asked)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            await asyncio.sleep(self.latency_seconds)
            while self.holds(number):  # noqa: ASYNC110 - another thread may say so
                await asyncio.sleep(0.002)
            return await _send(self._choose(asked), writer)
        finally:
            self._at_once -= 1

    def _choose(self, asked: Asked) -> Answer:
        if self.next:
            return self.next.popleft()
        for name, always in () if self._healed else _TOLD.findall(asked.prompt):
            self._failed[asked.prompt] += 1
            if name in TROUBLE and (always or self._failed[asked.prompt] == 1):
                return TROUBLE[name](asked)
        return self.answer(asked)


async def _send(answer: Answer, writer: asyncio.StreamWriter) -> bool:
    """Whether the connection may be used again."""
    body = answer.body
    headers = {"content-type": "application/json", "content-length": str(len(body)), **answer.headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {answer.status} Status\r\n{lines}\r\n".encode()
    if answer.cut_at is not None:
        if answer.cut_at:
            writer.write(head + body[: int(len(body) * answer.cut_at)])
            await writer.drain()
        writer.transport.abort()
        return False
    if answer.drop_seconds is None:
        writer.write(head + body)
    else:
        writer.write(head)
        for byte in body:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(answer.drop_seconds)
    await writer.drain()
    return True


@contextmanager
def running(server: OpenAIServer) -> Iterator[OpenAIServer]:
    """The server, in a thread with a loop of its own, until the context ends."""
    ready = threading.Event()
    loop, end = asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        await server.serve(ready.set, end)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    ready.wait()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join()
        loop.close()


def main() -> None:
    """Serve alone in a process: prints the URL, answers well after as many seconds as the first argument says."""
    import sys

    server = OpenAIServer(float(sys.argv[1]))
    asyncio.run(server.serve(lambda: print(server.url, flush=True), asyncio.Event()))


if __name__ == "__main__":
    main()
