"""What asking costs: estimated before a run, and held to its budget while it runs."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil

from llm_engineering.domain.errors import BudgetExceededError, BudgetTooSmallError, PipelineConfigError
from llm_engineering.domain.generation import (
    Estimate,
    GenerationTask,
    Price,
    Reply,
    Usage,
    answer_schema,
    reasoning_tokens,
)
from llm_engineering.domain.prompts import ChatPrompt

# English has about 4 bytes a token (https://platform.openai.com/tokenizer), Chinese 3, Cyrillic more: rather too many.
BYTES_PER_TOKEN = 3
# Around each chat message stand a few tokens of its own.
TOKENS_OF_A_CHAT = 16
# A sum of prices that should be the budget can miss it by this much, for floats.
_ROUNDING_USD = 1e-9


def most_tokens(task: GenerationTask, model_id: str) -> Usage:
    """The prompt's tokens, about, by counting bytes; and those of the longest answer, with the reasoning before it."""
    reasoning = reasoning_tokens(model_id) if isinstance(task.prompt, ChatPrompt) else 0
    return Usage(prompt_tokens=_prompt_tokens(task), completion_tokens=task.sampling.max_tokens + reasoning)


def billed_tokens(task: GenerationTask, reply: Reply) -> Usage:
    """What the server counted; of a server that does not count, an estimate: a budget must hold there, too."""
    if reply.usage != Usage():
        return reply.usage
    return Usage(prompt_tokens=_prompt_tokens(task), completion_tokens=_tokens(reply.text))


def check_budget(estimate: Estimate, budget_usd: float | None) -> None:
    """Raises BudgetTooSmallError when what is asked for could cost more than allowed."""
    if budget_usd is None or estimate.cost_usd is None or estimate.cost_usd <= budget_usd + _ROUNDING_USD:
        return
    raise BudgetTooSmallError(
        f"This could cost up to ${estimate.cost_usd:.4f} ({estimate.tasks - estimate.reused} requests to "
        f"{estimate.model_id}), more than the budget of ${budget_usd:.4f}. Nothing was asked. Raise the budget, lower "
        "max_extracts, or use a cheaper model."
    )


class Purse:
    """The money of a run. Requests that were given up without an answer count nothing: no server says their tokens.

    What is under way is held at its estimate, times the most by which an answer has passed its own so far. So the
    budget can be passed only by what was under way when a server first showed to count more than the estimate.
    """

    def __init__(self, model_id: str, price: Price | None, budget_usd: float | None) -> None:
        """Raises PipelineConfigError where there is a budget and no price: it could not be held."""
        if budget_usd is not None and price is None:
            raise PipelineConfigError(
                f"The budget of ${budget_usd:.4f} cannot be held: configs/prices.yaml has no price of {model_id!r}. "
                "Add it there (0 for a server of your own), or set no budget."
            )
        self._price = price
        self._budget = budget_usd
        self._spent = 0.0
        self._held = Usage()
        self._in_flight = 0
        self._prompt_ratio = self._completion_ratio = 1.0
        self._settled = asyncio.Event()

    @property
    def spent_usd(self) -> float | None:
        """What the answers cost so far; None where the price is not known."""
        return None if self._price is None else self._spent

    def cost(self, usage: Usage) -> float:
        """In US dollars; 0 where the price is not known."""
        return 0.0 if self._price is None else self._price.of(usage)

    async def wait_for_money(self, most: Usage) -> None:
        """Return when a request that costs this at most fits into the budget. Others that settle for less help.

        Raises:
            BudgetExceededError: it does not fit, and nothing is under way that could settle for less.
        """
        while not self._fits(most):
            if not self._in_flight:
                raise BudgetExceededError(
                    f"The budget of ${self._budget:.4f} is spent: ${self._spent:.4f}, and the next request could cost "
                    f"${self._most(most):.4f}."
                )
            self._settled.clear()
            await self._settled.wait()

    @contextmanager
    def held(self, most: Usage) -> Iterator[None]:
        """While a request is under way, what it costs at most is set aside."""
        self._held, self._in_flight = self._held + most, self._in_flight + 1
        try:
            yield
        finally:
            self._held, self._in_flight = self._held - most, self._in_flight - 1
            self._settled.set()

    def pay(self, usage: Usage, most: Usage) -> None:
        """Count what an answer has cost; `most` is what it was estimated at."""
        self._spent += self.cost(usage)
        self._prompt_ratio = max(self._prompt_ratio, usage.prompt_tokens / max(1, most.prompt_tokens))
        self._completion_ratio = max(self._completion_ratio, usage.completion_tokens / max(1, most.completion_tokens))

    def _fits(self, most: Usage) -> bool:
        return self._budget is None or self._spent + self._most(self._held + most) <= self._budget + _ROUNDING_USD

    def _most(self, estimated: Usage) -> float:
        """What these tokens cost if the server counts as many more of them as it has done at most."""
        prompt_tokens = ceil(self._prompt_ratio * estimated.prompt_tokens)
        completion_tokens = ceil(self._completion_ratio * estimated.completion_tokens)
        return self.cost(Usage(prompt_tokens=prompt_tokens, completion_tokens=completion_tokens))


def _prompt_tokens(task: GenerationTask) -> int:
    prompt = task.prompt
    text = prompt.system + prompt.user if isinstance(prompt, ChatPrompt) else prompt.text
    around = TOKENS_OF_A_CHAT if isinstance(prompt, ChatPrompt) else 0
    schema = "" if task.answer is None else answer_schema(task.answer)
    return around + _tokens(text) + _tokens(schema)


def _tokens(text: str) -> int:
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)
