"""The embedded engine: its folder, its lock, kills, threads."""

import json
import logging
import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import numpy
import pytest
from qdrant_client import models

from llm_engineering.domain.batching import batched
from llm_engineering.domain.errors import DependencyUnavailableError, StoreLockedError
from llm_engineering.domain.retrieval import QueryVectors, SearchRequest
from llm_engineering.infrastructure.db.qdrant import QdrantVectorStore
from llm_engineering.infrastructure.db.qdrant_indexes import CollectionLayout
from llm_engineering.infrastructure.db.qdrant_protocol import EngineError
from llm_engineering.infrastructure.local import edge_models, edge_shards
from llm_engineering.infrastructure.local.edge_client import EdgeClient
from llm_engineering.infrastructure.local.edge_models import condition
from llm_engineering.infrastructure.local.qdrant_engine import embedded_holder, open_embedded, temporary_store
from llm_engineering.infrastructure.models.sparse import Bm25Encoder
from tests.fakes import cleaned, embedded
from tests.integration.qdrant_clients import SPEC

ROOT = Path(__file__).resolve().parents[2]
EAST = [1.0, 0.0, 0.0]
WIDE = SPEC.model_copy(update={"dimension": 64})

_WRITER = """
import sys
from pathlib import Path
from llm_engineering.infrastructure.local import edge_models, edge_shards
from llm_engineering.infrastructure.local.qdrant_engine import open_embedded
from tests.fakes import cleaned, embedded
from tests.integration.qdrant_clients import SPEC

edge_shards.UNSEALED_VECTORS, edge_models.SEALED_VECTORS = int(sys.argv[2]), 1
store = open_embedded(Path(sys.argv[1]))
store.prepare(SPEC)
for i in range(100_000):
    store.upsert_chunks([embedded(cleaned(f"cat {i}", f"d{i}"), [1.0, 0.0, float(i)])])
    if i % 3 == 2:
        store.delete_chunks([embedded(cleaned("", f"d{i - 1}"), []).chunk.id])
    print(i, flush=True)
"""

# Prints its own memory in MiB, without the pages of mapped files, after 2,000 chunks and after 6,000.
_GROWER = """
import sys
from pathlib import Path
import numpy
import psutil
from llm_engineering.domain.chunks import SparseVector
from llm_engineering.infrastructure.local import edge_models, edge_shards
from llm_engineering.infrastructure.local.qdrant_engine import open_embedded
from tests.fakes import cleaned, embedded
from tests.integration.qdrant_clients import SPEC

edge_shards.UNSEALED_VECTORS, edge_models.SEALED_VECTORS, edge_models.SEGMENT_VECTORS = 1_000, 500, 1_000
random = numpy.random.default_rng(0)
store = open_embedded(Path(sys.argv[1]))
store.prepare(SPEC)
for start in range(0, 6_000, 500):
    terms = [numpy.unique(random.integers(20_000, size=100)) for _ in range(500)]
    sparse = [SparseVector(indices=found.tolist(), values=[1.0] * len(found)) for found in terms]
    chunks = [embedded(cleaned("cat", f"d{start + i}"), random.random(3).tolist()) for i in range(500)]
    store.upsert_chunks([item.model_copy(update={"sparse": sparse[i]}) for i, item in enumerate(chunks)])
    if start + 500 in (2_000, 6_000):
        used = psutil.Process().memory_info()
        print((used.rss - used.shared) / 2**20, flush=True)
"""


