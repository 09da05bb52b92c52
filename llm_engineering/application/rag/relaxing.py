"""Weaker filters than a question's own, for where that finds nothing."""

from collections.abc import Iterator
from typing import Any

from llm_engineering.domain.retrieval import ChunkFilter

AUTHOR_WORD = "author:"
# What is dropped first is missed least: whose texts are asked for matters most. By how `in_words` begins its phrase.
_ORDER: tuple[tuple[str, dict[str, Any]], ...] = (
    ("published ", {"published_from": None, "published_before": None}),
    ("language:", {"languages": ()}),
    ("platform:", {"platforms": ()}),
    ("category:", {"categories": ()}),
    (AUTHOR_WORD, {"author_ids": ()}),
)


def relaxed(
    chosen: ChunkFilter, words: tuple[str, ...], explicit: ChunkFilter
) -> Iterator[tuple[ChunkFilter, tuple[str, ...]]]:
    """Ever weaker filters, each with one condition less, and what is left of `words`.

    Args:
        chosen: The filter that found nothing.
        words: What the question's part of it means, as `in_words` says it.
        explicit: What the caller chose; its authors stay.
    """
    for beginning, nothing in _ORDER:
        if beginning == AUTHOR_WORD and explicit.author_ids:
            continue
        weaker = chosen.model_copy(update=nothing)
        if weaker != chosen:
            chosen, words = weaker, tuple(word for word in words if not word.startswith(beginning))
            yield chosen, words
