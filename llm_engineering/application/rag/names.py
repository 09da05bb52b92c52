"""Whose texts a question asks for: the names of known authors in it, judged by what stands around them."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from rapidfuzz import fuzz, process

from llm_engineering.domain.documents import Author

# Of 100. One wrong letter in a name of twelve scores 92; another first name with the same family name at most 80.
MIN_LIKENESS = 87
_MIN_FUZZY_LETTERS = 8
# Thousands of names would fill a screen.
SHOWN_NAMES = 10

_WORD = re.compile(r"[^\W_](?:[^\W_]|[.'’-](?=[^\W_]))*")
_POSSESSIVE_ENDING = re.compile(r"['’]s$", re.IGNORECASE)
_SAYS = (
    r"(?:say|said|think|thought|write|wrote|written|believe|argue|recommend|explain|suggest|claim|describe|advise|"
    r"publish|post|teach|taught|prefer|mean)(?:s|es|d|ed|ing)?"
)
_TEXTS = r"(?:blog )?(?:posts?|articles?|texts?|essays?|writings?|newsletters?|code|repositor(?:y|ies)|repos?|notes?)"
_WORDS_OF = r"(?:views?|opinions?|advice|words|thoughts|writings?|beiträge|artikel|texte)"
_PARTICIPLES = r"(?:written|published|posted|shared|said|recommended|suggested|described|explained|authored)"
_ADVERBS = r"(?:(?:ever|also|really|usually|often|already|himself|herself|actually)\s+)?"
_SPEAKS_BEFORE = re.compile(
    rf"\b(?:according to|laut|selon|según|secondo|(?:sagt|schreibt|meint|denkt|empfiehlt)|{_PARTICIPLES} (?:by|von)|"
    # "used by Ada" is more likely the language; "ideas by Ada" is a person.
    rf"{_TEXTS} (?:by|of|from|von)|{_WORDS_OF} (?:by|of|from|von)|(?<!ed )by)\s+$",
    re.IGNORECASE,
)
_SPEAKS_AFTER = re.compile(rf"\s+{_ADVERBS}(?:{_SAYS}|sagt|schreibt|meint|denkt|empfiehlt)\b", re.IGNORECASE)
_POSSESSIVE = re.compile(r"['’](?:s\b|(?=\s))", re.IGNORECASE)
# The question is about the person, or the name is that of a thing ("the Ada compiler").
_ABOUT_BEFORE = re.compile(
    r"\b(?:about|on|regarding|concerning|over|mention\w*|cit(?:e|es|ed|ing)|quot(?:e|es|ed|ing)|who|whom|whose|is|was|"
    r"are|were|the|an?|über|against|(?:un)?like)\s+$",
    re.IGNORECASE,
)
_BE = re.compile(r"\b(?:is|are|was|were)\s+$", re.IGNORECASE)
_ABOUT_AFTER = re.compile(r"\s+(?:(?:is|was) )?(?:mentioned|cited|quoted|referenced|known|born|named|called)\b", re.I)
_LINK = re.compile(r"(?:['’]s)?\s*(?:,|&|\band\b|\bor\b|\bund\b)\s*", re.IGNORECASE)
_NEXT_WORD = re.compile(r"\s+([^\W_][^\s,;:?!.]*)")
_LAST_WORD = re.compile(r"([^\W_][^\s,;:?!.]*)\s+$")
# Words that begin a question, and are capitalised for that alone.
_LEADS = frozenset({
    "do", "does", "did", "has", "have", "had", "would", "can", "could", "should", "by", "is", "are", "was", "laut",
    "selon", "und", "and", "sagt", "schreibt", "what", "what's", "what’s", "how", "why", "when", "where", "which",
})  # fmt: skip
_FUNCTION_WORDS = frozenset({
    "about", "on", "in", "to", "of", "for", "and", "or", "with", "the", "a", "an", "ever", "also", "since", "before",
    "after", "from", "as",
})  # fmt: skip
# First names that are words: alone they count only where it is clear that someone speaks.
_COMMON = frozenset({
    "april", "august", "bill", "chase", "dean", "drew", "faith", "frank", "grace", "guy", "hope", "jack", "jade", "joy",
    "june", "king", "lane", "long", "mark", "may", "miles", "old", "pat", "paris", "rich", "rob", "rose", "ruby", "sky",
    "sue", "sun", "sunny", "summer", "victor", "will", "young",
})  # fmt: skip
_NAME = r"((?:[A-Z][a-zà-ÿ]+[ -]){1,2}(?:v[ao]n (?:de[rn] )?|de )?[A-Z][a-zà-ÿ]+)"
_UNKNOWN = (
    re.compile(rf"\b(?i:according to) {_NAME}"),
    re.compile(rf"\b(?i:does|did|has|have|would) {_NAME}(?i:\s+{_ADVERBS}{_SAYS})\b"),
    re.compile(rf"\b(?i:{_TEXTS}|{_PARTICIPLES}) (?i:by) {_NAME}"),
)


class _Role(IntEnum):
    OTHER = 0
    NAMED = 1
    SPEAKER = 2


@dataclass(frozen=True)
class Mention:
    """A name in a question, `question[start:end]`. Several authors: it may be any of them."""

    authors: tuple[Author, ...]
    start: int
    end: int
    in_full: bool


@dataclass(frozen=True)
class Asked:
    """Whose texts a question asks for.

    `spans` says where their names stand; `unknown` has names of whom nothing is stored, `ambiguous` those that several
    authors have.
    """

    authors: tuple[Author, ...] = ()
    spans: tuple[tuple[int, int], ...] = ()
    unknown: tuple[str, ...] = ()
    ambiguous: tuple[str, ...] = ()


@lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """Without accents and case, with single blanks."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(c for c in letters if not unicodedata.combining(c)).split())


