"""A dataset as a page that needs nothing beside itself: what passed, what did not and why, and what is in it."""

import hashlib
from collections.abc import Sequence
from html import escape

from llm_engineering.domain.dataset_reports import DatasetReport
from llm_engineering.domain.datasets import DroppedSample, Sample, Split, TrainTestSplit
from llm_engineering.infrastructure.charts import topics
from llm_engineering.infrastructure.charts.dataset_figures import (
    answer_lengths,
    funnel_svg,
    instruction_lengths,
    lengths_svg,
)
from llm_engineering.infrastructure.charts.markup import bars, cut, mark, nothing, table

SHOWN_SAMPLES = 10
SHOWN_DROPPED = 3
_SHOWN_DUPLICATES = 5
# A stage with one of these words in its name looks for texts that are there twice.
_DUPLICATE_WORDS = ("duplicate", "same")
_STYLE = """
:root { color-scheme: light } * { box-sizing: border-box }
body { font: 15px/1.5 system-ui, sans-serif; color: #1c2430; margin: 1.5rem auto; max-width: 1100px; padding: 0 1rem }
h1 { font-size: 1.5rem; margin: 0 0 .3rem } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem }
h3 { font-size: 1rem; margin: .2rem 0 .4rem } p.about, .quiet { color: #5a6675 } p.about { margin-top: 0 }
code { font-size: .85em; overflow-wrap: anywhere } .wide { overflow-x: auto }
.mark { display: inline-block; border-radius: 1rem; padding: 0 .7rem; font-weight: 600; font-size: .9rem;
  white-space: nowrap }
.yes { background: #e3f3e3; color: #1d5e2a } .no { background: #fbe4e1; color: #8c2116 }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(7.2rem, 1fr)); gap: .6rem; margin: 1rem 0 }
.tile { border: 1px solid #dde3ea; border-radius: 8px; padding: .5rem .8rem; overflow-wrap: anywhere }
.tile b { display: block; font-size: 1.25rem; font-variant-numeric: tabular-nums }
.tile span { color: #5a6675; font-size: .85rem }
.warnings { background: #fff7e0; border-left: 4px solid #d9a400; padding: .5rem 1rem .5rem 1.8rem; margin: 1rem 0 }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: 1rem 2rem }
.lists { grid-template-columns: repeat(auto-fit, minmax(min(100%, 14.5rem), 1fr)) } .grid > * { min-width: 0 }
figure { margin: 0 } figcaption { font-weight: 600; font-size: .95rem } svg { max-width: 100%; height: auto }
table { border-collapse: collapse; width: 100%; font-size: 14px } th, td { padding: .35rem .6rem; text-align: right }
th { border-bottom: 2px solid #c9d1db; font-weight: 600; vertical-align: bottom }
td { border-bottom: 1px solid #e6eaef }
th.text, td.text { text-align: left } td { vertical-align: top; font-variant-numeric: tabular-nums }
ol.bars { list-style: none; padding: 0; margin: 0; font-size: 14px }
ol.bars li { display: flex; justify-content: space-between; gap: .6rem; padding: .08rem .4rem; margin-bottom: 2px }
ol.bars li span { overflow-wrap: anywhere } ol.bars li b { font-weight: 500; color: #5a6675 }
article { border: 1px solid #dde3ea; border-radius: 8px; padding: .7rem 1rem; margin: .7rem 0 }
article h3 { overflow-wrap: anywhere } .from { color: #5a6675; font-size: .85rem; overflow-wrap: anywhere }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font: inherit; font-size: .93rem; margin: .4rem 0;
  border-left: 3px solid #2f6f9f; padding-left: .8rem }
pre.rejected { border-color: #c4551a; color: #6a4a3a }
.name { font-size: .8rem; color: #5a6675; text-transform: uppercase; letter-spacing: .04em }
details { border: 1px solid #dde3ea; border-radius: 8px; padding: .5rem 1rem; margin: .5rem 0 }
summary { cursor: pointer; overflow-wrap: anywhere }
@media (max-width: 40rem) { body { margin: .8rem auto; font-size: 14px } th, td { padding: .3rem .4rem }
  article, details { padding: .5rem .7rem } }
"""


