"""Which documents are kept for testing: drawn by hash, one by one, so that more data moves nothing.

The price of that is exactness: a stratum, the documents of one author in one category, has about `test_size` of its
documents in test, as a coin would give them, not just that share; a small one may have none.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from math import floor
from uuid import UUID

from llm_engineering.domain.dataset_options import SplitOptions
from llm_engineering.domain.dataset_reports import Stratum
from llm_engineering.domain.datasets import Sample, Source, Split
from llm_engineering.domain.documents import CleanedDocument, DataCategory, text_hash
from llm_engineering.domain.errors import TooLittleDataError

# A stratum of fewer documents is often without any in test by chance.
MIN_DOCUMENTS_TO_WARN = 10

_HASH_DIGITS = 16


def split_of(source: Source, options: SplitOptions) -> Split:
    """The split of all that is made of a document.

    It depends on the document, its category and its author alone. Each document is drawn for testing with a probability
    of `test_size`, independently of all others: also within each author and category.
    """
    return Split.TEST if _drawn(source, options) < options.test_size else Split.TRAIN


def require_both_splits(sources: Collection[Source], options: SplitOptions) -> None:
    """Raises TooLittleDataError when these documents would leave a split empty; the message says what to do."""
    drawn = {source.document_id: _drawn(source, options) for source in sources}
    if len(drawn) < 2:
        raise TooLittleDataError(
            f"A dataset is split by document, and only {len(drawn)} is left to split. Crawl more, or ask for more "
            "authors, categories or extracts. What is generated is stored: nothing is asked for twice."
        )
    least, most = min(drawn.values()), max(drawn.values())
    if least >= options.test_size:
        _raise_empty(Split.TEST, len(drawn), f"to {(floor(least * 1000) + 1) / 1000} or more")
    if most < options.test_size:
        _raise_empty(Split.TRAIN, len(drawn), f"to {floor(most * 1000) / 1000} or less")


class Strata:
    """Counts the documents of each author and category, by split, as they pass by."""

    def __init__(self, options: SplitOptions) -> None:
        self._options = options
        self._names: dict[UUID, str] = {}
        self._documents = Counter[tuple[UUID, DataCategory, Split]]()

    def counted(self, documents: Iterable[CleanedDocument]) -> Iterator[CleanedDocument]:
        """The same documents."""
        for document in documents:
            source = Source.of(document)
            self._names[source.author_id] = source.author_full_name
            self._documents[source.author_id, source.category, split_of(source, self._options)] += 1
            yield document

    def report(self, samples: Iterable[Sample]) -> list[Stratum]:
        """Each stratum with its documents and how many of these samples are of it, in the order of the names."""
        counts = Counter(
            (sample.source.author_id, sample.source.category, split_of(sample.source, self._options))
            for sample in samples
        )
        strata = {(author, category) for author, category, _ in self._documents}
        return [
            Stratum(
                author=self._names[author],
                category=category,
                train_documents=self._documents[author, category, Split.TRAIN],
                test_documents=self._documents[author, category, Split.TEST],
                train_samples=counts[author, category, Split.TRAIN],
                test_samples=counts[author, category, Split.TEST],
            )
            for author, category in sorted(strata, key=lambda one: (self._names[one[0]], one[1], str(one[0])))
        ]


def missing_in_test(strata: Iterable[Stratum]) -> list[str]:
    """A warning for each stratum of some size that nothing is tested of."""
    return [
        f"None of the {one.train_documents} documents in {one.category} by {one.author} is in test: what the model "
        "learns of them is not measured. Another split.seed or a larger split.test_size draws others."
        for one in strata
        if one.train_documents >= MIN_DOCUMENTS_TO_WARN and not one.test_documents
    ]


def _drawn(source: Source, options: SplitOptions) -> float:
    """A number from 0 to below 1, as good as drawn at random."""
    digits = text_hash(options.seed, source.category, str(source.author_id), str(source.document_id))[:_HASH_DIGITS]
    return int(digits, 16) / float(16**_HASH_DIGITS)


def _raise_empty(split: Split, documents: int, remedy: str) -> None:
    raise TooLittleDataError(
        f"Of the {documents} documents to make samples of none is drawn for {split}. Set split.test_size {remedy}, "
        "choose another split.seed, or crawl more. What is generated is stored: nothing is asked for twice."
    )
