"""Which texts a question asks for: their category, platform and language, and whether a date is theirs.

A word alone tells nothing ("How do articles get chunked?"). It counts in a phrase that chooses among texts: "in her
posts", "which articles discuss ...", "posts written by ...", "articles in French". Names of authors are masked first.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from llm_engineering.domain.documents import DataCategory

AUTHOR = "@author"
LANGUAGES = {
    "english": "en", "englisch": "en", "german": "de", "deutsch": "de", "french": "fr", "französisch": "fr",
    "français": "fr", "spanish": "es", "spanisch": "es", "español": "es", "italian": "it", "italienisch": "it",
    "italiano": "it", "portuguese": "pt", "português": "pt", "dutch": "nl", "polish": "pl", "romanian": "ro",
    "czech": "cs", "swedish": "sv", "danish": "da", "norwegian": "no", "finnish": "fi", "greek": "el", "turkish": "tr",
    "russian": "ru", "ukrainian": "uk", "arabic": "ar", "hebrew": "he", "hindi": "hi", "chinese": "zh",
    "japanese": "ja", "korean": "ko",
}  # fmt: skip
PLATFORMS = ("linkedin", "medium", "substack", "github", "gitlab")
_CATEGORIES = (
    # Some call a post on their blog a post, and some an article.
    (re.compile(r"blog ?posts?", re.I), (DataCategory.ARTICLES, DataCategory.POSTS)),
    (re.compile(r"posts?", re.I), (DataCategory.POSTS,)),
    (re.compile(r"articles?|essays?|artikeln?", re.I), (DataCategory.ARTICLES,)),
    (re.compile(r"repositor(?:y|ies)|repos?|(?:source )?code(?: ?base)?", re.I), (DataCategory.REPOSITORIES,)),
)
_LANGUAGE = rf"(?:{'|'.join(LANGUAGES)})"
_PLATFORM = rf"(?:{'|'.join(PLATFORMS)})"
# Not "my" and "our": who asks about their own texts mostly asks what becomes of them.
_OWNER = r"(?:his|her|their|your|the author's|seinen|ihren|deinen)"
_PERSON = rf"(?:he|she|they|you|i|we|the author|{AUTHOR})"
_ADJECTIVES = (
    rf"(?:(?:{_PLATFORM}|{_LANGUAGE}|own|latest|last|first|recent|newest|new|older|old|early|earlier|technical|short|long|"
    r"public|published|other|all|many|most|two|three|deutschen?) ){0,3}"
)
_NOUN = (
    r"(?:blog ?posts?|posts?|articles?|essays?|repositor(?:y|ies)|repos?|(?:source )?code(?: ?base)?|texts?|writings?|"
    r"newsletters?|artikeln?|beiträgen?|beitrag|texten?)"
)
_NOUNS = rf"(?P<nouns>{_ADJECTIVES}{_NOUN}(?:,? (?:and|or|und|oder) {_ADJECTIVES}{_NOUN})?)(?![\w-])"
_PUBLISHED = r"(?:written|published|posted|shared)"
_FOLLOWS = (
    rf"(?= (?:about|on|that|which|from|by|since|before|after|between|in|{_PUBLISHED}|auf|über|von|aus|seit|{_PERSON}|"
    r"(?:discuss|mention|cover|explain|describe|deal|talk|compare|recommend|argue|say)(?:s|es|ed)?)\b)"
)
_SELECTS = (
    r"(?:which|what|find|list|search|recommend|read|show(?: me)?|give me|(?:is|are) there(?: an?| any)?|welche[rns]?|"
    rf"gibt es|zeige? mir|(?:have|has|did) {_PERSON} (?:ever )?(?:write|written|publish|published)(?: an?| any)?)"
)
_PLACE_ENDS = r"(?=\s*(?:[?.,;!]|$)| (?:is|are|do|does|did|where|that|which|for|of|on|about)\b)"
_TRIGGER = re.compile(rf"\b{_NOUN}\b|\b(?:writ|wrote|publish|post|share|blog|sa(?:y|id))", re.IGNORECASE)
# Ways to choose among texts. Each begins a phrase; `nouns` names the texts.
_PHRASES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?<!\w){AUTHOR}['’]s? {_NOUNS}",
        rf"(?:^\W*|\b(?:in|from|across|among|by) ){_OWNER} {_NOUNS}",
        rf"\b{_OWNER} {_NOUNS}{_FOLLOWS}",
        rf"\b{_SELECTS} (?:(?:of|all|any|the) )*{_NOUNS}{_FOLLOWS}",
        rf"^\W*(?:all |the )*{_NOUNS}{_FOLLOWS}",
        rf"\b{_NOUNS} (?:(?:that|which) )?(?:(?:is|are|was|were) )?(?:{_PUBLISHED} )?(?:by|of|from|von) {AUTHOR}",
        rf"\b{_NOUNS} (?:(?:that|which) )?{_PERSON} (?:has |have )?(?:wrote|{_PUBLISHED})",
        rf"\bin (?:the|this) (?P<nouns>(?:source )?code(?: ?base)?|repositor(?:y|ies)|repos?){_PLACE_ENDS}",
    )
)
_WRITES = re.compile(
    rf"(?<!\w){_PERSON}(?: (?:ever|also|have|has|already|recently))* (?:writes?|wrote|written|publish(?:es|ed)?|posts?|"
    rf"posted|shared?|shares|blogs?|blogged|says?|said)\b(?: {_NOUN}| anything| something)?",
    re.IGNORECASE,
)
_MORE = rf"(?: (?:that|which|are|is|was|were|{_PUBLISHED}|by {AUTHOR}|{AUTHOR}|wrote))*"
_IN_LANGUAGE = re.compile(rf"{_MORE} (?:in|auf|en) (?P<language>{_LANGUAGE})\b", re.IGNORECASE)
# Not "posts on GitHub Actions".
_ON_PLATFORM = re.compile(rf"{_MORE} (?:on|auf) (?P<platform>{_PLATFORM})(?![\w-])(?! (?-i:[A-Z]))", re.IGNORECASE)
# "How often should I post on LinkedIn?" is about the platform.
_ASKS_HOW = re.compile(r"\b(?:how\b.*|should|can|could|must|may|to) $", re.IGNORECASE | re.DOTALL)
_IS_ITS_LANGUAGE = re.compile(rf"\b(?P<language>{_LANGUAGE})(?= )", re.IGNORECASE)
_IS_ITS_PLATFORM = re.compile(rf"\b(?P<platform>{_PLATFORM})(?= )", re.IGNORECASE)
# What stands between the texts and their date when the date is of something else: "about the elections in 2020".
_OF_SOMETHING_ELSE = re.compile(r"\b(?:the|that|which|who|when|where|happen\w*|[a-z]{2,}ed)\b", re.IGNORECASE)
_OF_THE_TEXTS = re.compile(rf"(?:\b(?:that|which) )?(?:(?:is|are|was|were) )?\b{_PUBLISHED}\b", re.IGNORECASE)


@dataclass(frozen=True)
class Phrase:
    """A phrase that is about texts, `question[start:end]`; of those that write ("did she write") `nouns` is ''."""

    start: int
    end: int
    nouns: str = ""


def find_phrases(question: str) -> list[Phrase]:
    """The phrases that choose among texts, in the order in which they stand."""
    if _TRIGGER.search(question) is None:  # most questions; the patterns below cost ten times as much
        return []
    chosen = [
        Phrase(match.start(), match.end(), match["nouns"])
        for pattern in _PHRASES
        for match in pattern.finditer(question)
    ]
    writing = [Phrase(match.start(), match.end()) for match in _WRITES.finditer(question)]
    return sorted({*chosen, *writing}, key=lambda phrase: (phrase.start, -phrase.end))


def categories(phrases: Sequence[Phrase]) -> tuple[DataCategory, ...]:
    """The categories that the phrases name; none where one of them could be of any."""
    found: list[DataCategory] = []
    for nouns in (phrase.nouns for phrase in phrases if phrase.nouns):
        for noun in re.split(r",? (?:and|or|und|oder) ", nouns, flags=re.IGNORECASE):
            named = next((named for pattern, named in _CATEGORIES if _ends_with(pattern, noun)), None)
            if named is None:
                return ()
            found.extend(named)
    return tuple(dict.fromkeys(found))


def language(question: str, phrases: Sequence[Phrase]) -> str | None:
    """ISO 639-1 code of the language that the texts are said to be in."""
    for phrase in phrases:
        found = _IS_ITS_LANGUAGE.search(phrase.nouns) or _IN_LANGUAGE.match(question, phrase.end)
        if found:
            return LANGUAGES[found["language"].casefold()]
    return None


def platform(question: str, phrases: Sequence[Phrase]) -> str | None:
    """The platform that the texts are said to be on."""
    for phrase in phrases:
        found = _IS_ITS_PLATFORM.search(phrase.nouns) or _ON_PLATFORM.match(question, phrase.end)
        if found and (phrase.nouns or not _ASKS_HOW.search(question[: phrase.start])):
            return found["platform"].casefold()
    return None


def is_their_date(question: str, phrases: Sequence[Phrase], at: int, to: int) -> bool:
    """Whether the date at `question[at:to]` tells when the texts were published."""
    before = [phrase for phrase in phrases if phrase.end <= at + 1]
    if not before:
        return not question[:at].strip() and any(phrase.start >= to for phrase in phrases)
    between = _OF_THE_TEXTS.sub("", question[max(phrase.end for phrase in before) : at])
    return _OF_SOMETHING_ELSE.search(between) is None


def _ends_with(pattern: re.Pattern[str], noun: str) -> bool:
    return re.search(rf"(?:^|\s)(?:{pattern.pattern})$", noun, re.IGNORECASE) is not None
