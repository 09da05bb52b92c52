"""Passages of a corpus to ask about: paragraphs of prose, drawn by hash, so that the same seed draws the same ones."""

import heapq
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import log

from llm_engineering.application.markdown import heading, lines_of
from llm_engineering.application.words import words
from llm_engineering.domain.documents import CleanedDocument, text_hash
from llm_engineering.domain.stop_words import STOP_WORDS as _STOP_WORDS

MIN_WORDS = 20
MAX_WORDS = 100
# A paragraph with a smaller share of letters is a table, a formula or a list of links.
_MIN_LETTERS = 0.7
_PARAGRAPH = re.compile(r"\n[ \t]*\n")
_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"')\]*_]*\s+")
_NO_PROSE = re.compile(r"\s*(?:[-*+|>#]|\d+[.)]|!\[|```|~~~| {4})")
_SENTENCE_WORDS = range(9, 45)
# Words in more than this share of the passages say nothing about which one is meant.
RARE_SHARE = 0.02
_RARE_AT_LEAST = 3

# With words that questions have whatever they ask about.
STOP_WORDS = _STOP_WORDS | frozenset(
    {
        "best", "between", "difference", "happens", "kind", "know", "main", "many", "me", "mean", "much", "my",
        "purpose", "s", "should", "t", "type", "us", "use", "used", "using", "way",
    }
)  # fmt: skip
# Words are compared by their first letters, without a plural: "index" and "indexed", "node" and "nodes" count as one.
_STEM_LETTERS = 6


@dataclass(frozen=True)
class Passage:
    """A paragraph, and where it stands. Of those under a heading the first one has it, and stands for it."""

    key: str
    text: str
    heading: str
    title: str
    link: str
    split: str


def content_words(text: str) -> list[str]:
    """The words that say something, by their stems."""
    return [_stem(word) for word in words(text) if word not in STOP_WORDS]


def _stem(word: str) -> str:
    return (word.removesuffix("s") if len(word) > 3 else word)[:_STEM_LETTERS]


def passages_of(document: CleanedDocument, seed: str) -> Iterator[Passage]:
    """The document's paragraphs of prose; all are of one split, so that no tuned document is reported on."""
    split = "development" if int(text_hash(seed, "split", str(document.id))[:8], 16) % 2 else "test"
    before = ""
    for index, (text, above) in enumerate(_paragraphs(document.text)):
        passage = _prose(text)
        if passage:
            key = text_hash(seed, str(document.id), str(index))[:16]
            yield Passage(key, passage, above if above != before else "", document.title, document.link, split)
            before = above


class Corpus:
    """How often each word stands in the corpus' passages, and the passages that were drawn."""

    def __init__(self, documents: Iterable[CleanedDocument], seed: str, draw: int) -> None:
        """Read the corpus once; of its texts the `draw` drawn passages are kept, and in how many each word stands."""
        self._passages_with = Counter[str]()
        self._passages = 0
        drawn = heapq.nsmallest(draw, self._numbered(documents, seed), key=lambda item: item[0])
        # Documents take turns: first one passage of each, then a second.
        self.drawn = [passage for _, passage in drawn]

    def is_specific(self, question: str) -> bool:
        """Whether it has a word that few passages have: "Why is the model good?" fits any of them.

        It is not asked which passage has most of such words: a search for words would then find every question's.
        """
        return any(self._is_rare(word) for word in content_words(question))

    def sentences(self, passage: Passage) -> list[str]:
        """The passage's sentences of some length, those with the rarest words first.

        Words that stand in no other passage are often no terms but slips, and do not count.
        """
        found = [sentence for sentence in _SENTENCE_END.split(passage.text) if len(sentence.split()) in _SENTENCE_WORDS]
        return sorted(found, key=self._telling, reverse=True)

    def _telling(self, text: str) -> float:
        counts = [self._passages_with[stem] for stem in set(content_words(text))]
        return sum(log(self._passages / count) for count in counts if count > 1) / max(len(counts), 1)

    def _numbered(self, documents: Iterable[CleanedDocument], seed: str) -> Iterator[tuple[tuple[int, str], Passage]]:
        for document in documents:
            found = list(passages_of(document, seed))
            for passage in found:
                self._count(passage)
            for turn, passage in enumerate(sorted(found, key=lambda passage: passage.key)):
                yield (turn, passage.key), passage

    def _count(self, passage: Passage) -> None:
        self._passages_with.update(set(content_words(f"{passage.heading} {passage.text}")))
        self._passages += 1

    def _is_rare(self, word: str) -> bool:
        return 0 < self._passages_with[word] <= max(_RARE_AT_LEAST, RARE_SHARE * self._passages)


def _paragraphs(text: str) -> Iterator[tuple[str, str]]:
    """The paragraphs between headings, each with the heading above it; code is left out."""
    above, body = "", list[str]()
    for line, is_code in lines_of(text):
        found = None if is_code else heading(line)
        if found:
            yield from ((paragraph, above) for paragraph in _PARAGRAPH.split("".join(body)))
            above, body = found[1], []
        elif not is_code:
            body.append(line)
        else:
            body.append("\n\n")
    yield from ((paragraph, above) for paragraph in _PARAGRAPH.split("".join(body)))


def _prose(text: str) -> str | None:
    """The paragraph on one line, cut to whole sentences of `MAX_WORDS` words; None where it is short or no prose."""
    if _NO_PROSE.match(text):
        return None
    line = " ".join(text.split())
    letters = sum(character.isalpha() or character.isspace() for character in line)
    while len(words(line)) > MAX_WORDS:
        ends = [match.start() for match in _SENTENCE_END.finditer(line)]
        if not ends:
            return None
        line = line[: ends[-1]]
    return line if len(words(line)) >= MIN_WORDS and letters >= _MIN_LETTERS * len(line) else None
