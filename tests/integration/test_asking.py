"""Asking a server that misbehaves as real ones do, and keeping what it answers: real adapter, real MongoDB."""

import asyncio
import importlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel, Field

from llm_engineering.application.dataset.asking import Asker
from llm_engineering.application.dataset.costs import check_budget
from llm_engineering.domain.dataset_options import GenerationOptions
from llm_engineering.domain.errors import BudgetExceededError, DependencyUnavailableError, StorageFullError
from llm_engineering.domain.generation import REASONING_TOKENS, Generation, GenerationTask, Outcome, Price, Sampling
from llm_engineering.domain.prompts import ChatPrompt, CompletionPrompt
from llm_engineering.infrastructure.db.mongo_generations import MongoGenerationStore
from llm_engineering.infrastructure.models.concurrent_model import ConcurrentOpenAIModel
from llm_engineering.infrastructure.models.concurrent_retries import Patience
from llm_engineering.infrastructure.models.openai_compatible import Endpoint
from tests.fakes import SilentProgress
from tests.integration.asking_run import tasks as numbered
from tests.integration.openai_server import Answer, OpenAIServer, refused, running, said

KEY = "sk-secret123"
# Ten tokens of prompt and five of completion, which is what the stand-in counts, cost two cents.
PRICE = Price(prompt=1000, completion=2000)
HASTY = Patience(
    request_seconds=5,
    connect_seconds=1,
    silence_seconds=2,
    start_seconds=0.4,
    attempts=3,
    first_pause_seconds=0.01,
    longest_pause_seconds=0.05,
)
AUTHOR = UUID(int=7)


class Pair(BaseModel):
    """One item of the form."""

    question: str
    answer: str


class Pairs(BaseModel):
    """The form of an answer."""

    pairs: list[Pair] = Field(min_length=1)


def task(prompt: str, answer: type[BaseModel] | None = Pairs, max_tokens: int = 50) -> GenerationTask:
    return GenerationTask(ChatPrompt(system="Be terse.", user=prompt), Sampling(max_tokens), uuid4(), AUTHOR, answer)


def continuation(prompt: str) -> GenerationTask:
    return GenerationTask(CompletionPrompt(text=prompt, stop=("\n",)), Sampling(20), uuid4(), AUTHOR)


class Run:
    """One run over the tasks: a new model and a new asker, on the given store."""

    def __init__(self, url: str, store: MongoGenerationStore, patience: Patience = HASTY, **options: Any) -> None:
        self._url = url
        self._store = store
        self._patience = patience
        self._options = GenerationOptions(**{"concurrency": 4, **options})
        self.progress = SilentProgress()
        self.asker = self._asker()

    def _asker(self) -> Asker:
        self._model = ConcurrentOpenAIModel("gpt-x", True, lambda: Endpoint(self._url, KEY), patience=self._patience)
        return Asker(self._model, self._store, PRICE, self._options, self.progress)

    def __call__(self, tasks: Sequence[GenerationTask]) -> list[Generation]:
        async def run() -> list[Generation]:
            try:
                return await self.asker.ask(tasks, "pairs")
            finally:
                await self._model.aclose()

        return asyncio.run(run())


@pytest.fixture(scope="module", autouse=True)
def client() -> None:
    """Its modules come at the first request, and take longer on a busy machine than a hasty request may."""
    importlib.import_module("openai.resources.chat.completions")
    importlib.import_module("openai.resources.completions")


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with running(OpenAIServer()) as server:
        yield server


@pytest.fixture
def generations(mongo_uri: str) -> Iterator[MongoGenerationStore]:
    store = MongoGenerationStore(mongo_uri, f"test_{uuid4().hex}")
    yield store
    store.close()


@pytest.fixture
def run(server: OpenAIServer, generations: MongoGenerationStore) -> Run:
    return Run(server.url, generations)


