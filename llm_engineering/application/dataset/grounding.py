"""Does an answer come from its extract?

A lexical test: what it cannot see is a true word used to say something false. The judge can, where there is one.
"""

import re
from collections.abc import Iterator

from llm_engineering.application.dataset.finding import Finding, is_authors_own, shown
from llm_engineering.application.words import content_words, has_digit
from llm_engineering.domain.dataset_options import QualityOptions
from llm_engineering.domain.datasets import Candidate, Extract

# A sentence with fewer content words says too little to be checked: "That is the trick."
MIN_SENTENCE_WORDS = 3

_SENTENCE_END = re.compile(r"(?<=[.!?…。！？])[\"'”’»)\]*_`]*\s+|\n+")
_ITEM_MARK = re.compile(r"^[ \t]*(?:[-*+•]|\d+[.)])[ \t]+", re.MULTILINE)
_SEPARATOR = re.compile(r"(?<=\d)[,'’\u202f](?=\d{3}\b)")
# Small numbers are written in words and in digits.
_NUMBERS = {
    name: str(number)
    for number, name in enumerate(
        ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"), start=1
    )
}


def why_ungrounded(candidate: Candidate, options: QualityOptions) -> Finding | None:
    """What in the answer the extract does not have; None where it has all.

    An answer that is promised to be the author's must stand in the extract character for character. Of a generated one
    every number must stand there, and of each sentence's content words at least `min_grounding`.
    """
    sample, extract = candidate.sample, candidate.extract
    if is_authors_own(sample):
        is_there = sample.answer in extract.text
        return None if is_there else Finding("answer not verbatim in its source", shown(sample.answer))
    return next(_unsupported(sample.answer, extract, options.min_grounding), None)


def grounded_share(sentence: str, known: set[str]) -> float:
    """Share of a sentence's content words, each counted once, that are among the known ones; 1.0 where it has few."""
    said = set(content_words(sentence))
    return len(said & known) / len(said) if len(said) >= MIN_SENTENCE_WORDS else 1.0


def known_words(extract: Extract) -> set[str]:
    """The content words of an extract with what stands above it, numbers in digits too."""
    text = _SEPARATOR.sub("", f"{extract.source.title}\n{extract.heading}\n{extract.text}")
    known = set(content_words(text))
    return known | {_NUMBERS[word] for word in re.findall(r"[a-z]+", text.lower()) if word in _NUMBERS}


def _unsupported(answer: str, extract: Extract, least: float) -> Iterator[Finding]:
    known = known_words(extract)
    for sentence in _SENTENCE_END.split(_SEPARATOR.sub("", _ITEM_MARK.sub("", answer))):
        unknown = sorted(word for word in set(content_words(sentence)) - known if has_digit(word))
        if unknown:
            yield Finding("number not in its source", f"{', '.join(unknown)}: {shown(sentence)}")
        share = grounded_share(sentence, known)
        if share < least:
            yield Finding("claim not in its source", f"{share:.0%} of the words: {shown(sentence)}")
