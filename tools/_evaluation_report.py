"""A run of the evaluation as a table."""

from rich.table import Table

from llm_engineering.domain.evaluation import CUTOFFS, ConfigurationResult, EvaluationReport


def evaluation_table(report: EvaluationReport) -> Table:
    """A row a configuration, the best first; what may be chance in a difference to the best is marked '~'."""
    title = (
        f"Retrieval on {report.question_set}, {report.split}: {len(report.questions)} questions, {report.chunks:,} "
        f"chunks, {report.embedding_model}"
    )
    table = Table(
        title=title,
        title_justify="left",
        caption="to best: difference of MRR, paired, with its 95 % interval; ~ may be chance. Times in ms.",
        caption_justify="left",
    )
    table.add_column("Configuration", overflow="fold")
    for column in (*(f"R@{cutoff}" for cutoff in CUTOFFS), "MRR", "nDCG", "to best", "p50", "p95"):
        table.add_column(column, justify="right", no_wrap=True)
    for place, result in enumerate(report.ranked):
        table.add_row(*_cells(result, is_best=place == 0), style="bold green" if place == 0 else "")
    return table


def _cells(result: ConfigurationResult, is_best: bool) -> list[str]:
    scores, behind, total = result.scores, result.behind_best, result.latency["total"]
    told = "best"
    if behind and not is_best:
        told = f"{'~' if behind.is_noise else ''}{behind.value:+.3f} ({behind.low:+.3f}..{behind.high:+.3f})"
    return [
        result.name.replace("[", "\\["),
        *(f"{scores.recall[cutoff]:.3f}" for cutoff in CUTOFFS),
        f"{scores.mrr:.3f}",
        f"{scores.ndcg:.3f}",
        told,
        f"{1000 * total.p50:.1f}",
        f"{1000 * total.p95:.1f}",
    ]
