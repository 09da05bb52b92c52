"""Answers in their form, what they cost, and how they are kept; the model and the store are fakes."""

import asyncio
import time
from collections.abc import Sequence
from typing import Literal
from uuid import UUID

import pytest
from pydantic import BaseModel

from llm_engineering.application.dataset.asking import Asker
from llm_engineering.application.dataset.costs import Purse, billed_tokens, check_budget, most_tokens
from llm_engineering.application.dataset.forms import in_form
from llm_engineering.application.dataset.keeping import BATCH_SIZE, Keeper
from llm_engineering.domain.dataset_options import GenerationOptions
from llm_engineering.domain.errors import (
    BudgetExceededError,
    BudgetTooSmallError,
    MalformedAnswerError,
    PipelineConfigError,
    RefusedPromptError,
    StorageFullError,
)
from llm_engineering.domain.generation import (
    REASONING_TOKENS,
    Estimate,
    Generation,
    GenerationTask,
    Outcome,
    Price,
    Reply,
    Sampling,
    Usage,
)
from llm_engineering.domain.prompts import ChatPrompt, CompletionPrompt
from tests.fakes import SilentProgress

NOBODY = UUID(int=0)


class Item(BaseModel):
    """One of a list."""

    name: str
    kind: Literal["a", "b"] = "a"


class Items(BaseModel):
    """The form of an answer."""

    items: list[Item]


def task(text: str, max_tokens: int = 10) -> GenerationTask:
    return GenerationTask(CompletionPrompt(text=text), Sampling(max_tokens), NOBODY, NOBODY)


def generation(key: str) -> Generation:
    return Generation(key=key, model_id="m", document_id=NOBODY, author_id=NOBODY, outcome=Outcome.ANSWERED, text=key)


class MemoryStore:
    """Keeps generations; with `room` for so many."""

    def __init__(self, room: int = 10**9, seconds: float = 0.0) -> None:
        self.kept: dict[str, Generation] = {}
        self.batches: list[int] = []
        self._room = room
        self._seconds = seconds

    def stored(self, keys: Sequence[str]) -> dict[str, Generation]:
        return {key: self.kept[key] for key in keys if key in self.kept}

    def store(self, generations: Sequence[Generation]) -> None:
        time.sleep(self._seconds)
        if len(self.kept.keys() | {one.key for one in generations}) > self._room:
            raise StorageFullError("No room.")
        self.batches.append(len(generations))
        self.kept |= {one.key: one for one in generations}


class Echo:
    """Answers with the prompt after a moment; `most_at_once` is how many it was asked side by side."""

    model_id = "echo"
    follows_instructions = False

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.most_at_once = 0
        self._at_once = 0

    async def reply(self, task: GenerationTask) -> Reply:
        assert isinstance(task.prompt, CompletionPrompt)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        await asyncio.sleep(0)
        self._at_once -= 1
        self.asked.append(task.prompt.text)
        return Reply(text=task.prompt.text)

    async def aclose(self) -> None:
        pass


@pytest.mark.parametrize(
    ("text", "kept", "mended"),
    [
        ('{"items": [{"name": "x"}]}', ["x"], False),
        ('```json\n{"items": [{"name": "x"}]}\n```', ["x"], False),
        ('Here you are: {"items": [{"name": "x"}]} Good luck!', ["x"], False),
        ('{"items": [{"name": "x"}, {"name": "y", "kind": "a"', ["x", "y"], True),  # all of y was there
        ('{"items": [{"name": "x"}, {"na', ["x"], True),
        ('{"items": [{"name": "x"}, {"name": "y", "kind": "c"}, {"name": "z"}]}', ["x", "z"], True),
        ('{"items": [{"kind": "a"}, {"kind": "b"}, {"name": "z"}]}', ["z"], True),
        ('{"items": [{"name": "two\nlines"}]}', ["two\nlines"], True),
    ],
)
def test_what_is_right_in_an_answer_is_kept(text: str, kept: list[str], mended: bool) -> None:
    formed = in_form(text, Items)
    assert [item.name for item in Items.model_validate_json(formed.text).items] == kept
    assert formed.is_mended is mended


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("I would rather not.", "Invalid JSON"),
        ('{"items": "x"}', "items Input should be a valid array"),
        ('{"items": [{"kind": "a"}]}', r"items\.0\.name Field required"),
        ('{"items": [{"na', r"Invalid JSON"),
        ("{}", "items Field required"),
        ("[]", "object"),
        ("[" * 5000, "Invalid JSON"),
    ],
)
def test_an_answer_that_cannot_be_mended_is_told_by_what_is_wrong(text: str, problem: str) -> None:
    with pytest.raises(MalformedAnswerError, match=problem):
        in_form(text, Items)


