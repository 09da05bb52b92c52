"""A language model behind OpenAI's API that is asked many things at once: any compatible server, remote or embedded."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

from llm_engineering.domain.errors import DependencyUnavailableError, RefusedPromptError
from llm_engineering.domain.generation import GenerationTask, Reply, Sampling, Usage
from llm_engineering.domain.prompts import ChatPrompt, CompletionPrompt
from llm_engineering.infrastructure.models.concurrent_gate import Gate, seconds_asked, seconds_exhausted
from llm_engineering.infrastructure.models.concurrent_retries import Patience, Retries, is_rate_limit
from llm_engineering.infrastructure.models.openai_compatible import Endpoint
from llm_engineering.infrastructure.models.openai_dialect import Dialect, completion, first_choice, is_of_prompt
from llm_engineering.infrastructure.models.openai_errors import reason, translated

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI

# By these statuses one request is refused; other requests may be taken. Some vendors send them for a bad key, too, or
# for an account without money: only with a code that names the prompt is it known which of both.
_OF_A_REQUEST = (400, 413, 422)
_PROBE_TOKENS = 16


class ConcurrentOpenAIModel:
    """Implements `ConcurrentLanguageModel`, within one event loop.

    `find_endpoint` is called once, in a thread, at the first use: it may have to start the server. `slots` is how many
    requests the server works on at once, where it is known; a request that waits for one is not late yet.
    """

    def __init__(
        self,
        model_id: str,
        follows_instructions: bool,
        find_endpoint: Callable[[], Endpoint],
        slots: int | None = None,
        patience: Patience = Patience(),  # noqa: B008 - frozen
    ) -> None:
        self._model_id = model_id
        self._follows_instructions = follows_instructions
        self._find_endpoint = find_endpoint
        self._slots: AbstractAsyncContextManager[None] = asyncio.Semaphore(slots) if slots else nullcontext()
        self._patience = patience
        self._gate = Gate()
        self._retries = Retries(patience, self._gate)
        self._dialect = Dialect()
        self._where = ""
        self._client: AsyncOpenAI | None = None
        self._connecting, self._probing = asyncio.Lock(), asyncio.Lock()

    @property
    def model_id(self) -> str:
        """The model that is asked for."""
        return self._model_id

    @property
    def follows_instructions(self) -> bool:
        """Whether it takes a chat; a base model takes a text to continue."""
        return self._follows_instructions

    async def reply(self, task: GenerationTask) -> Reply:
        """The model's text, held to the answer's JSON schema by servers that can.

        Failures that may pass are waited for, see `Patience`; where the server tells one request how long to wait, none
        starts before. An answer without any text is returned as it is.

        Raises:
            RefusedPromptError: the server will not take this prompt, the model declines, or, not `lasting`, nothing
                comes of this prompt while others are answered.
            DependencyUnavailableError: it cannot be reached, or refuses all.
        """
        client = await self._connect()
        async with self._slots:
            with translated(self._where, self._model_id):
                return await self._reply(client, task)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()

    async def _reply(self, client: "AsyncOpenAI", task: GenerationTask) -> Reply:
        import openai

        try:
            response = await self._retries.run(partial(self._attempt, client, task), self._where)
        except openai.APIStatusError as error:
            lasting = is_of_prompt(error)
            if error.status_code in _OF_A_REQUEST and (lasting or await self._takes_others(client)):
                raise RefusedPromptError(
                    f"{self._where} refused the prompt ({reason(error)}).", lasting=lasting
                ) from None
            raise
        return self._read(response)

    async def _attempt(self, client: "AsyncOpenAI", task: GenerationTask) -> Any:
        """One request, or several where the server has to be asked in another form."""
        import openai

        await self._gate.passed()
        try:
            async with asyncio.timeout(self._patience.request_seconds):
                raw = await self._send(client, task)
        except openai.APIStatusError as error:
            self._heed(error)
            raise
        response = raw.parse()
        first_choice(response)  # raises ValueError for what is no answer at all
        self._retries.answered()
        self._close_gate(seconds_exhausted(raw.headers))
        return response

    async def _send(self, client: "AsyncOpenAI", task: GenerationTask) -> Any:
        import openai

        if isinstance(task.prompt, CompletionPrompt):
            complete: Any = client.completions.with_raw_response.create
            return await complete(**completion(self._model_id, task.prompt, task.sampling))
        chat: Any = client.chat.completions.with_raw_response.create
        known = dialect = self._dialect
        while True:
            try:
                raw = await chat(**dialect.chat(self._model_id, task.prompt, task.sampling, task.answer))
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                other = dialect.after(error, task.answer)
                if other is None:
                    raise
                dialect = other
            else:
                if dialect != known:
                    self._dialect = dialect
                return raw

    def _heed(self, error: "APIStatusError") -> None:
        """Keep all from asking as long as the server says. Raises DependencyUnavailableError if that is too long."""
        headers = error.response.headers
        asked = seconds_asked(headers)
        if asked is not None and asked > self._patience.silence_seconds:
            raise DependencyUnavailableError(
                f"The language model at {self._where} asks to wait {asked:.0f} s: its rate limit or quota is used up."
            ) from None
        limit = seconds_exhausted(headers) if is_rate_limit(error) else 0.0
        self._close_gate(limit if asked is None else asked)

    def _close_gate(self, seconds: float) -> None:
        """Not for longer than is waited at all: the next request is told how long, and why."""
        self._gate.close_for(min(seconds, self._patience.silence_seconds))

    async def _takes_others(self, client: "AsyncOpenAI") -> bool:
        """Whether the server takes any prompt at all: what it says of this one may be meant for all."""
        import openai

        self._retries.refused()
        task = _probe(self._follows_instructions)
        async with self._probing:
            try:
                # While one tries it the others wait: what comes of it goes for all.
                if self._retries.is_in_doubt:
                    await self._retries.run(partial(self._attempt, client, task), self._where)
            except openai.APIStatusError as error:
                if error.status_code not in _OF_A_REQUEST:
                    raise
                return False
        return True

    def _read(self, response: Any) -> Reply:
        usage = _usage(response)
        choice = first_choice(response)
        message, finish = getattr(choice, "message", None), getattr(choice, "finish_reason", None)
        refusal = f"{self._where} held the answer back: its content filter." if finish == "content_filter" else ""
        if getattr(message, "refusal", None):
            refusal = f"{self._model_id} declined to answer."
        if refusal:
            raise RefusedPromptError(refusal, usage.prompt_tokens, usage.completion_tokens)
        text = getattr(message, "content", None) or getattr(choice, "text", None)
        return Reply(text=text or "", usage=usage, is_cut_off=finish == "length")

    async def _connect(self) -> "AsyncOpenAI":
        async with self._connecting:
            if self._client is None:
                from openai import AsyncOpenAI, Timeout

                endpoint = await asyncio.to_thread(self._find_endpoint)
                self._where = urlsplit(endpoint.url).netloc.rpartition("@")[2]
                timeout = Timeout(self._patience.request_seconds, connect=self._patience.connect_seconds)
                # The client refuses to be built without a key; servers that need none ignore this one.
                self._client = AsyncOpenAI(
                    base_url=endpoint.url, api_key=endpoint.api_key or "none", timeout=timeout, max_retries=0
                )
            return self._client


def _probe(follows_instructions: bool) -> GenerationTask:
    prompt = ChatPrompt(system="Answer with one word.", user="Say yes.") if follows_instructions else None
    nobody = UUID(int=0)
    return GenerationTask(prompt or CompletionPrompt(text="one two"), Sampling(_PROBE_TOKENS), nobody, nobody)


def _usage(response: Any) -> Usage:
    counted = getattr(response, "usage", None)
    return Usage(
        prompt_tokens=getattr(counted, "prompt_tokens", None) or 0,
        completion_tokens=getattr(counted, "completion_tokens", None) or 0,
    )
