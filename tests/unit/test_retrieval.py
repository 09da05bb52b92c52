"""From a question to its chunks: what is searched, with what filter, and what happens when a stage fails."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from llm_engineering.application.rag import reranking
from llm_engineering.application.rag.known_authors import MAX_AGE_SECONDS, RETRY_SECONDS, KnownAuthors
from llm_engineering.application.rag.relaxing import relaxed
from llm_engineering.application.rag.retrieval import Retriever
from llm_engineering.application.rag.self_query import AskedFor
from llm_engineering.application.rag.stages import run_side_by_side
from llm_engineering.domain.documents import Author, DataCategory
from llm_engineering.domain.errors import (
    DependencyUnavailableError,
    MalformedAnswerError,
    ModelMismatchError,
    UnknownAuthorError,
)
from llm_engineering.domain.ports import LanguageModel, Reranker, Structured
from llm_engineering.domain.prompts import ChatPrompt, CompletionPrompt
from llm_engineering.domain.queries import Query
from llm_engineering.domain.retrieval import ChunkFilter, RetrievalOptions, SearchRequest
from tests.fakes import (
    ADA,
    MemoryDocumentStore,
    MemoryVectorStore,
    ScriptedModel,
    WordEmbedder,
    WordEncoder,
    article,
    cleaned,
    embedded,
    retrieved,
    spec_of,
)

BABBAGE = Author.named("Charles Babbage")
NOW = datetime(2026, 11, 18, tzinfo=UTC)
PLAIN = RetrievalOptions(self_query="off", chunks_per_document=0)
LIMIT = 0.2
BASE_MODEL = ScriptedModel("A dog barks.", follows_instructions=False)


class WatchedStore(MemoryVectorStore):
    """Remembers the searches."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[SearchRequest] = []

    def search(self, request: SearchRequest) -> Any:
        self.requests.append(request)
        return super().search(request)


class StagedModel:
    """Answers each form by a function, and remembers the time limits it was given."""

    model_id = "staged"
    follows_instructions = True

    def __init__(self, **answers: Callable[[], dict[str, Any]]) -> None:
        self.limits: list[float | None] = []
        self._answers = answers

    def generate(
        self, prompt: ChatPrompt | CompletionPrompt, max_tokens: int, timeout_seconds: float | None = None
    ) -> str:
        raise AssertionError("these stages ask for structured answers only")

    def generate_structured(
        self, prompt: ChatPrompt, answer: type[Structured], max_tokens: int, timeout_seconds: float | None = None
    ) -> Structured:
        self.limits.append(timeout_seconds)
        return answer.model_validate(self._answers[answer.__name__]())

    def ping(self) -> None:
        pass


class LengthReranker:
    """Prefers long passages."""

    model_id = "length"

    def __init__(self) -> None:
        self.read: list[str] = []

    def score(self, question: str, passages: Sequence[str]) -> list[float]:
        self.read.extend(passages)
        return [float(len(passage)) for passage in passages]


class BrokenReranker:
    """Is not there."""

    model_id = "broken"

    def score(self, question: str, passages: Sequence[str]) -> list[float]:
        raise DependencyUnavailableError("No reranker was trained yet.")


def asked_for(**fields: Any) -> dict[str, Any]:
    nothing: dict[str, Any] = {"authors": [], "categories": [], "languages": []}
    return nothing | {"published_from": None, "published_until": None} | fields


@pytest.fixture
def store() -> WatchedStore:
    store = WatchedStore()
    embedder = WordEmbedder()
    store.prepare(spec_of(embedder))
    documents = [
        cleaned("The cat and the dog.", "1"),
        cleaned("A dog alone.", "2", DataCategory.POSTS),
        cleaned("A dog  alone.", "copy"),
        cleaned("His cat, his dog, his fish.", "3", author=BABBAGE),
    ]
    vectors = embedder.embed_passages([document.text for document in documents])
    store.upsert_chunks([embedded(document, vector) for document, vector in zip(documents, vectors, strict=True)])
    return store