def test_answers_come_in_the_order_of_the_tasks_and_are_counted(run: Run, server: OpenAIServer) -> None:
    tasks = [task("one"), task("two", None), task("one"), task("three", None)]
    tasks[2] = tasks[0]
    found = run(tasks)
    filled = '{"pairs": [{"question": "said", "answer": "said"}]}'
    assert [one.text for one in found] == [filled, "TWO", filled, "THREE"]
    assert [one.document_id for one in found] == [one.document_id for one in tasks]
    assert server.prompts() == {"one": 1, "two": 1, "three": 1}
    report = run.asker.report
    assert (report.tasks, report.asked, report.answered, report.reused) == (3, 3, 3, 0)
    assert (report.usage.prompt_tokens, report.usage.completion_tokens) == (30, 15)
    assert report.cost_usd == pytest.approx(0.06)
    assert run.progress.done == {"pairs": 3}
    assert run.progress.notes[-1] == "45 tokens, $0.0600"


def test_a_rerun_asks_for_nothing_twice(run: Run, server: OpenAIServer, generations: MongoGenerationStore) -> None:
    tasks = [task(name) for name in ("a", "b", "[no-json!] c", "[refusal!] d")]
    first = run(tasks)
    asked = len(server.asked)
    again = Run(server.url, generations)
    estimate = again.asker.estimate(tasks)
    assert (estimate.tasks, estimate.reused, estimate.cost_usd) == (4, 4, 0)
    assert again(tasks) == first
    assert len(server.asked) == asked
    report = again.asker.report
    assert (report.tasks, report.reused, report.asked, report.malformed, report.refused) == (4, 4, 0, 1, 1)
    assert report.cost_usd == 0


# The first answer is bad, the second one good. In all: how many requests that made, and whether it was a repair.
@pytest.mark.parametrize(
    ("trouble", "requests", "repaired"),
    [
        ("429", 2, 0),
        ("500", 2, 0),
        ("reset", 2, 0),
        ("half-body", 2, 0),
        ("cut", 2, 1),
        ("wrong-form", 2, 1),
        ("no-json", 2, 1),
        ("empty", 2, 1),
        ("null", 2, 1),
        ("no-choices", 2, 1),
        ("no-message", 2, 1),
        ("truncated", 1, 1),
    ],
)
def test_what_passes_is_tried_again_and_loses_nothing(
    run: Run, server: OpenAIServer, trouble: str, requests: int, repaired: int
) -> None:
    found = run([task("well"), task(f"[{trouble}] once")])
    assert [one.outcome for one in found] == [Outcome.ANSWERED] * 2
    Pairs.model_validate_json(found[1].text)
    assert sum(f"[{trouble}]" in prompt for prompt in server.prompts().elements()) == requests
    report = run.asker.report
    assert (report.asked, report.answered, report.repaired) == (2, 2, repaired)


@pytest.mark.parametrize("trouble", ["cut", "wrong-form", "no-json"])
def test_an_answer_that_stays_malformed_costs_its_own_task_only(run: Run, server: OpenAIServer, trouble: str) -> None:
    found = run([task("a"), task(f"[{trouble}!] b"), task("c")])
    assert [one.outcome for one in found] == [Outcome.ANSWERED, Outcome.MALFORMED, Outcome.ANSWERED]
    bad = found[1]
    assert (bad.attempts, bad.text, bad.usage.prompt_tokens) == (2, "", 20)
    assert ("cut off" in bad.problem) == (trouble == "cut")
    assert run.asker.report.malformed == 1
    assert run.asker.report.problems == [bad.problem]
    told = [asked.body["messages"][0]["content"] for asked in server.asked if asked.prompt == f"[{trouble}!] b"]
    assert told[0] == "Be terse."
    assert "Your last answer could not be used" in told[1]


# In all: how many requests that made, and what is told.
@pytest.mark.parametrize(
    ("trouble", "requests", "told"),
    [
        ("empty", 2, "the answer had no text"),
        ("null", 2, "the answer had no text"),
        ("no-choices", 2, "the answer had no text"),
        ("no-message", 2, "the answer had no text"),
        # Once more would cost as much, and have no more tokens.
        ("all-reasoning", 1, "a model that reasons has used all its tokens"),
        ("400", 2, "refused the prompt (status 400, unknown)"),  # in the other form, too
    ],
)
def test_what_came_to_nothing_without_a_reason_is_asked_again_by_a_rerun(
    run: Run, server: OpenAIServer, generations: MongoGenerationStore, trouble: str, requests: int, told: str
) -> None:
    tasks = [task("a"), task(f"[{trouble}!] b")]
    found = run(tasks)
    assert [one.outcome for one in found] == [Outcome.ANSWERED, Outcome.FAILED]
    assert server.prompts()[f"[{trouble}!] b"] == requests
    assert told in found[1].problem
    report = run.asker.report
    assert (report.malformed, report.refused, report.failed) == (0, 0, 1)
    assert report.cost_usd == pytest.approx(0.02 * (1 if trouble == "400" else 1 + requests))
    server.heal()
    again = Run(server.url, generations)
    assert [one.outcome for one in again(tasks)] == [Outcome.ANSWERED] * 2
    assert (again.asker.report.reused, again.asker.report.asked, again.asker.report.failed) == (1, 1, 0)


