"""Which expected items the retrieved chunks have, however the documents were cut and cleaned.

Texts are compared as lower-case words: punctuation and markup, which one cut keeps and another strips, do not count. A
word of a passage is found when a run of `RUN_WORDS` words around it stands in a chunk of the document, the chunk's lead
included. The passage is found at the first rank down to which the chunks have half of its words: of a passage that a
cut goes through, the larger part will do; of one in many small pieces, as many as make up half of it. A finer cut is
thus neither favoured nor excluded.
"""

from collections.abc import Iterable, Sequence

from llm_engineering.application.words import words
from llm_engineering.domain.evaluation import Expected
from llm_engineering.domain.links import identity
from llm_engineering.domain.queries import RetrievedChunk

RUN_WORDS = 3
FOUND_SHARE = 0.5

Run = tuple[str, ...]


def runs(text_words: Sequence[str], length: int = RUN_WORDS) -> set[Run]:
    """Every `length` words that follow each other."""
    return {tuple(text_words[i : i + length]) for i in range(len(text_words) - length + 1)}


class PassageReader:
    """Marks the words of a passage that stand in the texts it is given."""

    def __init__(self, passage: str) -> None:
        found = words(passage)
        self._length = max(1, min(RUN_WORDS, len(found)))
        self._runs = [tuple(found[i : i + self._length]) for i in range(len(found) - self._length + 1)]
        self._count = len(found)
        self._seen: set[int] = set()

    def read(self, text: str) -> float:
        """The share of the passage's words that stand in this text or in those before."""
        known = runs(words(text), self._length)
        for start, run in enumerate(self._runs):
            if run in known:
                self._seen.update(range(start, start + self._length))
        return len(self._seen) / self._count if self._count else 0.0


def has_passage(text: str, passage: str, share: float) -> bool:
    """Whether the text has at least this share of the passage's words, in their order."""
    return PassageReader(passage).read(text) >= share


def passage_ranks(expected: Sequence[Expected], chunks: Sequence[RetrievedChunk]) -> list[int | None]:
    """The rank of the chunk with which each expected item is found, counted from 1; None for one that is not."""
    places = [identity(chunk.link) for chunk in chunks]
    return [_rank(item, chunks, places) for item in expected]


def document_ranks(expected: Sequence[Expected], chunks: Iterable[RetrievedChunk], skip: str = "") -> list[int | None]:
    """The rank of each expected document among the documents of the chunks, each at its first chunk.

    `skip` is the link of a document that does not count: some of BEIR's queries stand in their own corpus.
    """
    order = dict.fromkeys(identity(chunk.link) for chunk in chunks)
    order.pop(identity(skip), None)
    ranks = {place: rank for rank, place in enumerate(order, start=1)}
    return [ranks.get(identity(item.link)) for item in expected]


def _rank(item: Expected, chunks: Sequence[RetrievedChunk], places: Sequence[str]) -> int | None:
    place = identity(item.link)
    reader = PassageReader(item.passage) if item.passage else None
    for rank, (chunk, of) in enumerate(zip(chunks, places, strict=True), start=1):
        if of == place and (reader is None or reader.read(f"{chunk.lead}{chunk.text}") >= FOUND_SHARE):
            return rank
    return None