def retriever(
    store: MemoryVectorStore,
    model: LanguageModel = BASE_MODEL,
    rerankers: dict[str, Reranker] | None = None,
    embedder: WordEmbedder | None = None,
    authors: Callable[[], Sequence[Author]] = lambda: [ADA, BABBAGE],
) -> Retriever:
    return Retriever(embedder or WordEmbedder(), WordEncoder(), store, authors, model, rerankers or {}, now=lambda: NOW)


def ask(text: str = "cat dog", limit: int = 3, author: str | None = None) -> Query:
    return Query.create(text, author_full_name=author, limit=limit)


# The search itself.


def test_every_candidate_of_the_reranker_can_come_from_either_branch(store: WatchedStore) -> None:
    options = PLAIN.model_copy(update={"rerank": "length", "rerank_candidates": 80, "candidates": 5})
    retriever(store, rerankers={"length": LengthReranker()}).retrieve(ask(), options)
    assert (store.requests[0].limit, store.requests[0].candidates) == (80, 80)


def test_the_best_chunks_come_first_and_no_text_twice(store: WatchedStore) -> None:
    found = retriever(store).retrieve(ask(limit=4), PLAIN)
    assert found.chunks[0].text == "The cat and the dog."
    assert len({" ".join(chunk.text.split()) for chunk in found.chunks}) == len(found.chunks) == 3
    assert found.notes.scored_by == "fused ranks"


@pytest.mark.parametrize(
    "other",
    [WordEmbedder(model_id="others"), WordEmbedder(precision="int8"), WordEmbedder(revision="2")],
    ids=["model", "precision", "weights"],
)
def test_vectors_of_the_same_length_from_other_weights_are_refused(store: WatchedStore, other: WordEmbedder) -> None:
    with pytest.raises(ModelMismatchError, match="--reindex"):
        retriever(store, embedder=other).retrieve(ask(), PLAIN)
    assert store.requests == []


@pytest.mark.parametrize(
    ("options", "dense", "sparse", "scores"),
    [
        ({"mode": "hybrid"}, True, True, "fused ranks"),
        ({"mode": "dense"}, True, False, "cosine"),
        ({"mode": "sparse"}, False, True, "BM25"),
        ({"mode": "hybrid", "dense_weight": 0.0}, False, True, "BM25"),
        ({"mode": "hybrid", "dense_weight": 1.0}, True, False, "cosine"),
    ],
)
def test_only_the_branches_that_count_are_searched_and_embedded(
    store: WatchedStore, options: dict[str, Any], dense: bool, sparse: bool, scores: str
) -> None:
    embedder = WordEmbedder()
    found = retriever(store, embedder=embedder).retrieve(ask(), PLAIN.model_copy(update=options))
    [request] = store.requests
    [wording] = request.queries
    assert (wording.dense is not None, wording.sparse is not None) == (dense, sparse)
    assert embedder.queries == (["cat dog"] if dense else [])
    assert found.notes.scored_by == scores
    assert found.chunks


def test_options_reach_the_search(store: WatchedStore) -> None:
    chosen = {"candidates": 70, "fusion": "linear", "rrf_k": 7, "dense_weight": 0.3, "bm25_weight": 0.4}
    retriever(store).retrieve(ask(limit=2), PLAIN.model_copy(update=chosen))
    [request] = store.requests
    assert {name: getattr(request, name) for name in chosen} == chosen
    assert request.limit == 8


@pytest.mark.parametrize("fusion", ["linear", "adaptive"])
@pytest.mark.parametrize("weight_of_ranks", [0.0, 1.0])
def test_a_fusion_of_scores_searches_both_branches_whatever_the_weight_of_ranks(
    store: WatchedStore, fusion: str, weight_of_ranks: float
) -> None:
    options = PLAIN.model_copy(update={"fusion": fusion, "dense_weight": weight_of_ranks})
    notes = retriever(store).retrieve(ask(), options).notes
    [wording] = store.requests[0].queries
    assert None not in (wording.dense, wording.sparse)
    assert notes.scored_by == "cosine and BM25"


