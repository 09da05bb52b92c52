"""A run of the evaluation as a picture, and as a page that needs nothing beside itself."""

from html import escape
from io import BytesIO, StringIO
from textwrap import wrap
from typing import TYPE_CHECKING

from llm_engineering.domain.evaluation import CUTOFFS, ConfigurationResult, EvaluationReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Of a large grid, the best so many are drawn; the table has all.
DRAWN = 16
SHOWN_MISSES = 60
_LABEL_CHARACTERS, _LABEL_LINES = 38, 3
# Key, name, colour, and the place beside the row's middle.
_METRICS = (
    ("mrr", "MRR@10", "#1f5fa8", -0.22),
    ("recall@1", "Recall@1", "#c4551a", 0.0),
    ("recall@5", "Recall@5", "#3a7d44", 0.22),
)
_STAGE_COLOURS = ("#4c78a8", "#f2a65a", "#76b7a0", "#b279a2", "#d4616a", "#9c8560", "#7f8c9b", "#e6c229")
_STYLE = """
:root { color-scheme: light }
body { font: 15px/1.45 system-ui, sans-serif; color: #1c2430; margin: 2rem auto; max-width: 1200px; padding: 0 1rem }
h1 { font-size: 1.5rem; margin-bottom: .2rem } h2 { font-size: 1.15rem; margin-top: 2rem }
p.about { color: #5a6675; margin-top: 0 } .wide { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-size: 14px } th, td { padding: .35rem .6rem; text-align: right }
th { border-bottom: 2px solid #c9d1db; font-weight: 600; white-space: nowrap } td { border-bottom: 1px solid #e6eaef }
th.text, td.text { text-align: left } td { vertical-align: top } tr.best td { background: #eef6ec; font-weight: 600 }
td.whole { white-space: nowrap } td.noise { color: #7a8594 }
svg { max-width: 100%; height: auto }
td.found { color: #5a6675; font-size: 13px }
"""


def evaluation_png(report: EvaluationReport) -> bytes:
    """Scores with their 95 % intervals, and the median time by stage, best configuration on top."""
    data = BytesIO()
    _figure(report).savefig(data, format="png", dpi=150)
    return data.getvalue()


def evaluation_page(report: EvaluationReport) -> str:
    """The picture, the table, and the questions that the best configuration does not find."""
    heading = f"Retrieval on {report.question_set}, {report.split}"
    about = (
        f"{len(report.questions)} questions, {report.chunks:,} chunks, {report.embedding_model}; run {report.run_id}, "
        f"{report.seconds:.0f} s. Best: {report.best.name}."
    )
    notes = "".join(f"<li>{escape(warning)}</li>" for warning in report.warnings)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(heading)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{escape(heading)}</h1>"
        f'<p class="about">{escape(about)}</p>{_svg(report)}'
        f'<h2>All configurations</h2><div class="wide">{_table(report)}</div>'
        "<p class='about'>Intervals hold 95 % of 2,000 bootstrap resamples of the questions. “to best” is the paired "
        "difference of MRR; where its interval holds 0, it is printed grey and may be chance.</p>"
        + (f"<h2>Warnings</h2><ul>{notes}</ul>" if notes else "")
        + f"{_misses(report)}</body></html>\n"
    )


def _figure(report: EvaluationReport) -> "Figure":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = report.ranked[:DRAWN]
    figure = Figure(figsize=(11, 1.9 + 0.52 * len(shown)), layout="constrained")
    FigureCanvasAgg(figure)
    scores, times = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    rows = range(len(shown))
    for key, label, colour, shift in _METRICS:
        values = [result.intervals[key] for result in shown]
        errors = [[v.value - v.low for v in values], [v.high - v.value for v in values]]
        places = [row + shift for row in rows]
        scores.errorbar(
            [v.value for v in values], places, xerr=errors, fmt="o", color=colour, label=label, capsize=3, markersize=5
        )
    scores.set_yticks(list(rows), [_label(result) for result in shown])
    scores.set_ylim(len(shown) - 0.5, -0.5)
    lows = [result.intervals[key].low for result in shown for key, *_ in _METRICS]
    scores.set_xlim(max(0.0, min(lows) - 0.05), 1.01)
    scores.set_xlabel("score, with its 95 % interval")
    _draw_times(times, shown)
    for axes in (scores, times):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="x", color="#e3e7ec", linewidth=0.8)
        axes.set_axisbelow(True)
    figure.legend(loc="outside lower center", ncols=8, frameon=False, fontsize=9)
    figure.suptitle(f"{report.question_set}, {report.split}: {len(report.questions)} questions", fontsize=13)
    return figure


