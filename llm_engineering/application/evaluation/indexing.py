"""Fill an index that only an evaluation sees."""

from collections.abc import Callable, Iterable

from llm_engineering.application.evaluation.baselines import WINDOW_CUT, window_chunks, window_document
from llm_engineering.application.preprocessing.feature_writer import FeatureWriter
from llm_engineering.application.preprocessing.making import DocumentFeatures, FeatureMakers
from llm_engineering.application.preprocessing.window import Window
from llm_engineering.domain.documents import RawDocument
from llm_engineering.domain.features import FeatureState
from llm_engineering.domain.ports import Progress, VectorStore

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
    writer, window, count = FeatureWriter(vectors, makers), Window(), 0
    writer.prepare()
    with progress.task("Indexing for the evaluation", total=total) as advance:
        for raw in documents:
            item = cut(raw)
            count += len(item.chunks)
            window.add(item)
            if window.is_full:
                writer.write(window.take(), {}, advance)
        writer.write(window.take(), {}, advance)
    vectors.flush()
    return count