def test_a_question_without_terms_finds_nothing_by_words(store: WatchedStore) -> None:
    class Deaf(WordEncoder):
        def encode_query(self, text: str) -> Any:
            return super().encode_query("")

    sparse = Retriever(WordEmbedder(), Deaf(), store, list, BASE_MODEL, {})
    assert sparse.retrieve(ask(), PLAIN.model_copy(update={"mode": "sparse"})).chunks == ()
    assert store.requests == []
    assert len(sparse.retrieve(ask(), PLAIN).chunks) == 3


def test_a_question_to_an_index_of_another_model_is_refused(store: WatchedStore) -> None:
    embedder = WordEmbedder()
    embedder.WORDS = ("cat", "dog")  # type: ignore[assignment]
    with pytest.raises(ModelMismatchError, match="reindex"):
        retriever(store, embedder=embedder).retrieve(ask(), PLAIN)


def test_a_document_has_its_share_and_novelty_its_weight(store: WatchedStore) -> None:
    document = cleaned("x", "1")
    more = [embedded(document, [0.7, 0.7, 0.1, 0], index, f"cat dog {index}") for index in range(1, 6)]
    store.upsert_chunks(more)
    capped = retriever(store).retrieve(ask(), PLAIN.model_copy(update={"chunks_per_document": 1}))
    assert len({chunk.document_id for chunk in capped.chunks}) == 3
    plain = retriever(store).retrieve(ask(), PLAIN)
    assert {chunk.document_id for chunk in plain.chunks} == {document.id}
    novel = retriever(store).retrieve(ask(), PLAIN.model_copy(update={"diversity": 0.9}))
    assert len({chunk.document_id for chunk in novel.chunks}) > 1


def test_every_stage_that_ran_has_its_seconds(store: WatchedStore) -> None:
    notes = retriever(store).retrieve(ask(), RetrievalOptions()).notes
    assert notes.timings.keys() == {"self_query", "embed", "search", "total"}
    assert notes.timings["total"] >= notes.timings["search"]
    options = PLAIN.model_copy(update={"expansion": "rules", "rerank": "trained"})
    notes = retriever(store, rerankers={"trained": LengthReranker()}).retrieve(ask(), options).notes
    assert notes.timings.keys() == {"expansion", "embed", "search", "rerank", "total"}


# Whose texts.


def test_an_author_filter_keeps_the_others_out(store: WatchedStore) -> None:
    found = retriever(store).retrieve(ask(author="charles BABBAGE"), RetrievalOptions())
    assert [chunk.text for chunk in found.chunks] == ["His cat, his dog, his fish."]
    assert found.notes.filter == ChunkFilter(author_ids=(BABBAGE.id,))


@pytest.mark.parametrize("name", ["Grace Hopper", "", "  "])
def test_an_unknown_author_is_an_error_that_names_the_known_ones(name: str, store: WatchedStore) -> None:
    with pytest.raises(UnknownAuthorError, match="Known authors: Ada Lovelace, Charles Babbage"):
        retriever(store).retrieve(ask(author=name), PLAIN)


def test_an_author_who_was_stored_a_moment_ago_is_known(store: WatchedStore) -> None:
    known = [ADA]
    asking = retriever(store, authors=lambda: known)
    asking.retrieve(ask(), RetrievalOptions())
    known.append(BABBAGE)
    assert len(asking.retrieve(ask(author="Charles Babbage"), PLAIN).chunks) == 1


def test_the_question_filters_by_the_author_it_names(store: WatchedStore) -> None:
    found = retriever(store).retrieve(ask("What does Charles Babbage say about a dog?"), RetrievalOptions())
    assert {chunk.author_full_name for chunk in found.chunks} == {"Charles Babbage"}
    assert found.notes.filtered_by == ("author: Charles Babbage",)


def test_an_author_who_is_given_outweighs_the_one_in_the_question(store: WatchedStore) -> None:
    question = "What does Charles Babbage say about a dog in his posts?"
    found = retriever(store).retrieve(ask(question, author="Ada Lovelace"), RetrievalOptions())
    assert [chunk.text for chunk in found.chunks] == ["A dog alone."]
    assert found.notes.filtered_by == ("category: posts",)


