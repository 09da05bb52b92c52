"""Asks a language model many things at once, each of them once: what was answered is stored, and looked up first."""

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Protocol

from llm_engineering.application.dataset.costs import Purse, billed_tokens, most_tokens
from llm_engineering.application.dataset.forms import in_form
from llm_engineering.application.dataset.keeping import Keeper
from llm_engineering.domain.batching import batched
from llm_engineering.domain.dataset_options import GenerationOptions
from llm_engineering.domain.errors import (
    BudgetExceededError,
    DependencyUnavailableError,
    MalformedAnswerError,
    RefusedPromptError,
    StorageFullError,
)
from llm_engineering.domain.generation import (
    ConcurrentLanguageModel,
    Estimate,
    Generation,
    GenerationReport,
    GenerationStore,
    GenerationTask,
    Outcome,
    Price,
    Reply,
    Usage,
)
from llm_engineering.domain.ports import Advance, Progress
from llm_engineering.domain.prompts import ChatPrompt, CompletionPrompt

logger = logging.getLogger(__name__)

LOOKUP_SIZE = 500
PROBLEMS_SHOWN = 5
# The second draw of a base model that has answered with nothing; greedily it would do so again.
SECOND_TEMPERATURE = 0.7
TOLD = "\nYour last answer could not be used: {problem}. Answer anew, in the form that is asked for, and nothing else."
CUT_OFF = "; it was cut off, for it was too long"
NO_TEXT = "the answer had no text"
NO_TEXT_LEFT = (
    "the answer was cut off before any text came: a model that reasons has used all its tokens for that. Ask for fewer "
    "samples at once, or use a model that reasons less"
)


class Ask(Protocol):
    """Asks all of the tasks; `what` says for a person what is made of them."""

    async def __call__(self, tasks: Sequence[GenerationTask], what: str) -> list[Generation]:
        """What became of each task, in the tasks' order.

        Raises:
            BudgetExceededError: the next request could cost more than what is left of the budget.
            DependencyUnavailableError: the model or the store cannot be reached, however often it is tried.
            StorageFullError: there is no room for the answers.
        """


