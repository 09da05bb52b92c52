"""Asking a server that misbehaves as real ones do, and keeping what it answers: real adapter, real MongoDB."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel, Field

from llm_engineering.application.dataset.asking import Asker
from llm_engineering.application.dataset.costs import check_budget
from llm_engineering.domain.dataset_options import GenerationOptions
from llm_engineering.domain.errors import BudgetExceededError, DependencyUnavailableError, StorageFullError
from llm_engineering.domain.generation import Generation, GenerationTask, Outcome, Price, Sampling
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


@pytest.mark.parametrize("trouble", ["cut", "wrong-form", "no-json", "empty"])
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


@pytest.mark.parametrize("trouble", ["400", "filtered", "no-choices", "refusal", "held-back"])
def test_a_refused_prompt_costs_its_own_task_only_and_the_key_is_not_told(run: Run, trouble: str) -> None:
    found = run([task(f"[{trouble}!] a"), task("b"), task("c")])
    assert [one.outcome for one in found] == [Outcome.REFUSED, Outcome.ANSWERED, Outcome.ANSWERED]
    assert KEY not in found[0].problem
    assert run.asker.report.refused == 1


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
    assert run.asker.report.refused == 1
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


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "0.4"}, 0.4),
        ({"retry_after_ms": "400"}, 0.4),
        ({"retry_after": "date"}, 0.5),
        ({"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": "0m0.4s"}, 0.4),
        ({"x_ratelimit_remaining_tokens": "0", "x_ratelimit_reset_tokens": "400ms"}, 0.4),
    ],
)
def test_when_one_is_told_to_wait_nobody_starts_before(
    run: Run, server: OpenAIServer, headers: dict[str, str], seconds: float
) -> None:
    server.latency_seconds = 0.02
    if headers.get("retry_after") == "date":
        # Dates are whole seconds: between half a second and one and a half from now.
        headers = {"retry_after": format_datetime(datetime.now(UTC) + timedelta(seconds=1.5), usegmt=True)}
    run_tasks = [task(str(number), None) for number in range(12)]
    server.next.append(refused(429, "rate_limit_exceeded", **headers))
    assert {one.outcome for one in run(run_tasks)} == {Outcome.ANSWERED}
    times = [asked.at for asked in server.asked]
    # All of the four workers were under way when the first was told; the next request of anybody comes after the wait.
    assert len(times) == 13
    before = [moment for moment in times if moment < times[0] + 0.1]
    assert len(before) == 4
    assert times[4] - times[0] >= seconds - 0.05


def test_a_limit_that_an_answer_tells_of_is_kept_before_it_is_hit(run: Run, server: OpenAIServer) -> None:
    limit = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "400ms"}
    server.next.extend(Answer(said("x"), headers=limit) for _ in range(4))
    server.latency_seconds = 0.02
    run([task(str(number), None) for number in range(8)])
    times = [asked.at for asked in server.asked]
    assert len(times) == 8
    assert times[4] - times[3] >= 0.35


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
    assert [body["max_completion_tokens"] for body in others] == [50, 50]
    assert all(body.keys().isdisjoint({"max_tokens", "temperature"}) for body in others)


def test_a_base_model_that_says_nothing_draws_once_more(run: Run, server: OpenAIServer) -> None:
    found = run([continuation("one"), continuation("[empty] two")])
    assert [one.text for one in found] == ["ONE", "[EMPTY] TWO"]
    first, second = [asked.body for asked in server.asked if asked.prompt == "[empty] two"]
    assert (first["temperature"], "seed" in first, first["stop"]) == (0, False, ["\n"])
    assert (second["temperature"], second["seed"]) == (0.7, 1)


def test_no_more_is_asked_at_once_than_wanted(server: OpenAIServer, generations: MongoGenerationStore) -> None:
    server.latency_seconds = 0.05
    Run(server.url, generations, concurrency=7)([task(str(number), None) for number in range(40)])
    assert server.most_at_once == 7


def test_the_budget_is_never_passed_and_what_it_paid_for_is_kept(
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
    server.latency_seconds = 0.05
    with monkeypatch.context() as patch:
        patch.setattr(Collection, "insert_many", insert_many)
        with pytest.raises(StorageFullError, match=r"no room left.*run the same again"):
            run(tasks)
    assert len(server.asked) < 40
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
    server.latency_seconds = 0.05
    where = [server.url, mongo_uri, generations._collection.database.name]
    command = [sys.executable, "-m", "tests.integration.asking_run", *where, "120"]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONWARNINGS": "default"})
    deadline = time.monotonic() + 60
    while generations._collection.estimated_document_count() < 20 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    stored = generations._collection.estimated_document_count()
    before = len(server.asked)
    assert 20 <= stored <= before < 120
    again = Run(server.url, generations)
    assert len(again(numbered(120))) == 120
    assert generations._collection.estimated_document_count() == 120
    # A quarter of a second's work waits for its batch, and four are under way; on a slow machine more.
    assert len(server.asked) == before + 120 - stored
    assert set(server.prompts()) == {f"prompt {number}" for number in range(120)}