def test_of_a_filter_that_finds_nothing_the_author_stays_and_the_answer_says_what_was_dropped(
    store: WatchedStore,
) -> None:
    found = retriever(store).retrieve(ask("posts written by Charles Babbage in 2024 about a dog"), RetrievalOptions())
    assert [chunk.text for chunk in found.chunks] == ["His cat, his dog, his fish."]
    assert found.notes.filter == ChunkFilter(author_ids=(BABBAGE.id,))
    assert found.notes.filtered_by == ("author: Charles Babbage",)
    assert found.notes.warnings == (
        "Nothing matches author: Charles Babbage, category: posts, published from 2024-01-01, "
        "published before 2025-01-01: searched without category: posts, published from 2024-01-01, "
        "published before 2025-01-01.",
    )


def test_what_can_be_kept_of_a_filter_is_kept(store: WatchedStore) -> None:
    found = retriever(store).retrieve(ask("posts by Ada Lovelace in French about a dog"), RetrievalOptions())
    assert [chunk.text for chunk in found.chunks] == ["A dog alone."]
    assert found.notes.filtered_by == ("author: Ada Lovelace", "category: posts")
    assert found.notes.warnings[0].endswith(": searched without language: fr.")


def test_conditions_are_dropped_one_after_the_other_and_the_author_last() -> None:
    chosen = ChunkFilter(
        author_ids=(ADA.id,),
        categories=(DataCategory.POSTS,),
        platforms=("medium",),
        languages=("fr",),
        published_from=NOW,
    )
    words = ("author: Ada Lovelace", "category: posts", "platform: medium", "language: fr", "published from 2026-11-18")
    steps = list(relaxed(chosen, words, ChunkFilter()))
    assert [left for _, left in steps] == [words[:4], words[:3], words[:2], words[:1], ()]
    assert steps[3][0] == ChunkFilter(author_ids=(ADA.id,))
    assert steps[4][0] == ChunkFilter()
    given = ChunkFilter(author_ids=(ADA.id,))
    assert list(relaxed(chosen, words[1:], given))[-1] == (given, ())


def test_an_author_without_a_chunk_is_dropped_last_and_named(store: WatchedStore) -> None:
    hopper = Author.named("Grace Hopper")
    asking = retriever(store, authors=lambda: [ADA, hopper])
    found = asking.retrieve(ask("What did Grace Hopper write about a dog?"), RetrievalOptions())
    assert len(found.chunks) == 3
    assert (found.notes.filter, found.notes.filtered_by) == (ChunkFilter(), ())
    assert found.notes.warnings == ("Nothing matches author: Grace Hopper: searched without author: Grace Hopper.",)


def test_the_author_who_is_given_stays_when_the_questions_filter_finds_nothing(store: WatchedStore) -> None:
    found = retriever(store).retrieve(ask("his posts about a dog", author="Charles Babbage"), RetrievalOptions())
    assert {chunk.author_full_name for chunk in found.chunks} == {"Charles Babbage"}
    assert found.notes.filter == ChunkFilter(author_ids=(BABBAGE.id,))


def test_a_question_never_creates_an_author(store: WatchedStore) -> None:
    documents = MemoryDocumentStore([article("x")])
    model = StagedModel(AskedFor=lambda: asked_for(authors=["Grace Hopper"]))
    asking = Retriever(WordEmbedder(), WordEncoder(), store, documents.authors, model, {})
    for self_query in ("rules", "llm"):
        options = PLAIN.model_copy(update={"self_query": self_query})
        notes = asking.retrieve(ask("What does Grace Hopper say about a dog?"), options).notes
        assert notes.filter == ChunkFilter()
        assert notes.warnings[0].startswith("Nothing is stored of 'Grace Hopper'")
    assert list(documents.authors()) == [ADA]


def test_without_the_document_store_names_are_no_filter_and_the_search_goes_on(store: WatchedStore) -> None:
    def down() -> Sequence[Author]:
        raise DependencyUnavailableError("MongoDB does not answer.")

    notes = retriever(store, authors=down).retrieve(ask("What does Ada Lovelace say?"), RetrievalOptions()).notes
    assert notes.filter == ChunkFilter()
    assert notes.warnings == ("Names of authors in the question could not be looked up: MongoDB does not answer.",)


