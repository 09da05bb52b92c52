"""Training questions: each with the chunks that are right, and what the cross-encoder reads of them.

Without any labelled question there are two kinds that a corpus asks of itself. A heading asks for the chunk below it.
A sentence asks for the chunk that it was taken out of: the inverse cloze task (Lee, Chang and Toutanova, 2019, "Latent
Retrieval for Weakly Supervised Open Domain Question Answering"). Questions that a person or a language model wrote
come in through `written_questions`. A question's own words are mostly taken out of the passage that is read in
training, or the model would learn to copy strings, which BM25 does already.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from llm_engineering.domain.chunks import embedding_text
from llm_engineering.domain.documents import DataCategory, text_hash
from llm_engineering.domain.evaluation import Question
from llm_engineering.domain.links import identity
from llm_engineering.domain.queries import RetrievedChunk
from llm_engineering.model.reranking.corpus import passage_text

HEADINGS, SENTENCES, WRITTEN = "headings", "sentences", "questions"
# Whether a text has a passage of which the words are given.
HasPassage = Callable[[str, str], bool]

_HEADING_LINE = re.compile(r"^[ \t]*#{1,6}[ \t].*$", re.MULTILINE)
_MARKUP = re.compile(r"!\[[^\]]*\]\([^)]*\)|\]\([^)]*\)|[*_`\[\]\\]")
_NUMBERING = re.compile(r"^[^\w]*(?:[\divxIVX]+[.)]\s+)?")
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+")
_WORD = re.compile(r"[^\W_]+")
_SENTENCE_WORDS = range(6, 31)
_MIN_HEADING_WORDS = 3
_MIN_PASSAGE_WORDS = 40
_MIN_SENTENCES = 3
# So many in ten questions keep their own words in the passage: that a word is the same does count when it serves.
_KEPT_OF_TEN = {HEADINGS: 3, SENTENCES: 1}


@dataclass(frozen=True)
class TrainingQuestion:
    """A question with its right chunks; `passage` is read for them in training.

    `is_bare` says that all passages beside it are read without their headings too, or a missing one would give the
    right passage away. `is_held_out` keeps it from training, whatever its document is for.
    """

    text: str
    document_id: UUID
    positives: frozenset[UUID]
    passage: str
    source: str
    is_bare: bool = False
    is_held_out: bool = False

    @property
    def draw(self) -> str:
        """By what questions are drawn: the same ones in every run."""
        return text_hash(self.source, str(self.document_id), self.text)


def heading_questions(chunks: Sequence[RetrievedChunk]) -> Iterator[TrainingQuestion]:
    """A question a heading of an article, for the chunks below it; not of headings that several documents have."""
    below: dict[str, list[RetrievedChunk]] = defaultdict(list)
    for chunk in chunks:
        parts = chunk.context.split(" > ")
        if chunk.category is DataCategory.ARTICLES and len(parts) > 1:
            below[_as_question(parts[-1])].append(chunk)
    for text, found in below.items():
        first = found[0]
        if len(_WORD.findall(text)) < _MIN_HEADING_WORDS or len({chunk.document_id for chunk in found}) > 1:
            continue
        if len(_WORD.findall(without_headings(first))) < _MIN_PASSAGE_WORDS:
            continue
        is_bare = not _keeps_its_words(HEADINGS, text)
        passage = without_headings(first) if is_bare else passage_text(first)
        ids = frozenset(chunk.id for chunk in found)
        yield TrainingQuestion(text, first.document_id, ids, passage, HEADINGS, is_bare)


def sentence_questions(chunks: Iterable[RetrievedChunk]) -> Iterator[TrainingQuestion]:
    """One sentence of each chunk of prose, for the rest of the chunk; which one, the chunk's hash says."""
    for chunk in chunks:
        if chunk.category is DataCategory.REPOSITORIES or "```" in chunk.text:
            continue
        body = " ".join(_HEADING_LINE.sub("", chunk.text).split())
        sentences = [s for s in _SENTENCE_END.split(body) if len(_WORD.findall(s)) in _SENTENCE_WORDS]
        if len(_WORD.findall(body)) < _MIN_PASSAGE_WORDS or len(sentences) < _MIN_SENTENCES:
            continue
        sentence = sentences[int(text_hash("sentence", str(chunk.id))[:8], 16) % len(sentences)]
        rest = body if _keeps_its_words(SENTENCES, sentence) else body.replace(sentence, "", 1)
        text = _MARKUP.sub("", sentence).strip(" .")
        passage = embedding_text(chunk.context, rest)
        yield TrainingQuestion(text, chunk.document_id, frozenset({chunk.id}), passage, SENTENCES)


def written_questions(
    questions: Iterable[Question], chunks: Iterable[RetrievedChunk], has_passage: HasPassage
) -> Iterator[TrainingQuestion]:
    """The questions of an evaluation set, or of a dataset, whose passage one of the chunks has."""
    by_link: dict[str, list[RetrievedChunk]] = defaultdict(list)
    for chunk in chunks:
        by_link[identity(chunk.link)].append(chunk)
    for question in questions:
        right = [
            chunk
            for expected in question.expected
            for chunk in by_link[identity(expected.link)]
            if expected.passage and has_passage(passage_text(chunk), expected.passage)
        ]
        if right:
            ids = frozenset(chunk.id for chunk in right)
            is_held_out = question.split == "test"
            yield TrainingQuestion(
                question.text, right[0].document_id, ids, passage_text(right[0]), WRITTEN, is_held_out=is_held_out
            )


def drawn(questions: Iterable[TrainingQuestion], most: int) -> list[TrainingQuestion]:
    """At most so many: all that were written first, then of headings and sentences in turn, the same in every run."""
    by_source: dict[str, list[TrainingQuestion]] = defaultdict(list)
    for question in sorted(questions, key=lambda question: question.draw):
        by_source[question.source].append(question)
    chosen = by_source.pop(WRITTEN, [])
    left = list(by_source.values())
    longest = max(map(len, left), default=0)
    chosen.extend(source[place] for place in range(longest) for source in left if place < len(source))
    return chosen[:most]


def without_headings(chunk: RetrievedChunk) -> str:
    """The chunk's text alone, its Markdown headings taken out."""
    return _HEADING_LINE.sub("", chunk.lead + chunk.text).strip()


def _as_question(heading: str) -> str:
    return _NUMBERING.sub("", " ".join(_MARKUP.sub("", heading).split())).strip(" :.")


def _keeps_its_words(source: str, text: str) -> bool:
    return int(text_hash("kept", text)[:8], 16) % 10 < _KEPT_OF_TEN[source]
