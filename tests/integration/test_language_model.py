"""The embedded llama.cpp server, and an OpenAI-compatible server that misbehaves as real ones do."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from llm_engineering.application.rag.answering import write_answer
from llm_engineering.domain.errors import DependencyUnavailableError
from llm_engineering.domain.prompts import ChatPrompt, CompletionPrompt
from llm_engineering.infrastructure.local.llama import LlamaServer
from llm_engineering.infrastructure.local.weights import GEMMA_MODEL_ID
from llm_engineering.infrastructure.models.openai_compatible import Endpoint, OpenAICompatibleModel
from tests.fakes import retrieved

PASSAGE = (
    "The embedding model reads at most 256 word pieces. A chunk that is longer is cut silently, and what was cut can "
    "never be found. So the chunker counts tokens with the tokenizer of the model itself."
)
CHAT = ChatPrompt(system="You are terse.", user="Why?")


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenAICompatibleModel]:
    server = LlamaServer(tmp_path_factory.mktemp("models"), threads=2)
    model = OpenAICompatibleModel(GEMMA_MODEL_ID, False, lambda: Endpoint(server.url, server.api_key))
    yield model
    model.close()
    server.close()


def test_the_embedded_model_continues_a_text_and_stops_where_told(embedded: OpenAICompatibleModel) -> None:
    prompt = CompletionPrompt(text="one two three four five\none two three four five\none two three", stop=("\n",))
    assert embedded.generate(prompt, 16) == "four five"
    assert embedded.generate(prompt, 16) == embedded.generate(prompt, 16)


def test_the_embedded_model_answers_a_question_from_a_passage(embedded: OpenAICompatibleModel) -> None:
    answer = write_answer("Why does the chunker count tokens?", [retrieved(PASSAGE, title="Chunking")], embedded)
    assert answer.method in ("generated", "quoted")
    assert "[1]" in answer.answer
    assert "\n" not in answer.answer if answer.method == "generated" else PASSAGE[:60] in answer.answer


@pytest.mark.parametrize(("question", "passage"), [("why " * 500, "a1b2c3 " * 2000), ("🧿" * 2000, "ꙮ🧿 " * 2000)])
def test_the_longest_question_on_the_longest_passage_fits_the_embedded_models_context(
    embedded: OpenAICompatibleModel, question: str, passage: str
) -> None:
    answer = write_answer(question, [retrieved(passage)], embedded)
    assert answer.method in ("generated", "quoted")


def test_the_embedded_server_refuses_whoever_has_no_key(embedded: OpenAICompatibleModel) -> None:
    url = str(embedded._client.base_url)
    stranger = OpenAICompatibleModel(GEMMA_MODEL_ID, False, lambda: Endpoint(url, None))
    with pytest.raises(DependencyUnavailableError, match="refused the key"):
        stranger.generate(CompletionPrompt(text="x"), 1)
    stranger.close()


class Script:
    """What the stand-in answers, in order, and what it was asked."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any]] = []
        self.requests: list[tuple[str, dict[str, str], Any]] = []
        self.url = ""


@pytest.fixture
def script() -> Iterator[Script]:
    script = Script()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            script.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            self._reply()

        def do_GET(self) -> None:
            self._reply()

        def _reply(self) -> None:
            status, content = script.answers.pop(0)
            payload = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(payload)))
            self.send_header("retry-after-ms", "1")
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    script.url = f"http://127.0.0.1:{server.server_port}/v1"
    yield script
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def remote(script: Script) -> Iterator[OpenAICompatibleModel]:
    model = OpenAICompatibleModel("gpt-x", True, lambda: Endpoint(script.url, "sk-secret123"))
    yield model
    model.close()


def said(text: str | None) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-x",
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
    }


def test_a_chat_goes_out_as_openai_expects_it(script: Script, remote: OpenAICompatibleModel) -> None:
    script.answers = [(200, said("  Because. "))]
    assert remote.generate(CHAT, 99) == "Because."
    [(path, headers, body)] = script.requests
    assert path == "/v1/chat/completions"
    assert headers["authorization"] == "Bearer sk-secret123"
    assert (body["model"], body["max_tokens"], body["temperature"]) == ("gpt-x", 99, 0)
    assert body["messages"] == [{"role": "system", "content": "You are terse."}, {"role": "user", "content": "Why?"}]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_error_is_tried_again(script: Script, remote: OpenAICompatibleModel, status: int) -> None:
    script.answers = [(status, {"error": {"message": "busy"}}), (200, said("Yes"))]
    assert remote.generate(CHAT, 9) == "Yes"


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "refused the key. Check OPENAI_API_KEY"),
        (403, "refused the key"),
        (404, "no model 'gpt-x'"),
        (429, "too many requests"),
        (500, "status 500"),
        (400, "status 400"),
    ],
)
def test_a_lasting_error_is_named_and_the_key_that_the_server_repeats_is_not(
    script: Script, remote: OpenAICompatibleModel, status: int, message: str
) -> None:
    script.answers = [(status, {"error": {"message": "Incorrect API key provided: sk-secret123"}})] * 3
    with pytest.raises(DependencyUnavailableError, match=message) as caught:
        remote.generate(CHAT, 9)
    assert "sk-secret123" not in str(caught.value)


@pytest.mark.parametrize("body", [said(None), {**said(""), "choices": []}])
def test_an_answer_without_text_is_an_error(script: Script, remote: OpenAICompatibleModel, body: Any) -> None:
    script.answers = [(200, body)]
    with pytest.raises(DependencyUnavailableError, match="without text"):
        remote.generate(CHAT, 9)


def test_an_answer_that_is_no_json_is_an_error(script: Script, remote: OpenAICompatibleModel) -> None:
    script.answers = [(200, b"<html>gateway</html>")]
    with pytest.raises(DependencyUnavailableError, match="not JSON"):
        remote.generate(CHAT, 9)


def test_a_server_that_is_down_is_named() -> None:
    model = OpenAICompatibleModel("m", True, lambda: Endpoint("http://127.0.0.1:9/v1", None))
    with pytest.raises(DependencyUnavailableError, match=r"127\.0\.0\.1:9 cannot be reached.*OPENAI_BASE_URL"):
        model.ping()
    model.close()


def test_the_weights_are_put_together_once_and_checked(tmp_path: Path) -> None:
    from llm_engineering.domain.errors import IntegrityError
    from llm_engineering.infrastructure.local.weights import gemma_gguf

    path = gemma_gguf(tmp_path)
    stamp = path.stat().st_mtime_ns
    assert gemma_gguf(tmp_path).stat().st_mtime_ns == stamp
    with path.open("r+b") as file:
        file.write(b"XXXX")
    with pytest.raises(IntegrityError, match="Delete it"):
        gemma_gguf(tmp_path)
