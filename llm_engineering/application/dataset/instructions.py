"""Instructions that a base model has guessed from a text: how each begins, and whether it asks for what the text says.

A small model asks better when it is given the first word or two, and best with one form for one text and another for
the next; which ones, the extract's key decides. What fails a check is tried again with the next form.
"""

import re
from collections import Counter
from itertools import pairwise

from llm_engineering.application.dataset.finding import Finding, shown
from llm_engineering.application.dataset.paragraphs import sentence_breaks
from llm_engineering.application.dataset.wording import POINTS_AT_THE_EXTRACT, POINTS_ELSEWHERE, is_dangling
from llm_engineering.application.words import content_words, words
from llm_engineering.domain.datasets import Candidate, Extract, Method

# "What" alone is continued with "is the difference between", whatever the text.
OPENINGS = ("Explain", "How", "Describe how", "Why", "What does", "What happens")
TRIES = 3
MIN_WORDS, MAX_WORDS = 4, 30
# Of its content words so many stand in the extract, else it asks for what is not there.
MIN_SHARED, MIN_SHARED_WORDS = 0.7, 2
# Words in a row that may be the text's own: "Explain why" and a whole sentence of the text is no instruction.
MAX_COPIED_WORDS = 7
# "Why is the loop used in the loop?": a content word may come twice in an instruction that has so many.
_WORDS_A_REPETITION = 7

_ASKS = re.compile(r"(?:what|how|why|which|when|who)\b", re.IGNORECASE)
_POINTS = re.compile(r"\b(?:this|these|those|I|my|me|our|us|he|she|his|her)\b(?!/O)")
_ASKING = frozenset(
    content_words(
        "explain describe compare list difference important importance main purpose work works happens happen way ways "
        "possible necessary useful good best better need needs want make makes advantage advantages benefit benefits "
        "reason reasons role goal idea using"
    )
)

# Small models like to ask for differences; a text that has one says so.
_COMPARING = frozenset(content_words("difference compared unlike whereas instead contrast"))


def openings(extract: Extract) -> tuple[str, ...]:
    """The first words of the instructions to try, in their order."""
    first = int(extract.key[:8], 16) % len(OPENINGS)
    return tuple(OPENINGS[(first + turn) % len(OPENINGS)] for turn in range(TRIES))


def first_sentence(text: str) -> str:
    """Up to the first full stop or question mark: a base model goes on writing."""
    line = " ".join(text.split())
    breaks = sentence_breaks(line)
    return line[: breaks[0][0]] if breaks else line


def why_unfit(instruction: str, extract: Extract) -> Finding | None:
    """Why this is not an instruction that the extract answers; None for a good one."""
    if not _is_well_formed(instruction):
        return Finding("instruction not one sentence", shown(instruction))
    if is_dangling(instruction) or _POINTS.search(instruction):
        return Finding("instruction does not stand alone", shown(instruction))
    if POINTS_AT_THE_EXTRACT.search(instruction) or POINTS_ELSEWHERE.search(instruction):
        return Finding("points at the extract", shown(instruction))
    if _copies(instruction, extract.text):
        return Finding("instruction copies the answer", shown(instruction))
    if not _is_answered(instruction, extract):
        return Finding("asks for what is not there", shown(instruction))
    return None


def why_wrong_guess(candidate: Candidate) -> Finding | None:
    """The same of a sample; None also where the instruction was not guessed from the answer."""
    sample = candidate.sample
    is_guessed = sample.method is Method.BACK_TRANSLATED
    return why_unfit(sample.instruction, candidate.extract) if is_guessed else None


def _is_well_formed(instruction: str) -> bool:
    end = "?" if _ASKS.match(instruction) else "."
    said = content_words(instruction)
    return (
        instruction.endswith(end)
        and MIN_WORDS <= len(instruction.split()) <= MAX_WORDS
        and len(said) - len(set(said)) <= len(said) // _WORDS_A_REPETITION
        and all(one != other for one, other in pairwise(words(instruction)))
    )


def _is_answered(instruction: str, extract: Extract) -> bool:
    """Whether it is about what the extract is about: its headings' words, or those that it says again and again."""
    asked = set(content_words(instruction)) - _ASKING
    said = Counter(content_words(extract.text))
    shared = asked & said.keys()
    above = set(content_words(f"{extract.source.title} {extract.heading}"))
    topic = above | {word for word, count in said.items() if count > 1}
    is_invented = "difference" in words(instruction) and said.keys().isdisjoint(_COMPARING)
    is_shared = len(shared) >= max(MIN_SHARED_WORDS, MIN_SHARED * len(asked))
    return is_shared and not is_invented and not asked.isdisjoint(topic)


def _copies(instruction: str, text: str) -> bool:
    asked, said = words(instruction), f" {' '.join(words(text))} "
    runs = (asked[start : start + MAX_COPIED_WORDS + 1] for start in range(len(asked) - MAX_COPIED_WORDS))
    return any(f" {' '.join(run)} " in said for run in runs)
