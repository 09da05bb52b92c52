"""How well retrieval finds what questions ask for: dense, BM25, both, our cut and a plain one, in one run.

    python -m benchmarks.retrieval --data-dir DIR [--questions FILE] [--train-reranker]

DIR is a raw data dump in the handbook's JSON format. Without FILE, questions are generated from it by the language
model (about three seconds a question with the embedded one; a run that was stopped goes on in the state folder). The
fusion of hybrid search is tuned on the development half, and all is reported on the other. With --train-reranker a
reranker is trained on the development half and measured on the other (about ten minutes).
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from llm_engineering.bootstrap import build_services
from llm_engineering.bootstrap_reranking import RerankerTraining
from llm_engineering.domain.evaluation import EvaluationReport
from llm_engineering.domain.retrieval import RetrievalOptions
from llm_engineering.infrastructure.local.mongo_daemon import MongoDaemon
from llm_engineering.model.reranking.config import RerankerConfig
from llm_engineering.settings import PROJECT_ROOT, Settings, load_settings
from tools._reranker_report import reranker_table

DEVELOPMENT, TEST = "development", "test"
# Every run has the default options beside its grid.
FUSIONS = """\
    mode: [dense, sparse, hybrid]
    fusion: [rrf, linear, adaptive]
    rrf_k: [1, 5, 60]
    dense_weight: [0.2, 0.5, 0.7]
    bm25_weight: [0.02, 0.05, 0.1, 0.2, 0.5]
    chunks_per_document: [0]
"""
CUTS = """\
    mode: [dense, sparse, hybrid]
    fusion: [{fusion}]
    rrf_k: [{rrf_k}]
    dense_weight: [{dense_weight}]
    bm25_weight: [{bm25_weight}]
    chunks_per_document: [0]
    chunks: [null, window-1500]
"""
RERANKERS = """\
    mode: [sparse, hybrid]
    chunks_per_document: [0]
    rerank: ["off", trained]
"""


def main() -> None:
    """Import, compute features, generate questions where none are given, tune, and print the tables of both halves."""
    parser = argparse.ArgumentParser(description="Scores of retrieval on a dump.")
    parser.add_argument("--data-dir", type=Path, required=True, help="A raw data dump in the handbook's format.")
    parser.add_argument("--questions", type=Path, help="A question set about it; else one is generated.")
    parser.add_argument("--count", type=int, default=200, help="At most so many questions are generated.")
    parser.add_argument("--train-reranker", action="store_true", help="Measure a reranker trained on it, too.")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        _train(arguments.questions)
        return
    state = load_settings().local_state_dir / "benchmark-retrieval"
    data_dir = arguments.data_dir.resolve()
    questions = (arguments.questions or state / "questions.jsonl").resolve()
    try:
        _run(state, "tools.data_warehouse", "--import-raw-data", "--data-dir", str(data_dir))
        _run(state, "tools.run", "--run-feature-engineering")
        if arguments.questions is None:
            count = ["--questions", str(arguments.count), "--corpus-dir", str(data_dir)]
            _run(state, "tools.rag_eval", "--generate", str(questions), *count)
        tuned = _best_hybrid(_evaluate(state, questions, DEVELOPMENT, FUSIONS))
        _evaluate(state, questions, TEST, CUTS.format(**tuned.model_dump()))
        if arguments.train_reranker:
            _run(state, "benchmarks.retrieval", "--data-dir", str(data_dir), "--questions", str(questions), "--child")
            _evaluate(state, questions, TEST, RERANKERS)
    finally:
        MongoDaemon(state).stop()


def _train(questions: Path) -> None:
    with build_services() as services:
        config = RerankerConfig(questions=200, evaluation_questions=150, candidates=10, epochs=1)
        report = RerankerTraining(services).run(config, str(questions))
    Console().print(reranker_table(report))


def _best_hybrid(report: EvaluationReport) -> RetrievalOptions:
    return next(result.options for result in report.ranked if result.options.mode == "hybrid")


def _evaluate(state: Path, questions: Path, split: str, grid: str) -> EvaluationReport:
    """Print the grid's table on a half of the questions."""
    config = state / "grid.yaml"
    config.write_text(f"parameters:\n  question_set: {questions}\n  split: {split}\n  grid:\n{grid}", encoding="utf-8")
    _run(state, "tools.rag_eval", "--config", str(config), "--output", str(state))
    figures = (state / f"evaluation-{split}.json").read_text(encoding="utf-8")
    return EvaluationReport.model_validate_json(figures)


def _run(state: Path, *arguments: str) -> None:
    inherited = {name: value for name, value in os.environ.items() if name not in Settings.model_fields}
    models = {"MODELS_DIR": str(load_settings().models_dir), "COLUMNS": "150"}
    command = [sys.executable, "-m", *arguments]
    subprocess.run(command, cwd=PROJECT_ROOT, env={**inherited, **models, "LOCAL_STATE_DIR": str(state)}, check=True)


if __name__ == "__main__":
    main()