def dataset_page(dataset: TrainTestSplit) -> str:
    """The report. Nothing in it is loaded from elsewhere, every text is escaped; the same dataset is the same page."""
    report, samples = dataset.report, [sample for _, sample in dataset.samples()]
    heading = f"{dataset.kind.value.capitalize()} dataset"
    parts = {
        "": _about(dataset, heading, samples),
        "May it be published?": _gate(report),
        "What passed which check": _funnel(report),
        "Lengths": _lengths(report, samples),
        "Duplicates": _duplicates(dataset),
        "What it is about": _topics(samples),
        "Authors and kinds of text": _strata(report),
        "Random samples": _random_samples(dataset),
        "What was dropped": _dropped(dataset.dropped),
    }
    body = "".join((f"<h2>{escape(name)}</h2>" if name else "") + part for name, part in parts.items())
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(heading)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body>{body}</body></html>\n"
    )


def _about(dataset: TrainTestSplit, heading: str, samples: Sequence[Sample]) -> str:
    report, asked = dataset.report, dataset.report.generation
    cost = "not known" if asked.cost_usd is None else f"${asked.cost_usd:.2f}"
    numbers = {
        "to train on": len(dataset.train),
        "to test": len(dataset.test),
        "dropped": len(dataset.dropped),
        "documents": len({sample.source.document_id for sample in samples}),
        "authors": len({sample.source.author_id for sample in samples}),
        "asked of the model": asked.asked,
        "answered by what was stored": asked.reused,
        "malformed, refused or failed": asked.malformed + asked.refused + asked.failed,
    }
    made = f"Made by {report.model_id} ({report.method}); cost of this run: {cost}."
    tiles = "".join(
        f'<div class="tile"><b>{count:,}</b><span>{escape(name)}</span></div>' for name, count in numbers.items()
    )
    notes = "".join(f"<li>{escape(warning)}</li>" for warning in report.warnings)
    return (
        f"<h1>{escape(heading)} {mark(report.passed, 'may be published', 'may not be published')}</h1>"
        f'<p class="about">Version <code>{dataset.version}</code>, the hash of its content.<br>{escape(made)}</p>'
        f'<div class="tiles">{tiles}</div>' + (f'<ul class="warnings">{notes}</ul>' if notes else "")
    )


def _gate(report: DatasetReport) -> str:
    rows = [(check.name, check.wanted, check.measured, mark(check.passed, "met", "not met")) for check in report.gate]
    return table(("Condition", "Wanted", "Measured", "Met"), rows, texts=4)


def _funnel(report: DatasetReport) -> str:
    if not report.funnel:
        return nothing()
    reasons = sorted(
        ((stage.name, reason, count) for stage in report.funnel for reason, count in stage.dropped.items()),
        key=lambda row: (-row[2], row[0], row[1]),
    )
    return (
        f'<div class="grid"><figure>{funnel_svg(report.funnel)}</figure>'
        f"<div>{table(('Check', 'Reason', 'Dropped'), reasons, texts=2)}</div></div>"
    )


def _lengths(report: DatasetReport, samples: Sequence[Sample]) -> str:
    if not samples:
        return nothing()
    bias, told = report.length_bias, ""
    if bias:
        told = (
            f"<p>The chosen answer is the longer one in {bias.chosen_longer:.0%} of {bias.pairs:,} pairs, and "
            f"{bias.mean_ratio:.2f} times as long as the rejected one in the geometric mean.</p>"
        )
    asked, said = instruction_lengths(samples), answer_lengths(samples)
    return (
        f'<div class="grid"><figure><figcaption>Instructions</figcaption>{lengths_svg(asked, "words")}</figure>'
        f"<figure><figcaption>Answers</figcaption>{lengths_svg(said, 'characters')}</figure></div>{told}"
    )


