"""How a question about an English sentence begins: its auxiliary, or 'do', put before its subject.

"The objective function of a solver can be linear" begins "How can the objective function of a solver", "The scheduler
acts as a scatterer" begins "How does the scheduler". A small base model that is given this opening asks about the
sentence; left to itself it asks for differences between things that the sentence does not name.
"""

import re

_QUESTION_WORDS = {
    "is": "Why is", "are": "Why are", "was": "Why was", "were": "Why were", "can": "How can", "could": "How could",
    "should": "Why should", "must": "Why must",
}  # fmt: skip
# Verbs that follow a subject in technical texts and are seldom nouns there, in the plural; 's' is added for one.
_VERBS = (
    "achieve", "acquire", "act", "add", "allow", "apply", "avoid", "become", "bring", "capture", "combine", "compare",
    "compute", "consist", "contain", "convert", "create", "define", "depend", "describe", "determine", "enable",
    "encode", "ensure", "evaluate", "explain", "extract", "focus", "follow", "generate", "give", "handle", "help",
    "ignore", "improve", "include", "increase", "introduce", "involve", "keep", "lead", "learn", "leverage", "make",
    "minimize", "maximize", "need", "offer", "optimize", "outperform", "perform", "predict", "prevent", "process",
    "produce", "provide", "quantize", "reduce", "refer", "rely", "remain", "remove", "replace", "represent",
    "require", "return", "select", "separate", "show", "solve", "store", "struggle", "support", "take", "teach",
    "tend", "transform", "treat", "translate", "try", "update", "use", "want", "work", "write",
)  # fmt: skip
_DO = dict.fromkeys(_VERBS, "do") | {f"{verb}s": "does" for verb in _VERBS} | {"relies": "does", "tries": "does"}
_MAX_SUBJECT_WORDS = 7
_MAX_INTRODUCTION_WORDS = 6
_BE = ("is", "are", "was", "were")
_MARKS = re.compile(r"\*+|__+|(?<!\w)_|_(?!\w)|^[\s\-\\•.\d)]+(?=[A-Z])")
_CONTRACTION = re.compile(r"'(?:ll|re|ve|m|d)$")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
# Words that stand before the subject's own: it begins the question's middle, and has no capital there.
_DETERMINERS = frozenset({"the", "a", "an", "each", "every", "both", "all", "some", "most", "many", "such", "any"})
# A subject with one of these points at what stands elsewhere, or is no subject but the beginning of a longer sentence.
_NO_SUBJECT = frozenset(
    {
        "i", "you", "he", "she", "it", "we", "they", "this", "that", "these", "those", "there", "here", "which",
        "who", "what", "when", "where", "how", "why", "if", "because", "while", "since", "as", "but", "so", "then",
        "thus", "however", "also", "my", "your", "our", "their", "his", "her", "its", "one", "another", "other",
        "others", "same", "above", "below", "following", "next", "first", "second", "third", "last", "let", "not",
        "now", "to", "and", "or", "by", "after", "before", "once", "both", "all", "everything", "something",
        "nothing", "in", "on", "at", "with", "from", "for", "without", "during", "previous", "main", "will", "would",
        "may", "might", "do", "does", "let's", "don't", "doesn't",
    }
)  # fmt: skip
_MAY_STAND_INSIDE = frozenset({"and", "or", "to", "by", "in", "on", "at", "with", "from", "for", "without"})


def plain(sentence: str) -> str:
    """The sentence without Markdown's signs, and with the words of its links only."""
    return " ".join(_MARKS.sub("", _LINK.sub(r"\1", sentence)).split())


def opening(sentence: str) -> str | None:
    """The first words of a question about a plain sentence; None where its form is another one."""
    introduction, comma, rest = sentence.partition(", ")
    is_introduced = comma and len(introduction.split()) <= _MAX_INTRODUCTION_WORDS
    return _opening(sentence.split()) or (_opening(rest.split()) if is_introduced else None)


def _opening(found: list[str]) -> str | None:
    for place, word in enumerate(found[: _MAX_SUBJECT_WORDS + 1]):
        if not place or (word not in _QUESTION_WORDS and word not in _DO):
            continue
        subject = _subject(found[:place])
        is_passive = word in _BE and found[place + 1 : place + 2] and found[place + 1].endswith("ed")
        begin = f"How {word}" if is_passive else _QUESTION_WORDS.get(word) or f"How {_DO[word]}"
        return f"{begin} {subject}" if subject else None
    return None


def _subject(found: list[str]) -> str | None:
    words = [re.sub(r"[^\w'-]", "", word.replace("’", "'")).casefold() for word in found]
    if words[0] in _NO_SUBJECT or any(word in _NO_SUBJECT - _MAY_STAND_INSIDE for word in words[1:]):
        return None
    if any(re.search(r"[,;:!?()\[\]\"“”]", word) for word in found) or words[-1] in _MAY_STAND_INSIDE:
        return None
    if any(_CONTRACTION.search(word) for word in words) or all(word in _DETERMINERS or len(word) < 3 for word in words):
        return None
    # A capital at the sentence's beginning says nothing; names and acronyms that stand there alone keep theirs.
    if words[0] in _DETERMINERS or (len(found) > 1 and found[0].istitle() and not found[1][:1].isupper()):
        found = [found[0].lower(), *found[1:]]
    return " ".join(found)
