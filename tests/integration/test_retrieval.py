"""Questions to the real engine with the real models: the embedded store, the embedding model, BM25."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from llm_engineering.application.preprocessing.chunking import chunk
from llm_engineering.application.preprocessing.making import FeatureMakers
from llm_engineering.application.rag.answering import answer_query
from llm_engineering.application.rag.context import build_context
from llm_engineering.application.rag.retrieval import Retriever
from llm_engineering.domain.chunks import EmbeddedChunk
from llm_engineering.domain.documents import Author, CleanedDocument, DataCategory
from llm_engineering.domain.features import ChunkSize, ChunkSizes
from llm_engineering.domain.ports import Embedder
from llm_engineering.domain.queries import Query
from llm_engineering.domain.retrieval import RetrievalOptions
from llm_engineering.infrastructure.db.qdrant import QdrantVectorStore
from llm_engineering.infrastructure.local.qdrant_engine import open_embedded
from llm_engineering.infrastructure.models.sparse import Bm25Encoder
from tests.fakes import ADA, ScriptedModel, cleaned

BABBAGE = Author.named("Charles Babbage")
MODEL = ScriptedModel("The keel is laid first [1], and rust comes later [7].", follows_instructions=True)
DOCUMENTS = [
    cleaned(
        "# Boats\n\nThe keel of a wooden boat is laid before its ribs are bent over steam.\n\n"
        "# Sails\n\nA mainsail is reefed before a squall, so that the mast does not break.\n\n"
        "# Anchors\n\nAn anchor holds in sand when the chain is five times as long as the water is deep.\n",
        "boats",
        published_at=datetime(2024, 3, 5, tzinfo=UTC),
    ),
    cleaned("Rust eats iron hulls; error code XK-4711 on the pump means salt.", "rust", DataCategory.POSTS),
    cleaned("Bread rises when yeast turns sugar into gas.", "bread", author=BABBAGE, language="en"),
    cleaned("Der Teig ruht eine Nacht im Kühlschrank.", "teig", author=BABBAGE, language="de"),
]


@pytest.fixture(scope="module")
def makers(embedder: Embedder) -> FeatureMakers:
    # Small chunks, so that a short document has several.
    return FeatureMakers(embedder, Bm25Encoder("english"), ChunkSizes(articles=ChunkSize(max_tokens=32)))


def features(document: CleanedDocument, makers: FeatureMakers) -> list[EmbeddedChunk]:
    embedder = makers.embedder
    chunks = list(chunk(document, embedder.token_starts, embedder.max_tokens, makers.sizes.of(document.category)))
    vectors = embedder.embed_passages([item.embedding_text for item in chunks])
    return [
        EmbeddedChunk(chunk=item, vector=vector, sparse=makers.sparse.encode_passage(item.embedding_text))
        for item, vector in zip(chunks, vectors, strict=True)
    ]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory, makers: FeatureMakers) -> Iterator[QdrantVectorStore]:
    folder: Path = tmp_path_factory.mktemp("retrieval")
    store = open_embedded(folder / "qdrant")
    store.prepare(makers.spec())
    for document in DOCUMENTS:
        store.upsert_chunks(features(document, makers))
    yield store
    store.close()


@pytest.fixture
def retriever(index: QdrantVectorStore, makers: FeatureMakers) -> Retriever:
    return Retriever(makers.embedder, makers.sparse, index, lambda: [ADA, BABBAGE], MODEL, {})


@pytest.mark.parametrize("mode", ["dense", "sparse", "hybrid"])
def test_every_mode_finds_the_passage(retriever: Retriever, mode: str) -> None:
    options = RetrievalOptions.model_validate({"mode": mode})
    found = retriever.retrieve(Query.create("How long must an anchor chain be in sand?"), options)
    assert found.chunks[0].text.strip().endswith("as long as the water is deep.")
    assert found.notes.warnings == ()


def test_words_find_what_meaning_does_not_and_meaning_what_words_do_not(retriever: Retriever) -> None:
    sparse, dense = RetrievalOptions(mode="sparse"), RetrievalOptions(mode="dense")
    assert retriever.retrieve(Query.create("XK-4711"), sparse).chunks[0].title == "rust"
    vague = Query.create("What do people at sea do as strong winds come up?")
    assert retriever.retrieve(vague, dense).chunks[0].text.strip().startswith("# Sails")
    assert "mainsail" not in "".join(found.text for found in retriever.retrieve(vague, sparse).chunks)


def test_filters_from_the_question_reach_the_engine(retriever: Retriever) -> None:
    options = RetrievalOptions()
    german = retriever.retrieve(Query.create("What did Charles Babbage write in German about dough?"), options)
    assert [found.title for found in german.chunks] == ["teig"]
    posts = retriever.retrieve(Query.create("posts by Ada Lovelace about hulls"), options)
    assert {found.title for found in posts.chunks} == {"rust"}
    dated = retriever.retrieve(Query.create("What did Ada write in March 2024?", limit=10), options)
    assert {found.title for found in dated.chunks} == {"boats"}
    assert (german.notes.warnings, posts.notes.warnings, dated.notes.warnings) == ((), (), ())


def test_of_a_filter_that_finds_nothing_the_date_is_dropped(retriever: Retriever) -> None:
    found = retriever.retrieve(Query.create("What did Ada write in 1999 about anchors?"), RetrievalOptions())
    assert found.chunks[0].title == "boats"
    assert {chunk.author_full_name for chunk in found.chunks} == {"Ada Lovelace"}
    assert found.notes.warnings == (
        "Nothing matches author: Ada Lovelace, published from 1999-01-01, published before 2000-01-01: "
        "searched without published from 1999-01-01, published before 2000-01-01.",
    )


def test_a_wide_context_gives_the_document_back(retriever: Retriever, index: QdrantVectorStore) -> None:
    options = RetrievalOptions(neighbours=5)
    found = retriever.retrieve(Query.create("When is a mainsail reefed?", limit=1), options)
    [passage] = build_context(found.chunks, index, options)
    assert passage.text == DOCUMENTS[0].text.strip()
    assert index.count_chunks(DataCategory.ARTICLES) > 3


@pytest.mark.parametrize("diversity", [0.0, 0.7])
def test_results_come_from_several_documents(retriever: Retriever, diversity: float) -> None:
    options = RetrievalOptions(chunks_per_document=1, diversity=diversity)
    found = retriever.retrieve(Query.create("boat keel sail mast anchor chain"), options)
    assert len({chunk.document_id for chunk in found.chunks}) > 1
    assert len(found.chunks) == 3


def test_an_answer_carries_the_numbers_of_its_sources(retriever: Retriever, index: QdrantVectorStore) -> None:
    answer = answer_query(Query.create("How is a boat begun?"), retriever, RetrievalOptions(), index, MODEL)
    assert answer.answer == "The keel is laid first [1], and rust comes later."
    assert answer.sources[0].title == "boats"
    assert answer.retrieval.timings.keys() == {"self_query", "embed", "search", "total"}
