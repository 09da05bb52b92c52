"""The embedded llama.cpp server, and an OpenAI-compatible server that misbehaves as real ones do."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, Field

from llm_engineering.application.rag.answering import write_answer
from llm_engineering.domain.errors import DependencyUnavailableError, MalformedAnswerError
from llm_engineering.domain.generation import REASONING_TOKENS, GenerationTask, Reply, Sampling
from llm_engineering.domain.prompts import ChatPrompt, CompletionPrompt
from llm_engineering.infrastructure.local.llama import SLOTS, LlamaServer
from llm_engineering.infrastructure.local.weights import GEMMA_MODEL_ID
from llm_engineering.infrastructure.models.concurrent_model import ConcurrentOpenAIModel
from llm_engineering.infrastructure.models.openai_compatible import Endpoint, OpenAICompatibleModel
from tests.fakes import passages, retrieved

PASSAGE = (
    "The embedding model reads at most 256 word pieces. A chunk that is longer is cut silently, and what was cut can "
    "never be found. So the chunker counts tokens with the tokenizer of the model itself."
)
CHAT = ChatPrompt(system="You are terse.", user="Why?")


@pytest.fixture(scope="module")
def embedded(models_dir: Path) -> Iterator[OpenAICompatibleModel]:
    server = LlamaServer(models_dir, threads=2)
    model = OpenAICompatibleModel(GEMMA_MODEL_ID, False, lambda: Endpoint(server.url, server.api_key))
    yield model
    model.close()
    server.close()


def test_the_embedded_model_continues_a_text_and_stops_where_told(embedded: OpenAICompatibleModel) -> None:
    prompt = CompletionPrompt(text="one two three four five\none two three four five\none two three", stop=("\n",))
    assert embedded.generate(prompt, 16) == "four five"
    assert embedded.generate(prompt, 16) == embedded.generate(prompt, 16)


def test_the_embedded_model_answers_a_question_from_a_passage(embedded: OpenAICompatibleModel) -> None:
    answer = write_answer(
        "Why does the chunker count tokens?", passages(retrieved(PASSAGE, title="Chunking")), embedded
    )
    assert answer.method in ("generated", "quoted")
    assert "[1]" in answer.answer
    assert "\n" not in answer.answer if answer.method == "generated" else PASSAGE[:60] in answer.answer


@pytest.mark.parametrize(("question", "passage"), [("why " * 500, "a1b2c3 " * 2000), ("🧿" * 2000, "ꙮ🧿 " * 2000)])
def test_the_longest_question_on_the_longest_passage_fits_the_embedded_models_context(
    embedded: OpenAICompatibleModel, question: str, passage: str
) -> None:
    answer = write_answer(question, passages(retrieved(passage)), embedded)
    assert answer.method in ("generated", "quoted")


def test_the_embedded_server_refuses_whoever_has_no_key(embedded: OpenAICompatibleModel) -> None:
    url = str(embedded._client.base_url)
    stranger = OpenAICompatibleModel(GEMMA_MODEL_ID, False, lambda: Endpoint(url, None))
    with pytest.raises(DependencyUnavailableError, match="refused the key"):
        stranger.generate(CompletionPrompt(text="x"), 1)
    stranger.close()


def test_the_embedded_model_answers_many_at_once_as_it_does_one_by_one(embedded: OpenAICompatibleModel) -> None:
    client = embedded._client
    endpoint = Endpoint(str(client.base_url), client.api_key)
    # After five times the sixth is beyond doubt: where two words are about as likely, the batch decides between them.
    lines = {"one two": "three four five", "red green": "blue black white", "Monday Tuesday": "Wednesday Thursday"}
    texts = [f"{begin} {end}\n" * 5 + begin for begin, end in lines.items()]
    prompts = [CompletionPrompt(text=text, stop=("\n",)) for text in texts]

    async def ask() -> list[Reply]:
        model = ConcurrentOpenAIModel(GEMMA_MODEL_ID, False, lambda: endpoint, SLOTS)
        nobody = UUID(int=0)
        tasks = [GenerationTask(prompt, Sampling(16), nobody, nobody) for prompt in prompts]
        try:
            return await asyncio.gather(*map(model.reply, tasks))
        finally:
            await model.aclose()

    replies = asyncio.run(ask())
    assert [reply.text.strip() for reply in replies] == list(lines.values())
    assert [embedded.generate(prompt, 16) for prompt in prompts] == list(lines.values())
    assert all(reply.usage.prompt_tokens > 5 and reply.usage.completion_tokens > 0 for reply in replies)


class Script:
    """What the stand-in answers, in order, and what it was asked."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any]] = []
        self.requests: list[tuple[str, dict[str, str], Any]] = []
        self.url = ""
        self.delay = 0.0


@pytest.fixture
def script() -> Iterator[Script]:
    script = Script()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            script.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            time.sleep(script.delay)
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


class Kind(BaseModel):
    """A form that even a base model fills in with few tokens, if it is held to it."""

    kind: Literal["article", "post"]


class Wordings(BaseModel):
    """The form of a structured answer."""

    wordings: list[str] = Field(max_length=3)
    author: str | None = None


RIGHT = '{"wordings": ["a", "b"], "author": null}'
EXPECTED = Wordings(wordings=["a", "b"])


