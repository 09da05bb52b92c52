"""Which generated questions are good enough to measure retrieval by."""

import re
from collections.abc import Callable, Sequence

from llm_engineering.application.evaluation.passages import Corpus, Passage, content_words
from llm_engineering.application.words import words

MIN_WORDS, MAX_WORDS = 5, 25
# Of the question's content words so many must stand in the passage, else it asks for what is not there.
MIN_OVERLAP = 0.5
MIN_SHARED_WORDS = 2
# Words in a row that may be the passage's own: more would let a search for words find it without understanding.
MAX_COPIED_WORDS = 4
_TITLE_WORDS = 3
NEAR_DUPLICATE = 85.0

_POINTS_AT_THE_TEXT = re.compile(
    r"\b(?:passage|paragraph|excerpt|above|below|following|according to|mentioned|the (?:text|article|author|post|"
    r"example|section|figure|table|speaker|writer)|this|these|that they|he|she|his|her)\b",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"\b(?:what|how|why|which|when|where|who|whose|does|do|did|is|are|can|could|should|would|will|has|have)\b",
    re.IGNORECASE,
)
_BROKEN = re.compile(r"\s[?,]|\*\*|__")
_SENTENCE_INSIDE = re.compile(r"[.!?…:;]\s")


def is_one_question(question: str) -> bool:
    """One sentence of 5 to 25 words that ends with a question mark."""
    return (
        question.endswith("?")
        and question.count("?") == 1
        and not _BROKEN.search(question)
        and not _SENTENCE_INSIDE.search(question)
        and MIN_WORDS <= len(question.split()) <= MAX_WORDS
        and _ASKS.search(question) is not None
    )


def stands_alone(question: str) -> bool:
    """Whether it can be understood without the passage in sight."""
    return not _POINTS_AT_THE_TEXT.search(question)


def is_answerable(question: str, passage: Passage) -> bool:
    """Whether most of what it asks about is in the passage or its heading."""
    asked = set(content_words(question))
    shared = asked & set(content_words(f"{passage.heading} {passage.text}"))
    return len(shared) >= max(MIN_SHARED_WORDS, MIN_OVERLAP * len(asked))


def leaks(question: str, passage: Passage) -> bool:
    """Whether it copies a run of the passage, or the title."""
    return _has_whole(question, passage.title) or _copies_a_run(question, passage.text)


def leaks_heading(question: str, passage: Passage) -> bool:
    """Whether it copies the heading, which stands in a chunk's context, or a run of it."""
    return _has_whole(question, passage.heading) or _copies_a_run(question, passage.heading)


def essence(question: str) -> str:
    """What two wordings of a question share: its content words. What all questions of a form share does not count."""
    return " ".join(content_words(question))


def repeats(question: str, others: Sequence[str]) -> bool:
    """Whether it is nearly one of the others, of which the essence is given, whatever the order of the words."""
    from rapidfuzz import fuzz, process

    found = process.extractOne(essence(question), others, scorer=fuzz.token_sort_ratio, score_cutoff=NEAR_DUPLICATE)
    return found is not None


def why_dropped(
    question: str, passage: Passage, corpus: Corpus, others: Sequence[str], is_generated: bool = True
) -> str | None:
    """The first reason against a question; None for a good one.

    One made from a heading (`is_generated` false) is about the passage by the author's own word, may be so in other
    words, and has the heading in it; the other checks are the same. `others` has the essence of each question that was
    taken.
    """
    checks: list[tuple[str, Callable[[], bool]]] = [
        ("not one question", lambda: not is_one_question(question)),
        ("points at the text", lambda: not stands_alone(question)),
        ("asks for what is not there", lambda: is_generated and not is_answerable(question, passage)),
        ("copies the text", lambda: leaks(question, passage)),
        ("copies the heading", lambda: is_generated and leaks_heading(question, passage)),
        ("too general", lambda: not corpus.is_specific(question)),
        ("near duplicate", lambda: repeats(question, others)),
    ]
    return next((reason for reason, is_so in checks if is_so()), None)


def _has_whole(question: str, title: str) -> bool:
    found = words(title)
    return len(found) >= _TITLE_WORDS and f" {' '.join(found)} " in f" {' '.join(words(question))} "


def _copies_a_run(question: str, text: str) -> bool:
    return _longest_common_run(words(question), words(text)) > MAX_COPIED_WORDS


def _longest_common_run(ours: Sequence[str], theirs: Sequence[str]) -> int:
    """Length of the longest run of words that both have."""
    longest, before = 0, [0] * (len(theirs) + 1)
    for word in ours:
        row = [0] * (len(theirs) + 1)
        for j, other in enumerate(theirs, start=1):
            row[j] = before[j - 1] + 1 if word == other else 0
        longest, before = max(longest, *row), row
    return longest