def test_a_text_without_a_form_is_taken_without_the_space_around_it() -> None:
    assert in_form("  {not json \n", None).text == "{not json"


def test_tokens_are_counted_by_bytes_and_a_forms_schema_counts() -> None:
    assert most_tokens(task("four" * 3, 7), "m") == Usage(prompt_tokens=4, completion_tokens=7)
    assert most_tokens(task("日本", 7), "m").prompt_tokens == 2
    chat = GenerationTask(ChatPrompt(system="abc", user="def"), Sampling(1), NOBODY, NOBODY)
    assert most_tokens(chat, "m").prompt_tokens == 16 + 2
    schema = len('{"properties": {"name": {"title": "Name", "type": "string"}}, "required": ["name"]')
    formed = GenerationTask(chat.prompt, chat.sampling, NOBODY, NOBODY, Items)
    assert most_tokens(formed, "m").prompt_tokens > 18 + schema // 3


def test_a_server_that_does_not_count_is_counted_for() -> None:
    assert billed_tokens(task("abcdef"), Reply(text="abc")) == Usage(prompt_tokens=2, completion_tokens=1)
    counted = Usage(prompt_tokens=3, completion_tokens=0)
    assert billed_tokens(task("abcdef"), Reply(text="abc", usage=counted)) == counted


def test_the_estimate_counts_each_new_task_once_and_at_most() -> None:
    store = MemoryStore()
    known, new = task("abc"), task("abcabc", 20)
    store.store([generation(known.key("echo"))])
    options = GenerationOptions(budget_usd=1)
    asker = Asker(Echo(), store, Price(prompt=1e6, completion=2e6), options, SilentProgress())
    estimate = asker.estimate([known, new, new], more_completion_tokens=5)
    assert (estimate.tasks, estimate.reused) == (2, 1)
    assert (estimate.prompt_tokens, estimate.completion_tokens) == (2, 25)
    assert estimate.cost_usd == 52


def test_a_budget_that_could_not_do_is_refused_before_anything_is_asked() -> None:
    estimate = Estimate(model_id="m", tasks=5, reused=1, prompt_tokens=1, completion_tokens=1, cost_usd=0.3)
    check_budget(estimate, None)
    check_budget(estimate, 0.1 + 0.2)
    with pytest.raises(
        BudgetTooSmallError, match=r"up to \$0\.3000 \(4 requests.*budget of \$0\.2900.*Nothing was asked"
    ):
        check_budget(estimate, 0.29)


def test_a_budget_without_a_price_cannot_be_held() -> None:
    with pytest.raises(PipelineConfigError, match=r"configs/prices\.yaml has no price of 'echo'"):
        Asker(Echo(), MemoryStore(), None, GenerationOptions(budget_usd=1), SilentProgress())


def test_many_tasks_are_asked_in_order_by_a_few_workers() -> None:
    model, store = Echo(), MemoryStore()
    asker = Asker(model, store, None, GenerationOptions(concurrency=3), SilentProgress())
    tasks = [task(str(number)) for number in range(500)]
    found = asyncio.run(asker.ask(tasks, "numbers"))
    assert [one.text for one in found] == [str(number) for number in range(500)]
    assert model.most_at_once == 3
    assert len(store.kept) == 500
    assert max(store.batches) <= BATCH_SIZE
    assert asker.report.cost_usd is None


def test_nothing_to_ask_is_nothing() -> None:
    asker = Asker(Echo(), MemoryStore(), None, GenerationOptions(), SilentProgress())
    assert asyncio.run(asker.ask([], "nothing")) == []


