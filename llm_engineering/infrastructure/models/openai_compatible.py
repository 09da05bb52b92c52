"""Language models behind OpenAI's API: OpenAI's own, any compatible server, and the embedded llama.cpp."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from llm_engineering.domain.errors import DependencyUnavailableError, MalformedAnswerError
from llm_engineering.domain.generation import Sampling
from llm_engineering.domain.ports import Structured
from llm_engineering.domain.prompts import ChatPrompt, CompletionPrompt
from llm_engineering.infrastructure.models.openai_dialect import Dialect, completion, first_choice
from llm_engineering.infrastructure.models.openai_errors import translated

if TYPE_CHECKING:
    from openai import OpenAI

TIMEOUT_SECONDS = 120.0
PING_TIMEOUT_SECONDS = 5.0
MAX_RETRIES = 2
OPENAI_URL = "https://api.openai.com/v1"


@dataclass(frozen=True)
class Endpoint:
    """Where a model is served. `api_key` can be None for a server that asks for none."""

    url: str
    api_key: str | None


class OpenAICompatibleModel:
    """Implements `LanguageModel`. `find_endpoint` is called once, at the first use: it may have to start the server.

    What the server has refused once, and taken in another form, is asked for in that form from then on.
    """

    def __init__(self, model_id: str, follows_instructions: bool, find_endpoint: Callable[[], Endpoint]) -> None:
        self._model_id = model_id
        self._follows_instructions = follows_instructions
        self._find_endpoint = find_endpoint
        self._connected: OpenAI | None = None
        self._lock = Lock()
        self._dialect = Dialect()

    @property
    def model_id(self) -> str:
        """The model that is asked for."""
        return self._model_id

    @property
    def follows_instructions(self) -> bool:
        """Whether it takes a chat; a base model takes a text to continue."""
        return self._follows_instructions

    def generate(
        self, prompt: ChatPrompt | CompletionPrompt, max_tokens: int, timeout_seconds: float | None = None
    ) -> str:
        """The model's text, without blank space around it; always the same one for a prompt, as far as the server goes.

        Raises:
            DependencyUnavailableError: the server cannot be reached, refuses, sends no text, or is silent for
                `timeout_seconds`, in which case it is not asked again. That is the limit of each wait (to connect, for
                the next bytes), not of all: a server that sends its answer in drops can take longer.
        """
        client = self._client_for(timeout_seconds)
        with translated(self._where, self._model_id):
            if isinstance(prompt, ChatPrompt):
                text = self._chat(client, prompt, max_tokens)
            else:
                text = self._complete(client, prompt, max_tokens)
        if text is None:
            raise DependencyUnavailableError(f"The language model at {self._where} sent an answer without text.")
        return text.strip()

    def generate_structured(
        self, prompt: ChatPrompt, answer: type[Structured], max_tokens: int, timeout_seconds: float | None = None
    ) -> Structured:
        """An answer in the form of a pydantic model.

        A server that knows no JSON schemas is asked for JSON, with the schema in the prompt.

        Raises:
            DependencyUnavailableError: as `generate`; `timeout_seconds` counts for each request.
            MalformedAnswerError: the answer is not of that form, was cut off, or is a refusal.
        """
        client = self._client_for(timeout_seconds)
        with translated(self._where, self._model_id):
            text = self._chat(client, prompt, max_tokens, answer)
        try:
            return answer.model_validate_json(_json_in(text or ""))
        except ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, one['loc']))} {one['msg']}".strip() for one in error.errors()[:3])
            raise MalformedAnswerError(
                f"{self._model_id} did not answer in the form of {answer.__name__}: {problems}. "
                "Try again, allow more tokens, or use a larger model."
            ) from error

    def ping(self) -> None:
        """Raises DependencyUnavailableError when the server does not answer or refuses the key."""
        client = self._client_for(PING_TIMEOUT_SECONDS)
        with translated(self._where, self._model_id):
            client.models.list()

    def close(self) -> None:
        """Close the connections."""
        if self._connected is not None:
            self._connected.close()

    def _chat(
        self, client: "OpenAI", prompt: ChatPrompt, max_tokens: int, answer: type[BaseModel] | None = None
    ) -> str | None:
        import openai

        create: Any = client.chat.completions.create
        known = dialect = self._dialect
        while True:
            try:
                choice = first_choice(create(**dialect.chat(self._model_id, prompt, Sampling(max_tokens), answer)))
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                other = dialect.after(error, answer)
                if other is None:
                    raise
                dialect = other
            else:
                if dialect != known:
                    self._dialect = dialect
                return choice.message.content if choice else None

    def _complete(self, client: "OpenAI", prompt: CompletionPrompt, max_tokens: int) -> str | None:
        create: Any = client.completions.create
        choice = first_choice(create(**completion(self._model_id, prompt, Sampling(max_tokens))))
        return choice.text if choice else None

    def _client_for(self, timeout_seconds: float | None) -> "OpenAI":
        """One that gives up after this time and does not try again; by default one that is patient."""
        if timeout_seconds is None:
            return self._client
        return self._client.with_options(timeout=timeout_seconds, max_retries=0)

    @property
    def _client(self) -> "OpenAI":
        with self._lock:
            if self._connected is None:
                from openai import OpenAI

                endpoint = self._find_endpoint()
                # The client refuses to be built without a key; servers that need none ignore this one.
                self._connected = OpenAI(
                    base_url=endpoint.url,
                    api_key=endpoint.api_key or "none",
                    timeout=TIMEOUT_SECONDS,
                    max_retries=MAX_RETRIES,
                )
            return self._connected

    @property
    def _where(self) -> str:
        return urlsplit(str(self._client.base_url)).netloc.rpartition("@")[2]


def _json_in(text: str) -> str:
    """The object in an answer that may stand in a code fence."""
    start, end = text.find("{"), text.rfind("}")
    return text[start : end + 1] if 0 <= start < end else text
