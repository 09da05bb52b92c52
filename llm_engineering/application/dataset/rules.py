"""Rules that a sample can be held to without looking at others: cheap, and each with a reason of its own."""

import re
import unicodedata
from collections.abc import Iterator

from llm_engineering.application.dataset.finding import Finding, is_authors_own, shown
from llm_engineering.application.dataset.wording import (
    POINTS_AT_THE_EXTRACT,
    POINTS_ELSEWHERE,
    PROMPT_MARKERS,
    REFUSES,
    is_dangling,
)
from llm_engineering.application.preprocessing.language import LanguageDetector, prose_of
from llm_engineering.application.words import words
from llm_engineering.domain.dataset_options import QualityOptions
from llm_engineering.domain.datasets import Candidate, Sample

# Of a text's runs of three words so many differ; small models fall into loops, authors do not.
MIN_DISTINCT_RUNS = 0.6
# In fewer words a run that comes twice is chance.
_MIN_WORDS_OF_A_LOOP = 12
# As many words in a row may be in instruction and answer, however short the instruction is.
_MAX_COPIED_WORDS = 3

_STRUCTURED = re.compile(r"^\s*[\[{]|\"\s*:\s*[\"\[{]|^\s*(?:[-*+>#|]|\d+[.)])\s")
_SEVERAL = re.compile(r"(?:^|\s)(?:1|a)[.)]\s.*\s(?:2|b)[.)]\s", re.DOTALL)
_MAX_QUESTIONS = 2
_ENDS_OPEN = re.compile(r"[,;:(\[/–—-]$")
_LEADS_ON = frozenset(
    {"a", "an", "and", "as", "at", "by", "for", "from", "of", "or", "that", "the", "to", "which", "with"}
)
_FENCE = re.compile(r"^ {0,3}(?:```|~~~)", re.MULTILINE)
_SENTENCE_END = re.compile(r"[.!?…。！？][\"'”’»)\]*_`]*$")
_ITEM = re.compile(r"\s*(?:[-*+•]|\d+[.)])\s+\S|\s*\|.*\|\s*$")
_STARTS_INSIDE = re.compile(r"[\"'“‘(]*[a-zà-öø-ÿ]+(?:[\s,.;:?!)]|$)")


def why_broken(candidate: Candidate, options: QualityOptions, detect: LanguageDetector | None) -> Finding | None:
    """The first rule that the sample breaks; None for one that keeps them all."""
    sample = candidate.sample
    return next(
        (
            finding
            for findings in (
                _length(sample, options),
                _form_of_instruction(sample.instruction),
                _form_of_answers(sample),
                _wording(sample),
                _repetition(sample, options),
                _language(sample, detect),
            )
            for finding in findings
        ),
        None,
    )


def _length(sample: Sample, options: QualityOptions) -> Iterator[Finding]:
    asked, said = len(sample.instruction.split()), len(sample.answer.strip())
    if not asked:
        yield Finding("empty instruction")
    elif asked < options.min_instruction_words:
        yield Finding("instruction too short", f"{asked} words")
    elif asked > options.max_instruction_words:
        yield Finding("instruction too long", f"{asked} words")
    if not said:
        yield Finding("empty answer")
    elif said < options.min_answer_characters:
        yield Finding("answer too short", f"{said} characters")
    elif said > options.max_answer_characters:
        yield Finding("answer too long", f"{said} characters")
    if sample.rejected is not None and not sample.rejected.strip():
        yield Finding("empty rejected answer")


def _form_of_instruction(text: str) -> Iterator[Finding]:
    text = text.strip()
    if "\n" in text:
        yield Finding("instruction not one paragraph", shown(text))
    if _SEVERAL.search(text) or text.count("?") > _MAX_QUESTIONS:
        yield Finding("several instructions", shown(text))
    if _STRUCTURED.search(text):
        yield Finding("instruction not plain text", shown(text))
    last = (words(text) or [""])[-1]
    if _ENDS_OPEN.search(text) or (text.endswith(last) and last in _LEADS_ON):
        yield Finding("instruction cut off", shown(text[-40:]))


