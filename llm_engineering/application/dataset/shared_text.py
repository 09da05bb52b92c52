"""Samples to train on whose text stands, in part, in a document that is kept for testing.

Documents are split whole, but two of them may share their text: a post that quotes an article, or one text under two
links. What is made of either gives the other away, in whatever words it is asked for.
"""

from collections.abc import Callable, Iterable, Sequence

from llm_engineering.application.dataset.finding import Finding, Verdict
from llm_engineering.application.dataset.similarity import Index, shingles
from llm_engineering.domain.datasets import Candidate, Sample, Split

# So many words in a row are no coincidence: as in the test for evaluation questions.
TEXT_RUN = 8


def drop_shared(
    candidates: Sequence[Candidate], split_of: Callable[[Sample], Split], threshold: float
) -> list[Verdict]:
    """Drop of train what shares its extract, or its answer, with a candidate of test.

    Shared is a text of whose runs of eight words, or of the other's where these are fewer, a share of `threshold` or
    more stands in both (containment; Broder, 1997). None goes to the other split: documents stay where they were drawn.
    """
    tested = sorted((c for c in candidates if split_of(c.sample) is Split.TEST), key=lambda one: one.sample.id)
    extracts = Tested(((one.extract.text, one.sample) for one in tested), threshold)
    answers = Tested(((one.sample.answer, one.sample) for one in tested), threshold)
    return [
        Verdict(one, None)
        if split_of(one.sample) is Split.TEST
        else Verdict(one, _found(extracts.closest(one.extract.text) or answers.closest(one.sample.answer)))
        for one in candidates
    ]


class Tested:
    """Texts of test, each with the first sample that has it."""

    def __init__(self, texts: Iterable[tuple[str, Sample]], threshold: float) -> None:
        first: dict[str, Sample] = {}
        for text, sample in texts:
            first.setdefault(text, sample)
        self._samples = list(first.values())
        self._index = Index([shingles(text, TEXT_RUN) for text in first])
        self._threshold = threshold
        # Several samples are made of one extract.
        self._known: dict[str, tuple[float, Sample] | None] = {}

    def closest(self, text: str) -> tuple[float, Sample] | None:
        """What share of the shorter text stands in both, of the closest one at the threshold or above; and whose."""
        if text not in self._known:
            found = self._index.containing(shingles(text, TEXT_RUN), self._threshold)
            self._known[text] = (found[0][0], self._samples[found[0][1]]) if found else None
        return self._known[text]


def _found(closest: tuple[float, Sample] | None) -> Finding | None:
    if closest is None:
        return None
    share, other = closest
    return Finding("its text stands in a document in test", f"{share:.0%} of the shorter text: {other.source.link}")
