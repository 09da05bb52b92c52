"""What chunks are like, as a picture (PNG) and as a page with the picture, the tables and the chunks themselves."""

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from llm_engineering.domain.inspection import CategoryInspection, ChunkInspection, ChunkView

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BAR, _MEDIAN, _WINDOW = "#4c78a8", "#e45756", "#555555"
_INCHES = (9.0, 3.2)  # of one category's picture
_DPI = 120
_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;color:#1b1f24;background:#fff;max-width:70rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin-bottom:.2rem}h2{margin-top:2.5rem;border-bottom:1px solid #d0d7de;text-transform:capitalize}
h3{margin-bottom:.3rem}.note{color:#57606a;margin-top:0}img{max-width:100%}
.scroll{overflow-x:auto}table{border-collapse:collapse;margin:1rem 0}
th,td{padding:.35rem .6rem;text-align:right;border-bottom:1px solid #d0d7de;white-space:nowrap}
th:first-child,td:first-child{text-align:left}th{font-weight:600;background:#f6f8fa}
details{border:1px solid #d0d7de;border-radius:6px;margin:.5rem 0;padding:.4rem .8rem}
summary{cursor:pointer;overflow-wrap:anywhere}
summary b{font-variant-numeric:tabular-nums}.context{color:#57606a;font-size:.85rem;overflow-wrap:anywhere}
pre{white-space:pre-wrap;overflow-wrap:anywhere;font-size:.85rem;margin:.5rem 0;background:#f6f8fa;padding:.6rem}
mark{background:#fff1b8}
"""


def chunk_chart_png(inspection: ChunkInspection) -> bytes:
    """Histograms of the chunks' lengths as a PNG, one below the other; categories without chunks are left out."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = _with_chunks(inspection)
    figure = Figure(figsize=(_INCHES[0], _INCHES[1] * max(len(shown), 1)), dpi=_DPI)
    figure.set_layout_engine("constrained", h_pad=0.12)
    FigureCanvasAgg(figure)
    if not shown:
        figure.text(0.5, 0.5, "No chunks", ha="center", va="center", fontsize=14)
    for position, category in enumerate(shown, start=1):
        _draw(figure.add_subplot(len(shown), 1, position), category)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()


def chunk_report_html(inspection: ChunkInspection) -> str:
    """One self-contained page; nothing in it is loaded from elsewhere, and every text is escaped."""
    picture = base64.b64encode(chunk_chart_png(inspection)).decode("ascii")
    categories = "".join(map(_category_section, _with_chunks(inspection)))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Chunks</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><h1>Chunks</h1>"
        f'<p class="note">Lengths in tokens of {escape(inspection.model_id)}, without its special tokens.</p>'
        f"{_summary(inspection)}"
        f'<img alt="Histograms of the lengths of chunks" src="data:image/png;base64,{picture}">'
        f"{categories}</body></html>\n"
    )


def _with_chunks(inspection: ChunkInspection) -> list[CategoryInspection]:
    return [category for category in inspection.categories if category.tokens.count]


def _draw(axes: "Axes", category: CategoryInspection) -> None:
    from matplotlib.ticker import MaxNLocator

    starts = [bin_.start - 0.5 for bin_ in category.histogram]
    widths = [bin_.end - bin_.start + 1 for bin_ in category.histogram]
    counts = [bin_.count for bin_ in category.histogram]
    axes.bar(starts, counts, width=widths, align="edge", color=_BAR, edgecolor="white", linewidth=0.8)
    median = category.tokens.median
    axes.axvline(median, color=_MEDIAN, linewidth=1.8, label=f"median {median}")
    axes.axvline(category.window + 0.5, color=_WINDOW, linewidth=1.2, linestyle="--", label=f"limit {category.window}")
    axes.set_title(
        f"{category.category.value.capitalize()}: {category.tokens.count:,} chunks of {category.documents:,} "
        f"documents, {category.full_share:.0%} nearly full",
        loc="left",
        fontsize=11,
    )
    axes.set_xlabel("Length of a chunk with its context (tokens)")
    axes.set_ylabel("Chunks")
    axes.set_xlim(0, category.window * 1.03)
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.legend(loc="upper left", frameon=True, framealpha=0.9, edgecolor="none", fontsize=9)


def _summary(inspection: ChunkInspection) -> str:
    header = (
        "Category", "Documents", "Empty", "Chunks", "A document", "Min", "P5", "Median", "P95", "Max",
        "Nearly full", "With lead",
    )  # fmt: skip
    rows = [
        (
            category.category.value, category.documents, category.empty, tokens.count,
            f"{category.chunks_of_document.mean:.1f}", tokens.minimum, tokens.p5, tokens.median, tokens.p95,
            tokens.maximum, f"{category.full_share:.0%}", category.with_lead,
        )
        for category in inspection.categories
        for tokens in [category.tokens]
    ]  # fmt: skip
    return _table(header, rows)


def _category_section(category: CategoryInspection) -> str:
    languages = ", ".join(f"{name or 'unknown'} {count:,}" for name, count in category.languages.items())
    documents = [(document.title or document.link, document.chunks) for document in category.largest_documents]
    parts = {
        "Samples": category.samples,
        "Shortest": category.shortest,
        "Longest": category.longest,
        "With unusual characters": category.unusual,
    }
    lists = "".join(_chunk_list(name, chunks) for name, chunks in parts.items() if chunks)
    return (
        f"<h2>{escape(category.category.value)}</h2><p class='note'>Languages: {escape(languages)}</p>{lists}"
        f"<h3>Documents with most chunks</h3>{_table(('Document', 'Chunks'), documents)}"
    )


def _chunk_list(name: str, chunks: Sequence[ChunkView]) -> str:
    """Samples are there to be read, the others to be looked up."""
    items = "".join(_chunk(chunk, name == "Samples") for chunk in chunks)
    return f"<h3>{escape(name)}</h3>{items}"


def _chunk(view: ChunkView, is_open: bool) -> str:
    lead = f"<mark title='repeated from the chunk before'>{escape(view.lead)}</mark>" if view.lead else ""
    note = f", {escape(view.note)}" if view.note else ""
    name = escape(view.title or view.link)
    return (
        f"<details{' open' if is_open else ''}><summary><b>{view.token_count} tokens</b>{note}: {name}, chunk "
        f"{view.index + 1}</summary><div class='context'>{escape(view.context)}</div>"
        f"<div class='context'>{escape(view.link)}</div><pre>{lead}{escape(view.text)}</pre></details>"
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    names = "".join(f"<th>{escape(name)}</th>" for name in header)
    lines = ("".join(f"<td>{escape(_shown(cell))}</td>" for cell in row) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="scroll"><table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table></div>'


def _shown(cell: object) -> str:
    return f"{cell:,}" if isinstance(cell, int) else str(cell)
