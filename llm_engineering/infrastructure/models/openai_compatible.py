"""Language models behind OpenAI's API: OpenAI's own, any compatible server, and the embedded llama.cpp."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from llm_engineering.domain.errors import DependencyUnavailableError
from llm_engineering.domain.prompts import ChatPrompt, CompletionPrompt

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
    """Implements `LanguageModel`. `find_endpoint` is called once, at the first use: it may have to start the server."""

    def __init__(self, model_id: str, follows_instructions: bool, find_endpoint: Callable[[], Endpoint]) -> None:
        self._model_id = model_id
        self._follows_instructions = follows_instructions
        self._find_endpoint = find_endpoint
        self._connected: OpenAI | None = None
        self._lock = Lock()

    @property
    def model_id(self) -> str:
        """The model that is asked for."""
        return self._model_id

    @property
    def follows_instructions(self) -> bool:
        """Whether it takes a chat; a base model takes a text to continue."""
        return self._follows_instructions

    def generate(self, prompt: ChatPrompt | CompletionPrompt, max_tokens: int) -> str:
        """The model's text, without blank space around it; always the same one for a prompt, as far as the server goes.

        Raises:
            DependencyUnavailableError: the server cannot be reached, refuses, or sends no text.
        """
        with self._translated():
            text = (
                self._chat(prompt, max_tokens) if isinstance(prompt, ChatPrompt) else self._complete(prompt, max_tokens)
            )
        if text is None:
            raise DependencyUnavailableError(f"The language model at {self._where} sent an answer without text.")
        return text.strip()

    def ping(self) -> None:
        """Raises DependencyUnavailableError when the server does not answer or refuses the key."""
        with self._translated():
            self._client.with_options(timeout=PING_TIMEOUT_SECONDS, max_retries=0).models.list()

    def close(self) -> None:
        """Close the connections."""
        if self._connected is not None:
            self._connected.close()

    def _chat(self, prompt: ChatPrompt, max_tokens: int) -> str | None:
        response = self._client.chat.completions.create(
            model=self._model_id,
            messages=[{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}],
            max_tokens=max_tokens,
            temperature=0,
        )
        return response.choices[0].message.content if response.choices else None

    def _complete(self, prompt: CompletionPrompt, max_tokens: int) -> str | None:
        response = self._client.completions.create(
            model=self._model_id,
            prompt=prompt.text,
            stop=list(prompt.stop) or None,
            max_tokens=max_tokens,
            temperature=0,
        )
        return response.choices[0].text if response.choices else None

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

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Map the client's errors. Their texts stay out: a refusal quotes part of the key."""
        import openai

        try:
            yield
        except openai.APITimeoutError as error:
            raise DependencyUnavailableError(
                f"The language model at {self._where} did not answer in time. Try again, or use a smaller model."
            ) from error
        except openai.APIConnectionError as error:
            raise DependencyUnavailableError(
                f"The language model at {self._where} cannot be reached. Start it, or mend OPENAI_BASE_URL."
            ) from error
        except openai.APIStatusError as error:
            raise DependencyUnavailableError(self._explain(error.status_code)) from None
        except ValueError as error:
            raise DependencyUnavailableError(
                f"{self._where} answered with something that is not JSON. Does OPENAI_BASE_URL end in /v1?"
            ) from error
        except openai.OpenAIError as error:
            raise DependencyUnavailableError(
                f"The language model at {self._where} failed: {type(error).__name__}."
            ) from None

    def _explain(self, status: int) -> str:
        if status in (401, 403):
            return f"The language model at {self._where} refused the key. Check OPENAI_API_KEY."
        if status == 404:
            return f"{self._where} has no model {self._model_id!r}. Check OPENAI_MODEL_ID and OPENAI_BASE_URL."
        if status == 429:
            return f"The language model at {self._where} has had too many requests, or the quota is spent. Try later."
        return f"The language model at {self._where} answered with status {status}."
