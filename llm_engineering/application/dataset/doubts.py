"""Looks anew for what should not be in a dataset, whoever made it. Needs no model, of language or embeddings."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from llm_engineering.application.dataset.contamination import EvaluationWords
from llm_engineering.application.dataset.duplicates import RUNS, Part, answer, essence, runs_of, title
from llm_engineering.application.dataset.figures import split_by_document
from llm_engineering.application.dataset.finding import Check, Finding, shown
from llm_engineering.application.dataset.preferences import is_biased, length_bias, why_no_preference
from llm_engineering.application.dataset.rules import why_broken
from llm_engineering.application.dataset.shared_text import Tested
from llm_engineering.application.dataset.similarity import jaccard, shingles, similar_pairs
from llm_engineering.application.dataset.verbatim import stand_in_documents
from llm_engineering.domain.dataset_inspection import DatasetQuality, Doubt
from llm_engineering.domain.dataset_options import QualityOptions
from llm_engineering.domain.datasets import Candidate, Extract, Sample, Split, TrainTestSplit
from llm_engineering.domain.documents import CleanedDocument

SHOWN = 3
_Placed = Sequence[tuple[Split, Sample]]


def doubts_of(
    dataset: TrainTestSplit,
    options: QualityOptions,
    evaluation_questions: Sequence[str],
    documents: Iterable[CleanedDocument] | None,
) -> DatasetQuality:
    """All checks. Where `documents` are given, answers that should be an author's words are looked for in theirs."""
    placed = list(dataset.samples())
    words_of_questions = EvaluationWords(evaluation_questions, options)
    parts = runs_of(dataset.kind)
    doubts = [doubt for part in parts for doubt in _same(placed, part)]
    doubts += [doubt for part in parts for doubt in _near(placed, part, options)]
    doubts += [
        _shared(placed, options),
        _documents_in_both(dataset),
        _by_itself("breaks a rule", placed, lambda candidate: why_broken(candidate, options, None)),
        _by_itself("is no preference", placed, lambda candidate: why_no_preference(candidate, options)),
        _by_itself("has words of an evaluation question", placed, words_of_questions.why_contaminated),
        *_biased(placed, options),
    ]
    notes = [] if evaluation_questions else ["There were no evaluation questions to compare with."]
    if documents is None:
        notes.append("The documents are not at hand: whether answers are their authors' words was not looked at.")
    else:
        doubts.append(_verbatim(placed, documents))
    return DatasetQuality(kind=dataset.kind, version=dataset.version, doubts=doubts, notes=notes)


def _same(placed: _Placed, part: Part) -> Iterator[Doubt]:
    """Texts of the same words, inside a split and across; each once, however often it comes."""
    splits: dict[str, list[Split]] = {}
    for split, sample in placed:
        splits.setdefault(essence(part(sample)), []).append(split)
    inside = [shown(text) for text, found in splits.items() if max(Counter(found).values()) > 1]
    across = [shown(text) for text, found in splits.items() if len(set(found)) > 1]
    yield _doubt(f"{title(part)} twice in a split", len(placed), inside)
    yield _doubt(f"{title(part)} in both splits", len(placed), across)


def _near(placed: _Placed, part: Part, options: QualityOptions) -> Iterator[Doubt]:
    """Pairs of texts that have nearly, but not altogether the same words."""
    texts = list(dict.fromkeys((split, essence(part(sample))) for split, sample in placed))
    pairs = similar_pairs([shingles(text, RUNS[part]) for _, text in texts], options.near_duplicate)
    found: dict[bool, list[str]] = {False: [], True: []}
    for one, other in ((texts[here], texts[there]) for here, there in pairs):
        if one[1] != other[1]:
            found[one[0] is not other[0]].append(f"{shown(one[1], 60)} / {shown(other[1], 60)}")
    yield _doubt(f"near-duplicate {title(part)}s in a split", len(texts), found[False])
    yield _doubt(f"near-duplicate {title(part)}s across splits", len(texts), found[True])


def _shared(placed: _Placed, options: QualityOptions) -> Doubt:
    """Answers of train that have text in common with one of test, and are not told as near-duplicates of it.

    Of what their documents have in common nothing can be said: a dataset has no extracts.
    """
    tested = Tested(((s.answer, s) for split, s in placed if split is Split.TEST), options.max_shared_text)
    trained = [sample for split, sample in placed if split is Split.TRAIN]
    found = [
        f"{share:.0%} of the shorter: {shown(sample.answer, 60)} / {shown(other.answer, 60)}"
        for sample in trained
        for share, other in filter(None, [tested.closest(sample.answer)])
        if jaccard(*(shingles(one.answer, RUNS[answer]) for one in (sample, other))) < options.near_duplicate
    ]
    return _doubt("text of an answer in both splits", len(trained), found)


def _documents_in_both(dataset: TrainTestSplit) -> Doubt:
    splits = split_by_document(dataset)
    links = {sample.source.document_id: sample.source.link for _, sample in dataset.samples()}
    return _doubt(
        "document in both splits", len(splits), [links[id_] for id_, found in splits.items() if len(found) > 1]
    )


def _by_itself(check: str, placed: _Placed, find: Check) -> Doubt:
    """A check that looks at one sample alone; none of these reads the extract."""
    findings = [find(_candidate(sample)) for _, sample in placed]
    return _doubt(check, len(placed), [_told(finding) for finding in findings if finding])


def _biased(placed: _Placed, options: QualityOptions) -> Iterator[Doubt]:
    bias = length_bias([sample for _, sample in placed])
    if bias:
        told = (
            f"chosen is {bias.mean_ratio:.2f} times as long as rejected in the geometric mean, and longer in "
            f"{bias.chosen_longer:.0%} of {bias.pairs} pairs"
        )
        yield _doubt("length tells chosen from rejected", bias.pairs, [told] if is_biased(bias, options) else [])


def _verbatim(placed: _Placed, documents: Iterable[CleanedDocument]) -> Doubt:
    """Whether answers that are promised to be an author's words stand in the document, as far as it is there."""
    looked_at, missing = stand_in_documents((sample for _, sample in placed), documents)
    told = [f"{shown(sample.answer)} ({sample.source.link})" for sample in missing]
    return _doubt("answer not verbatim in its document", len(looked_at), told)


def _candidate(sample: Sample) -> Candidate:
    """The sample with no extract: the rules that look at the extract are not asked."""
    return Candidate(sample=sample, extract=Extract(key="", source=sample.source, heading="", text=""))


def _told(finding: Finding) -> str:
    return f"{finding.reason}: {finding.detail}" if finding.detail else finding.reason


def _doubt(check: str, looked_at: int, found: Sequence[str]) -> Doubt:
    return Doubt(check=check, looked_at=looked_at, found=len(found), examples=list(found[:SHOWN]))
