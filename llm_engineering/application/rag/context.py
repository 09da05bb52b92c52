"""What the language model is given to read: the hits, with their neighbours where they help, within a budget."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from uuid import UUID

from llm_engineering.domain.chunks import chunk_id
from llm_engineering.domain.ports import VectorStore
from llm_engineering.domain.queries import RetrievedChunk
from llm_engineering.domain.retrieval import Passage, RetrievalOptions

# The element around a passage in the prompt.
_FRAME_TOKENS = 16
_BYTES_PER_TOKEN = 4


def build_context(
    chunks: Sequence[RetrievedChunk], vectors: VectorStore, options: RetrievalOptions
) -> tuple[Passage, ...]:
    """Passages numbered from 1, that of the best hit first, in about `options.context_tokens` together.

    The best hit is always among them; further ones as long as they fit, then neighbours of hits: first those that a cut
    through a paragraph parted from the hit, then others as far as `options.neighbours` and the budget allow. Chunks
    that follow each other in a document become one passage.
    """
    if not chunks:
        return ()
    budget = _Budget(options.context_tokens)
    hits = [chunk for rank, chunk in enumerate(chunks) if budget.take(chunk, _FRAME_TOKENS, always=rank == 0)]
    taken = {chunk.id: chunk for chunk in hits}
    if options.neighbours:
        for neighbour in _neighbours(hits, vectors, options.neighbours):
            if _touches(neighbour, taken) and budget.take(neighbour):
                taken[neighbour.id] = neighbour
    ranks = {chunk.id: rank for rank, chunk in enumerate(hits)}
    runs = sorted(_runs(taken.values()), key=lambda run: min(ranks[chunk.id] for chunk in run if chunk.id in ranks))
    return tuple(
        Passage(number=number, chunk=min(run, key=lambda chunk: ranks.get(chunk.id, len(ranks))), text=_joined(run))
        for number, run in enumerate(runs, start=1)
    )


def count_tokens(text: str) -> int:
    """About how many tokens a language model makes of a text: a quarter of its bytes in UTF-8, rounded up.

    An estimate is enough for a budget, and the embedding model's tokenizer is not the language model's. Bytes, for a
    character of Chinese is most of a token and one of English a quarter.
    """
    return -(-len(text.encode("utf-8", "replace")) // _BYTES_PER_TOKEN)


class _Budget:
    """How many tokens are left."""

    def __init__(self, tokens: int) -> None:
        self._left = tokens

    def take(self, chunk: RetrievedChunk, frame: int = 0, always: bool = False) -> bool:
        """Whether there was room for the chunk; it is taken then."""
        needed = count_tokens(chunk.lead + chunk.text) + (frame + count_tokens(chunk.context) if frame else 0)
        if needed > self._left and not always:
            return False
        self._left -= needed
        return True


def _neighbours(hits: Sequence[RetrievedChunk], vectors: VectorStore, reach: int) -> Iterable[RetrievedChunk]:
    """The chunks around the hits, nearest first, those that belong to the same paragraph as a hit before all others."""
    places = {(hit.document_id, hit.index) for hit in hits}
    wanted: dict[UUID, RetrievedChunk] = {}
    for distance in range(1, reach + 1):
        for hit in hits:
            for index in (hit.index - distance, hit.index + distance):
                if index >= 0 and (hit.document_id, index) not in places:
                    wanted.setdefault(chunk_id(hit.document_id, index), hit)
    stored = {chunk.id: chunk for chunk in vectors.chunks(list(wanted))} if wanted else {}
    found = [(stored[id_], hit) for id_, hit in wanted.items() if id_ in stored]
    return [chunk for chunk, _ in sorted(found, key=lambda pair: not _share_a_paragraph(*pair))]


def _share_a_paragraph(neighbour: RetrievedChunk, hit: RetrievedChunk) -> bool:
    """Whether a paragraph was cut between the two: the later one then repeats the end of the earlier one."""
    later = max(neighbour, hit, key=lambda chunk: chunk.index)
    return abs(neighbour.index - hit.index) == 1 and bool(later.lead)


def _touches(chunk: RetrievedChunk, taken: dict[UUID, RetrievedChunk]) -> bool:
    """Whether a chunk next to it was taken: one alone between gaps helps nobody."""
    beside = (chunk_id(chunk.document_id, chunk.index - 1), chunk_id(chunk.document_id, chunk.index + 1))
    return any(id_ in taken for id_ in beside)


def _runs(chunks: Iterable[RetrievedChunk]) -> list[list[RetrievedChunk]]:
    """The chunks in groups that follow each other in one document, in the order of the text."""
    ordered = sorted(chunks, key=lambda chunk: (str(chunk.document_id), chunk.index))
    numbered = enumerate(ordered)
    groups = groupby(numbered, key=lambda pair: (pair[1].document_id, pair[1].index - pair[0]))
    return [[chunk for _, chunk in group] for _, group in groups]


def _joined(run: Sequence[RetrievedChunk]) -> str:
    """Slices of a text give it back when they are joined; what the first one repeats of the one before leads in."""
    return (run[0].lead + "".join(chunk.text for chunk in run)).strip()
