"""Which index serves: mismatches, switching without downtime, and what a crash leaves. On both engines."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from qdrant_client import models

from llm_engineering.domain.documents import DataCategory
from llm_engineering.domain.errors import DependencyUnavailableError, ModelMismatchError
from llm_engineering.domain.features import FeatureState, IndexSpec
from llm_engineering.domain.retrieval import QueryVectors, SearchRequest
from llm_engineering.infrastructure.db.qdrant import QdrantVectorStore
from llm_engineering.infrastructure.db.qdrant_indexes import CollectionLayout
from llm_engineering.infrastructure.local.edge_client import EdgeClient
from tests.fakes import ADA, Killed, cleaned, embedded
from tests.integration.qdrant_clients import OTHER, SPEC, Recorded, ServerStandIn

EAST = [1.0, 0.0, 0.0]
BY_EAST = SearchRequest(queries=[QueryVectors(dense=EAST)], limit=5)
STATE = FeatureState(feature_hash="h", chunk_count=1, category=DataCategory.ARTICLES)


@pytest.fixture(params=["embedded", "server"])
def client(request: pytest.FixtureRequest, memory_path: Path) -> Iterator[Recorded]:
    client: Any = EdgeClient(memory_path / "shards") if request.param == "embedded" else ServerStandIn()
    yield Recorded(client)
    client.close()


def opened(client: Recorded) -> QdrantVectorStore:
    """A store as another process would have it: it knows nothing yet."""
    return QdrantVectorStore(client, "here", CollectionLayout())


def collections(client: Recorded) -> set[str]:
    return {item.name for item in client.get_collections().collections}


def aliases(client: Recorded) -> dict[str, str]:
    return {item.alias_name: item.collection_name for item in client.get_aliases().aliases}


def pair(spec: IndexSpec) -> set[str]:
    return {f"chunks-{spec.key}", f"documents-{spec.key}"}


def alias_names(spec: IndexSpec) -> dict[str, str]:
    return {"embedded_chunks": f"chunks-{spec.key}", "cleaned_documents": f"documents-{spec.key}"}


def titles(store: QdrantVectorStore) -> list[str]:
    return [chunk.title for chunk in store.search(BY_EAST)[0]]


def create_bare(client: Recorded, name: str) -> None:
    client.create_collection(
        name,
        vectors_config={},
        sparse_vectors_config={},
        shard_number=1,
        replication_factor=1,
        quantization_config=None,
        metadata={},
    )


def test_the_aliases_lead_to_the_collections_and_these_say_by_what_they_were_made(client: Recorded) -> None:
    opened(client).prepare(SPEC)
    assert (collections(client), aliases(client)) == (pair(SPEC), alias_names(SPEC))
    assert opened(client).active() == SPEC
    assert client.get_collection("embedded_chunks").config.metadata["index"] == SPEC.model_dump()


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"model_id": "other/model"}, "other/model"),
        ({"revision": "abcdef0123456789"}, "m@abcdef012345"),
        ({"precision": "int8 of 3f2a"}, "int8 of 3f2a"),
        ({"dimension": 5}, "5 dimensions"),
        ({"sparse_encoder": "bm25 german"}, "bm25 german"),
    ],
)
def test_an_index_of_other_models_is_refused_with_both_and_the_remedy(
    client: Recorded, changed: dict[str, Any], named: str
) -> None:
    opened(client).prepare(SPEC)
    with pytest.raises(ModelMismatchError) as refused:
        opened(client).prepare(SPEC.model_copy(update=changed))
    message = str(refused.value)
    assert SPEC.describe() in message
    assert named in message
    assert "python -m tools.features --reindex" in message
    assert "TEXT_EMBEDDING_MODEL_ID" in message
    assert collections(client) == pair(SPEC)


def test_a_new_index_is_filled_while_the_old_one_serves_and_then_takes_over(client: Recorded) -> None:
    store = opened(client)
    store.prepare(SPEC)
    store.upsert_chunks([embedded(cleaned("cat", "old"), EAST)])
    new = store.generation(OTHER)
    new.prepare(OTHER)
    new.upsert_chunks([embedded(cleaned("cat", "new"), EAST)])
    new.upsert_documents([(cleaned("cat", "new"), STATE)])
    assert (titles(store), titles(new), store.feature_states()) == (["old"], ["new"], {})
    assert store.active() == new.active() == opened(client).active() == SPEC
    client.calls.clear()
    store.activate(OTHER)
    assert client.names().count("update_collection_aliases") == 1
    assert (titles(store), titles(opened(client)), len(store.feature_states())) == (["new"], ["new"], 1)
    assert store.active() == new.active() == OTHER
    assert (collections(client), aliases(client)) == (pair(SPEC) | pair(OTHER), alias_names(OTHER))
    opened(client).prepare(OTHER)
    assert collections(client) == pair(OTHER)


def test_a_generation_takes_no_vectors_of_other_models(client: Recorded) -> None:
    with pytest.raises(ModelMismatchError, match="--reindex"):
        opened(client).generation(OTHER).prepare(SPEC)


def test_a_process_that_has_missed_a_switch_goes_on_reading_and_never_mixes_vectors(client: Recorded) -> None:
    reader, writer, late = opened(client), opened(client), opened(client)
    late.prepare(SPEC)
    writer.prepare(SPEC)
    late.upsert_chunks([embedded(cleaned("cat", "old"), EAST)])
    assert titles(reader) == ["old"]
    opened(client).activate(OTHER)
    assert (titles(reader), titles(opened(client))) == (["old"], [])
    with pytest.raises(ModelMismatchError, match="int8 of 3f2a"):
        writer.prepare(SPEC)
    opened(client).prepare(OTHER)
    with pytest.raises(ModelMismatchError, match="int8 of 3f2a"):
        reader.search(BY_EAST)
    with pytest.raises(ModelMismatchError):
        writer.upsert_chunks([embedded(cleaned("cat", "mixed"), EAST)])
    with pytest.raises(ModelMismatchError):
        late.delete_chunks([embedded(cleaned("cat", "old"), EAST).chunk.id])
    assert (reader.active(), titles(reader)) == (OTHER, [])


def test_a_store_that_was_emptied_under_a_reader_is_empty_to_it(client: Recorded) -> None:
    reader = opened(client)
    reader.prepare(SPEC)
    for name in pair(SPEC):
        client.delete_collection(name)
    assert (reader.search(BY_EAST), reader.active()) == ([[]], None)
    reader.prepare(OTHER)
    assert reader.active() == OTHER


def killed_at_every_change(
    client: Recorded, what: Callable[[QdrantVectorStore], None], possible: tuple[list[str], ...]
) -> int:
    """Run it again and again, killed one change later each time, until it comes through; returns how often it died.

    Whatever is cut off, a reader finds one of the possible results.
    """
    for survived in range(50):
        client.die_after = survived
        try:
            what(opened(client))
        except Killed:
            client.die_after = None
            assert titles(opened(client)) in possible
            continue
        client.die_after = None
        return survived
    raise AssertionError("it never comes through")


def test_a_first_run_that_is_killed_at_any_change_is_mended_by_the_next(client: Recorded) -> None:
    # Two collections, seven payload indexes, the aliases.
    assert killed_at_every_change(client, lambda store: store.prepare(SPEC), ([],)) > 0
    assert (collections(client), aliases(client)) == (pair(SPEC), alias_names(SPEC))
    opened(client).upsert_chunks([embedded(cleaned("cat", "a"), EAST)])
    assert titles(opened(client)) == ["a"]


def test_an_activation_that_is_killed_at_any_change_is_mended_by_the_next(client: Recorded) -> None:
    old = opened(client)
    old.prepare(SPEC)
    new = old.generation(OTHER)
    old.upsert_chunks([embedded(cleaned("cat", "old"), EAST)])
    new.upsert_chunks([embedded(cleaned("cat", "new"), EAST)])
    # The aliases; the stand-in makes its payload indexes again each time.
    assert killed_at_every_change(client, lambda store: store.activate(OTHER), (["old"], ["new"])) >= 1
    assert killed_at_every_change(client, lambda store: store.prepare(OTHER), (["new"],)) >= 1
    assert (collections(client), aliases(client)) == (pair(OTHER), alias_names(OTHER))
    assert titles(opened(client)) == ["new"]


def test_preparing_deletes_what_a_killed_activation_left_and_keeps_a_reindex_that_goes_on(client: Recorded) -> None:
    third = SPEC.model_copy(update={"revision": "3"})
    opened(client).prepare(SPEC)
    opened(client).generation(OTHER)
    changes = [
        models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=name, alias_name=alias))
        for alias, name in alias_names(OTHER).items()
    ]
    client.update_collection_aliases(changes)  # as far as `activate` came
    opened(client).generation(third)
    opened(client).prepare(OTHER)
    assert collections(client) == pair(OTHER) | pair(third)


def test_collections_of_the_earlier_layout_are_deleted_and_the_log_says_what_to_do(
    client: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    earlier = {f"{kind}_{name}" for kind in ("cleaned", "embedded") for name in ("posts", "articles", "repositories")}
    for name in (*earlier, "somebody_elses"):
        create_bare(client, name)
    with caplog.at_level(logging.INFO):
        opened(client).prepare(SPEC)
    assert collections(client) == pair(SPEC) | {"somebody_elses"}
    [record] = [record for record in caplog.records if "earlier layout" in record.message]
    assert record.levelno == logging.INFO
    assert "--run-feature-engineering" in record.message
    create_bare(client, "cleaned_posts")
    opened(client).activate(SPEC)
    create_bare(client, "embedded_posts")
    opened(client).forget(author_id=ADA.id)
    assert collections(client) == pair(SPEC) | {"somebody_elses"}


def test_an_author_is_forgotten_in_an_index_that_does_not_serve_as_well(client: Recorded) -> None:
    store = opened(client)
    store.prepare(SPEC)
    new = store.generation(OTHER)
    for one in (store, new):
        one.upsert_chunks([embedded(cleaned("cat", "hers"), EAST)])
    assert opened(client).forget(author_id=ADA.id) == {"embedded_chunks": 2, "cleaned_documents": 0}
    assert (store.count_chunks(), new.count_chunks()) == (0, 0)


def test_a_collection_that_does_not_say_by_what_it_was_made_is_named(client: Recorded) -> None:
    create_bare(client, "old-server")
    alias = models.CreateAlias(collection_name="old-server", alias_name="embedded_chunks")
    client.update_collection_aliases([models.CreateAliasOperation(create_alias=alias)])
    with pytest.raises(DependencyUnavailableError, match=r"old-server does not say .* version 1\.16"):
        opened(client).prepare(SPEC)
