"""The regression gate: retrieval on this project's own texts must not get worse than it was measured to be.

The floors are committed with what was measured. A drop within the noise passes: with this many questions a score would
differ by its standard error if other questions of the kind were asked. To raise the floors after an improvement, run
`python -m tools.rag_eval --split all` after `make quickstart`, and write the default's figures here.
"""

from pathlib import Path

import pytest

from llm_engineering.application.evaluation.significance import standard_error
from llm_engineering.domain.evaluation import EvaluationReport, QuestionScores
from tests.e2e.commands import run

# Of the default options in configs/retrieval.yaml, over all questions of configs/questions/quickstart.jsonl.
MEASURED = {"recall@5": 0.6, "mrr": 0.46}
# A change is let pass that is smaller than so many standard errors: the questions stay the same, so that most of the
# noise cancels out, and what is left comes from edits of the texts.
ALLOWED_ERRORS = 1.0
DEFAULT_ONLY = "parameters: {question_set: configs/questions/quickstart.jsonl, split: all, grid: null}\n"


@pytest.fixture(scope="module")
def questions(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, QuestionScores]:
    """The scores of each question with the default options; a passage that is in no document is an error."""
    folder = tmp_path_factory.mktemp("evaluation")
    config = folder / "default.yaml"
    config.write_text(DEFAULT_ONLY)
    run(environment, "tools.rag_eval", "--config", str(config), "--split", "all", "--output", str(folder))
    [figures] = folder.glob("*.json")
    report = EvaluationReport.model_validate_json(Path(figures).read_text(encoding="utf-8"))
    assert [result.name for result in report.results] == ["default"]
    return report.results[0].by_question


def test_recall_has_not_dropped_below_the_noise(questions: dict[str, QuestionScores]) -> None:
    _not_worse("recall@5", {id_: scores.recall[5] for id_, scores in questions.items()})


def test_mrr_has_not_dropped_below_the_noise(questions: dict[str, QuestionScores]) -> None:
    _not_worse("mrr", {id_: scores.reciprocal_rank for id_, scores in questions.items()})


def _not_worse(metric: str, scores: dict[str, float]) -> None:
    assert len(scores) >= 60
    mean, error = sum(scores.values()) / len(scores), standard_error(list(scores.values()))
    missed = sorted(id_ for id_, score in scores.items() if not score)
    said = f"{metric} is {mean:.3f}, was {MEASURED[metric]:.3f} (±{error:.3f}); missed: {missed}"
    assert mean >= MEASURED[metric] - ALLOWED_ERRORS * error, said