@pytest.mark.parametrize("trouble", ["filtered", "too-long", "refusal", "held-back"])
def test_a_refused_prompt_costs_its_own_task_only_and_the_key_is_not_told(run: Run, trouble: str) -> None:
    found = run([task(f"[{trouble}!] a"), task("b"), task("c")])
    assert [one.outcome for one in found] == [Outcome.REFUSED, Outcome.ANSWERED, Outcome.ANSWERED]
    assert KEY not in found[0].problem
    assert (run.asker.report.refused, run.asker.report.failed) == (1, 0)


@pytest.mark.parametrize("trouble", ["500", "reset", "half-json", "page"])
def test_a_prompt_at_which_the_server_always_fails_costs_its_own_task_only(
    run: Run, server: OpenAIServer, generations: MongoGenerationStore, trouble: str
) -> None:
    tasks = [task(f"well {number}") for number in range(60)]
    tasks.insert(10, task(f"[{trouble}!] x"))
    server.latency_seconds = 0.01
    found = run(tasks)
    assert [one.outcome for one in found].count(Outcome.ANSWERED) == 60
    assert found[10].outcome is Outcome.FAILED
    assert server.prompts()[f"[{trouble}!] x"] >= 3
    assert (run.asker.report.refused, run.asker.report.failed) == (0, 1)
    # Only this one is asked again by a rerun: another day the server may not fail.
    server.asked.clear()
    server.heal()
    assert Run(server.url, generations)(tasks)[10].outcome is Outcome.ANSWERED
    assert set(server.prompts()) == {f"[{trouble}!] x"}


@pytest.mark.parametrize("trouble", ["drops", "silence"])
def test_an_answer_in_drops_is_given_up_after_the_time_for_all_of_it(
    server: OpenAIServer, generations: MongoGenerationStore, trouble: str
) -> None:
    # A byte every 20 ms: no wait between two bytes is long, all of it would take 10 s.
    run = Run(server.url, generations, replace(HASTY, request_seconds=0.5))
    found = run([task("first", None), task(f"[{trouble}] slow", None)])
    assert [one.text for one in found] == ["FIRST", f"[{trouble.upper()}] SLOW"]
    assert server.prompts()[f"[{trouble}] slow"] == 2


async def asked_when_the_gate_is_closed(url: str) -> None:
    """Ask for one, and for three more once the server has told the first how long to wait."""
    model = ConcurrentOpenAIModel("gpt-x", True, lambda: Endpoint(url, KEY), patience=HASTY)
    first = asyncio.create_task(model.reply(task("0", None)))
    while not model._gate._opens_at:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    await asyncio.gather(first, *(model.reply(task(str(number), None)) for number in (1, 2, 3)))
    await model.aclose()


@pytest.mark.parametrize(
    "headers",
    [
        {"retry_after": "0.4"},
        {"retry_after_ms": "400"},
        {"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": "0m0.4s"},
        {"x_ratelimit_remaining_tokens": "0", "x_ratelimit_reset_tokens": "400ms"},
    ],
)
def test_when_one_is_told_to_wait_nobody_starts_before(server: OpenAIServer, headers: dict[str, str]) -> None:
    server.next.append(refused(429, "rate_limit_exceeded", **headers))
    asyncio.run(asked_when_the_gate_is_closed(server.url))
    first, *others = [asked.at for asked in server.asked]
    assert len(others) == 4
    assert min(others) - first >= 0.4


