"""Does a passage support what a small model wrote?

A lexical test, for the embedded base model only: it is cheap, it needs no second model, and it errs towards quoting.
What it cannot see is a true word used to say something false; a model that follows instructions is not put through it.
"""

from itertools import pairwise

from llm_engineering.application.words import content_words, has_digit

# Share of the answer's content words that are not repetitions of others: small models fall into loops.
MIN_DISTINCT = 0.6
# Share of the answer's content words that must stand together in one place of the passage.
MIN_SUPPORT = 0.8
# An answer with fewer words of its own says too little to be checked, or repeats the question.
MIN_NEW_WORDS = 3
# How many content words of the passage make one place: a sentence or two, more for longer answers.
PLACE_WORDS = 30

# Share of the answer's neighbouring words that must follow each other in the passage too, within a few words. It tells
# a sentence from a jumble of the passage's words, which small models write when they repeat themselves.
MIN_KNOWN_PAIRS = 0.5
PAIR_REACH = 4


def is_grounded(answer: str, question: str, passage: str) -> bool:
    """Whether the answer says something beyond the question, and nearly only what one place of the passage says.

    True when at least `MIN_NEW_WORDS` content words of the answer are not the question's, at least `MIN_DISTINCT` of
    them are no repetitions, every number in it stands in the passage, at least `MIN_SUPPORT` of its content words stand
    within `PLACE_WORDS` neighbouring ones there, and at least `MIN_KNOWN_PAIRS` of its neighbours follow each other
    there.
    """
    said, given = content_words(answer), content_words(passage)
    words = set(said)
    if len(words - set(content_words(question))) < MIN_NEW_WORDS or len(words) < MIN_DISTINCT * len(said):
        return False
    if not {word for word in words if has_digit(word)} <= set(given):
        return False
    if _share_of_known_pairs(said, given) < MIN_KNOWN_PAIRS:
        return False
    size = max(PLACE_WORDS, 2 * len(words))
    places = (set(given[start : start + size]) for start in range(max(1, len(given) - size + 1)))
    return max(len(words & place) for place in places) >= MIN_SUPPORT * len(words)


def _share_of_known_pairs(answer: list[str], passage: list[str]) -> float:
    """How many neighbours in the answer follow each other closely in the passage, in the same order."""
    known = {(first, then) for i, first in enumerate(passage) for then in passage[i + 1 : i + 1 + PAIR_REACH]}
    pairs = list(pairwise(answer))
    return sum(pair in known for pair in pairs) / len(pairs)