def _form_of_answers(sample: Sample) -> Iterator[Finding]:
    """An answer that can be told by its form teaches nothing of what is said in it: so both are held to the same."""
    for what, text in (("answer", sample.answer), ("rejected answer", sample.rejected)):
        if text is not None:
            yield from _form_of_answer(what, text.strip())


def _form_of_answer(what: str, text: str) -> Iterator[Finding]:
    if len(_FENCE.findall(text)) % 2:
        yield Finding(f"code block of the {what} not closed")
    if _STARTS_INSIDE.match(text):
        yield Finding(f"{what} starts inside a sentence", shown(text, 40))
    if not _ends(text):
        yield Finding(f"{what} cut off", shown(text[-40:]))


def _ends(text: str) -> bool:
    """Whether it ends with a sentence, an item, a code block or a sign such as an emoji."""
    last_line = text.rpartition("\n")[2]
    if _SENTENCE_END.search(text) or _ITEM.match(last_line) or _FENCE.match(last_line):
        return True
    return unicodedata.category(text[-1]) in {"So", "Sk", "Mn", "Cf"}


def _wording(sample: Sample) -> Iterator[Finding]:
    generated = [sample.instruction] if is_authors_own(sample) else [sample.instruction, sample.answer]
    for text in [*generated, sample.rejected or ""]:
        yield from _found(PROMPT_MARKERS, text, "leaked marker")
    for text in generated:
        yield from _found(POINTS_AT_THE_EXTRACT, text, "points at the extract")
    if not is_authors_own(sample):
        yield from _found(REFUSES, sample.answer, "refusal")
    yield from _tells_of_wording(sample.rejected or "")
    yield from _found(POINTS_ELSEWHERE, sample.answer, "points elsewhere in its source")
    if is_dangling(sample.instruction):
        yield Finding("instruction does not stand alone", shown(sample.instruction))


def _tells_of_wording(rejected: str) -> Iterator[Finding]:
    """What no author writes: a model would learn to turn away from refusals, and nothing else."""
    yield from _found(REFUSES, rejected, "rejected answer is a refusal")
    yield from _found(POINTS_AT_THE_EXTRACT, rejected, "rejected answer points at the extract")
    yield from _found(POINTS_ELSEWHERE, rejected, "rejected answer points elsewhere")


def _repetition(sample: Sample, options: QualityOptions) -> Iterator[Finding]:
    copied = copied_share(sample.instruction, sample.answer)
    if copied > options.max_copied_share:
        yield Finding("echo of the instruction", f"{copied:.0%} of its words: {shown(sample.instruction)}")
    for what, text in (("answer", sample.answer), ("rejected answer", sample.rejected or "")):
        if repeats_itself(text):
            yield Finding(f"{what} repeats itself", shown(text))


def copied_share(instruction: str, answer: str) -> float:
    """Share of the instruction's words, from its first on, that stand in a row in the answer.

    A question that is answered is not copied: "Lookups in a B-tree are cheap" does not begin with "why are".
    """
    asked, said = words(instruction), f" {' '.join(words(answer))} "
    copied = next((n for n in range(len(asked), 0, -1) if f" {' '.join(asked[:n])} " in said), 0)
    return copied / len(asked) if copied > _MAX_COPIED_WORDS else 0.0


def repeats_itself(text: str) -> bool:
    """Whether the same runs of three words come over and over."""
    found = words(text)
    runs = list(zip(found, found[1:], found[2:], strict=False))
    return len(found) >= _MIN_WORDS_OF_A_LOOP and len(set(runs)) < MIN_DISTINCT_RUNS * len(runs)


def _language(sample: Sample, detect: LanguageDetector | None) -> Iterator[Finding]:
    wanted = sample.source.language
    if not detect or not wanted:
        return
    parts = (("answer", sample.answer), ("instruction", sample.instruction), ("rejected answer", sample.rejected or ""))
    for what, text in parts:
        found = detect(prose_of(text))
        if found and found != wanted:
            yield Finding(f"{what} in another language", f"{found} instead of {wanted}: {shown(text)}")


def _found(pattern: re.Pattern[str], text: str, reason: str) -> Iterator[Finding]:
    match = pattern.search(text)
    if match:
        yield Finding(reason, shown(match.group()))
