"""Words of a text, for checks that compare texts by them."""

import re
import unicodedata

from llm_engineering.domain.stop_words import STOP_WORDS

_WORD = re.compile(r"[^\W_]+")
# With these signs a name is another one: C, C++ and C#.
_WORD_OR_NAME = re.compile(r"[^\W_]+(?:\+\+|#)?")
_WORD_OR_CONTRACTION = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
# Words are compared by their first letters: "splits", "splitting" and "split" count as one.
_STEM_LETTERS = 5


def words(text: str) -> list[str]:
    """Runs of letters and digits, in one spelling of Unicode and in lower case."""
    return _WORD.findall(_plain(text))


def words_and_names(text: str) -> list[str]:
    """The same, but "C++" and "C#" are not "C"."""
    return _WORD_OR_NAME.findall(_plain(text))


def content_words(text: str) -> list[str]:
    """The words that say something, by their stems; what has a digit stays whole."""
    found = (match.group().casefold() for match in _WORD_OR_CONTRACTION.finditer(text))
    return [word if has_digit(word) else word[:_STEM_LETTERS] for word in found if word not in STOP_WORDS]


def has_digit(word: str) -> bool:
    """Whether it is a number, or has one in it."""
    return any(character.isdigit() for character in word)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
