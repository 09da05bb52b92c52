"""The regression gate: retrieval on this project's own texts must not get worse than it was measured to be.

`quickstart_ranks.json` has the rank at which the passage of each question in `configs/questions/quickstart.jsonl` was
found when the default options were chosen. The same questions are asked again, and the differences are judged question
by question (paired bootstrap): what a few edits of the texts move is noise, a drop on many questions is not. After an
improvement, write the new ranks: `python -m tests.e2e.test_retrieval_quality EVALUATION.json`, with the file that
`python -m tools.rag_eval --split all` wrote after `make quickstart`.
"""

import json
import sys
from pathlib import Path

import pytest

from llm_engineering.application.evaluation.significance import difference_interval
from llm_engineering.domain.evaluation import EvaluationReport
from tests.e2e.commands import run

RANKS = Path(__file__).with_name("quickstart_ranks.json")
DEFAULT_ONLY = "parameters: {question_set: configs/questions/quickstart.jsonl, split: all, grid: null}\n"
# However wide the interval is, as it is with a hundred questions.
LARGEST_DROP = 0.05
# So much, one question in a hundred, moves with an edit of the texts, or with the name of the checkout's folder, which
# stands in the titles of files: many small changes of one sign, which the bootstrap takes for a drop.
NEGLIGIBLE_DROP = 0.01

Ranks = dict[str, int | None]


def ranks_of(figures: Path) -> Ranks:
    """The rank of each question's passage with the default options; None where it is not among the first ten."""
    report = EvaluationReport.model_validate_json(figures.read_text(encoding="utf-8"))
    [default] = [result for result in report.results if result.name == "default"]
    return dict(sorted(default.ranks.items()))


@pytest.fixture(scope="module")
def ranks(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Ranks:
    """As they are now. A question whose passage is in no document any more is an error."""
    folder = tmp_path_factory.mktemp("evaluation")
    config = folder / "default.yaml"
    config.write_text(DEFAULT_ONLY)
    run(environment, "tools.rag_eval", "--config", str(config), "--split", "all", "--output", str(folder))
    [figures] = folder.glob("*.json")
    return ranks_of(figures)


@pytest.fixture(scope="module")
def before() -> Ranks:
    """As they were when the default options were chosen."""
    found: Ranks = json.loads(RANKS.read_text(encoding="utf-8"))
    return found


def test_recall_at_5_has_not_dropped_by_more_than_noise(ranks: Ranks, before: Ranks) -> None:
    _not_worse(_among_five(ranks), _among_five(before))


def test_mrr_has_not_dropped_by_more_than_noise(ranks: Ranks, before: Ranks) -> None:
    _not_worse(_reciprocal(ranks), _reciprocal(before))


def _among_five(ranks: Ranks) -> dict[str, float]:
    return {id_: 0.0 if rank is None or rank > 5 else 1.0 for id_, rank in ranks.items()}


def _reciprocal(ranks: Ranks) -> dict[str, float]:
    return {id_: 0.0 if rank is None else 1 / rank for id_, rank in ranks.items()}


def _not_worse(now: dict[str, float], before: dict[str, float]) -> None:
    shared = sorted(now.keys() & before.keys())
    assert len(shared) >= 60
    change = difference_interval([now[id_] for id_ in shared], [before[id_] for id_ in shared])
    worse = [id_ for id_ in shared if now[id_] < before[id_]]
    said = f"{change.value:+.3f} ({change.low:+.3f} to {change.high:+.3f}); worse: {', '.join(worse)}"
    assert change.high >= 0 or change.value >= -NEGLIGIBLE_DROP, said
    assert change.value >= -LARGEST_DROP, said


if __name__ == "__main__":
    RANKS.write_text(json.dumps(ranks_of(Path(sys.argv[1])), indent=1) + "\n", encoding="utf-8")
