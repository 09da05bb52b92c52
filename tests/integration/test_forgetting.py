"""Forgetting a person or a link: every trace in MongoDB and Qdrant, and nothing else. Both stores are real."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_engineering.application.forgetting import forget
from llm_engineering.application.preprocessing.features import sync_features
from llm_engineering.application.preprocessing.making import FeatureMakers
from llm_engineering.domain.documents import Author, DataCategory, RawDocument
from llm_engineering.domain.errors import InvalidInputError, UnknownAuthorError
from llm_engineering.domain.features import ChunkSizes
from llm_engineering.domain.generation import Generation, Outcome
from llm_engineering.domain.reports import EtlReport, SourceReport
from llm_engineering.domain.sources import SourceState
from llm_engineering.infrastructure.db.mongo import MongoDocumentStore
from llm_engineering.infrastructure.db.mongo_generations import MongoGenerationStore
from llm_engineering.infrastructure.db.qdrant import QdrantVectorStore
from tests.fakes import (
    ADA,
    Killed,
    MemoryDocumentStore,
    MemoryVectorStore,
    SilentProgress,
    WordEmbedder,
    WordEncoder,
    article,
)
from tests.integration.test_mongo_races import kill_after

BABBAGE = Author.named("Charles Babbage")
MAKERS = FeatureMakers(WordEmbedder(), WordEncoder(), ChunkSizes())
FEED, REPOSITORY = "https://ada.example/feed", "https://github.com/ada/engine"


def code(path: str, author: Author = ADA) -> RawDocument:
    return RawDocument.create(
        category=DataCategory.REPOSITORIES,
        platform="github",
        link=f"{REPOSITORY}/blob/HEAD/{path}",
        source=REPOSITORY,
        author=author,
        title=f"engine/{path}",
        content=f"the cat of {path}",
    )


def state(source: str, author: Author = ADA, **changes: Any) -> SourceState:
    return SourceState.model_validate({"source": source, "link": source, "author_id": author.id, **changes})


def report(author: Author, *links: str) -> EtlReport:
    run = EtlReport(author=author.full_name)
    for link in links:
        source = SourceReport(link=link)
        source.fail(link, f"{link} answered 500")
        run.sources.append(source)
    return run


@pytest.fixture
def filled(store: MongoDocumentStore, vectors: QdrantVectorStore) -> MongoDocumentStore:
    """Two articles that a feed listed, one of them with a copy, a repository, and the same of another author."""
    for author in (ADA, BABBAGE):
        store.get_or_create_author(author.full_name)
        one, two = (
            article(f"The {w} of {author.full_name}", f"https://ada.example/{w}", author=author) for w in ("cat", "dog")
        )
        copy = article(one.content, "https://medium.com/cat", author=author)
        changed = two.model_copy(update={"content": "The old dog", "content_hash": "0", "fingerprint": "0"})
        store.upsert([changed])
        store.upsert([one, two, copy, code("a.py", author), code("b.py", author)])
        store.save_source_state(state(FEED, author))
        for document in (one, two):
            store.save_source_state(state(document.source, author, listed_by=FEED))
        store.save_source_state(state(copy.source, author))
        store.save_source_state(state(REPOSITORY, author))
        store.save_run(report(author, FEED, "https://www.ada.example/cat/?utm_source=x", f"{REPOSITORY}.git"))
    sync_features(store, vectors, MAKERS, SilentProgress())
    return store


def generation(key: str, document: RawDocument) -> Generation:
    """What a model made of the document."""
    return Generation(
        key=key,
        model_id="m",
        document_id=document.id,
        author_id=document.author_id,
        outcome=Outcome.ANSWERED,
        text=f"made of {document.link} by {document.author_full_name}",
    )


@pytest.fixture
def generations(filled: MongoDocumentStore, mongo_uri: str) -> Iterator[MongoGenerationStore]:
    """What a model made of the first article and of a file of each author, and of a document that is there no more."""
    store = MongoGenerationStore(mongo_uri, filled._database.name)
    for author in (ADA, BABBAGE):
        gone = article("It went.", "https://ada.example/gone", author=author)
        articles = list(filled.stream(DataCategory.ARTICLES, [author.id]))
        [cat] = [one for one in articles if one.link == "https://ada.example/cat"]
        sources = {"cat": cat, "code": code("a.py", author), "gone": gone}
        store.store([generation(f"{name} {author.id}", document) for name, document in sources.items()])
    yield store
    store.close()


def everything(store: MongoDocumentStore, vectors: QdrantVectorStore) -> str:
    """All that both stores hold, as text."""
    records = [record for name in store._database.list_collection_names() for record in store._database[name].find()]
    names = [collection.name for collection in vectors._client.get_collections().collections]
    points = [point.model_dump(mode="json") for name in names for point in vectors._client.scroll(name, limit=1000)[0]]
    return json.dumps([records, points], default=str)


def test_an_author_leaves_no_trace_and_the_others_stay(filled: MongoDocumentStore, vectors: QdrantVectorStore) -> None:
    result = forget("ada LOVELACE", filled, vectors)
    assert result.removed == {
        "articles": 2,
        "cleaned_documents": 4,
        "embedded_chunks": 4,
        "etl_runs": 1,
        "repositories": 2,
        "sources": 5,
        "users": 1,
    }
    left = everything(filled, vectors)
    assert "Ada" not in left
    assert str(ADA.id) not in left
    assert sum(filled.count(category) for category in DataCategory) == 4
    assert vectors.count_chunks() == 4
    assert len(filled.runs(9)) == 1


def test_what_models_made_of_an_authors_texts_goes_with_the_author(
    filled: MongoDocumentStore, generations: MongoGenerationStore
) -> None:
    assert filled.forget_author(ADA.id)["generations"] == 3
    kept = generations.stored([f"{name} {id_}" for name in ("cat", "code", "gone") for id_ in (ADA.id, BABBAGE.id)])
    assert {one.author_id for one in kept.values()} == {BABBAGE.id}
    assert len(kept) == 3


@pytest.mark.parametrize(
    ("link", "name"),
    [
        ("https://www.ada.example/cat/", "cat"),
        ("https://medium.com/cat", "cat"),  # its words are stored under the other link
        (REPOSITORY, "code"),
        (f"{REPOSITORY}/blob/HEAD/a.py", "code"),
        ("https://ada.example/gone", "gone"),
    ],
)
def test_what_models_made_of_a_link_goes_with_it(
    filled: MongoDocumentStore, vectors: QdrantVectorStore, generations: MongoGenerationStore, link: str, name: str
) -> None:
    assert forget(link, filled, vectors).removed["generations"] == 2
    assert generations.count() == 4
    assert generations.stored([f"{name} {ADA.id}", f"{name} {BABBAGE.id}"]) == {}


@pytest.mark.parametrize("link", ["https://ada.example/cat", "http://www.ada.example/cat/?utm_source=x#top"])
def test_a_page_is_forgotten_by_any_spelling(filled: MongoDocumentStore, vectors: QdrantVectorStore, link: str) -> None:
    # Of both authors: two documents with their sources and those of their copies, and a line in each of two runs.
    assert forget(link, filled, vectors).removed == {
        "articles": 2,
        "cleaned_documents": 2,
        "embedded_chunks": 2,
        "etl_runs (entries of it)": 2,
        "sources": 4,
    }
    left = everything(filled, vectors)
    assert "ada.example/cat" not in left
    assert "The cat of" not in left
    assert left.count("The dog of") > 0
    assert [len(run.sources) for run in filled.runs(9)] == [2, 2]


def test_a_text_is_forgotten_by_the_link_of_its_copy(filled: MongoDocumentStore, vectors: QdrantVectorStore) -> None:
    forget("https://medium.com/cat", filled, vectors)
    left = everything(filled, vectors)
    assert "medium.com" not in left
    assert "The cat of" not in left


def test_a_feed_is_forgotten_with_what_it_led_to(filled: MongoDocumentStore, vectors: QdrantVectorStore) -> None:
    result = forget(FEED, filled, vectors)
    assert (result.removed["articles"], result.removed["sources"]) == (4, 8)
    assert "ada.example" not in everything(filled, vectors)
    assert filled.count(DataCategory.REPOSITORIES) == 4


def test_a_repository_is_forgotten_with_its_files(filled: MongoDocumentStore, vectors: QdrantVectorStore) -> None:
    result = forget("https://github.com/ada/engine.git", filled, vectors)
    assert result.removed["repositories"] == result.removed["embedded_chunks"] == 4
    assert "github.com/ada/engine" not in everything(filled, vectors)
    assert filled.count(DataCategory.ARTICLES) == 4


def test_a_file_is_forgotten_and_its_repository_stays(filled: MongoDocumentStore, vectors: QdrantVectorStore) -> None:
    removed = forget(f"{REPOSITORY}/blob/HEAD/a.py", filled, vectors).removed
    assert removed == {"cleaned_documents": 2, "embedded_chunks": 2, "repositories": 2}
    assert filled.source_state(REPOSITORY, ADA.id)


def test_a_failure_is_forgotten_in_the_report_of_its_feed(
    store: MongoDocumentStore, vectors: QdrantVectorStore
) -> None:
    run = EtlReport(author="Ada Lovelace", sources=[SourceReport(link=FEED)])
    for name in ("a", "b"):
        run.sources[0].fail(f"https://ada.example/{name}", "answered 500")
    store.save_run(run)
    assert forget("https://ada.example/a/", store, vectors).removed == {"etl_runs (entries of it)": 1}
    [source] = store.runs(1)[0].sources
    assert source.failures == {"https://ada.example/b": "answered 500"}
    assert source.failed == {"answered 500": 1}


def test_a_folder_is_forgotten_by_its_path(
    store: MongoDocumentStore, vectors: QdrantVectorStore, tmp_path: Path
) -> None:
    uri = (tmp_path / "My Notes").as_uri()
    store.upsert([article("x", f"{uri}/a.md").model_copy(update={"source": uri})])
    store.save_run(report(ADA, "My Notes"))
    assert forget("My Notes", store, vectors, tmp_path).removed == {"articles": 1, "etl_runs (entries of it)": 1}


@pytest.mark.parametrize("configured", ["notes", "notes/", "../here/notes", "~/here/notes", "{uri}"])
@pytest.mark.parametrize("named", ["notes", "notes/", "../here/notes", "~/here/notes", "{uri}", "{uri}/"])
def test_a_folder_is_forgotten_in_every_spelling(
    store: MongoDocumentStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, configured: str, named: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    root = tmp_path / "here"
    root.mkdir()
    uri = (root / "notes").as_uri()
    store.upsert([article("x", f"{uri}/a.md").model_copy(update={"source": uri})])
    run = EtlReport(author="Ada Lovelace", sources=[SourceReport(link=configured.format(uri=uri), source=uri)])
    store.save_run(run)
    removed = forget(named.format(uri=uri), store, MemoryVectorStore(), root).removed
    assert removed == {"articles": 1, "etl_runs (entries of it)": 1}
    assert store.runs(1)[0].sources == []


def test_a_link_is_forgotten_with_what_was_read_under_it(store: MongoDocumentStore) -> None:
    uri = "file:///elsewhere/notes"
    store.upsert([article("x", f"{uri}/a.md").model_copy(update={"source": uri})])
    store.save_run(EtlReport(author="Ada Lovelace", sources=[SourceReport(link="../notes", source=uri)]))
    removed = forget("../notes", store, MemoryVectorStore(), Path("/moved")).removed
    assert removed == {"articles": 1, "etl_runs (entries of it)": 1}


@pytest.mark.parametrize("named", ["notes/my broken.pdf", "{uri}/my%20broken.pdf"])
def test_a_file_that_failed_is_forgotten_by_its_path_or_link(
    store: MongoDocumentStore, tmp_path: Path, named: str
) -> None:
    uri = (tmp_path / "notes").as_uri()
    run = EtlReport(author="Ada Lovelace", sources=[SourceReport(link="notes", source=uri)])
    for name in ("my broken.pdf", "other.pdf", "sub/my broken.pdf"):
        run.sources[0].fail(name, "not a PDF")
    store.save_run(run)
    assert forget(named.format(uri=uri), store, MemoryVectorStore(), tmp_path).removed == {
        "etl_runs (entries of it)": 1
    }
    [source] = store.runs(1)[0].sources
    assert source.failures == {"other.pdf": "not a PDF", "sub/my broken.pdf": "not a PDF"}
    assert source.failed == {"not a PDF": 2}


def test_a_repository_on_a_disk_is_not_forgotten_with_its_neighbour(store: MongoDocumentStore, tmp_path: Path) -> None:
    bare, checkout = ((tmp_path / name).as_uri() for name in ("x.git", "x"))
    for uri in (bare, checkout):
        store.upsert([code(uri).model_copy(update={"id": article("", uri).id, "link": uri, "source": uri})])
    forget("x.git", store, MemoryVectorStore(), tmp_path)
    assert [document.source for document in store.stream(DataCategory.REPOSITORIES)] == [checkout]


def test_an_author_of_whom_only_features_are_left_is_forgotten(
    filled: MongoDocumentStore, vectors: QdrantVectorStore
) -> None:
    filled.forget_author(ADA.id)
    assert forget("Ada Lovelace", filled, vectors).removed == {
        "cleaned_documents": 4,
        "embedded_chunks": 4,
    }


def test_who_is_not_known_is_answered_with_who_is(filled: MongoDocumentStore, vectors: QdrantVectorStore) -> None:
    with pytest.raises(UnknownAuthorError, match=r"'Plato'.*Known authors: Ada Lovelace, Charles Babbage\."):
        forget("Plato", filled, vectors)
    with pytest.raises(InvalidInputError, match=r"'https://e\.com/x'.*Known authors: Ada Lovelace, Charles Babbage\."):
        forget("https://ada:hunter2@e.com/x", filled, vectors)
    with pytest.raises(InvalidInputError, match="not a valid link"):
        forget("https://[broken", filled, vectors)
    with pytest.raises(InvalidInputError, match="full name, or a link"):
        forget("  ", filled, vectors)


@pytest.mark.parametrize("what", ["Ada Lovelace", "https://ada.example/cat"])
def test_a_kill_in_the_vector_store_is_mended_by_the_same_command(what: str) -> None:
    for writes in range(2):
        documents = MemoryDocumentStore([article("The cat", "https://ada.example/cat")])
        vectors = MemoryVectorStore()
        sync_features(documents, vectors, MAKERS, SilentProgress())
        assert vectors.points
        vectors.die_after = writes
        with pytest.raises(Killed):
            forget(what, documents, vectors)
        vectors.die_after = None
        forget(what, documents, vectors)
        assert (documents.documents, vectors.documents, vectors.points) == ({}, {}, {})


@pytest.mark.parametrize("what", ["Ada Lovelace", FEED])
def test_a_kill_in_the_document_store_is_mended_by_the_same_command(
    store: MongoDocumentStore, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    for writes in range(12):
        store.get_or_create_author(ADA.full_name)
        page = article("The cat", "https://ada.example/cat", title="cat")
        store.upsert([page.model_copy(update={"source": "https://ada.example/moved"})])
        store.save_source_state(state(FEED))
        store.save_source_state(state("https://ada.example/moved", listed_by=FEED))
        store.save_run(report(ADA, FEED))
        try:
            with monkeypatch.context() as patch:
                kill_after(writes, patch)
                forget(what, store, MemoryVectorStore())
        except Killed:
            forget(what, store, MemoryVectorStore())
        else:
            return
        names = store._database.list_collection_names()
        records = [record for name in names for record in store._database[name].find()]
        assert "ada.example" not in json.dumps(records, default=str), writes
    pytest.fail("It was killed each time.")