def _draw_times(axes: "Axes", shown: list[ConfigurationResult]) -> None:
    """The median of each stage, side by side, and a mark at the whole's 95th percentile."""
    stages = list(dict.fromkeys(stage for result in shown for stage in result.latency if stage != "total"))
    rows, lefts = range(len(shown)), [0.0] * len(shown)
    for number, stage in enumerate(stages):
        widths = [1000 * result.latency[stage].p50 if stage in result.latency else 0.0 for result in shown]
        colour = _STAGE_COLOURS[number % len(_STAGE_COLOURS)]
        axes.barh(rows, widths, left=lefts, height=0.55, color=colour, label=stage)
        lefts = [left + width for left, width in zip(lefts, widths, strict=True)]
    whole = [1000 * result.latency["total"].p95 for result in shown]
    axes.plot(whole, rows, "|", color="#1c2430", markersize=14, markeredgewidth=2, label="95 % within")
    axes.set_xlim(left=0)
    axes.set_xlabel("median milliseconds a question, by stage")


def _label(result: ConfigurationResult) -> str:
    lines = wrap(result.name, _LABEL_CHARACTERS)
    return "\n".join(
        lines if len(lines) <= _LABEL_LINES else [*lines[: _LABEL_LINES - 1], f"{lines[_LABEL_LINES - 1]}…"]
    )


def _svg(report: EvaluationReport) -> str:
    """The figure as markup that stands in the page, without the XML declaration."""
    text = StringIO()
    # Without the date, so that the same report makes the same page.
    _figure(report).savefig(text, format="svg", metadata={"Date": None})
    drawn = text.getvalue()
    return drawn[drawn.index("<svg") :]


def _table(report: EvaluationReport) -> str:
    recalls = "".join(f"<th>R@{cutoff}</th>" for cutoff in CUTOFFS)
    head = (
        f"<tr><th class='text'>Configuration</th>{recalls}<th>MRR</th><th>95 %</th><th>nDCG</th><th>to best</th>"
        "<th>p50 ms</th><th>p95 ms</th><th>chunks</th></tr>"
    )
    rows = "".join(_row(result, result is report.ranked[0]) for result in report.ranked)
    return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>"


def _row(result: ConfigurationResult, is_best: bool) -> str:
    scores, mrr, total = result.scores, result.intervals["mrr"], result.latency["total"]
    recalls = "".join(f"<td>{scores.recall[cutoff]:.3f}</td>" for cutoff in CUTOFFS)
    behind = result.behind_best
    told = "<td>best</td>"
    if behind and not is_best:
        interval = f"{behind.value:+.3f} ({behind.low:+.3f} to {behind.high:+.3f})".replace("-", "−")
        told = f'<td class="whole{" noise" if behind.is_noise else ""}">{interval}</td>'
    return (
        f'<tr class="{"best" if is_best else ""}"><td class="text">{escape(result.name)}</td>{recalls}'
        f"<td>{scores.mrr:.3f}</td><td class='whole'>{mrr.low:.3f} to {mrr.high:.3f}</td>"
        f"<td>{scores.ndcg:.3f}</td>{told}"
        f"<td>{1000 * total.p50:.1f}</td><td>{1000 * total.p95:.1f}</td><td>{result.chunks:,}</td></tr>"
    )


def _misses(report: EvaluationReport) -> str:
    """The questions that the best configuration does not answer first, the worst ones first."""
    found = report.best.by_question
    missed = sorted(((scores.rank or 99, id_) for id_, scores in found.items() if scores.rank != 1), reverse=True)
    if not missed:
        return "<h2>Questions that miss</h2><p>None: every question has its passage at rank 1.</p>"
    rows = "".join(
        f"<tr><td>{found[id_].rank or 'not found'}</td><td class='text'>{escape(report.questions.get(id_, id_))}</td>"
        f"<td class='text found'>{escape(found[id_].first)}</td></tr>"
        for _, id_ in missed[:SHOWN_MISSES]
    )
    more = f"<p>And {len(missed) - SHOWN_MISSES} more.</p>" if len(missed) > SHOWN_MISSES else ""
    return (
        f"<h2>{len(missed)} questions whose passage is not first in “{escape(report.best.name)}”</h2><table><thead><tr>"
        "<th>Rank</th><th class='text'>Question</th><th class='text'>What came first</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>{more}"
    )