def test_a_limit_that_an_answer_tells_of_is_kept_before_it_is_hit(server: OpenAIServer) -> None:
    limit = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "400ms"}
    server.next.append(Answer(said("x"), headers=limit))
    asyncio.run(asked_when_the_gate_is_closed(server.url))
    first, *others = [asked.at for asked in server.asked]
    assert len(others) == 3
    assert min(others) - first >= 0.4


def test_a_wait_longer_than_ours_ends_the_run(run: Run, server: OpenAIServer) -> None:
    server.next.append(refused(429, "rate_limit_exceeded", retry_after="3600"))
    with pytest.raises(DependencyUnavailableError, match=r"asks to wait 3600 s.*run the same again"):
        run([task("a")])
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (refused(401), "refused the key"),
        (refused(403), "refused the key"),
        (refused(404), "no model 'gpt-x'"),
        (refused(429, "insufficient_quota"), "quota at .* is spent"),
        (Answer(b"<html>", headers={"content-type": "text/html"}), "not JSON"),
    ],
)
def test_what_lasts_ends_the_run_at_once(
    server: OpenAIServer, generations: MongoGenerationStore, answer: Answer, message: str
) -> None:
    run = Run(server.url, generations, concurrency=1)
    server.next.append(answer)
    with pytest.raises(DependencyUnavailableError, match=message) as caught:
        run([task("a"), task("b")])
    assert KEY not in str(caught.value)
    assert len(server.asked) == 1


def test_a_server_that_refuses_every_prompt_ends_the_run_and_nothing_is_counted_as_refused(
    run: Run, server: OpenAIServer, generations: MongoGenerationStore
) -> None:
    server.answer = lambda _: refused(400, "wrong_model")
    tasks = [task("a"), task("b")]
    with pytest.raises(DependencyUnavailableError, match="status 400"):
        run(tasks)
    assert generations.stored([one.key("gpt-x") for one in tasks]) == {}


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_server_that_comes_to_refuse_every_prompt_ends_the_run_and_a_rerun_goes_on(
    server: OpenAIServer, generations: MongoGenerationStore, status: int
) -> None:
    """As of vendors that say by status 400 that the account has no money left."""
    tasks = [task(f"{number}", None) for number in range(60)]
    answered = [Answer(said("well")) for _ in range(10)]
    server.answer = lambda _: answered.pop() if answered else refused(status, "invalid_request_error")
    run = Run(server.url, generations, concurrency=1)
    with pytest.raises(DependencyUnavailableError, match=rf"status {status}, .*10 new answers are stored"):
        run(tasks)
    # Three are refused, and something else; nobody is asked after that.
    assert [asked.prompt for asked in server.asked[10:]] == ["10", "11", "12", "Say yes."]
    assert (run.asker.report.answered, run.asker.report.refused) == (10, 0)
    server.answer = lambda asked: Answer(said(asked.prompt))
    again = Run(server.url, generations)
    assert {one.outcome for one in again(tasks)} == {Outcome.ANSWERED}
    assert (again.asker.report.reused, again.asker.report.asked) == (10, 50)


def test_a_server_that_refuses_some_without_a_reason_is_tried_now_and_then_and_answers_the_others(
    run: Run, server: OpenAIServer
) -> None:
    tasks = [task(f"{'[400!] ' if 10 <= number < 40 else ''}{number}", None) for number in range(60)]
    found = run(tasks)
    assert Counter(one.outcome for one in found) == {Outcome.ANSWERED: 30, Outcome.FAILED: 30}
    # After every third refusal in a row; those that come while it is tried count for the next time, or not.
    assert 1 <= server.prompts()["Say yes."] <= 10


def test_a_server_that_goes_down_for_good_keeps_what_it_answered_and_a_rerun_goes_on(
    run: Run, server: OpenAIServer, generations: MongoGenerationStore
) -> None:
    tasks = [task(f"{number}", None) for number in range(30)]
    count = 0

    def ten_times(asked: Any) -> Answer:
        nonlocal count
        count += 1
        return Answer(said(asked.prompt)) if count <= 10 else refused(503)

    server.answer = ten_times
    with pytest.raises(DependencyUnavailableError, match=r"status 503.*10 new answers are stored; run the same again"):
        run(tasks)
    kept = set(generations.stored([one.key("gpt-x") for one in tasks]))
    assert len(kept) == 10
    answered = {asked.prompt for asked in server.asked[:10]}
    server.asked.clear()
    server.answer = lambda asked: Answer(said(asked.prompt))
    again = Run(server.url, generations)
    assert [one.text for one in again(tasks)] == [str(number) for number in range(30)]
    assert (again.asker.report.reused, again.asker.report.asked) == (10, 20)
    assert answered.isdisjoint(server.prompts())


