"""The vector store, on the embedded engine and on a stand-in for a server."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from math import log, sqrt
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from qdrant_client import models

from llm_engineering.domain.chunks import Chunk, EmbeddedChunk, SparseVector, chunk_id
from llm_engineering.domain.documents import Author, CleanedDocument, DataCategory
from llm_engineering.domain.errors import DependencyUnavailableError, ModelMismatchError
from llm_engineering.domain.features import FeatureState
from llm_engineering.domain.queries import RetrievedChunk
from llm_engineering.domain.retrieval import ChunkFilter, QueryVectors, SearchRequest
from llm_engineering.infrastructure.db.qdrant import QdrantVectorStore, connect
from llm_engineering.infrastructure.db.qdrant_indexes import CollectionLayout
from llm_engineering.infrastructure.local.edge_client import EdgeClient
from tests.fakes import ADA, MemoryVectorStore, WordEncoder, cleaned, embedded
from tests.integration.qdrant_clients import SPEC, Recorded, ServerStandIn, answer

ENGINES = ("embedded", "server")
BABBAGE = Author.named("Charles Babbage")
ARTICLES, POSTS = DataCategory.ARTICLES, DataCategory.POSTS
WORDS = ["cat", "dog", "fish", "bird", "ant", "bee", "cow", "elk"]
BINARY = CollectionLayout(on_disk=True, quantization="binary")
STATE = FeatureState(feature_hash="h", chunk_count=1, category=ARTICLES)
EAST, NORTH = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]


def open_client(engine: str, folder: Path) -> Recorded:
    client: Any = EdgeClient(folder) if engine == "embedded" else ServerStandIn()
    return Recorded(client)


@pytest.fixture(params=ENGINES)
def client(request: pytest.FixtureRequest, memory_path: Path) -> Iterator[Recorded]:
    """A client of an engine with nothing in it."""
    client = open_client(request.param, memory_path / "shards")
    yield client
    client.close()


@pytest.fixture(scope="module", params=ENGINES)
def prepared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Recorded, QdrantVectorStore]]:
    client = open_client(request.param, tmp_path_factory.mktemp("shards"))
    store = QdrantVectorStore(client, "here", CollectionLayout())
    store.prepare(SPEC)
    yield client, store
    client.close()


@pytest.fixture
def store(prepared: tuple[Recorded, QdrantVectorStore]) -> Iterator[QdrantVectorStore]:
    """A store that is prepared for vectors of three numbers, and empty."""
    store = prepared[1]
    yield store
    store.delete_chunks([chunk.id for chunk in store.stored_chunks()])
    store.delete_documents(list(store.feature_states()))


@pytest.fixture
def fresh(client: Recorded) -> QdrantVectorStore:
    """A store that never held anything: the engine counts deleted points in its IDF until it is opened anew."""
    store = QdrantVectorStore(client, "here", CollectionLayout())
    store.prepare(SPEC)
    return store


def dense(*vectors: list[float], limit: int = 10, **options: Any) -> SearchRequest:
    return SearchRequest(queries=[QueryVectors(dense=vector) for vector in vectors], limit=limit, **options)


def sparse(*texts: str, limit: int = 10, **options: Any) -> SearchRequest:
    queries = [QueryVectors(sparse=WordEncoder().encode_query(text)) for text in texts]
    return SearchRequest(queries=queries, limit=limit, **options)


def hybrid(vector: list[float], text: str, limit: int = 10, **options: Any) -> SearchRequest:
    both = QueryVectors(dense=vector, sparse=WordEncoder().encode_query(text))
    return SearchRequest(queries=[both], limit=limit, **options)


def titles(found: list[RetrievedChunk]) -> list[str]:
    return [chunk.title for chunk in found]


def unit(generator: random.Random) -> list[float]:
    vector = [generator.gauss(0, 1) for _ in range(SPEC.dimension)]
    length = sqrt(sum(value * value for value in vector))
    return [value / length for value in vector]


def corpus(seed: int = 0, size: int = 60) -> list[EmbeddedChunk]:
    """Chunks that differ in all that can be filtered by; no two of the same score, neither dense nor sparse."""
    generator = random.Random(seed)
    items = []
    for i in range(size):
        document = cleaned(
            " ".join(generator.choice(WORDS) for _ in range(12)),
            f"d{i}",
            generator.choice(list(DataCategory)),
            generator.choice([ADA, BABBAGE]),
            generator.choice(["medium", "github"]),
            generator.choice(["en", "de", None]),
            generator.choice([None, datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=generator.randrange(2000))]),
        )
        item = embedded(document, unit(generator))
        weights = [value + generator.random() / 10 for value in item.sparse.values]
        vector = SparseVector(indices=item.sparse.indices, values=weights)
        items.append(item.model_copy(update={"sparse": vector}))
    return items


def test_before_anything_is_stored_everything_is_empty(client: Recorded) -> None:
    store = QdrantVectorStore(client, "here", CollectionLayout())
    assert store.active() is None
    assert store.search(hybrid(EAST, "cat")) == [[]]
    assert (store.feature_states(), list(store.stored_chunks()), store.count_chunks()) == ({}, [], 0)
    assert (store.chunks([UUID(int=1)]), store.vectors([UUID(int=1)])) == ([], {})
    assert store.forget(author_id=ADA.id) == {"embedded_chunks": 0, "cleaned_documents": 0}
    store.delete_chunks([UUID(int=1)])
    store.delete_documents([UUID(int=1)])
    with pytest.raises(DependencyUnavailableError, match="is not prepared"):
        store.upsert_chunks([embedded(cleaned("cat"), EAST)])


def test_an_index_that_holds_nothing_yet_gives_empty_lists(store: QdrantVectorStore) -> None:
    assert store.search(hybrid(EAST, "cat")) == [[]]
    assert store.search(sparse("cat", "dog")) == [[], []]


def test_a_dense_search_scores_by_cosine(store: QdrantVectorStore) -> None:
    store.upsert_chunks(
        [embedded(cleaned("x", name), vector) for name, vector in {"b": [0.8, 0.3, 0.0], "a": EAST, "c": NORTH}.items()]
    )
    [found] = store.search(dense([2.0, 0.0, 0.0], limit=2))
    # cos((1,0,0), (0.8,0.3,0)) = 0.8 / sqrt(0.73)
    assert [(chunk.title, round(chunk.score, 4)) for chunk in found] == [("a", 1.0), ("b", 0.9363)]


def test_a_sparse_search_scores_by_frequency_and_rarity_over_the_whole_collection(fresh: QdrantVectorStore) -> None:
    texts = {"a": "cat dog", "b": "cat cat fish", "c": "bird", "d": "dog"}
    fresh.upsert_chunks([embedded(cleaned(text, name), EAST) for name, text in texts.items()])
    [found] = fresh.search(sparse("cat fish"))
    cat, fish = log(1 + 2.5 / 2.5), log(1 + 3.5 / 1.5)  # ln(1 + (N - n + 0.5) / (n + 0.5)) with N = 4, n = 2 and 1
    assert titles(found) == ["b", "a"]
    assert [chunk.score for chunk in found] == pytest.approx([2 * cat + fish, cat], rel=1e-5)


@pytest.mark.parametrize(("weight", "k", "candidates"), [(0.5, 60, 50), (0.3, 20, 10), (0.8, 1, 5), (0.05, 60, 50)])
def test_a_hybrid_search_is_the_weighted_reciprocal_ranks_of_both(
    store: QdrantVectorStore, weight: float, k: int, candidates: int
) -> None:
    store.upsert_chunks(corpus())
    vector, text = unit(random.Random(5)), "cat elk bee"
    [by_meaning], [by_words] = (
        store.search(dense(vector, limit=candidates)),
        store.search(sparse(text, limit=candidates)),
    )
    expected: dict[UUID, float] = defaultdict(float)
    for branch, share in ((by_meaning, weight), (by_words, 1 - weight)):
        for rank, chunk in enumerate(branch, 1):
            expected[chunk.id] += 1 / (k + rank / (2 * share))
    found = store.search(hybrid(vector, text, limit=100, dense_weight=weight, rrf_k=k, candidates=candidates))[0]
    assert {chunk.id: chunk.score for chunk in found} == pytest.approx(dict(expected), rel=1e-4)
    assert [chunk.score for chunk in found] == sorted((chunk.score for chunk in found), reverse=True)


@pytest.mark.parametrize(("fusion", "power"), [("linear", 1), ("adaptive", 2)])
@pytest.mark.parametrize(("weight", "candidates"), [(0.03, 50), (0.5, 5), (2.0, 10)])
def test_a_fusion_of_scores_adds_weighted_bm25_to_the_cosine_of_every_candidate(
    store: QdrantVectorStore, fusion: str, power: int, weight: float, candidates: int
) -> None:
    store.upsert_chunks(corpus())
    vector, text = unit(random.Random(5)), "cat elk bee"
    [all_by_meaning] = store.search(dense(vector, limit=60))
    [by_words] = store.search(sparse(text, limit=candidates))
    cosines = {chunk.id: chunk.score for chunk in all_by_meaning}
    points = {chunk.id: (chunk.score / (3 if power == 2 else 1)) ** power for chunk in by_words}  # of three terms
    brought = {chunk.id for chunk in all_by_meaning[:candidates]} | points.keys()
    expected = {id_: cosines[id_] + weight * points.get(id_, 0.0) for id_ in brought}
    request = hybrid(vector, text, limit=100, fusion=fusion, bm25_weight=weight, candidates=candidates)
    [found] = store.search(request.model_copy(update={"dense_weight": 1.0}))  # which counts for ranks only
    assert {chunk.id: chunk.score for chunk in found} == pytest.approx(expected, rel=1e-4)
    assert [chunk.score for chunk in found] == sorted((chunk.score for chunk in found), reverse=True)


def test_an_adaptive_fusion_trusts_words_as_far_as_the_question_is_covered(fresh: QdrantVectorStore) -> None:
    texts = {"words": ("cat dog", NORTH), "meaning": ("bird", EAST), "other": ("fish", [0.0, 0.0, 1.0])}
    fresh.upsert_chunks([embedded(cleaned(text, name), vector) for name, (text, vector) in texts.items()])
    both, rare = [0.8, 0.0, 0.6], log(1 + 2.5 / 1.5)  # ln(1 + (N - n + 0.5) / (n + 0.5)) with N = 3 and n = 1
    for question, of_words in {"cat dog": rare**2, "cat dog ant bee": (rare / 2) ** 2}.items():
        [found] = fresh.search(hybrid(both, question, fusion="adaptive", bm25_weight=1.0))
        scores = {"words": of_words, "meaning": 0.8, "other": 0.6}
        assert {chunk.title: chunk.score for chunk in found} == pytest.approx(scores, rel=1e-4)
    [first], [second] = (
        fresh.search(hybrid(both, question, limit=1, fusion="adaptive", bm25_weight=1.0))[0]
        for question in ("cat dog", "cat dog ant bee")
    )
    assert (first.title, second.title) == ("words", "meaning")


@pytest.mark.parametrize("fusion", ["linear", "adaptive"])
def test_a_fusion_of_scores_searches_what_is_filtered_and_by_meaning_where_there_is_no_term(
    store: QdrantVectorStore, fusion: str
) -> None:
    store.upsert_chunks(corpus())
    vector, wanted = unit(random.Random(5)), ChunkFilter(author_ids=(BABBAGE.id,))
    [found] = store.search(hybrid(vector, "cat elk", limit=100, fusion=fusion, filter=wanted, candidates=5))
    assert {chunk.author_full_name for chunk in found} == {BABBAGE.full_name}
    assert store.search(hybrid(vector, "", fusion=fusion)) == store.search(dense(vector))


def test_ties_come_in_the_same_order_every_time(fresh: QdrantVectorStore) -> None:
    fresh.upsert_chunks([embedded(cleaned("cat", str(number)), EAST) for number in range(12)])
    for request in (dense(EAST, limit=12), sparse("cat", limit=12)):
        found = [chunk.id for chunk in fresh.search(request)[0]]
        assert found == sorted(found)
        assert len(found) == 12


def test_equal_weights_are_reciprocal_rank_fusion_as_it_was_published(store: QdrantVectorStore) -> None:
    texts = {"a": ("cat", EAST), "b": ("dog", NORTH), "c": ("cat cat", [0.0, 0.0, 1.0])}
    store.upsert_chunks([embedded(cleaned(text, name), vector) for name, (text, vector) in texts.items()])
    [found] = store.search(hybrid([0.9, 0.1, 0.0], "cat", limit=1, candidates=2))
    # By meaning a is first; by words c and then a: a has 1/61 + 1/62.
    assert [(chunk.title, round(chunk.score, 6)) for chunk in found] == [("a", round(1 / 61 + 1 / 62, 6))]


@pytest.mark.parametrize("seed", range(3))
def test_a_branch_with_all_the_weight_keeps_its_order_and_its_scores(store: QdrantVectorStore, seed: int) -> None:
    store.upsert_chunks(corpus(seed))
    vector, text = unit(random.Random(seed)), " ".join(random.Random(seed).sample(WORDS, 3))
    assert store.search(hybrid(vector, text, dense_weight=1)) == store.search(dense(vector))
    assert store.search(hybrid(vector, text, dense_weight=0)) == store.search(sparse(text))


@pytest.mark.parametrize("weight", [0.1, 0.5, 0.9])
def test_what_is_first_in_both_branches_is_first_of_all(store: QdrantVectorStore, weight: float) -> None:
    store.upsert_chunks([*corpus(), embedded(cleaned("zebra", "best"), [0.6, 0.8, 0.0])])
    assert titles(store.search(hybrid([0.6, 0.8, 0.0], "zebra", dense_weight=weight))[0])[0] == "best"


SINCE, UNTIL = datetime(2021, 6, 1, 12, tzinfo=UTC), datetime(2023, 1, 1, tzinfo=UTC)
FILTERS: dict[str, tuple[ChunkFilter, Callable[[CleanedDocument], bool]]] = {
    "author": (ChunkFilter(author_ids=(BABBAGE.id,)), lambda d: d.author_id == BABBAGE.id),
    "authors": (ChunkFilter(author_ids=(BABBAGE.id, ADA.id)), lambda d: True),
    "categories": (ChunkFilter(categories=(ARTICLES, POSTS)), lambda d: d.category in (ARTICLES, POSTS)),
    "platform": (ChunkFilter(platforms=("github",)), lambda d: d.platform == "github"),
    "language": (ChunkFilter(languages=("de",)), lambda d: d.language == "de"),
    "since": (ChunkFilter(published_from=SINCE), lambda d: bool(d.published_at and d.published_at >= SINCE)),
    "until": (ChunkFilter(published_before=UNTIL), lambda d: bool(d.published_at and d.published_at < UNTIL)),
    "all": (
        ChunkFilter(author_ids=(ADA.id,), platforms=("medium",), published_from=SINCE, published_before=UNTIL),
        lambda d: (
            d.author_id == ADA.id
            and d.platform == "medium"
            and bool(d.published_at and SINCE <= d.published_at < UNTIL)
        ),
    ),
    "nobody": (ChunkFilter(author_ids=(UUID(int=9),)), lambda d: False),
}


@pytest.mark.parametrize("name", FILTERS)
def test_each_filter_holds_in_both_branches(store: QdrantVectorStore, name: str) -> None:
    wanted, meets = FILTERS[name]
    items = corpus(size=80)
    store.upsert_chunks(items)
    expected = {item.chunk.id for item in items if meets(item.chunk.document)}
    assert expected or name == "nobody"
    everything = " ".join(WORDS)
    for request in (
        dense(EAST, limit=100, filter=wanted),
        sparse(everything, limit=100, filter=wanted),
        hybrid(EAST, everything, limit=100, candidates=100, filter=wanted),
    ):
        assert {chunk.id for chunk in store.search(request)[0]} == expected


def test_a_filter_leaves_no_room_to_those_that_it_excludes(store: QdrantVectorStore) -> None:
    """It is applied before the candidates are counted, not after."""
    others = [embedded(cleaned("cat cat", f"o{i}"), EAST) for i in range(20)]
    store.upsert_chunks([*others, embedded(cleaned("cat dog", "his", author=BABBAGE), NORTH)])
    [found] = store.search(hybrid(EAST, "cat", candidates=5, filter=ChunkFilter(author_ids=(BABBAGE.id,))))
    assert titles(found) == ["his"]


def test_a_date_is_compared_as_a_moment_and_not_as_text(store: QdrantVectorStore) -> None:
    moment = datetime(2024, 3, 1, 0, 30, 0, 250_000, tzinfo=timezone(timedelta(hours=2)))  # 22:30 UTC on 29 February
    store.upsert_chunks([embedded(cleaned("cat", "leap", published_at=moment), EAST)])
    for since, hit in (
        (moment, True),
        (datetime(2024, 2, 29, 22, 30, tzinfo=UTC), True),
        (moment + timedelta(1), False),
    ):
        assert bool(store.search(dense(EAST, filter=ChunkFilter(published_from=since)))[0]) is hit
    assert store.search(dense(EAST, filter=ChunkFilter(published_before=moment))) == [[]]
    assert store.search(dense(EAST))[0][0].published_at == moment


def test_several_wordings_are_searched_in_one_call_and_nothing_else_is_asked(
    prepared: tuple[Recorded, QdrantVectorStore], store: QdrantVectorStore
) -> None:
    client = prepared[0]
    store.upsert_chunks([embedded(cleaned("cat", "east"), EAST), embedded(cleaned("dog", "north"), NORTH)])
    nothing = QueryVectors(sparse=SparseVector(indices=[], values=[]))
    both = QueryVectors(dense=NORTH, sparse=nothing.sparse)
    client.calls.clear()
    found = store.search(
        SearchRequest(queries=[*dense(EAST, NORTH).queries, nothing, both, *sparse("dog").queries], limit=1)
    )
    assert [titles(results) for results in found] == [["east"], ["north"], [], ["north"], ["north"]]
    assert client.names() == ["query_batch_points"]


def test_a_question_without_any_term_is_searched_by_meaning_with_the_scores_of_a_fusion(
    store: QdrantVectorStore,
) -> None:
    store.upsert_chunks([embedded(cleaned("cat", "east"), EAST), embedded(cleaned("dog", "north"), NORTH)])
    [found] = store.search(hybrid(NORTH, "", limit=1))
    assert [(chunk.title, round(chunk.score, 6)) for chunk in found] == [("north", round(1 / 61, 6))]


def test_the_fake_of_the_unit_tests_finds_the_same(fresh: QdrantVectorStore) -> None:
    fake = MemoryVectorStore()
    fake.prepare(SPEC)
    for one in (fresh, fake):
        one.upsert_chunks(corpus())
    vector = unit(random.Random(1))
    for wanted, _ in FILTERS.values():
        for request in (
            dense(vector, filter=wanted),
            sparse("cat bee", filter=wanted),
            hybrid(vector, "cat bee", dense_weight=0.63, candidates=8, limit=12, filter=wanted),
            hybrid(vector, "cat bee", fusion="linear", candidates=8, limit=12, filter=wanted),
            hybrid(vector, "cat bee", fusion="adaptive", candidates=8, limit=12, filter=wanted),
        ):
            [found], [expected] = fresh.search(request), fake.search(request)
            assert [chunk.score for chunk in found] == pytest.approx([chunk.score for chunk in expected], abs=1e-5)
            # Of two of the same score either may be first.
            assert {c.id: c.model_copy(update={"score": 0}) for c in found} == {
                c.id: c.model_copy(update={"score": 0}) for c in expected
            }


def test_a_chunk_comes_back_with_all_that_is_known_of_it(store: QdrantVectorStore) -> None:
    document = cleaned("whole text", "doc", POSTS, BABBAGE, "medium", "de", datetime(2024, 1, 2, 3, tzinfo=UTC))
    chunk = Chunk(
        id=chunk_id(document.id, 7), index=7, text="part", context="T › H", lead="led", token_count=3, document=document
    )
    store.upsert_chunks([EmbeddedChunk(chunk=chunk, vector=EAST, sparse=SparseVector(indices=[1], values=[1.0]))])
    expected = RetrievedChunk(
        id=chunk.id,
        document_id=document.id,
        category=POSTS,
        author_full_name="Charles Babbage",
        title="doc",
        link="https://example.com/doc",
        text="part",
        context="T › H",
        lead="led",
        index=7,
        platform="medium",
        language="de",
        published_at=document.published_at,
        score=0,
    )
    assert store.chunks([chunk.id, UUID(int=3), chunk.id]) == [expected]
    assert store.search(dense(EAST)) == [[expected.model_copy(update={"score": 1.0})]]


def test_chunks_are_counted_listed_and_deleted(store: QdrantVectorStore) -> None:
    items = [embedded(cleaned("cat", "a"), [0.0, 3.0, 4.0], index=i) for i in range(3)]
    items.append(embedded(cleaned("dog", "p", POSTS), EAST))
    store.upsert_chunks(items)
    assert (store.count_chunks(), store.count_chunks(ARTICLES), store.count_chunks(POSTS)) == (4, 3, 1)
    document = items[0].chunk.document.id
    assert {(c.id, c.document_id, c.index) for c in store.stored_chunks() if c.document_id == document} == {
        (item.chunk.id, document, i) for i, item in enumerate(items[:3])
    }
    vectors = store.vectors([items[0].chunk.id, UUID(int=5)])
    assert vectors == {items[0].chunk.id: pytest.approx([0, 0.6, 0.8])}
    store.delete_chunks([items[0].chunk.id, items[3].chunk.id, UUID(int=5)])
    assert {c.id for c in store.stored_chunks()} == {items[1].chunk.id, items[2].chunk.id}


def test_the_chunks_of_a_document_are_deleted_from_an_index_on(store: QdrantVectorStore) -> None:
    items = [embedded(cleaned("cat", name), EAST, index=i) for name in ("a", "b", "c") for i in range(12)]
    store.upsert_chunks(items)
    a, b, c = (items[12 * number].chunk.document.id for number in range(3))
    store.delete_chunks_from({a: 10, b: 0, UUID(int=5): 0})
    left = sorted((chunk.document_id, chunk.index) for chunk in store.stored_chunks())
    assert left == sorted([*((a, i) for i in range(10)), *((c, i) for i in range(12))])


def test_a_chunk_that_is_written_again_replaces_the_old_one_in_both_branches(store: QdrantVectorStore) -> None:
    store.upsert_chunks([embedded(cleaned("cat", "a"), EAST)])
    store.upsert_chunks([embedded(cleaned("dog", "a"), NORTH)])
    assert (store.count_chunks(), store.search(sparse("cat"))) == (1, [[]])
    [[found]] = store.search(dense(NORTH))
    assert (found.text, round(found.score, 5)) == ("dog", 1.0)


def test_more_points_than_a_page_are_all_read(store: QdrantVectorStore) -> None:
    document = cleaned("x")
    copies = [(document.model_copy(update={"id": UUID(int=i)}), STATE) for i in range(1, 2102)]
    store.upsert_documents(copies)
    assert store.feature_states() == {copy.id: STATE for copy, _ in copies}
    some = [UUID(int=i) for i in range(5, 4000)]
    assert set(store.feature_states(some)) == set(some[:2097])
    store.delete_documents([UUID(int=i) for i in range(1, 2101)])
    assert set(store.feature_states()) == {UUID(int=2101)}


def test_all_points_of_an_author_are_forgotten_whatever_the_counts_say(store: QdrantVectorStore) -> None:
    hers = [embedded(cleaned("one", "one"), EAST), embedded(cleaned("two", "two"), NORTH)]
    his = embedded(cleaned("his", "his", author=BABBAGE), EAST)
    store.upsert_chunks([*hers, his])
    wrong = STATE.model_copy(update={"chunk_count": 0})
    store.upsert_documents([(item.chunk.document, wrong) for item in (hers[0], his)])
    assert store.forget(author_id=ADA.id) == {"embedded_chunks": 2, "cleaned_documents": 1}
    assert store.forget(author_id=ADA.id) == {"embedded_chunks": 0, "cleaned_documents": 0}
    assert (
        [chunk.document_id for chunk in store.stored_chunks()]
        == list(store.feature_states())
        == [his.chunk.document.id]
    )


def test_cleaned_documents_come_back_whole_by_category_and_author_in_the_order_of_their_ids(
    store: QdrantVectorStore,
) -> None:
    when = datetime(2024, 5, 1, tzinfo=UTC)
    articles = [cleaned(f"Text {i}", f"a{i}", published_at=when) for i in range(150)]
    his = cleaned("his", "his", author=BABBAGE, language=None)
    post = cleaned("post", "post", POSTS)
    everything = [*articles, his, post]
    store.upsert_documents([(d, STATE.model_copy(update={"category": d.category})) for d in everything])
    in_order = sorted([*articles, his], key=lambda document: document.id.int)
    assert list(store.cleaned_documents(ARTICLES)) == in_order
    assert list(store.cleaned_documents(ARTICLES, [BABBAGE.id])) == [his]
    assert list(store.cleaned_documents(ARTICLES, [BABBAGE.id, ADA.id])) == in_order
    assert list(store.cleaned_documents(POSTS)) == [post]
    assert list(store.cleaned_documents(POSTS, [BABBAGE.id])) == []
    assert list(store.cleaned_documents(ARTICLES, [])) == []
    assert list(store.cleaned_documents(DataCategory.REPOSITORIES)) == []


def test_a_store_that_was_never_filled_has_no_cleaned_documents(client: Recorded) -> None:
    assert list(QdrantVectorStore(client, "here", CollectionLayout()).cleaned_documents(ARTICLES)) == []


def test_documents_are_forgotten_by_their_ids_in_more_than_a_batch(store: QdrantVectorStore) -> None:
    kept, gone = cleaned("kept", "kept"), cleaned("gone", "gone")
    store.upsert_chunks([embedded(kept, EAST), embedded(gone, EAST), embedded(gone, NORTH, index=7)])
    store.upsert_documents([(kept, STATE), (gone, STATE)])
    ids = [*(UUID(int=i) for i in range(1, 1200)), gone.id]
    assert store.forget(document_ids=ids) == {"embedded_chunks": 2, "cleaned_documents": 1}
    assert set(store.feature_states()) == {kept.id}
    assert store.forget() == {"embedded_chunks": 0, "cleaned_documents": 0}
    assert store.count_chunks() == 1


def test_vectors_of_another_length_are_refused_with_the_remedy(store: QdrantVectorStore) -> None:
    store.upsert_chunks([embedded(cleaned("cat"), EAST)])
    with pytest.raises(ModelMismatchError, match=r"m@1 \(float32, 3 dimensions\).*has 2 dimensions.*--reindex"):
        store.search(dense([1.0, 0.0]))
    with pytest.raises(ModelMismatchError, match="has 4 dimensions"):
        store.upsert_chunks([embedded(cleaned("cat"), [1.0, 0.0, 0.0, 0.0])])


def test_a_collection_is_laid_out_as_configured(client: Recorded) -> None:
    store = QdrantVectorStore(client, "here", CollectionLayout(3, 2, on_disk=True, quantization="scalar"))
    store.prepare(SPEC)
    chunks, documents = (named for name, named in client.calls if name == "create_collection")
    assert (chunks["shard_number"], chunks["replication_factor"]) == (3, 2)
    vector, terms = chunks["vectors_config"]["dense"], chunks["sparse_vectors_config"]["bm25"]
    assert (vector.size, vector.distance, vector.on_disk) == (3, models.Distance.COSINE, True)
    assert (terms.modifier, terms.index.on_disk) == (models.Modifier.IDF, True)
    assert chunks["quantization_config"].scalar.type is models.ScalarType.INT8
    assert (documents["vectors_config"], documents["quantization_config"]) == ({}, None)
    assert client.names().count("create_payload_index") == 8


@pytest.mark.parametrize("layout", [CollectionLayout(on_disk=True), CollectionLayout(quantization="scalar"), BINARY])
def test_every_layout_can_be_searched(client: Recorded, layout: CollectionLayout) -> None:
    store = QdrantVectorStore(client, "here", layout)
    store.prepare(SPEC)
    store.upsert_chunks([embedded(cleaned("cat", "east"), EAST), embedded(cleaned("dog", "west"), [-1.0, 0.0, 0.0])])
    assert titles(store.search(hybrid(EAST, "cat"))[0])[0] == "east"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (answer(401), "refused the key"),
        (answer(500), "Qdrant at here answered with status 500"),
    ],
)
def test_what_a_server_refuses_is_named(error: Exception, message: str) -> None:
    class Refusing:
        def __getattr__(self, name: str) -> Any:
            raise error

    store = QdrantVectorStore(Refusing(), "here", CollectionLayout())
    for ask in (store.ping, store.active, lambda: store.search(dense(EAST)), lambda: store.prepare(SPEC)):
        with pytest.raises(DependencyUnavailableError, match=message):
            ask()


def test_a_server_that_is_down_is_named() -> None:
    store = connect("http://127.0.0.1:9", None, CollectionLayout())
    with pytest.raises(DependencyUnavailableError, match=r"Qdrant at http://127\.0\.0\.1:9 does not answer"):
        store.ping()
    store.close()
