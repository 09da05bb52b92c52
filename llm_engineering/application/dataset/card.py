"""A dataset's card: what it is made of and how, for those who find it on a hub.

The front matter is what the Hub reads (https://huggingface.co/docs/hub/datasets-cards, hub-docs' `datasetcard.md`):
licence, languages, size, and under `configs` and `dataset_info` the data files and their columns, so that
`datasets.load_dataset` needs no guess and an empty column has a type.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from llm_engineering.application.dataset.layout import (
    DATA_FILES,
    PROVENANCE_COLUMNS,
    SCORE_COLUMNS,
    TEXT_COLUMNS,
    publishable,
)
from llm_engineering.domain.dataset_options import PublishOptions
from llm_engineering.domain.dataset_reports import DatasetReport
from llm_engineering.domain.datasets import DatasetKind, Method, Source, Split, TrainTestSplit

# The Hub's size categories: the number of rows from which one is left.
_SIZES = (
    (1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10_000_000, "1M<n<10M"),
)  # fmt: skip
_LARGEST = "n>10M"
_SHOWN_DOCUMENTS = 30
_LANGUAGE = re.compile(r"[a-z]{2,3}")
# Markdown's and HTML's signs, wherever they might mean something.
_SIGNS = re.compile(r"([\\`*_\[\]<>|#~$])")
_ADDRESS = re.compile(r"https?://[^\s<>\\]+")
_TAGS = {DatasetKind.INSTRUCT: ["instruction-tuning", "sft"], DatasetKind.PREFERENCE: ["preference", "dpo"]}
_PURPOSES = {
    DatasetKind.INSTRUCT: "Instructions, each with an answer from the author's text: to fine-tune on (SFT).",
    DatasetKind.PREFERENCE: "Prompts, each with a chosen answer that stands word for word in the author's text and a "
    "rejected one that a model wrote: to align preferences with (DPO).",
}
_METHODS = {
    Method.GENERATED: "A model that follows instructions wrote the instructions from extracts of the texts, as in *The "
    "LLM Engineer's Handbook*; the form of its answers was held to a JSON schema.",
    Method.BACK_TRANSLATED: "Instruction back-translation (Li et al., 2023): the answer is the author's own paragraph, "
    "and a base model guessed the instruction that it answers.",
}
_LIMITS = """\
- The instructions were written by a model. What passed the checks may still be odd, or ask for what the answer
  does not quite say. The checks compare words and vectors; they do not understand.
- Near-duplicates are found by the words and the meaning of a text, up to the thresholds of the checks.
- It speaks with the voice and the errors of its authors, at the time when they wrote. It is no source of facts."""
_PERSONAL = """\
The texts were published by the people named above, under their names, and each row names its author. Whatever personal
data they wrote down about themselves or others is in the rows: nothing was anonymised. Publish it only with the
authors' consent, and under a licence that they give. Who wants to be forgotten is erased from the stores with
`tools.data_warehouse`; then make the dataset again, publish it, and delete the older revisions."""


def render_card(dataset: TrainTestSplit, options: PublishOptions) -> str:
    """The card in Markdown, with its front matter. It names no path of this machine and no secret."""
    dataset = publishable(dataset)
    title = f"{options.dataset_id.partition('/')[2]}: {dataset.kind.value} dataset"
    parts = {
        "": _about(dataset, options),
        "Source": _source(dataset),
        "How it was made": _making(dataset),
        "What was checked": _checks(dataset.report),
        "Splits": _splits(dataset),
        "Columns": _columns(dataset.kind),
        "Limits": _LIMITS,
        "Personal data": _PERSONAL,
    }
    sections = (f"## {name}\n\n{text}" if name else text for name, text in parts.items())
    return f"---\n{_front_matter(dataset, options, title)}---\n\n# {_plain(title)}\n\n" + "\n\n".join(sections) + "\n"


def size_category(rows: int) -> str:
    """The Hub's name for so many rows."""
    return next((name for limit, name in _SIZES if rows < limit), _LARGEST)


def _front_matter(dataset: TrainTestSplit, options: PublishOptions, title: str) -> str:
    import yaml

    rows = len(dataset.train) + len(dataset.test)
    found = {sample.source.language for _, sample in dataset.samples() if sample.source.language}
    languages = sorted(language for language in found if _LANGUAGE.fullmatch(language))
    files = [{"split": split.value, "path": name} for split, name in DATA_FILES.items() if dataset.of(split)]
    features = [{"name": name, "dtype": "string"} for name in (*TEXT_COLUMNS[dataset.kind], *PROVENANCE_COLUMNS)]
    features += [{"name": name, "dtype": "int64"} for name in SCORE_COLUMNS]
    values = {
        "license": options.license,
        **({"language": languages} if languages else {}),
        "pretty_name": title,
        "size_categories": [size_category(rows)],
        "task_categories": ["text-generation"],
        "tags": [*_TAGS[dataset.kind], "synthetic", "moodswarm"],
        "annotations_creators": ["machine-generated"],
        "source_datasets": ["original"],
        "configs": [{"config_name": "default", "data_files": files}],
        "dataset_info": {"config_name": "default", "features": features},
    }
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120)


def _about(dataset: TrainTestSplit, options: PublishOptions) -> str:
    counts = {"train": len(dataset.train), "test": len(dataset.test)}
    state = "passed" if dataset.report.passed else "**not** passed"
    return (
        f"{_PURPOSES[dataset.kind]}\n\n"
        f"- Rows: {counts['train']:,} to train on, {counts['test']:,} to test\n"
        f"- Version: `{dataset.version}`, the hash of its content; the same rows have the same version\n"
        f"- Quality gate: {state}\n"
        f"- Licence: {_plain(options.license)}\n\n"
        f"```python\nfrom datasets import load_dataset\n\n{_loaded(options)}\n```"
    )


