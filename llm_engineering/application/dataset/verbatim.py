"""Do answers that are promised to be an author's words stand in the author's documents, as these are stored now?"""

from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from llm_engineering.application.dataset.finding import is_authors_own
from llm_engineering.application.dataset.foreign import NO_DOCUMENT
from llm_engineering.domain.datasets import Sample
from llm_engineering.domain.documents import CleanedDocument


class Standing(NamedTuple):
    """Those of the promised answers whose documents are there, and those of them that do not stand in them."""

    looked_at: list[Sample]
    missing: list[Sample]


def stand_in_documents(samples: Iterable[Sample], documents: Iterable[CleanedDocument]) -> Standing:
    """Look every promised answer up in its document; the documents are streamed."""
    promised: dict[UUID, list[Sample]] = {}
    for sample in samples:
        if is_authors_own(sample) and sample.source.document_id != NO_DOCUMENT:
            promised.setdefault(sample.source.document_id, []).append(sample)
    result = Standing([], [])
    for document in documents if promised else ():
        for sample in promised.get(document.id, ()):
            result.looked_at.append(sample)
            if not stands_in(sample.answer, document.text):
                result.missing.append(sample)
    return result


def stands_in(answer: str, text: str) -> bool:
    """Whether the answer is a part of the text, sign for sign but for white space.

    An extract has no line breaks inside its paragraphs, nor after a hyphen.
    """
    return bool(answer.strip()) and "".join(answer.split()) in "".join(text.split())