class Asker:
    """Implements `Ask` with its method `ask`. One event loop; calls follow one another.

    Also a malformed or a refused outcome is stored and not asked again: the same prompt would do the same. Only what
    the server has failed at, or answered without a word, is asked again by a rerun.
    """

    def __init__(
        self,
        model: ConcurrentLanguageModel,
        store: GenerationStore,
        price: Price | None,
        options: GenerationOptions,
        progress: Progress,
    ) -> None:
        """`price` is None where it is not known. Raises PipelineConfigError when there is a budget all the same."""
        self._model = model
        self._store = store
        self._price = price
        self._concurrency = options.concurrency
        self._progress = progress
        self._purse = Purse(model.model_id, price, options.budget_usd)
        self._turn = asyncio.Lock()
        self._report = GenerationReport(model_id=model.model_id, cost_usd=self._purse.spent_usd)

    @property
    def report(self) -> GenerationReport:
        """What became of all tasks so far; also after an error."""
        return self._report

    def estimate(self, tasks: Sequence[GenerationTask], more_completion_tokens: int = 0) -> Estimate:
        """What asking these would cost at most, before anything is asked. A second try of a malformed answer is extra.

        `more_completion_tokens` is for tasks that will be made of these tasks' answers.
        """
        by_key = {task.key(self._model.model_id): task for task in tasks}
        known = {key for keys in batched(by_key, LOOKUP_SIZE) for key in self._store.stored(keys)}
        each = [most_tokens(task, self._model.model_id) for key, task in by_key.items() if key not in known]
        usage = Usage(
            prompt_tokens=sum(one.prompt_tokens for one in each),
            completion_tokens=sum(one.completion_tokens for one in each) + more_completion_tokens,
        )
        return Estimate(
            model_id=self._model.model_id,
            tasks=len(by_key),
            reused=len(known),
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            cost_usd=None if self._price is None else self._price.of(usage),
        )

    async def ask(self, tasks: Sequence[GenerationTask], what: str) -> list[Generation]:
        """See `Ask`. A task that stands twice among them is asked once."""
        async with self._turn:
            began = time.monotonic()
            try:
                return await self._ask(tasks, what)
            finally:
                self._report.seconds += time.monotonic() - began

    async def _ask(self, tasks: Sequence[GenerationTask], what: str) -> list[Generation]:
        keys = [task.key(self._model.model_id) for task in tasks]
        by_key = dict(zip(keys, tasks, strict=True))
        found: dict[str, Generation] = {}
        for batch in batched(by_key, LOOKUP_SIZE):
            found |= await asyncio.to_thread(self._store.stored, batch)
        for generation in found.values():
            self._count(generation)
        self._report.reused += len(found)
        missing = [(key, task) for key, task in by_key.items() if key not in found]
        with self._progress.task(what, len(by_key)) as advance:
            advance(len(found), note=self._note())
            await self._ask_missing(missing, found, advance)
        return [found[key] for key in keys]

    async def _ask_missing(
        self, missing: Sequence[tuple[str, GenerationTask]], found: dict[str, Generation], advance: Advance
    ) -> None:
        keeper = Keeper(self._store)
        # Shared by all workers: a million tasks make no million coroutines.
        queue = iter(missing)

        async def work() -> None:
            for key, task in queue:
                generation = await self._generate(key, task)
                if generation.outcome is not Outcome.FAILED:
                    keeper.keep(generation)
                found[key] = generation
                self._count_asked(generation)
                advance(1, note=self._note())

        with _told_how_to_go_on(keeper):
            async with keeper:
                await keeper.watch([work() for _ in range(min(self._concurrency, len(missing)))])

    async def _generate(self, key: str, task: GenerationTask) -> Generation:
        first = await self._attempt(key, task)
        if first.outcome is not Outcome.MALFORMED and first.problem != NO_TEXT:
            return first
        second = await self._attempt(key, _second_try(task, first.problem))
        update = {
            "usage": first.usage + second.usage,
            "attempts": 2,
            "is_repaired": second.outcome is Outcome.ANSWERED,
        }
        return second.model_copy(update=update)

    async def _attempt(self, key: str, task: GenerationTask) -> Generation:
        result = partial(
            Generation,
            key=key,
            model_id=self._model.model_id,
            document_id=task.document_id,
            author_id=task.author_id,
        )
        most = most_tokens(task, self._model.model_id)
        await self._purse.wait_for_money(most)
        with self._purse.held(most):
            try:
                reply = await self._model.reply(task)
            except RefusedPromptError as error:
                usage = Usage(prompt_tokens=error.prompt_tokens, completion_tokens=error.completion_tokens)
                self._purse.pay(usage, most)
                outcome = Outcome.REFUSED if error.lasting else Outcome.FAILED
                return result(outcome=outcome, problem=str(error), usage=usage)
            usage = billed_tokens(task, reply)
            self._purse.pay(usage, most)
        try:
            formed = in_form(reply.text, task.answer)
        except MalformedAnswerError as error:
            outcome, problem = _what_is_wrong(task, reply, error)
            return result(outcome=outcome, problem=problem, usage=usage)
        return result(outcome=Outcome.ANSWERED, text=formed.text, is_repaired=formed.is_mended, usage=usage)

    def _count(self, generation: Generation) -> None:
        report = self._report
        report.tasks += 1
        report.malformed += generation.outcome is Outcome.MALFORMED
        report.refused += generation.outcome is Outcome.REFUSED
        report.failed += generation.outcome is Outcome.FAILED
        problem = generation.problem
        if problem and problem not in report.problems and len(report.problems) < PROBLEMS_SHOWN:
            report.problems.append(problem)

    def _count_asked(self, generation: Generation) -> None:
        self._count(generation)
        report = self._report
        report.asked += 1
        report.answered += generation.outcome is Outcome.ANSWERED
        report.repaired += generation.is_repaired
        report.usage += generation.usage
        report.cost_usd = self._purse.spent_usd

    def _note(self) -> str:
        usage, spent = self._report.usage, self._purse.spent_usd
        tokens = f"{usage.prompt_tokens + usage.completion_tokens:,} tokens"
        return tokens if spent is None else f"{tokens}, ${spent:.4f}"


def _second_try(task: GenerationTask, problem: str) -> GenerationTask:
    """The task with what was wrong told; a base model, which cannot be told, draws another answer."""
    prompt, sampling = task.prompt, task.sampling
    if isinstance(prompt, ChatPrompt):
        told = prompt.model_copy(update={"system": prompt.system + TOLD.format(problem=problem)})
        return replace(task, prompt=told)
    warmer = max(sampling.temperature, SECOND_TEMPERATURE)
    return replace(task, sampling=replace(sampling, temperature=warmer, seed=sampling.seed + 1))


def _what_is_wrong(task: GenerationTask, reply: Reply, error: MalformedAnswerError) -> tuple[Outcome, str]:
    """Silence is an answer of a base model only, which may think that the text ends here."""
    if reply.text.strip() or isinstance(task.prompt, CompletionPrompt):
        return Outcome.MALFORMED, f"{error}{CUT_OFF if reply.is_cut_off else ''}"
    return Outcome.FAILED, NO_TEXT_LEFT if reply.is_cut_off else NO_TEXT


@contextmanager
def _told_how_to_go_on(keeper: Keeper) -> Iterator[None]:
    try:
        yield
    except (BudgetExceededError, DependencyUnavailableError, StorageFullError) as error:
        kept = f"{keeper.stored} new answers are stored; run the same again to go on from there."
        raise type(error)(f"{error} {kept}") from error
    except asyncio.CancelledError:
        # Ctrl-C: an interruption carries no message to add this to.
        logger.warning("Interrupted: %d new answers are stored.", keeper.stored)
        raise