def test_a_problem_that_many_tasks_have_is_told_once() -> None:
    class Refusing(Echo):
        async def reply(self, task: GenerationTask) -> Reply:
            text = (await super().reply(task)).text
            raise RefusedPromptError("It is the last one." if text == "9" else "It is refused.")

    asker = Asker(Refusing(), MemoryStore(), None, GenerationOptions(concurrency=1), SilentProgress())
    asyncio.run(asker.ask([task(str(number)) for number in range(10)], "numbers"))
    assert asker.report.refused == 10
    assert asker.report.problems == ["It is refused.", "It is the last one."]


def test_an_interruption_tells_how_many_answers_are_stored(caplog: pytest.LogCaptureFixture) -> None:
    class Stuck(Echo):
        async def reply(self, task: GenerationTask) -> Reply:
            reply = await super().reply(task)
            if len(self.asked) > 3:
                stuck.set()
                await asyncio.Event().wait()
            return reply

    stuck, store = asyncio.Event(), MemoryStore()
    asker = Asker(Stuck(), store, None, GenerationOptions(concurrency=1), SilentProgress())

    async def run() -> None:
        asking = asyncio.create_task(asker.ask([task(str(number)) for number in range(9)], "numbers"))
        await asyncio.wait_for(stuck.wait(), 5)
        asking.cancel()  # as asyncio.run does at Ctrl-C
        await asking

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run())
    assert "Interrupted: 3 new answers are stored." in caplog.text
    assert len(store.kept) == 3


def test_what_comes_is_stored_while_the_work_goes_on() -> None:
    store = MemoryStore()

    async def work(keeper: Keeper) -> None:
        for number in range(BATCH_SIZE + 1):
            keeper.keep(generation(str(number)))
        while len(store.kept) < BATCH_SIZE + 1:  # noqa: ASYNC110
            await asyncio.sleep(0.001)

    async def run() -> None:
        async with Keeper(store) as keeper:
            await asyncio.wait_for(keeper.watch([work(keeper)]), 5)

    asyncio.run(run())
    assert store.batches == [BATCH_SIZE, 1]


def test_what_comes_while_a_batch_is_stored_waits_for_more() -> None:
    store = MemoryStore(seconds=0.05)

    async def work(keeper: Keeper) -> None:
        for number in range(BATCH_SIZE):
            keeper.keep(generation(f"first {number}"))
        await asyncio.sleep(0.01)
        keeper.keep(generation("meanwhile"))
        while not store.batches:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        for number in range(BATCH_SIZE - 1):
            keeper.keep(generation(f"then {number}"))
        while len(store.kept) < 2 * BATCH_SIZE:  # noqa: ASYNC110
            await asyncio.sleep(0.001)

    async def run() -> None:
        async with Keeper(store) as keeper:
            await asyncio.wait_for(keeper.watch([work(keeper)]), 5)

    asyncio.run(run())
    assert store.batches == [BATCH_SIZE, BATCH_SIZE]


def test_the_end_of_the_work_at_the_moment_when_a_batch_is_full_ends_it() -> None:
    """`asyncio.wait_for` of Python 3.11 loses a cancellation that comes with what it waits for."""
    store = MemoryStore()

    async def run() -> None:
        async with Keeper(store) as keeper:
            keeper.keep(generation("first"))
            for _ in range(5):
                await asyncio.sleep(0)  # now the writer waits for more
            for number in range(BATCH_SIZE):
                keeper.keep(generation(str(number)))
            await asyncio.sleep(0)  # it has been woken, and has not gone on

    async def in_time() -> None:
        async with asyncio.timeout(5):
            await run()

    asyncio.run(in_time())
    assert len(store.kept) == BATCH_SIZE + 1


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, asyncio.CancelledError])
def test_whatever_ends_the_work_all_that_came_is_stored(error: type[BaseException]) -> None:
    # Storing takes longer than the work: the end comes while a batch is under way.
    store = MemoryStore(seconds=0.05)

    async def work(keeper: Keeper) -> None:
        for number in range(BATCH_SIZE * 2 + 5):
            keeper.keep(generation(str(number)))
        await asyncio.sleep(0.02)
        raise error

    async def run() -> None:
        async with Keeper(store) as keeper:
            await work(keeper)

    with pytest.raises(error):
        asyncio.run(run())
    assert len(store.kept) == BATCH_SIZE * 2 + 5