# Stages with a language model.


def test_wordings_are_embedded_in_one_batch_searched_in_one_call_and_merged(store: WatchedStore) -> None:
    embedder = WordEmbedder()
    model = StagedModel(Wordings=lambda: {"wordings": ["fish", "bird", "CAT dog"]})
    options = PLAIN.model_copy(update={"expansion": "llm"})
    found = retriever(store, model, embedder=embedder).retrieve(ask(limit=4), options)
    assert found.notes.variants == ("fish", "bird")
    assert embedder.queries == ["cat dog", "fish", "bird"]
    [request] = store.requests
    assert len(request.queries) == 3
    assert found.notes.scored_by == "fused ranks"
    assert "His cat, his dog, his fish." in {chunk.text for chunk in found.chunks[:2]}


def test_hypothetical_passages_are_embedded_as_passages_and_not_searched_by_words(store: WatchedStore) -> None:
    embedder = WordEmbedder()
    options = PLAIN.model_copy(update={"expansion": "hyde"})
    found = retriever(store, embedder=embedder).retrieve(ask(), options)
    assert (embedder.queries, embedder.embedded) == (["cat dog"], ["A dog barks."])
    [request] = store.requests
    assert [query.sparse is not None for query in request.queries] == [True, False]
    assert found.notes.variants == ("A dog barks.",)


def test_what_a_model_reads_in_the_question_is_the_filter(store: WatchedStore) -> None:
    model = StagedModel(AskedFor=lambda: asked_for(categories=["posts"]))
    found = retriever(store, model).retrieve(ask(), PLAIN.model_copy(update={"self_query": "llm"}))
    assert [chunk.text for chunk in found.chunks] == ["A dog alone."]
    assert found.notes.filtered_by == ("category: posts",)


def test_self_query_and_expansion_run_at_the_same_time_each_with_the_limit(store: WatchedStore) -> None:
    both = threading.Barrier(2, timeout=10)

    def read() -> dict[str, Any]:
        both.wait()
        return asked_for()

    def expand() -> dict[str, Any]:
        both.wait()
        return {"wordings": ["fish"]}

    model = StagedModel(AskedFor=read, Wordings=expand)
    options = PLAIN.model_copy(update={"self_query": "llm", "expansion": "llm", "stage_seconds": 20.0})
    notes = retriever(store, model).retrieve(ask(), options).notes
    assert (notes.variants, notes.warnings) == (("fish",), ())
    assert model.limits == [20.0, 20.0]


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """Lets what hangs go on at the end of the test."""
    event = threading.Event()
    yield event
    event.set()


def test_a_stage_that_hangs_is_not_waited_for_beyond_the_limit(store: WatchedStore, release: threading.Event) -> None:
    ended = threading.Event()

    def hang() -> dict[str, Any]:
        release.wait(60)
        ended.set()
        return {"wordings": ["fish"]}

    model = StagedModel(AskedFor=lambda: asked_for(categories=["posts"]), Wordings=hang)
    options = PLAIN.model_copy(update={"self_query": "llm", "expansion": "llm", "stage_seconds": LIMIT})
    found = retriever(store, model).retrieve(ask(), options)
    assert not ended.is_set()
    assert [chunk.text for chunk in found.chunks] == ["A dog alone."]
    assert found.notes.variants == ()
    assert found.notes.warnings == ("Query expansion failed, went on without it: not ready after 0.2 s",)