class KnownNames:
    """The names of the known authors, prepared for many questions."""

    def __init__(self, authors: Iterable[Author]) -> None:
        self.authors = tuple(authors)
        self._by_name: dict[str, Author] = {}
        self._by_part: dict[str, list[Author]] = {}
        self._by_size: dict[int, list[str]] = {}
        for author in self.authors:
            name = fold(author.full_name).replace(".", "")
            self._by_name[name] = author
            self._by_size.setdefault(len(name.split()), []).append(name)
            for part in {fold(author.first_name), fold(author.last_name)}:
                self._by_part.setdefault(part, []).append(author)

    @property
    def sizes(self) -> list[int]:
        """How many words the names have, for those of two words and more."""
        return [size for size in self._by_size if size > 1]

    def named(self, name: str, fuzzy: bool = True) -> Author | None:
        """The one author with this full name, give or take a letter where `fuzzy`; None where none or several fit."""
        wanted = fold(name).replace(".", "")
        if wanted in self._by_name or not fuzzy or len(wanted) < _MIN_FUZZY_LETTERS:
            return self._by_name.get(wanted)
        same_size = self._by_size.get(len(wanted.split()), [])
        found = process.extract(wanted, same_size, scorer=fuzz.ratio, score_cutoff=MIN_LIKENESS, limit=2)
        tied = len(found) == 2 and found[0][1] == found[1][1]
        return self._by_name[found[0][0]] if found and not tied else None

    def having(self, part: str) -> tuple[Author, ...]:
        """The authors with this first or last name."""
        return tuple(self._by_part.get(fold(part), ()))

    def nearest(self, text: str, limit: int) -> tuple[Author, ...]:
        """At most `limit` authors: where there are more, those whose names are likest to something in the text.

        A name that shares a word with the text comes first.
        """
        if len(self.authors) <= limit:
            return self.authors
        parts = [_POSSESSIVE_ENDING.sub("", match.group()) for match in _WORD.finditer(text)]
        sharing = dict.fromkeys(author for part in parts for author in self.having(part))
        likeness = process.extract(fold(text), list(self._by_name), scorer=fuzz.partial_ratio, limit=None)
        scores = {self._by_name[name]: score for name, score, _ in likeness}
        ranked = sorted(scores, key=lambda author: (author not in sharing, -scores[author], author.full_name))
        return tuple(ranked[:limit])

    def likest(self, wanted: str) -> str:
        """The names in words; where there are many, those likest to the wanted one, and how many more there are."""
        shown = self.nearest(wanted, SHOWN_NAMES)
        names = ", ".join(sorted(author.full_name for author in shown)) or "nobody yet"
        more = len(self.authors) - len(shown)
        return f"{names} and {more} more" if more else names