class Stalling(Echo):
    """Answers so many, and then no more: only something else can end the work."""

    answers = BATCH_SIZE * 4

    async def reply(self, task: GenerationTask) -> Reply:
        if len(self.asked) >= self.answers:
            await asyncio.Event().wait()
        return await super().reply(task)


def test_a_store_that_is_full_ends_the_work_and_tells_how_much_it_has() -> None:
    store = MemoryStore(room=BATCH_SIZE)
    asker = Asker(Stalling(), store, None, GenerationOptions(concurrency=2), SilentProgress())
    tasks = [task(str(number)) for number in range(BATCH_SIZE * 8)]
    with pytest.raises(StorageFullError, match=r"No room\. \d+ new answers are stored; run the same again") as caught:
        asyncio.run(asyncio.wait_for(asker.ask(tasks, "numbers"), timeout=60))
    assert 0 < len(store.kept) <= BATCH_SIZE
    assert f" {len(store.kept)} new answers are stored" in str(caught.value)


def test_another_form_prompt_or_draw_is_another_task() -> None:
    chat = ChatPrompt(system="s", user="u")
    tasks = [
        GenerationTask(chat, Sampling(1), NOBODY, NOBODY),
        GenerationTask(chat, Sampling(2), NOBODY, NOBODY),
        GenerationTask(chat, Sampling(1, temperature=1), NOBODY, NOBODY),
        GenerationTask(chat, Sampling(1, seed=1), NOBODY, NOBODY),
        GenerationTask(chat, Sampling(1), NOBODY, NOBODY, Items),
        GenerationTask(chat, Sampling(1), NOBODY, NOBODY, Item),
    ]
    keys = {one.key("m") for one in tasks} | {tasks[0].key("n")}
    assert len(keys) == 7


def test_what_is_made_of_two_documents_is_two_tasks_so_that_one_can_be_forgotten() -> None:
    store, model = MemoryStore(), Echo()
    prompt = CompletionPrompt(text="the same paragraph")
    tasks = [GenerationTask(prompt, Sampling(10), UUID(int=number), NOBODY) for number in (1, 2, 1)]
    found = asyncio.run(Asker(model, store, None, GenerationOptions(), SilentProgress()).ask(tasks, "x"))
    assert [one.document_id.int for one in found] == [1, 2, 1]
    assert sorted(one.document_id.int for one in store.kept.values()) == [1, 2]


@pytest.mark.parametrize(
    ("model_id", "reasons"),
    [
        ("gpt-5", True),
        ("gpt-5-mini", True),
        ("openai/gpt-5-nano", True),
        ("o4-mini", True),
        ("o1", True),
        ("openai/gpt-oss-20b", True),
        ("deepseek-reasoner", True),
        ("gpt-4o-mini", False),
        ("gpt-4.1", False),
        ("olmo-7b", False),
        ("org/foo-o1", False),
    ],
)
def test_the_estimate_of_a_model_that_reasons_has_the_tokens_for_that(model_id: str, reasons: bool) -> None:
    chat = GenerationTask(ChatPrompt(system="abc", user="def"), Sampling(7), NOBODY, NOBODY)
    assert most_tokens(chat, model_id).completion_tokens == 7 + (REASONING_TOKENS if reasons else 0)
    assert most_tokens(task("a text to continue", 7), model_id).completion_tokens == 7


def test_a_server_that_counts_more_than_the_estimate_is_held_to_what_it_counts() -> None:
    async def run() -> None:
        purse = Purse("m", Price(prompt=1e6, completion=1e6), budget_usd=100)
        estimated = Usage(prompt_tokens=10, completion_tokens=10)
        with purse.held(estimated):
            # Also what is under way counts as much more: 10 of it, 10 paid, and three times 10 twice, and 10 twice.
            purse.pay(Usage(prompt_tokens=30, completion_tokens=5), estimated)
            waiting = asyncio.create_task(purse.wait_for_money(estimated))
            await asyncio.sleep(0)
            assert not waiting.done()
        await waiting
        purse.pay(Usage(prompt_tokens=1, completion_tokens=25), estimated)
        # 61 are paid; the next could be 30 and 25, the most that was counted of each.
        with pytest.raises(BudgetExceededError, match=r"\$61\.0000, and the next request could cost \$55\.0000"):
            await purse.wait_for_money(estimated)

    asyncio.run(run())