def test_two_stages_that_hang_share_one_limit(
    store: WatchedStore, release: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    wait = threading.Event.wait

    def recorded(event: threading.Event, timeout: float | None = None) -> bool:
        if timeout is not None and timeout <= LIMIT:
            waits.append(timeout)
        return wait(event, timeout)

    monkeypatch.setattr(threading.Event, "wait", recorded)
    hang = {"AskedFor": lambda: {"x": release.wait(60)}, "Wordings": lambda: {"x": release.wait(60)}}
    options = PLAIN.model_copy(update={"self_query": "llm", "expansion": "llm", "stage_seconds": LIMIT})
    found = retriever(store, StagedModel(**hang)).retrieve(ask("What does Ada say about a dog?"), options)
    assert len(waits) == 2
    assert sum(waits) < 1.5 * LIMIT  # what the first has used up, the second has no more
    assert found.notes.filter == ChunkFilter(author_ids=(ADA.id,))  # by the rules
    assert len(found.notes.warnings) == 2


@pytest.mark.parametrize("error", [DependencyUnavailableError("quota spent"), MalformedAnswerError("no JSON")])
def test_a_model_that_fails_leaves_results_and_a_warning(store: WatchedStore, error: Exception) -> None:
    def fail() -> dict[str, Any]:
        raise error

    options = PLAIN.model_copy(update={"self_query": "llm", "expansion": "llm"})
    found = retriever(store, StagedModel(AskedFor=fail, Wordings=fail)).retrieve(ask(), options)
    assert len(found.chunks) == 3
    assert found.notes.warnings == (
        f"Self-query by the language model failed, the rules were used: {error}",
        f"Query expansion failed, went on without it: {error}",
    )


def test_a_defect_in_a_stage_is_not_swallowed(store: WatchedStore) -> None:
    def fail() -> dict[str, Any]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        retriever(store, StagedModel(Wordings=fail)).retrieve(ask(), PLAIN.model_copy(update={"expansion": "llm"}))


def test_a_base_model_is_not_asked_and_the_rules_stand_in(store: WatchedStore) -> None:
    model = ScriptedModel("{}", follows_instructions=False)
    options = PLAIN.model_copy(update={"self_query": "llm", "expansion": "llm"})
    notes = retriever(store, model).retrieve(ask("What does Ada say about a dog?"), options).notes
    assert model.prompts == []
    assert notes.filter == ChunkFilter(author_ids=(ADA.id,))
    assert notes.variants == ("Ada say about a dog",)
    assert len(notes.warnings) == 2
    assert "OPENAI_MODEL_ID" in notes.warnings[0]


def test_without_model_stages_and_with_authors_known_no_thread_is_started(
    store: WatchedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = retriever(store)
    asking._authors._clock = lambda: 0.0
    asking._authors()

    def refuse(thread: threading.Thread) -> None:
        raise AssertionError(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    options = RetrievalOptions(self_query="rules", expansion="rules")
    assert asking.retrieve(ask(), options).chunks


# Reranking.


def test_a_reranker_orders_the_candidates_it_is_given(store: WatchedStore) -> None:
    reranker = LengthReranker()
    options = PLAIN.model_copy(update={"rerank": "cross-encoder", "rerank_candidates": 3})
    found = retriever(store, rerankers={"cross-encoder": reranker}).retrieve(ask(), options)
    assert [chunk.text for chunk in found.chunks] == sorted(reranker.read, key=len, reverse=True)
    assert [chunk.score for chunk in found.chunks] == sorted((float(len(text)) for text in reranker.read), reverse=True)
    assert found.notes.scored_by == "reranker"


def test_only_so_many_candidates_are_reranked(store: WatchedStore) -> None:
    reranker = LengthReranker()
    options = PLAIN.model_copy(update={"rerank": "trained", "rerank_candidates": 2})
    retriever(store, rerankers={"trained": reranker}).retrieve(ask(limit=1), options)
    assert len(reranker.read) == 2


class SlowReranker(LengthReranker):
    """Waits for an event before it scores; `begun` counts the questions that it was given."""

    def __init__(self, event: threading.Event) -> None:
        super().__init__()
        self.begun = 0
        self._event = event

    def score(self, question: str, passages: Sequence[str]) -> list[float]:
        self.begun += 1
        self._event.wait(60)
        return super().score(question, passages)


def test_a_reranker_that_hangs_is_not_waited_for_beyond_the_limit_and_not_asked_by_others_meanwhile(
    store: WatchedStore, release: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reranking, "FIRST_USE_SECONDS", LIMIT)
    slow = SlowReranker(release)
    retrieving = retriever(store, rerankers={"trained": slow})
    options = PLAIN.model_copy(update={"rerank": "trained", "stage_seconds": LIMIT})
    without = retriever(store).retrieve(ask(), PLAIN)
    found = retrieving.retrieve(ask(), options)
    assert found.notes.warnings == ("Reranking failed, went on without it: not ready after 0.2 s",)
    assert found.chunks == without.chunks
    assert found.notes.scored_by == without.notes.scored_by
    [warning] = retrieving.retrieve(ask(), options).notes.warnings
    assert warning.startswith("Reranking failed, went on without it: ")
    assert slow.begun == 1
    release.set()
    for _ in range(100):
        notes = retrieving.retrieve(ask(), options).notes
        if not notes.warnings:
            break
    assert notes.scored_by == "reranker"


class Watch:
    """A clock that stands still unless it is set; `reads` counts how often it was looked at."""

    def __init__(self) -> None:
        self.now = 0.0
        self.reads = threading.Semaphore(0)

    def __call__(self) -> float:
        now = self.now
        self.reads.release()
        return now


@pytest.mark.parametrize(
    ("taken", "asked", "scored"),
    [
        (31.0, 2, False),  # 29 s are left, and the question before took 31
        (29.0, 3, True),
        (60.0, 2, False),  # nobody waits any more
    ],
)
def test_a_question_whose_turn_comes_too_late_for_its_answer_is_not_scored(
    taken: float, asked: int, scored: bool, release: threading.Event
) -> None:
    watch, slow = Watch(), SlowReranker(release)
    stage = reranking.RerankStage({"trained": slow}, watch)
    options = RetrievalOptions(rerank="trained", stage_seconds=60.0)
    outcomes: dict[str, list[str]] = {}

    def ask_in_a_thread(name: str) -> threading.Thread:
        chunks = [retrieved("a chunk")]
        thread = threading.Thread(target=lambda: outcomes.update({name: stage.run(ask(), chunks, options)[1]}))
        thread.start()
        # When it makes out its deadline; and before it scores, or before it waits for its turn.
        assert watch.reads.acquire(timeout=30)
        assert watch.reads.acquire(timeout=30)
        return thread

    threads = [ask_in_a_thread("first"), ask_in_a_thread("second")]
    watch.now = taken
    release.set()
    for thread in threads:
        thread.join()
    assert outcomes["first"] == []
    assert bool(outcomes["second"]) is not scored
    # One that need not wait is tried whatever the ones before took.
    watch.now = 1000.0
    assert stage.run(ask(), [retrieved("a chunk")], options)[1] == []
    assert slow.begun == asked


def test_only_the_first_use_of_a_reranker_which_loads_it_has_more_time(
    store: WatchedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[float] = []

    def recorded(stages: Any, limit_seconds: float) -> Any:
        limits.append(limit_seconds)
        return run_side_by_side(stages, limit_seconds)

    monkeypatch.setattr(reranking, "run_side_by_side", recorded)
    retrieving = retriever(store, rerankers={"trained": LengthReranker(), "cross-encoder": LengthReranker()})
    for name in ("trained", "trained", "cross-encoder", "trained"):
        retrieving.retrieve(ask(), PLAIN.model_copy(update={"rerank": name, "stage_seconds": 7.0}))
    assert limits == [30.0, 7.0, 30.0, 7.0]


@pytest.mark.parametrize("rerankers", [{}, {"trained": BrokenReranker()}])
def test_a_reranker_that_cannot_be_had_leaves_results_and_a_warning(
    store: WatchedStore, rerankers: dict[str, Reranker]
) -> None:
    without = retriever(store).retrieve(ask(), PLAIN)
    found = retriever(store, rerankers=rerankers).retrieve(ask(), PLAIN.model_copy(update={"rerank": "trained"}))
    assert found.chunks == without.chunks
    assert found.notes.scored_by == "fused ranks"
    [warning] = found.notes.warnings
    assert "without it" in warning


# Known authors.


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_document_store_is_asked_for_authors_once_in_a_while() -> None:
    clock, asked = Clock(), []

    def load() -> list[Author]:
        asked.append(clock.now)
        return [ADA]

    known = KnownAuthors(load, clock)
    assert [known().authors, known().authors] == [(ADA,), (ADA,)]
    clock.now = MAX_AGE_SECONDS
    assert known().authors == (ADA,)
    assert asked == [0.0, MAX_AGE_SECONDS]


def test_a_store_that_fails_is_left_alone_for_a_while_and_what_was_known_stays() -> None:
    clock, tries = Clock(), []

    def load() -> list[Author]:
        tries.append(clock.now)
        if len(tries) in (1, 3):
            raise DependencyUnavailableError("down")
        return [ADA]

    known = KnownAuthors(load, clock)
    for _ in range(2):
        with pytest.raises(DependencyUnavailableError):
            known()
    assert tries == [0.0]
    clock.now = RETRY_SECONDS
    assert known().authors == (ADA,)
    clock.now += MAX_AGE_SECONDS
    assert known().authors == (ADA,)
    assert len(tries) == 3


def test_while_one_thread_asks_the_store_the_others_use_what_was_known() -> None:
    clock, asking, answer = Clock(), threading.Event(), threading.Event()
    known = KnownAuthors(lambda: [ADA], clock)
    known()

    def slow() -> list[Author]:
        asking.set()
        answer.wait(10)
        return [BABBAGE]

    known._load = slow
    clock.now = MAX_AGE_SECONDS
    thread = threading.Thread(target=known)
    thread.start()
    assert asking.wait(10)
    assert known().authors == (ADA,)
    answer.set()
    thread.join(10)
    assert known().authors == (BABBAGE,)


@pytest.mark.parametrize("self_query", ["rules", "llm"])
def test_a_document_store_that_hangs_costs_the_limit_and_a_warning(
    store: WatchedStore, release: threading.Event, self_query: str
) -> None:
    def hang() -> Sequence[Author]:
        release.wait(60)
        return [ADA]

    model = StagedModel(AskedFor=asked_for)
    options = PLAIN.model_copy(update={"self_query": self_query, "stage_seconds": LIMIT})
    found = retriever(store, model, authors=hang).retrieve(ask("What does Ada Lovelace say of a dog?"), options)
    assert not release.is_set()  # it still hangs
    assert found.chunks
    assert found.notes.warnings[-1] == (
        "Names of authors in the question could not be looked up: The document store has not answered within 0.2 s."
    )
    assert model.limits == []


def test_a_limit_counts_from_when_the_store_was_asked_and_what_was_known_stays(release: threading.Event) -> None:
    clock, asked = Clock(), []

    def load() -> list[Author]:
        asked.append(clock.now)
        if clock.now:
            release.wait(60)
        return [ADA]

    known = KnownAuthors(load, clock)
    assert known(60).authors == (ADA,)
    clock.now = MAX_AGE_SECONDS
    assert known(LIMIT).authors == (ADA,)
    assert known(60).authors == (ADA,)  # does not wait for the one that hangs
    assert asked == [0.0, MAX_AGE_SECONDS]


def test_an_author_who_is_given_is_an_error_where_the_store_does_not_answer(
    store: WatchedStore, release: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang() -> Sequence[Author]:
        release.wait(60)
        return [ADA]

    monkeypatch.setattr(KnownAuthors.__call__, "__defaults__", (LIMIT,))
    with pytest.raises(DependencyUnavailableError, match="has not answered within"):
        retriever(store, authors=hang).retrieve(ask(author="Ada Lovelace"), PLAIN)


def test_a_defect_in_the_look_up_is_not_swallowed(store: WatchedStore) -> None:
    def broken() -> Sequence[Author]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        retriever(store, authors=broken).retrieve(ask(), RetrievalOptions())


def test_the_form_a_model_fills_in_asks_for_every_field() -> None:
    schema = AskedFor.model_json_schema()
    assert set(schema["required"]) == set(schema["properties"]) == set(json.loads(json.dumps(asked_for())))
    assert schema["additionalProperties"] is False