def run_python(code: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("unsealed", [100_000, 25], ids=["in one segment", "while segments are sealed"])
def test_every_write_that_was_acknowledged_survives_kill_9(memory_path: Path, unsealed: int) -> None:
    with run_python(_WRITER, str(memory_path), str(unsealed)) as process:
        assert process.stdout
        for line in process.stdout:
            if int(line) == 150:
                process.kill()
                break
        acknowledged = [int(line) for line in process.stdout]
    last = acknowledged[-1] if acknowledged else 150
    store = open_embedded(memory_path)
    ids = {i: embedded(cleaned("", f"d{i}"), []).chunk.id for i in range(last + 2)}
    there = {chunk.id for chunk in store.stored_chunks()}
    for i in range(last):  # the deletion after the last one may or may not have been done
        assert (ids[i] in there) is (i % 3 != 1), i
    assert ids[last] in there
    assert store.search(SearchRequest(queries=[QueryVectors(dense=[1.0, 0.0, 0.0])], limit=1))[0][0].title == "d0"
    assert store.active() == SPEC
    store.close()


def test_a_collection_that_was_being_made_or_deleted_at_a_kill_is_not_there(memory_path: Path) -> None:
    store = open_embedded(memory_path)
    store.prepare(SPEC)
    store.close()
    shards = memory_path / "shards"
    for name in (".new-1", ".gone-2"):
        (shards / name / "shard").mkdir(parents=True)
        (shards / name / "collection.json").write_text("{")
    (shards / ".aliases.json").write_text("{")
    again = open_embedded(memory_path)
    again.prepare(SPEC)
    assert sorted(path.name for path in shards.iterdir()) == sorted(
        [f"chunks-{SPEC.key}", f"documents-{SPEC.key}", "aliases.json"]
    )
    again.close()


def test_a_second_process_is_told_who_holds_the_store_and_what_to_do(memory_path: Path) -> None:
    store = open_embedded(memory_path)
    code = (
        "from pathlib import Path; from llm_engineering.infrastructure.local.qdrant_engine import open_embedded;"
        "from llm_engineering.domain.errors import StoreLockedError\n"
        f"try: open_embedded(Path({str(memory_path)!r}))\n"
        "except StoreLockedError as error: print(error)"
    )
    message = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert f"process {os.getpid()}" in message
    assert "QDRANT_DATABASE_HOST" in message
    assert str(os.getpid()) in (embedded_holder(memory_path) or "")
    store.close()
    assert embedded_holder(memory_path) is None
    open_embedded(memory_path).close()


def test_a_lock_without_a_name_is_still_a_clear_error(memory_path: Path) -> None:
    store = open_embedded(memory_path)
    (memory_path / "holder.json").write_text(json.dumps({"x": 1}))
    with pytest.raises(StoreLockedError, match="in use by another process"):
        open_embedded(memory_path)
    store.close()


def test_nobody_holds_a_store_that_was_never_opened(memory_path: Path) -> None:
    assert embedded_holder(memory_path / "qdrant") is None


def test_the_engines_own_lock_is_a_locked_store_too(memory_path: Path) -> None:
    store = open_embedded(memory_path)
    store.prepare(SPEC)
    other = EdgeClient(memory_path / "shards")
    with pytest.raises(StoreLockedError, match="past its lock file"):
        other.count("embedded_chunks")
    store.close()


def test_what_an_earlier_version_left_is_removed_and_the_log_says_what_to_do(
    memory_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (memory_path / "collection" / "embedded_articles").mkdir(parents=True)
    (memory_path / "collection" / "embedded_articles" / "storage.sqlite").write_bytes(b"x")
    (memory_path / "meta.json").write_text("{}")
    (memory_path / ".lock").write_text("tmp lock file")
    with caplog.at_level(logging.INFO):
        open_embedded(memory_path).close()
        assert "--run-feature-engineering" in caplog.text
        caplog.clear()
        open_embedded(memory_path).close()
    assert caplog.text == ""
    assert {path.name for path in memory_path.iterdir()} == {".lock", "holder.json", "shards"}


def test_threads_may_search_while_one_writes(memory_path: Path) -> None:
    store = open_embedded(memory_path)
    store.prepare(SPEC)
    store.upsert_chunks([embedded(cleaned("cat", "target"), EAST)])
    generator, done = random.Random(0), threading.Event()
    wrong: list[object] = []
    request = SearchRequest(queries=[QueryVectors(dense=EAST)] * 3, limit=1)

    def search() -> None:
        while not done.is_set():
            wrong.extend(found for found in store.search(request) if [chunk.title for chunk in found] != ["target"])

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for batch in range(20):
        items = [embedded(cleaned("dog", f"d{batch}-{i}"), [0.0, 1.0, generator.random()]) for i in range(20)]
        store.upsert_chunks(items)
    done.set()
    for thread in threads:
        thread.join(timeout=30)
    assert wrong == []
    assert store.count_chunks() == 401
    store.close()


def test_a_call_that_a_deletion_overtakes_finds_no_collection(memory_path: Path) -> None:
    client = EdgeClient(memory_path)
    QdrantVectorStore(client, "here", CollectionLayout()).prepare(SPEC)
    with pytest.raises(EngineError) as missing, client._engine("embedded_chunks") as shard:
        assert client.delete_collection("embedded_chunks") and shard.info()  # noqa: PT018 - the second one raises
    assert missing.value.status_code == 404
    with pytest.raises(EngineError) as missing:
        client.count("embedded_chunks")
    assert missing.value.status_code == 404
    client.close()


def test_a_damaged_store_is_named_with_the_remedy(memory_path: Path) -> None:
    store = open_embedded(memory_path)
    store.prepare(SPEC)
    store.close()
    (memory_path / "shards" / f"chunks-{SPEC.key}" / "shard" / "edge_config.json").write_text("{")
    again = open_embedded(memory_path)
    with pytest.raises(DependencyUnavailableError, match=r"embedded Qdrant store in .* failed.*reset --only qdrant"):
        again.count_chunks()
    again.close()
    (memory_path / "shards" / "aliases.json").write_text("{")
    with pytest.raises(DependencyUnavailableError, match=r"aliases\.json is damaged"):
        open_embedded(memory_path)
    assert embedded_holder(memory_path) is None


def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge_shards, "UNSEALED_VECTORS", 200)
    monkeypatch.setattr(edge_models, "SEALED_VECTORS", 50)
    monkeypatch.setattr(edge_models, "SEGMENT_VECTORS", 300)


def sealed(store: QdrantVectorStore) -> int:
    """How many points are in segments that are files; the engine counts all sparse vectors as indexed."""
    found = store._client.get_collection("embedded_chunks")
    return (found.indexed_vectors_count or 0) - (found.points_count or 0)


def test_what_is_written_is_sealed_bit_by_bit_and_can_be_found_changed_and_deleted(
    memory_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_segments(monkeypatch)
    matrix = numpy.random.default_rng(0).standard_normal((1_050, 64))
    items = [embedded(cleaned(f"cat word{i}", f"d{i}"), vector) for i, vector in enumerate(matrix.tolist())]
    store = open_embedded(memory_path)
    store.prepare(WIDE)
    for batch in batched(items, 50):
        store.upsert_chunks(batch)
    assert sealed(store) == 1_000

    changed = embedded(cleaned("dog", "d17"), (-matrix[17]).tolist())
    store.upsert_chunks([changed])
    store.delete_chunks([items[18].chunk.id])
    matrix[17] *= -1
    matrix[18] = 0
    cosines = matrix @ matrix[0] / numpy.maximum(numpy.linalg.norm(matrix, axis=1), 1)
    nearest = {items[place].chunk.id for place in numpy.argsort(-cosines)[:20]}
    there = {item.chunk.id for item in items} - {items[18].chunk.id}
    for _ in range(2):
        [found] = store.search(SearchRequest(queries=[QueryVectors(dense=matrix[0].tolist())], limit=20))
        assert {chunk.id for chunk in found} == nearest
        assert {chunk.id for chunk in store.stored_chunks()} == there
        assert [chunk.text for chunk in store.chunks([changed.chunk.id])] == ["dog"]
        store.close()
        store = open_embedded(memory_path)
    store.close()


def test_a_collection_stays_quantised_when_it_is_opened_again(
    memory_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_segments(monkeypatch)
    items = [embedded(cleaned("cat", f"d{i}"), [1.0, float(i), *[0.5] * 62]) for i in range(400)]
    store = open_embedded(memory_path, CollectionLayout(quantization="scalar"))
    store.prepare(WIDE)
    store.close()
    store = open_embedded(memory_path)
    store.upsert_chunks(items)
    assert sealed(store) == 400
    assert list((memory_path / "shards" / f"chunks-{WIDE.key}").rglob("quantized.data"))
    store.close()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell a process's own memory")
def test_the_memory_of_the_process_does_not_grow_with_the_chunks(memory_path: Path) -> None:
    with run_python(_GROWER, str(memory_path)) as process:
        assert process.stdout
        before, after = (float(line) for line in process.stdout)
    # Unsealed, 4,000 chunks take 13 MiB.
    assert after - before < 6


def test_a_temporary_store_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with temporary_store() as store:
        store.prepare(SPEC)
        assert list(tmp_path.iterdir())
    assert list(tmp_path.iterdir()) == []


def test_terms_of_the_real_encoder_are_told_apart_by_the_real_engine() -> None:
    encoder = Bm25Encoder("english")
    texts = ["Why C++ is fast", "Why C# is fast", "The language C", "call parse_header() first", "parseHeader in Java"]
    with temporary_store() as store:
        store.prepare(SPEC.model_copy(update={"sparse_encoder": encoder.name}))
        for i, text in enumerate(texts):
            item = embedded(cleaned(text, str(i)), EAST)
            store.upsert_chunks([item.model_copy(update={"sparse": encoder.encode_passage(text)})])
        found = {
            question: [
                chunk.title
                for chunk in store.search(
                    SearchRequest(queries=[QueryVectors(sparse=encoder.encode_query(question))], limit=5)
                )[0]
            ]
            for question in ("C++?", "c#", "C", "parse_header", "parsing")
        }
    assert (found["C++?"], found["c#"], found["C"]) == (["0"], ["1"], ["2"])
    assert found["parse_header"] == ["3", "4"]
    assert set(found["parsing"]) == {"3", "4"}


@pytest.mark.parametrize(
    "wanted",
    [
        models.Filter(should=[models.HasIdCondition(has_id=[1])]),
        models.Filter(must=[models.IsNullCondition(is_null=models.PayloadField(key="title"))]),
    ],
    ids=["filter", "condition"],
)
def test_a_part_of_a_filter_that_is_not_translated_is_refused_and_not_left_out(wanted: models.Filter) -> None:
    with pytest.raises(EngineError, match="is not asked for") as caught:
        condition(wanted)
    assert caught.value.status_code == 400
