"""A chosen answer in its source's own words, to the letter.

Models that are asked to copy change a quote, a dash or a line's end here and there. What differs in nothing else, or
nearly in nothing, is replaced by the part that it was copied from. White space never counts.
"""

from collections.abc import Iterable

from llm_engineering.application.dataset.paragraphs import sentence_breaks
from llm_engineering.domain.datasets import Extract

# Of 100; at 97 a letter in thirty differs.
NEARLY_THE_SAME = 97.0
# Shorter texts are found nearly anywhere.
_FEWEST_CHARACTERS = 20
_SIGNS = str.maketrans({
    "‘": "'", "’": "'", "‚": "'", "`": "'", "´": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"',
    "–": "-", "—": "-", "‐": "-", "‑": "-",
})  # fmt: skip
# A near match begins and ends so near a sentence's bounds, as a share of its length: something was left out or put in.
_SLACK = 0.04


def own_words(chosen: str, extract: Extract) -> str | None:
    """The part of the extract that the answer was copied from; None where nothing is nearly the same."""
    found = _place(chosen, extract.text)
    return extract.text[slice(*found)] if found else None


def _place(chosen: str, text: str) -> tuple[int, int] | None:
    """Where in the text the answer stands, or nearly."""
    offsets = [offset for offset, character in enumerate(text) if not character.isspace()]
    wanted, given = _bare(chosen), _bare(text)
    if not _FEWEST_CHARACTERS <= len(wanted) <= len(given):
        return None
    start = given.find(wanted)
    if start >= 0:
        return offsets[start], offsets[start + len(wanted) - 1] + 1
    return _near_place(wanted, given, text, offsets)


def _near_place(wanted: str, given: str, text: str, offsets: list[int]) -> tuple[int, int] | None:
    """The sentences that differ least; None where the place neither begins nor ends with a sentence."""
    from rapidfuzz import fuzz

    near = fuzz.partial_ratio_alignment(wanted, given, score_cutoff=NEARLY_THE_SAME)
    if near is None:
        return None
    slack = round(_SLACK * len(wanted))
    start, end = offsets[near.dest_start], offsets[near.dest_end - 1] + 1
    breaks = sentence_breaks(text)
    first = _nearest(start, slack, [0, *(after for _, after in breaks)])
    last = _nearest(end, slack, [len(text), *(before for before, _ in breaks)])
    return (first, last) if first is not None and last is not None and first < last else None


def _nearest(place: int, slack: int, bounds: Iterable[int]) -> int | None:
    bound = min(bounds, key=lambda bound: abs(bound - place))
    return bound if abs(bound - place) <= slack else None


def _bare(text: str) -> str:
    """Without white space, and with one sign for all quotes and one for all dashes: as many characters as there are."""
    return "".join(text.split()).translate(_SIGNS)
