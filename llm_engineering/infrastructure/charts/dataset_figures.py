"""The pictures of a dataset's report, as SVG that stands in the page: small ones, that can be read on a telephone."""

from collections.abc import Sequence
from io import StringIO
from typing import TYPE_CHECKING

from llm_engineering.domain.dataset_reports import FunnelStage
from llm_engineering.domain.datasets import Sample

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KEPT, DROPPED, REJECTED, INK = "#2f6f9f", "#d98880", "#c4551a", "#1c2430"
_WIDTH, _HEIGHT = 5.2, 3.0
_BINS = 24
_ROW_INCHES = 0.42
# Beyond this share of the texts, a few very long ones would press all others into the first bin.
_SHOWN_SHARE = 0.99

Values = dict[str, tuple[list[int], str]]


def funnel_svg(stages: Sequence[FunnelStage]) -> str:
    """A bar a stage: what passed it, and what it dropped."""
    figure, axes = _figure(0.9 + _ROW_INCHES * len(stages))
    rows = range(len(stages))
    kept = [stage.kept for stage in stages]
    lost = [sum(stage.dropped.values()) for stage in stages]
    axes.barh(rows, kept, color=KEPT, height=0.68, label="kept")
    axes.barh(rows, lost, left=kept, color=DROPPED, height=0.68, label="dropped")
    widest = max([k + n for k, n in zip(kept, lost, strict=True)], default=0) or 1
    for row, (k, n) in enumerate(zip(kept, lost, strict=True)):
        axes.text(
            k + n + widest * 0.015, row, f"{k:,}" + (f"  −{n:,}" if n else ""), va="center", fontsize=9, color=INK
        )
    axes.set_yticks(list(rows), [_label(stage.name) for stage in stages])
    axes.set_ylim(len(stages) - 0.45, -0.55)
    axes.set_xlim(0, widest * 1.24)
    axes.xaxis.set_visible(False)
    axes.spines[["bottom", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    _legend(figure)
    return _svg(figure)


def lengths_svg(values: Values, unit: str) -> str:
    """Histograms over each other, by name with their colour; of the longest texts only the number is told."""
    figure, axes = _figure(_HEIGHT)
    every = sorted(length for lengths, _ in values.values() for length in lengths)
    limit = every[min(int(len(every) * _SHOWN_SHARE), len(every) - 1)] if every else 1
    edges = _edges(every[0] if every else 0, limit)
    for name, (lengths, colour) in values.items():
        shown = [length for length in lengths if length <= edges[-1]]
        if colour == KEPT:
            axes.hist(shown, bins=edges, color=colour, label=_label(name), histtype="stepfilled", alpha=0.45)
        else:
            axes.hist(shown, bins=edges, color=colour, label=_label(name), histtype="step", linewidth=2)
        if lengths:
            axes.axvline(sorted(lengths)[len(lengths) // 2], color=colour, linewidth=1.6, linestyle="--")
    longer = sum(length > edges[-1] for length in every)
    axes.set_xlabel(f"{unit}; the dashed line is the median" + (f"; {longer:,} longer" if longer else ""))
    axes.set_ylabel("texts")
    axes.grid(axis="y", color="#e3e7ec", linewidth=0.8)
    if len(values) > 1:
        _legend(figure)
    return _svg(figure)


def instruction_lengths(samples: Sequence[Sample]) -> Values:
    """Of each instruction, in words."""
    return {"instruction": ([len(sample.instruction.split()) for sample in samples], KEPT)}


def answer_lengths(samples: Sequence[Sample]) -> Values:
    """Of each answer, in characters; chosen and rejected apart."""
    rejected = [len(sample.rejected) for sample in samples if sample.rejected is not None]
    answers = [len(sample.answer) for sample in samples]
    if not rejected:
        return {"answer": (answers, KEPT)}
    return {"chosen": (answers, KEPT), "rejected": (rejected, REJECTED)}


def _edges(low: int, high: int) -> list[float]:
    """Bins of a whole number of units each: counts of words and characters are whole."""
    step = max(1, -(-(high - low + 1) // _BINS))
    return [low - 0.5 + step * number for number in range((high - low) // step + 2)]


def _figure(height: float) -> "tuple[Figure, Axes]":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    for axis, ticks in ((axes.xaxis, 7), (axes.yaxis, 5)):
        axis.set_major_locator(MaxNLocator(ticks, integer=True))
    return figure, axes


def _legend(figure: "Figure") -> None:
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)


def _label(text: str) -> str:
    # A dollar sign would begin a formula.
    return text.replace("$", r"\$")


def _svg(figure: "Figure") -> str:
    """The figure as markup, without the XML declaration; the same figure is the same markup."""
    from matplotlib import rc_context

    text = StringIO()
    with rc_context({"svg.hashsalt": "moodswarm"}):
        figure.savefig(text, format="svg", metadata={"Date": None})
    drawn = text.getvalue()
    return drawn[drawn.index("<svg") :]
