"""Words that give away how a sample was made, or that are understood only beside its source."""

import re

from llm_engineering.application.words import words
from llm_engineering.domain.stop_words import STOP_WORDS

_TEXT = r"(?:text|extract|excerpt|passage|paragraph|article|blog post|post|newsletter|snippet|section|chapter)"
_TELLS = (
    r"(?:sa(?:ys?|id)|states?|mentions?|mentioned|describes?|explains?|discuss(?:es)?|suggests?|argues?|notes?"
    r"|highlights?|recommends?|emphasi[sz]es?|presents?|outlines?|claims?|covers?|refers?|does not|doesn['’]t)"
)
_GIVEN = r"(?:provided|given|above|preceding|aforementioned|quoted)"

POINTS_AT_THE_EXTRACT = re.compile(
    rf"\b(?:according to|based on|as \w+ in) (?:the|this|that|your) (?:{_GIVEN} )?"
    rf"(?:{_TEXT}|context\b(?! of)|document\b|source\b|information\b)"
    rf"|\b(?:in|from|throughout|within|per) the (?:{_GIVEN} )?{_TEXT}\b"
    rf"|\bthis {_TEXT}\b"
    rf"|\b{_GIVEN} (?:{_TEXT}|context|information)\b|\b{_TEXT} (?:above|below)\b"
    rf"|\bthe {_TEXT} {_TELLS}\b|\b(?:do|does|did|is|was) the (?:{_TEXT}|context) (?:{_TELLS}|about)\b"
    r"|\bthe (?:author|writer|narrator)(?:['’]s)?\b"
    r"|\bthe (?:extract|excerpt)\b(?!,? (?:and|step|stage|phase|transform|load))"
    r"|\bas (?:mentioned|described|stated|noted|discussed|shown)(?: (?:above|below|earlier|before)|,)",
    re.IGNORECASE,
)

# What an author may write in an article, and what makes no sense in an answer.
_PLACE = (
    rf"(?:(?:blog|free|short|whole|entire|medium|video|{_TEXT}) )?"
    rf"(?:{_TEXT}|lesson|tutorial|guide|series|course|lecture|talk|video|episode|notebook)"
)
POINTS_ELSEWHERE = re.compile(
    rf"\b(?:this|today['’]s|our (?:last|previous|next)) {_PLACE}\b"
    rf"|\bthe (?:previous|last|next|following|first|second|third|upcoming) {_PLACE}\b"
    r"|\b(?:see|shown?|listed|illustrated|described|mentioned|discussed|explained|image|figure|diagram|table|code|"
    r"snippet|example|screenshot|links?) (?:above|below)\b"
    r"|\b(?:above|below) (?:image|figure|diagram|table|code|snippet|example|screenshot)\b"
    r"|\b(?:Figure|Fig\.|Table|Listing|Lesson|Part|Chapter|Section) \d+\b",
    re.IGNORECASE,
)

PROMPT_MARKERS = re.compile(
    r"</?\s*(?:extract|source|instruction|answer|question|passage|document|context|rejected|chosen)\b[^<>\n]*>"
    r"|<\|\w+\|>|<(?:start|end)_of_turn>|\[/?INST\]|^[ \t]*#{2,}[ \t]*(?:instruction|response|input|output)\b"
    r"|^[ \t]*(?:\*\*)?(?:instruction|question|answer|passage|text|extract|heading|user|human|assistant|system|prompt|"
    r"input|output|rejected|chosen|q|a) ?\d*(?:\*\*)?:",
    re.IGNORECASE | re.MULTILINE,
)

REFUSES = re.compile(
    r"\bas an? (?:AI|artificial intelligence)(?:,| (?:language )?(?:model|assistant|chatbot))"
    r"|\bas a (?:large )?language model,? I\b"
    r"|^\W*(?:(?:I['’]?m|I am) (?:\w+ )?(?:sorry|unable|not able)|sorry,|I apologi[sz]e|unfortunately,? I\b"
    r"|I (?:cannot|can['’]?t|can not|could not|won['’]?t) (?:answer|assist|help|provide|fulfil|comply|create|generate|"
    r"determine|share|write|discuss|access|find|do)\b"
    r"|I (?:do not|don['’]t) (?:have (?:access|enough|information|the ability|personal)|know)"
    r"|es tut mir leid|als (?:KI|Sprachmodell)\b|je suis désolé|en tant qu['’]IA\b|lo siento)",
    re.IGNORECASE,
)

_PRONOUNS = frozenset({"it", "this", "these", "those", "they", "them", "he", "she", "him", "her", "his", "their"})
_ASKING = STOP_WORDS | {
    "compare", "define", "describe", "discuss", "explain", "give", "happens", "important", "list", "mean", "name",
    "outline", "please", "say", "should", "show", "summarise", "summarize", "tell", "think", "use", "used", "work",
    "works", "write",
}  # fmt: skip
# "Why is it better to ...": this "it" stands for nothing.
_EMPTY_IT = re.compile(r"\b(?:is|was) it (?:\w+ ){0,2}(?:for|that|to|when)\b", re.IGNORECASE)
_POINTS = re.compile(
    r"\b(?:this|these|those|the (?:former|latter)|the (?:first|second|third|last|other|previous|same) ones?)\b",
    re.IGNORECASE,
)
_NAMED_BEFORE = re.compile(r"[.,;:!?]|\band\b", re.IGNORECASE)
_WITHOUT_WHAT_FOLLOWS = re.compile(r"\bthe (?:following|above|below)\b|\b(?:above|below)\W*$", re.IGNORECASE)


def is_dangling(instruction: str) -> bool:
    """Whether it speaks of what it does not name: "How does it work?", "What are the benefits of this approach?".

    A pronoun may stand for what was named before it: "What is Redis, and how does it survive a restart?"
    """
    found = words(_EMPTY_IT.sub("is", instruction))
    first = next((i for i, word in enumerate(found) if word in _PRONOUNS), None)
    if first is not None and all(word in _ASKING for word in found[:first]):
        return True
    points = _POINTS.search(instruction)
    if points and not _NAMED_BEFORE.search(instruction[: points.start()]):
        return True
    return _WITHOUT_WHAT_FOLLOWS.search(instruction) is not None
