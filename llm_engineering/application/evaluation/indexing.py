"""Fill an index that only an evaluation sees."""

from collections.abc import Callable, Iterable

from llm_engineering.application.evaluation.baselines import WINDOW_CUT, window_chunks, window_document
from llm_engineering.application.preprocessing.feature_writer import FeatureWriter
from llm_engineering.application.preprocessing.making import DocumentFeatures, FeatureMakers
from llm_engineering.domain.documents import RawDocument
from llm_engineering.domain.features import FeatureState
from llm_engineering.domain.ports import Progress, VectorStore

# Chunks that are held and sorted together.
WINDOW_CHUNKS = 512

# Cleans and cuts a document.
Cut = Callable[[RawDocument], DocumentFeatures]


def window_cut(makers: FeatureMakers) -> Cut:
    """The plain cut that ours is compared with."""

    def cut(raw: RawDocument) -> DocumentFeatures:
        document = window_document(raw)
        chunks = window_chunks(document, lambda text: len(makers.embedder.token_starts(text)))
        state = FeatureState(feature_hash=WINDOW_CUT, chunk_count=len(chunks), category=raw.category)
        return DocumentFeatures(document, state, chunks)

    return cut


def fill_index(
    documents: Iterable[RawDocument],
    total: int,
    cut: Cut,
    vectors: VectorStore,
    makers: FeatureMakers,
    progress: Progress,
) -> int:
    """Cut, embed and store the documents in an empty index; returns how many chunks that gave."""
    writer, window, count = FeatureWriter(vectors, makers), list[DocumentFeatures](), 0
    writer.prepare()
    with progress.task("Indexing for the evaluation", total=total) as advance:
        for raw in documents:
            window.append(cut(raw))
            if sum(len(item.chunks) for item in window) >= WINDOW_CHUNKS:
                count += sum(len(item.chunks) for item in window)
                writer.write(window, {}, advance)
                window = []
        count += sum(len(item.chunks) for item in window)
        writer.write(window, {}, advance)
    vectors.flush()
    return count
