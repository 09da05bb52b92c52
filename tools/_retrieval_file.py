"""Tune the retrieval options, and write the best into `configs/retrieval.yaml` with what justifies it."""

import hashlib
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_engineering.domain.errors import InvalidQuestionSetError
from llm_engineering.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llm_engineering.application.evaluation.configurations import Grid
    from llm_engineering.bootstrap_evaluation import Evaluation
    from llm_engineering.domain.evaluation import ConfigurationResult, EvaluationReport
    from llm_engineering.domain.retrieval import RetrievalOptions

RETRIEVAL_FILE = PROJECT_ROOT / "configs" / "retrieval.yaml"
_SECTION, _REASONS = "retrieval:", "justified_by:"
_OPTION = re.compile(r"^(?P<indent>\s+)(?P<key>\w+):\s*(?P<value>\"[^\"]*\"|'[^']*'|[^#\n]*?)(?P<comment>\s+#.*)?$")


def tune(evaluation: "Evaluation", path: Path, grid: "Grid | None", target: Path) -> "list[EvaluationReport]":
    """Choose on the development split, report on the test split, and write the choice.

    Chunk sizes and the number of results are no retrieval options: give them to an evaluation of their own.

    Raises:
        InvalidQuestionSetError: the set lacks one of the splits.
    """
    questions = evaluation.question_set(path)
    lacking = {"development", "test"} - {question.split for question in questions.questions}
    if lacking:
        raise InvalidQuestionSetError(
            f"{path} has no question in the split {', '.join(sorted(lacking))}: tuning needs 'development' to choose "
            "by and 'test' to report on."
        )
    options = {key: values for key, values in (grid or {}).items() if key not in ("chunks", "limit")}
    configurations = evaluation.configurations(options)
    tuned = evaluation.run(questions, "development", configurations)
    ranked = eligible(tuned.ranked)
    finalists = [result.name for result in ranked[:2]]
    shown = [c for c in configurations if c.name in {*finalists, configurations[0].name}]
    reported = evaluation.run(questions, "test", shown)
    reasons = {**_reasons(path, tuned, reported, finalists), "grid": options}
    write_options(target, ranked[0].options, reasons)
    return [tuned, reported]


def eligible(ranked: "Sequence[ConfigurationResult]") -> "list[ConfigurationResult]":
    """What may be chosen, best first: no configuration of which a stage failed, and of ties the default."""
    [default] = [result for result in ranked if result.name == "default"]
    usable = [result for result in ranked if set(result.warnings) <= set(default.warnings)]
    best, ours = usable[0].scores, default.scores
    if round(best.mrr - ours.mrr, 3) <= 0 and round(best.recall[5] - ours.recall[5], 3) <= 0:
        usable = [default, *(result for result in usable if result is not default)]
    return usable


def write_options(path: Path, options: "RetrievalOptions", reasons: dict[str, Any]) -> None:
    """Write the options into the file; its comments stay, and the reasons replace those of an earlier run."""
    import yaml

    values = {key: _scalar(value) for key, value in options.model_dump().items()}
    lines: list[str] = []
    place = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line[0].isspace() and not line.startswith("#"):
            if place == _SECTION:
                _add_rest(lines, values)
            place = line.rstrip()
        if place == _REASONS and not line.startswith("#"):
            continue
        option = _OPTION.match(line) if place == _SECTION else None
        if option and option["key"] in values:
            lines.append(f"{option['indent']}{option['key']}: {values.pop(option['key'])}{option['comment'] or ''}")
        else:
            lines.append(line)
    if place == _SECTION:
        _add_rest(lines, values)
    written = yaml.safe_dump({"justified_by": reasons}, sort_keys=False, allow_unicode=True, width=110)
    partial = path.with_suffix(".yaml.partial")
    partial.write_text("\n".join(lines).rstrip() + "\n" + written, encoding="utf-8")
    os.replace(partial, path)


def _add_rest(lines: list[str], values: dict[str, str]) -> None:
    """Options that the file does not name yet."""
    lines.extend(f"  {key}: {value}" for key, value in values.items())
    values.clear()


def _scalar(value: object) -> str:
    """As YAML: `off` in quotes, for without them it means 'false'."""
    import yaml

    if value in ("off", "on"):
        return f'"{value}"'
    return str(yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip())


def _reasons(
    path: Path, tuned: "EvaluationReport", reported: "EvaluationReport", finalists: list[str]
) -> dict[str, Any]:
    best, *others = finalists
    file = path.relative_to(PROJECT_ROOT) if path.is_relative_to(PROJECT_ROOT) else path
    return {
        "question_set": str(file),
        "question_set_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "embedding_model": tuned.embedding_model,
        "chunks": tuned.chunks,
        "configurations_tried": len(tuned.results),
        "runs": {"development": tuned.run_id, "test": reported.run_id},
        "best": {"name": best, **_both(best, tuned, reported)},
        **({"runner_up": {"name": others[0], **_both(others[0], tuned, reported)}} if others else {}),
        **({"before": _both("default", tuned, reported)} if "default" not in finalists else {}),
    }


def _both(name: str, tuned: "EvaluationReport", reported: "EvaluationReport") -> dict[str, Any]:
    return {report.split: _figures(_named(name, report)) for report in (tuned, reported)}


def _named(name: str, report: "EvaluationReport") -> "ConfigurationResult":
    return next(result for result in report.results if result.name == name)


def _figures(result: "ConfigurationResult") -> dict[str, float]:
    recalls = {f"recall@{cutoff}": round(value, 4) for cutoff, value in result.scores.recall.items()}
    p50 = round(1000 * result.latency["total"].p50, 1)
    return {**recalls, "mrr": round(result.scores.mrr, 4), "ndcg@10": round(result.scores.ndcg, 4), "p50_ms": p50}
