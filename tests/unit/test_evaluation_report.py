"""What a person sees of an evaluation: table, picture, page, and the file that the best setting goes to."""

import struct
from io import StringIO
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from llm_engineering.application.evaluation.configurations import expand
from llm_engineering.application.evaluation.runner import evaluate
from llm_engineering.configuration import load_retrieval_options
from llm_engineering.domain.errors import InvalidQuestionSetError
from llm_engineering.domain.evaluation import EvaluationReport, QuestionSet
from llm_engineering.domain.retrieval import RetrievalOptions
from llm_engineering.infrastructure.charts.evaluation import evaluation_page, evaluation_png
from llm_engineering.settings import PROJECT_ROOT
from tests.fakes import SilentProgress
from tests.unit.test_evaluation_runner import QUESTIONS, Letters
from tools._evaluation_report import evaluation_table
from tools._retrieval_file import eligible, tune, write_options

SHIPPED = PROJECT_ROOT / "configs" / "retrieval.yaml"
GRID = {"mode": ["dense", "sparse"], "candidates": [None, 20]}


class Scored:
    """Stands for `Evaluation`: dense search finds everything first."""

    letters = Letters({"hybrid": 2, "dense": 1, "sparse": 5})

    def question_set(self, path: Path) -> QuestionSet:
        return QUESTIONS

    def configurations(self, grid: dict[str, list[object]]) -> object:
        return expand(grid, RetrievalOptions())

    def run(self, questions: QuestionSet, split: str, configurations: object) -> EvaluationReport:
        return evaluate(questions, split, configurations, self.letters.open, "words", SilentProgress())  # type: ignore[arg-type]


@pytest.fixture
def report() -> EvaluationReport:
    return Scored().run(QUESTIONS, "test", expand({"mode": ["dense", "sparse"]}, RetrievalOptions()))


def test_the_table_has_the_best_first_and_says_what_the_others_lack(report: EvaluationReport) -> None:
    console = Console(width=160, record=True, file=StringIO())
    console.print(evaluation_table(report))
    rows = [line for line in console.export_text().splitlines() if "mode" in line or "default" in line]
    assert "mode dense" in rows[0]
    assert "best" in rows[0]
    assert "-0.500 (-0.500..-0.500)" in rows[1]
    assert "-0.800" in rows[2]


def test_the_picture_is_a_png_of_some_size(report: EvaluationReport) -> None:
    picture = evaluation_png(report)
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", picture[16:24])
    assert width > 1000
    assert height > 300


def test_the_page_stands_alone_and_escapes_what_people_wrote(report: EvaluationReport) -> None:
    told = report.model_copy(update={"questions": {"a": "<script>a?", "b": "b?"}, "question_set": "<b>set"})
    sparse = [result for result in report.results if result.name == "mode sparse"]
    page = evaluation_page(told.model_copy(update={"results": sparse}))
    assert "<script>" not in page
    assert "<b>set" not in page
    assert "&lt;script&gt;a?" in page
    for outside in ("src=", "@import", "<link", "url(http"):
        assert outside not in page
    assert page.count("<svg") == 1
    assert "2 questions whose passage is not first in “mode sparse”" in page
    assert "Slow." in page
    assert evaluation_page(report).count("every question has its passage at rank 1") == 1


def test_the_best_on_development_is_written_with_what_justifies_it(tmp_path: Path) -> None:
    target, questions = tmp_path / "retrieval.yaml", tmp_path / "questions.jsonl"
    target.write_text(SHIPPED.read_text())
    questions.write_text("what it says does not matter here")
    before = [line for line in SHIPPED.read_text().splitlines() if line.startswith("#")]
    tuned, reported = tune(Scored(), questions, {**GRID, "chunks": [None]}, target)  # type: ignore[arg-type, dict-item]
    assert (tuned.split, reported.split) == ("development", "test")
    assert tuned.questions.keys() == {"c"}
    assert {result.name for result in reported.results} <= {"default", "mode dense", "mode dense, candidates 20"}
    written = load_retrieval_options(target)
    assert written.mode == "dense"
    reasons = yaml.safe_load(target.read_text())["justified_by"]
    assert reasons["question_set"] == str(questions)
    assert len(reasons["question_set_sha256"]) == 64
    assert reasons["runs"] == {"development": tuned.run_id, "test": reported.run_id}
    assert reasons["best"]["name"] == tuned.best.name
    assert reasons["best"]["test"]["mrr"] == 1.0
    assert reasons["best"]["development"]["recall@1"] == 1.0
    assert [line for line in target.read_text().splitlines() if line.startswith("#")] == before


def test_writing_twice_leaves_one_set_of_reasons_and_every_option_once(tmp_path: Path) -> None:
    target = tmp_path / "retrieval.yaml"
    target.write_text('# Top.\nretrieval:\n  mode: hybrid  # how\n  expansion: "off"\n# Between.\nother: 1\n')
    options = RetrievalOptions(mode="sparse", rrf_k=7)
    write_options(target, options, {"best": {"name": "a"}})
    write_options(target, options, {"best": {"name": "b"}})
    text = target.read_text()
    content = yaml.safe_load(text)
    assert content["justified_by"] == {"best": {"name": "b"}}
    assert content["other"] == 1
    assert RetrievalOptions.model_validate(content["retrieval"]) == options
    assert text.startswith("# Top.\nretrieval:\n  mode: sparse  # how\n")
    assert text.count("rrf_k") == text.count("justified_by") == text.count("# Between.") == 1


def test_tuning_needs_both_splits(tmp_path: Path) -> None:
    class Halved(Scored):
        def question_set(self, path: Path) -> QuestionSet:
            return QuestionSet(name="half", questions=QUESTIONS.questions[:2])

    with pytest.raises(InvalidQuestionSetError, match="no question in the split development"):
        tune(Halved(), tmp_path / "questions.jsonl", GRID, tmp_path / "never.yaml")  # type: ignore[arg-type]
    assert not (tmp_path / "never.yaml").exists()


def test_of_equal_settings_the_default_stays_and_one_with_a_failed_stage_is_never_chosen(
    report: EvaluationReport,
) -> None:
    results = {result.name: result for result in report.results}
    dense, sparse = results["mode dense"], results["mode sparse"]
    equal = dense.model_copy(update={"name": "default"})
    assert [result.name for result in eligible([dense, equal, sparse])] == ["default", "mode dense", "mode sparse"]
    failed = dense.model_copy(update={"warnings": ["Reranking failed, went on without it."]})
    assert [result.name for result in eligible([failed, results["default"], sparse])] == ["default", "mode sparse"]
    assert eligible([dense, results["default"]])[0] is dense