def _loaded(options: PublishOptions) -> str:
    if options.push_to_huggingface:
        return f'load_dataset("{options.dataset_id}")'
    return 'load_dataset("PATH")  # the folder that this file stands in'


def _source(dataset: TrainTestSplit) -> str:
    report = dataset.report
    read = ", ".join(f"{count:,} {category.value}" for category, count in report.documents.items())
    strata = _table(
        ("Author", "Kind of text", "Documents to train on", "to test", "Rows to train on", "to test"),
        (
            (s.author, s.category.value, s.train_documents, s.test_documents, s.train_samples, s.test_samples)
            for s in report.strata
        ),
    )
    documents = _documents([sample.source for _, sample in dataset.samples()])
    about = f"Documents read: {read or 'not recorded'}. Extracts drawn from them: {report.extracts:,}."
    return f"{about}\n\n{strata}\n\n{documents}"


def _documents(sources: Sequence[Source]) -> str:
    """The documents by the number of their rows, most first."""
    counts: dict[tuple[str, str, str], int] = {}
    for source in sources:
        key = (str(source.document_id), source.title, source.link)
        counts[key] = counts.get(key, 0) + 1
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    lines = [f"- {_plain(title or 'untitled')} ({_link(link)}): {n}" for (_, title, link), n in ranked]
    more = len(lines) - _SHOWN_DOCUMENTS
    rest = [f"- and {more:,} more: each row has its `link`"] if more > 0 else []
    return "Rows by document:\n\n" + "\n".join([*lines[:_SHOWN_DOCUMENTS], *rest])


def _making(dataset: TrainTestSplit) -> str:
    report, asked = dataset.report, dataset.report.generation
    methods = sorted({sample.method for _, sample in dataset.samples()})
    models = sorted({sample.model_id for _, sample in dataset.samples()})
    return "\n".join([
        *(f"{_METHODS[method]}\n" for method in methods),
        f"- Model: {_plain(', '.join(models) or report.model_id)}",
        f"- Asked: {asked.tasks:,} times; {asked.malformed:,} answers of the wrong form, {asked.refused:,} "
        f"refusals and {asked.failed:,} failures are left out",
        f"- Split by document: whole documents are kept for testing, about {report.test_size:.0%} of each author's and "
        f"kind's, drawn by hash with the seed {_plain(report.seed)}; later documents move none of these",
    ])  # fmt: skip


def _checks(report: DatasetReport) -> str:
    funnel = _table(
        ("Stage", "Kept", "Dropped", "Why"),
        ((s.name, s.kept, sum(s.dropped.values()), _reasons(s.dropped)) for s in report.funnel),
    )
    gate = _table(
        ("Condition", "Wanted", "Measured", "Met"),
        ((check.name, check.wanted, check.measured, "yes" if check.passed else "no") for check in report.gate),
    )
    bias = report.length_bias
    length = (
        f"\n\nThe chosen answer is the longer one in {bias.chosen_longer:.0%} of {bias.pairs:,} pairs, and "
        f"{bias.mean_ratio:.2f} times as long as the rejected one in the geometric mean."
        if bias
        else ""
    )
    warnings = "".join(f"\n- {_plain(warning)}" for warning in report.warnings)
    return f"{funnel}\n\nThe quality gate:\n\n{gate}{length}" + (f"\n\nWarnings:\n{warnings}" if warnings else "")


def _splits(dataset: TrainTestSplit) -> str:
    def line(split: Split) -> tuple[object, ...]:
        samples = dataset.of(split)
        return split.value, DATA_FILES[split], len(samples), len({s.source.document_id for s in samples})

    train, test = ({sample.source.document_id for sample in dataset.of(split)} for split in Split)
    both = f"{len(train & test):,} documents are in both." if train & test else "No document is in both."
    return f"{_table(('Split', 'File', 'Rows', 'Documents'), map(line, Split))}\n\n{both}"


def _columns(kind: DatasetKind) -> str:
    texts = ", ".join(f"`{name}`" for name in TEXT_COLUMNS[kind])
    provenance = ", ".join(f"`{name}`" for name in (*PROVENANCE_COLUMNS, *SCORE_COLUMNS))
    return (
        f"{texts}; and where each row comes from: {provenance}. The scores are a judge's, 1 (poor) to 3 (good), where "
        "one was asked. A link without a host is the name of a file: where it lies is not published."
    )


def _reasons(dropped: Mapping[str, int]) -> str:
    ranked = sorted(dropped.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{reason} {count:,}" for reason, count in ranked)


def _table(header: Sequence[str], lines: Iterable[Sequence[Any]]) -> str:
    cells = [[_plain(f"{cell:,}" if isinstance(cell, int) else str(cell)) for cell in line] for line in lines]
    if not cells:
        return "Nothing is recorded."
    return "\n".join(f"| {' | '.join(line)} |" for line in (header, ["---"] * len(header), *cells))


def _plain(text: str) -> str:
    """Text that is shown as it is, in one line."""
    return _SIGNS.sub(r"\\\1", " ".join(text.split()))


def _link(link: str) -> str:
    """An address as one; what is only a file's name as text."""
    return f"<{link}>" if _ADDRESS.fullmatch(link) else _plain(link)