def asked_authors(question: str, known: KnownNames) -> Asked:
    """Whose texts the question asks for.

    A full name counts unless the question is about the person. A first or last name alone counts only where it can mean
    one author and someone speaks: "what does Ada think", "according to Ada", "by Ada", "Ada's".
    """
    mentions = _mentions(question, known)
    roles: list[_Role] = []
    for previous, mention in zip([None, *mentions], mentions, strict=False):
        linked = previous is not None and _LINK.fullmatch(question, previous.end, mention.start)
        roles.append(roles[-1] if linked else _role(question, mention))
    wanted = max(roles, default=_Role.OTHER) or _Role.NAMED
    chosen = [mention for mention, role in zip(mentions, roles, strict=True) if role == wanted]
    single = [mention for mention in chosen if len(mention.authors) == 1]
    return Asked(
        authors=tuple(dict.fromkeys(mention.authors[0] for mention in single)),
        spans=tuple((mention.start, mention.end) for mention in single),
        unknown=tuple(_unknown_names(question, single)),
        ambiguous=tuple(question[mention.start : mention.end] for mention in chosen if len(mention.authors) > 1),
    )


def _mentions(question: str, known: KnownNames) -> list[Mention]:
    """Names in the order in which they stand; a full name covers its parts."""
    words = [(match.start(), _POSSESSIVE_ENDING.sub("", match.group())) for match in _WORD.finditer(question)]
    found = [mention for size in known.sizes for mention in _full_names(question, words, size, known)]
    for start, word in words:
        authors = known.having(word)
        if authors and not any(mention.start <= start < mention.end for mention in found):
            found.append(Mention(authors, start, start + len(word), in_full=False))
    return sorted(found, key=lambda mention: mention.start)


def _full_names(question: str, words: Sequence[tuple[int, str]], size: int, known: KnownNames) -> Iterator[Mention]:
    """Where full names of this many words stand, give or take a letter where they are capitalised."""
    for window in (words[first : first + size] for first in range(len(words) - size + 1)):
        start, end = window[0][0], window[-1][0] + len(window[-1][1])
        capitalised = window[0][1][0].isupper() and window[-1][1][0].isupper()
        author = known.named(" ".join(word for _, word in window), fuzzy=capitalised)
        if author and len(re.split(r"[\s.]+", question[start:end])) == size:
            yield Mention((author,), start, end, in_full=True)


def _role(question: str, mention: Mention) -> _Role:
    before, name, after = question[: mention.start], question[mention.start : mention.end], question[mention.end :]
    if _is_part_of_longer_name(before, after, mention) or not (mention.in_full or _is_written_as_name(name, question)):
        return _Role.OTHER
    about = _ABOUT_BEFORE.search(before) or _ABOUT_AFTER.match(after)
    if about and _POSSESSIVE.match(after) and _BE.search(before):  # "what is Ada's opinion"
        about = None
    common = not mention.in_full and fold(name) in _COMMON
    if _speaks(before, after, common) and not about:
        return _Role.SPEAKER
    return _Role.NAMED if mention.in_full and not about else _Role.OTHER


def _speaks(before: str, after: str, common: bool) -> bool:
    if _SPEAKS_AFTER.match(after):
        return True
    framed = _SPEAKS_BEFORE.search(before)
    if common:  # "articles by May", "Mark's"
        return framed is not None and not framed.group().strip().lower().endswith("by")
    return framed is not None or _POSSESSIVE.match(after) is not None


def _is_part_of_longer_name(before: str, after: str, mention: Mention) -> bool:
    """Ada Palmer is not Ada Lovelace, and the Ada Lovelace Institute is neither."""
    following, preceding = _NEXT_WORD.match(after), _LAST_WORD.search(before)
    if following and not following[1][0].islower() and following[1].casefold() not in _FUNCTION_WORDS:
        return not _SPEAKS_AFTER.match(after)
    if mention.in_full or preceding is None or not preceding[1][0].isupper():
        return False
    return preceding.start() > 0 or preceding[1].casefold() not in _LEADS | _FUNCTION_WORDS


def _is_written_as_name(name: str, question: str) -> bool:
    """Capitalised; or nothing in the question is, and it is no common word."""
    return not name[0].islower() or (name not in _COMMON and question == question.lower())


def _unknown_names(question: str, chosen: Sequence[Mention]) -> Iterator[str]:
    """Names of two words or more where someone speaks, that are no known author's."""
    for pattern in _UNKNOWN:
        for match in pattern.finditer(question):
            if not any(mention.start < match.end(1) and match.start(1) < mention.end for mention in chosen):
                yield match[1]
