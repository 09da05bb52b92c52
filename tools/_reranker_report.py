"""What came of training a reranker, as a table."""

from rich.table import Table

from llm_engineering.domain.reranking import RankingScores, RerankerReport


def reranker_table(report: RerankerReport) -> Table:
    """A row a source of held-out questions, without and with the reranker; below it, what was decided."""
    table = Table(
        title=f"Reranker from {report.base_model}, trained on {sum(report.groups.values())} questions in "
        f"{report.seconds:.0f} s (epoch {report.kept_epoch} of {report.epochs[-1].number})",
        title_justify="left",
        caption=f"{'Promoted' if report.promoted else 'Not promoted'}: {report.why}\n"
        f"{report.seconds_per_query * 1000:.0f} ms for {report.candidates} candidates. Card: {report.folder}/card.json",
        caption_justify="left",
    )
    table.add_column("Held-out questions")
    for column in ("Number", "MRR without", "MRR with", "Recall@1 without", "Recall@1 with"):
        table.add_column(column, justify="right", no_wrap=True)
    for source, (without, reranked) in report.by_source.items():
        table.add_row(source, *_row(report.held_out[source], without, reranked))
    table.add_section()
    table.add_row("All", *_row(sum(report.held_out.values()), report.without, report.reranked))
    return table


def _row(number: int, without: RankingScores, reranked: RankingScores) -> list[str]:
    values = (without.mrr, reranked.mrr, without.recall_at_1, reranked.recall_at_1)
    return [str(number), *(f"{value:.3f}" for value in values)]