def refusal(parameter: str | None, text: str = "Unsupported parameter") -> tuple[int, Any]:
    return 400, {"error": {"message": text, "type": "invalid_request_error", "param": parameter, "code": "x"}}


def test_a_structured_answer_is_asked_for_by_a_strict_schema(script: Script, remote: OpenAICompatibleModel) -> None:
    script.answers = [(200, said(RIGHT))]
    assert remote.generate_structured(CHAT, Wordings, 50, timeout_seconds=5) == EXPECTED
    [(path, _, body)] = script.requests
    assert path == "/v1/chat/completions"
    assert body["response_format"]["type"] == "json_schema"
    asked = body["response_format"]["json_schema"]
    assert (asked["name"], asked["strict"]) == ("Wordings", True)
    # OpenAI's strict mode takes only schemas that close every object and require every key.
    assert asked["schema"]["additionalProperties"] is False
    assert asked["schema"]["required"] == ["wordings", "author"]
    assert (body["max_tokens"], body["temperature"]) == (50, 0)


@pytest.mark.parametrize("status", [400, 422])
def test_a_server_without_schemas_is_asked_for_json_and_told_the_schema_from_then_on(
    script: Script, remote: OpenAICompatibleModel, status: int
) -> None:
    script.answers = [
        (status, refusal("response_format")[1]),
        (200, said(f"```json\n{RIGHT}\n```")),
        (200, said(RIGHT)),
    ]
    assert remote.generate_structured(CHAT, Wordings, 50) == EXPECTED
    assert remote.generate_structured(CHAT, Wordings, 50) == EXPECTED
    kinds = [body["response_format"]["type"] for _, _, body in script.requests]
    assert kinds == ["json_schema", "json_object", "json_object"]
    system = script.requests[1][2]["messages"][0]["content"]
    assert system.startswith("You are terse.\n")
    assert json.loads(system[system.index("{") :])["properties"].keys() == {"wordings", "author"}


def test_a_server_that_refuses_every_form_is_asked_twice_and_not_remembered(
    script: Script, remote: OpenAICompatibleModel
) -> None:
    script.answers = [refusal(None), refusal(None), (200, said(RIGHT))]
    with pytest.raises(DependencyUnavailableError, match="status 400"):
        remote.generate_structured(CHAT, Wordings, 50)
    assert remote.generate_structured(CHAT, Wordings, 50) == EXPECTED
    assert [body["response_format"]["type"] for _, _, body in script.requests][2] == "json_schema"


@pytest.mark.parametrize(
    "text",
    [
        "",
        None,
        "I cannot help with that.",
        '{"wordings": ["a", "b"',
        '{"wordings": "a"}',
        '{"author": "x"}',
        '{"wordings": ["a", "b", "c", "d"]}',
    ],
)
def test_an_answer_that_is_not_of_the_form_is_an_error(
    script: Script, remote: OpenAICompatibleModel, text: str | None
) -> None:
    script.answers = [(200, said(text))]
    with pytest.raises(MalformedAnswerError, match="gpt-x did not answer in the form of Wordings"):
        remote.generate_structured(CHAT, Wordings, 50)


@pytest.mark.parametrize("parameter", ["max_tokens", "temperature"])
def test_a_reasoning_model_is_asked_as_it_wants_and_that_is_remembered(
    script: Script, remote: OpenAICompatibleModel, parameter: str
) -> None:
    script.answers = [refusal(parameter), (200, said("Yes")), (200, said("Yes")), (200, said(RIGHT))]
    assert remote.generate(CHAT, 9) == "Yes"
    assert remote.generate(CHAT, 9) == "Yes"
    assert remote.generate_structured(CHAT, Wordings, 9) == EXPECTED
    first, *later = [body for _, _, body in script.requests]
    assert (first["max_tokens"], first["temperature"]) == (9, 0)
    for body in later:
        assert body["max_completion_tokens"] == 9 + REASONING_TOKENS
        assert body.keys().isdisjoint({"max_tokens", "temperature"})


def test_a_refusal_of_something_else_is_not_taken_for_a_reasoning_models(
    script: Script, remote: OpenAICompatibleModel
) -> None:
    script.answers = [refusal("messages"), (200, said("Yes"))]
    with pytest.raises(DependencyUnavailableError, match="status 400"):
        remote.generate(CHAT, 9)
    assert remote.generate(CHAT, 9) == "Yes"
    assert "max_tokens" in script.requests[1][2]


def test_a_model_that_is_too_slow_is_given_up_and_not_asked_again(
    script: Script, remote: OpenAICompatibleModel
) -> None:
    script.delay = 0.5
    script.answers = [(200, said("late"))] * 3
    with pytest.raises(DependencyUnavailableError, match="did not answer in time"):
        remote.generate(CHAT, 9, timeout_seconds=0.05)
    with pytest.raises(DependencyUnavailableError, match="did not answer in time"):
        remote.generate_structured(CHAT, Wordings, 9, timeout_seconds=0.05)
    assert len(script.requests) == 2


def test_the_embedded_model_is_held_to_a_schema(embedded: OpenAICompatibleModel) -> None:
    prompt = ChatPrompt(system="Say what is asked for.", user="How does bread rise?")
    assert embedded.generate_structured(prompt, Kind, 50).kind in ("article", "post")