def _duplicates(dataset: TrainTestSplit) -> str:
    """What was dropped for being there twice, and whether anything still is, letter for letter."""
    found = [dropped for dropped in dataset.dropped if _is_duplicate(dropped)]
    train, test = ({_plain(sample.instruction) for sample in dataset.of(split)} for split in Split)
    samples = [sample for _, sample in dataset.samples()]
    instructions = len(samples) - len({_plain(sample.instruction) for sample in samples})
    answers = len(samples) - len({_plain(sample.answer) for sample in samples})
    left = [
        ("Dropped as duplicates", len(found)),
        ("Left: instructions that stand in both splits", len(train & test)),
        ("Left: instructions that are there already", instructions),
        ("Left: answers that are there already", answers),
    ]
    examples = "".join(_dropped_one(dropped) for dropped in found[:_SHOWN_DUPLICATES])
    more = f"<details><summary>Some of them</summary>{examples}</details>" if examples else ""
    note = "<p class='quiet'>What is left is counted letter for letter, but for case and white space.</p>"
    return table(("", "Samples"), left) + note + more


def _topics(samples: Sequence[Sample]) -> str:
    lists = {
        "Instructions begin with": topics.openings(samples),
        "Words": topics.topics(samples),
        "Pairs of words": topics.phrases(samples),
        "Documents": topics.documents(samples),
    }
    grid = "".join(f"<div><h3>{name}</h3>{bars(counted, len(samples))}</div>" for name, counted in lists.items())
    note = f"Numbers of samples; the {topics.SHOWN} most frequent. Words are those of the answers."
    return f'<p class="quiet">{note}</p><div class="grid lists">{grid}</div>'


def _strata(report: DatasetReport) -> str:
    header = ("Author", "Kind of text", "Documents to train on", "to test", "Samples to train on", "to test")
    rows = [
        (s.author, s.category.value, s.train_documents, s.test_documents, s.train_samples, s.test_samples)
        for s in report.strata
    ]
    read = ", ".join(f"{count:,} {category.value}" for category, count in report.documents.items())
    return f'<p class="quiet">Read: {escape(read or "not recorded")}.</p>{table(header, rows, texts=2)}'


def _random_samples(dataset: TrainTestSplit) -> str:
    """Drawn by hash: the same ones each time."""
    drawn = sorted(dataset.samples(), key=lambda item: hashlib.sha256(item[1].id.encode()).digest())
    return "".join(_sample(sample, split.value) for split, sample in drawn[:SHOWN_SAMPLES]) or nothing()


def _dropped(dropped: Sequence[DroppedSample]) -> str:
    """By reason, most first, the first ones of each as examples."""
    by_reason: dict[tuple[str, str], list[DroppedSample]] = {}
    for one in dropped:
        by_reason.setdefault((one.stage, one.reason), []).append(one)
    ranked = sorted(by_reason.items(), key=lambda item: (-len(item[1]), item[0]))
    return (
        "".join(
            f"<details><summary><b>{len(found):,}</b> {escape(reason)} <span class='quiet'>({escape(stage)})</span>"
            f"</summary>{''.join(_dropped_one(one) for one in found[:SHOWN_DROPPED])}</details>"
            for (stage, reason), found in ranked
        )
        or nothing()
    )


def _dropped_one(dropped: DroppedSample) -> str:
    told = f"{dropped.reason}: {dropped.detail}" if dropped.detail else dropped.reason
    return _sample(dropped.sample, told)


def _sample(sample: Sample, note: str) -> str:
    source, scores = sample.source, sample.scores
    judged = f", judged {scores.accuracy} of 3 for accuracy, {scores.style} of 3 for style" if scores else ""
    origin = f"{source.author_full_name}: {source.title or 'untitled'} ({source.link}); {sample.method}{judged}"
    name = "answer" if sample.rejected is None else "chosen"
    rejected = (
        f"<span class='name'>rejected</span><pre class='rejected'>{cut(sample.rejected)}</pre>"
        if sample.rejected is not None
        else ""
    )
    return (
        f"<article><div class='from'>{escape(note)}</div><h3>{cut(sample.instruction)}</h3><span class='name'>{name}"
        f"</span><pre>{cut(sample.answer)}</pre>{rejected}<div class='from'>{escape(origin)}</div></article>"
    )


def _is_duplicate(dropped: DroppedSample) -> bool:
    return any(word in dropped.stage for word in _DUPLICATE_WORDS)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