def test_nobody_at_the_address_is_said_soon(generations: MongoGenerationStore) -> None:
    with pytest.raises(DependencyUnavailableError, match=r"127\.0\.0\.1:9 cannot be reached.*0 new answers are stored"):
        Run("http://127.0.0.1:9/v1", generations)([task("a")])


def test_a_server_without_schemas_is_told_the_form_from_then_on(
    server: OpenAIServer, generations: MongoGenerationStore
) -> None:
    run = Run(server.url, generations, concurrency=1)
    server.next.append(refused(400, param="response_format"))
    assert {one.outcome for one in run([task("a"), task("b")])} == {Outcome.ANSWERED}
    kinds = [asked.body["response_format"]["type"] for asked in server.asked]
    assert kinds == ["json_schema", "json_object", "json_object"]


def test_a_reasoning_model_is_asked_as_it_wants_from_then_on(
    server: OpenAIServer, generations: MongoGenerationStore
) -> None:
    run = Run(server.url, generations, concurrency=1)
    server.next.append(refused(400, "unsupported_parameter", "max_tokens"))
    run([task("a"), task("b")])
    first, *others = [asked.body for asked in server.asked]
    assert (first["max_tokens"], first["temperature"]) == (50, 0)
    # What it takes to reason counts within the limit, so that it gets more than for the text alone.
    assert [body["max_completion_tokens"] for body in others] == [50 + REASONING_TOKENS] * 2
    assert all(body.keys().isdisjoint({"max_tokens", "temperature"}) for body in others)


@pytest.mark.parametrize(("model_id", "more"), [("o4-mini", REASONING_TOKENS), ("gpt-4o-mini", 0)])
def test_a_model_that_is_known_to_reason_gets_the_tokens_that_its_estimate_has(
    server: OpenAIServer, generations: MongoGenerationStore, model_id: str, more: int
) -> None:
    model = ConcurrentOpenAIModel(model_id, True, lambda: Endpoint(server.url, KEY), patience=HASTY)

    async def asked() -> None:
        await model.reply(task("a", max_tokens=50))
        await model.aclose()

    asyncio.run(asked())
    assert server.asked[0].body["max_tokens"] == 50 + more
    asker = Asker(model, generations, PRICE, GenerationOptions(), SilentProgress())
    assert asker.estimate([task("a", max_tokens=50)]).completion_tokens == 50 + more


def test_a_base_model_that_says_nothing_draws_once_more(run: Run, server: OpenAIServer) -> None:
    found = run([continuation("one"), continuation("[empty] two")])
    assert [one.text for one in found] == ["ONE", "[EMPTY] TWO"]
    first, second = [asked.body for asked in server.asked if asked.prompt == "[empty] two"]
    assert (first["temperature"], "seed" in first, first["stop"]) == (0, False, ["\n"])
    assert (second["temperature"], second["seed"]) == (0.7, 1)


def test_no_more_is_asked_at_once_than_wanted(server: OpenAIServer, generations: MongoGenerationStore) -> None:
    # Nobody is answered before seven have come, and then time is left for an eighth.
    server.latency_seconds = 0.05
    server.holds = lambda _: len(server.asked) < 7
    Run(server.url, generations, concurrency=7)([task(str(number), None) for number in range(40)])
    assert server.most_at_once == 7


def test_a_budget_ends_the_run_before_it_is_passed_and_what_it_paid_for_is_kept(
    server: OpenAIServer, generations: MongoGenerationStore
) -> None:
    # Each answer costs 2 cents, and could cost 4.8: 16 tokens around, 9 + 1 bytes of prompt, and 10 tokens of answer.
    tasks = [task(str(number), None, max_tokens=12) for number in range(9)]
    run = Run(server.url, generations, budget_usd=0.11)
    with pytest.raises(BudgetExceededError, match=r"budget of \$0\.1100.*4 new answers are stored"):
        run(tasks)
    # Four are paid (8 cents), and a fifth at most (20 tokens, 12 more: 4.4 cents) would pass 11 cents.
    assert len(server.asked) == 4
    assert run.asker.report.cost_usd == pytest.approx(0.08)
    again = Run(server.url, generations, budget_usd=1)
    assert len(again(tasks)) == 9
    assert len(server.asked) == 9
    check_budget(again.asker.estimate(tasks), 0)


