"""What the chunks are like that would be made now: how long, how many, samples, and the ones worth a look.

Documents are streamed and nothing is embedded. What is held is a count for each length, and a few chunks.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from heapq import nlargest, nsmallest

from llm_engineering.application.preprocessing.making import FeatureMakers, prepare_document
from llm_engineering.application.preprocessing.site_noise import learn, noise_of
from llm_engineering.domain.chunks import Chunk
from llm_engineering.domain.documents import DataCategory, text_hash
from llm_engineering.domain.inspection import (
    CategoryInspection,
    ChunkInspection,
    ChunkView,
    DocumentView,
    Spread,
    histogram,
)
from llm_engineering.domain.ports import DocumentStore, Progress

# With this share of the window used, a chunk fills it.
FULL_SHARE = 0.9
_OUTLIERS = 5
# Unassigned, private and broken characters: a sign of a file that was decoded wrongly, or of an icon font.
_UNUSUAL = frozenset({"Cn", "Co", "Cs", "Cc"})
_USUAL_CONTROLS = frozenset("\n\t\r\f")


def inspect_chunks(
    documents: DocumentStore,
    makers: FeatureMakers,
    progress: Progress,
    categories: Sequence[DataCategory] = tuple(DataCategory),
    samples: int = 5,
) -> ChunkInspection:
    """Clean and cut all documents as the feature pipeline would now, and describe the chunks; nothing is written."""
    noise = learn(documents.stream(DataCategory.ARTICLES)) if DataCategory.ARTICLES in categories else {}
    inspected = []
    for category in categories:
        most = makers.sizes.of(category).max_tokens
        window = min(most, makers.embedder.max_tokens) if most else makers.embedder.max_tokens
        inspector = ChunkInspector(category, window, samples)
        with progress.task(f"Chunks of {category}", total=documents.count(category)) as advance:
            for raw in documents.stream(category):
                features = prepare_document(raw, makers, noise_of(raw, noise))
                inspector.add(features.cleaned.language, features.chunks)
                advance(1)
        inspected.append(inspector.result())
    return ChunkInspection(model_id=makers.embedder.model_id, categories=inspected)


class ChunkInspector:
    """Takes in the chunks of one document after the other."""

    def __init__(self, category: DataCategory, window: int, samples: int) -> None:
        self._category = category
        self._window = window
        self._sample_size = samples
        self._tokens: Counter[int] = Counter()
        self._per_document: Counter[int] = Counter()
        self._languages: Counter[str] = Counter()
        self._with_lead = 0
        self._shortest: list[Chunk] = []
        self._longest: list[Chunk] = []
        self._unusual: list[tuple[int, str, Chunk]] = []
        self._largest: list[DocumentView] = []
        self._samples: list[tuple[str, Chunk]] = []

    def add(self, language: str | None, chunks: Sequence[Chunk]) -> None:
        """Count the chunks of a document, and keep those worth a look."""
        self._per_document[len(chunks)] += 1
        self._languages[language or ""] += 1
        if not chunks:
            return
        self._tokens.update(chunk.token_count for chunk in chunks)
        self._with_lead += sum(bool(chunk.lead) for chunk in chunks)
        self._shortest = nsmallest(_OUTLIERS, [*self._shortest, *chunks], key=_length)
        self._longest = nlargest(_OUTLIERS, [*self._longest, *chunks], key=_length)
        odd = [(count, str(chunk.id), chunk) for chunk in chunks if (count := unusual_characters(chunk.text))]
        self._unusual = nlargest(_OUTLIERS, [*self._unusual, *odd], key=lambda found: found[:2])
        document = chunks[0].document
        view = DocumentView(title=document.title, link=document.link, chunks=len(chunks))
        self._largest = nlargest(_OUTLIERS, [*self._largest, view], key=lambda found: (found.chunks, found.link))
        hashed = [(text_hash(str(chunk.id)), chunk) for chunk in chunks]
        self._samples = nsmallest(self._sample_size, [*self._samples, *hashed], key=lambda found: found[0])

    def result(self) -> CategoryInspection:
        """What was found."""
        return CategoryInspection(
            category=self._category,
            window=self._window,
            documents=self._per_document.total(),
            empty=self._per_document[0],
            languages=dict(self._languages.most_common()),
            tokens=Spread.of(self._tokens),
            chunks_of_document=Spread.of(self._per_document),
            full=sum(count for tokens, count in self._tokens.items() if tokens >= FULL_SHARE * self._window),
            with_lead=self._with_lead,
            histogram=histogram(self._tokens, self._window),
            shortest=[ChunkView.of(chunk) for chunk in self._shortest],
            longest=[ChunkView.of(chunk) for chunk in self._longest],
            unusual=[ChunkView.of(chunk, f"{count} unusual characters") for count, _, chunk in self._unusual],
            largest_documents=self._largest,
            samples=[ChunkView.of(chunk) for _, chunk in self._samples],
        )


def unusual_characters(text: str) -> int:
    """How many characters are unassigned, private, control characters or signs of a wrong decoding."""
    found: Iterable[str] = (character for character in text if character > "~" or character < " ")
    return sum(
        character == "\ufffd" or (unicodedata.category(character) in _UNUSUAL and character not in _USUAL_CONTROLS)
        for character in found
    )


def _length(chunk: Chunk) -> tuple[int, str]:
    return chunk.token_count, str(chunk.id)