def test_a_budget_is_held_by_what_the_server_counts_where_that_is_more_than_the_estimate(
    server: OpenAIServer, generations: MongoGenerationStore
) -> None:
    # Estimated are 16 tokens around and 10 or 11 bytes: 20 tokens of prompt; the server counts 100, and 5 of 12.
    counted = {**said("x"), "usage": {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105}}
    server.answer = lambda _: Answer(counted)
    tasks = [task(str(number), None, max_tokens=12) for number in range(9)]
    run = Run(server.url, generations, concurrency=1, budget_usd=0.4)
    with pytest.raises(BudgetExceededError, match=r"spent: \$0\.3300, and the next request could cost \$0\.1240"):
        run(tasks)
    # Each is paid with 11 cents. By its estimate (4.4 cents) a fourth would have been asked, and the budget passed.
    assert len(server.asked) == 3
    assert run.asker.report.cost_usd == pytest.approx(0.33)


def test_a_full_disk_ends_the_run_and_a_rerun_with_room_goes_on(
    run: Run, server: OpenAIServer, generations: MongoGenerationStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pymongo.collection import Collection
    from pymongo.errors import BulkWriteError

    real, room = Collection.insert_many, 5
    details = {"writeErrors": [{"code": 14031, "errmsg": "No space left on device"}], "writeConcernErrors": []}

    def insert_many(self: Any, records: Sequence[Any], **options: Any) -> Any:
        nonlocal room
        fitting, room = records[:room], room - min(room, len(records))
        if fitting:
            real(self, fitting, **options)
        if len(fitting) < len(records):
            raise BulkWriteError(details)

    tasks = [task(str(number), None) for number in range(40)]
    # The disk is full while they wait.
    server.holds = lambda number: number > 30
    with monkeypatch.context() as patch:
        patch.setattr(Collection, "insert_many", insert_many)
        with pytest.raises(StorageFullError, match=r"no room left.*run the same again"):
            run(tasks)
    server.holds = lambda _: False
    assert len(server.asked) == 34
    assert len(generations.stored([one.key("gpt-x") for one in tasks])) == 5
    again = Run(server.url, generations)
    assert len(again(tasks)) == 40
    assert again.asker.report.reused == 5


def test_an_interrupt_keeps_all_that_was_answered(
    run: Run, server: OpenAIServer, generations: MongoGenerationStore
) -> None:
    tasks = [task(str(number), None) for number in range(20)]
    server.latency_seconds = 0.02

    async def interrupted() -> None:
        asking = asyncio.create_task(run.asker.ask(tasks, "x"))
        while run.asker.report.asked < 6:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
        await run._model.aclose()

    asyncio.run(interrupted())
    kept = generations.stored([one.key("gpt-x") for one in tasks])
    assert len(kept) == run.asker.report.asked
    assert 6 <= len(kept) < 20


def test_a_killed_run_loses_a_moment_and_the_next_one_goes_on(
    server: OpenAIServer, generations: MongoGenerationStore, mongo_uri: str
) -> None:
    """kill -9 of a process in the middle: what it had stored is not asked again."""
    # Four wait for their answers when it is killed; of the forty before them, some may not be stored yet.
    server.holds = lambda number: number > 40
    where = [server.url, mongo_uri, generations._collection.database.name]
    command = [sys.executable, "-m", "tests.integration.asking_run", *where, "120"]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONWARNINGS": "default"})
    deadline = time.monotonic() + 60
    while (len(server.asked) < 44 or generations.count() < 20) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert len(server.asked) == 44
    server.holds = lambda _: False
    again = Run(server.url, generations)
    assert len(again(numbered(120))) == 120
    assert generations.count() == 120
    reused = again.asker.report.reused
    assert 20 <= reused <= 40
    assert len(server.asked) == 44 + 120 - reused
    assert set(server.prompts()) == {f"prompt {number}" for number in range(120)}
