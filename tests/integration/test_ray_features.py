"""Two workers of a real Ray make what one process makes, with the real model and the real stores."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import pytest

from llm_engineering.application.preprocessing.features import sync_features
from llm_engineering.bootstrap_models import build_embedder, build_feature_makers
from llm_engineering.configuration import load_chunk_sizes
from llm_engineering.domain.documents import Author, DataCategory, RawDocument
from llm_engineering.domain.feature_reports import FeatureReport
from llm_engineering.infrastructure.db.mongo import MongoDocumentStore
from llm_engineering.infrastructure.db.qdrant import QdrantVectorStore
from llm_engineering.infrastructure.db.qdrant_indexes import CHUNKS, DOCUMENTS, physical
from llm_engineering.infrastructure.local.edge_client import EdgeClient
from llm_engineering.infrastructure.local.qdrant_engine import open_embedded
from llm_engineering.settings import PROJECT_ROOT, Settings
from tests.fakes import SilentProgress

pytest.importorskip("ray.data", reason="extra 'scale'")

Run: TypeAlias = tuple[Path, dict[str, str], MongoDocumentStore]
AUTHOR = Author.named("Grace Hopper")
SUBJECTS = ("compilers", "ships", "clocks", "nanoseconds", "bridges", "gardens", "rivers", "trains", "letters", "maps")


def texts(count: int) -> list[RawDocument]:
    """Short documents of all categories; some have two sections, and so two chunks."""
    categories = list(DataCategory)
    documents = []
    for number in range(count):
        subject, category = SUBJECTS[number % len(SUBJECTS)], categories[number % len(categories)]
        content = f"## On {subject}\n\n" + f"Nobody who has seen {number} {subject} forgets what they can do. " * 3
        if number % 4 == 0:
            content += f"\n\n## And {subject} again\n\n" + f"There is more to say of {subject}, and here it is. " * 30
        documents.append(
            RawDocument.create(
                category=category,
                platform="example.com",
                link=f"https://example.com/{category}/{number}.md",
                author=AUTHOR,
                title=f"All about {subject}, part {number}",
                content=content,
            )
        )
    return documents


@pytest.fixture(scope="module")
def run(mongo_uri: str, models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """What `ray_run` has left, its outcome, and the documents that it worked on."""
    folder, database = tmp_path_factory.mktemp("ray"), f"test_{uuid4().hex}"
    documents = MongoDocumentStore(mongo_uri, database)
    documents.get_or_create_author(AUTHOR.full_name)
    documents.upsert(texts(20))
    clean = {name: value for name, value in os.environ.items() if name not in Settings.model_fields}
    environment = clean | {
        "DATABASE_HOST": mongo_uri,
        "DATABASE_NAME": database,
        "LOCAL_STATE_DIR": str(folder),
        "MODELS_DIR": str(models_dir),
        "EMBEDDING_PRECISION": "int8",
        "FEATURE_ENGINE": "ray",
        "FEATURE_WORKERS": "2",
        "HOME": str(folder),  # where Ray would leave a token
    }
    command = [sys.executable, "-m", "tests.integration.ray_run", str(folder)]
    result = subprocess.run(
        command, cwd=PROJECT_ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    if result.returncode != 0:
        documents.close()
        pytest.fail(result.stderr[-4000:])
    yield folder, json.loads((folder / "outcome.json").read_text()), documents
    documents.close()


def points(store: QdrantVectorStore, kind: str) -> dict[str, Any]:
    """All points of the kind with their payloads and vectors, as the engine has them."""
    ids = store.feature_states() if kind == DOCUMENTS else [chunk.id for chunk in store.stored_chunks()]
    spec, client = store.active(), store._client
    assert spec is not None
    assert isinstance(client, EdgeClient)
    with client._engine(physical(kind, spec)) as shard:
        return {str(point.id): point for point in shard.retrieve([str(id_) for id_ in ids], True, True)}


def test_workers_store_what_one_process_stores(
    run: Run,
    vectors: QdrantVectorStore,
    models_dir: Path,
) -> None:
    folder, outcome, documents = run
    sizes = load_chunk_sizes(PROJECT_ROOT / "configs" / "chunking.yaml")
    settings = Settings(_env_file=None).model_copy(update={"MODELS_DIR": models_dir, "EMBEDDING_PRECISION": "int8"})
    makers = build_feature_makers(settings, build_embedder(settings), sizes)
    expected = sync_features(documents, vectors, makers, SilentProgress())
    report = FeatureReport.model_validate_json(outcome["first"])
    assert report.total == expected.total
    assert report.total.new == 20
    assert report.chunks_embedded >= 25
    together = open_embedded(folder / "qdrant")
    try:
        assert together.active() == vectors.active()
        for kind in (DOCUMENTS, CHUNKS):
            theirs, ours = points(together, kind), points(vectors, kind)
            assert theirs.keys() == ours.keys()
            assert {id_: record.payload for id_, record in theirs.items()} == {
                id_: record.payload for id_, record in ours.items()
            }
        for id_, record in theirs.items():
            assert record.vector["dense"] == pytest.approx(ours[id_].vector["dense"], abs=1e-5)
            assert record.vector["bm25"].indices == ours[id_].vector["bm25"].indices
            assert record.vector["bm25"].values == ours[id_].vector["bm25"].values
    finally:
        together.close()


def test_a_second_run_does_nothing_and_does_not_start_ray(
    run: Run,
) -> None:
    _, outcome, _ = run
    report = FeatureReport.model_validate_json(outcome["second"])
    assert (report.total.unchanged, report.chunks_embedded, report.total.failed) == (20, 0, 0)
    assert outcome["ray runs at the end"] == "False"


def test_workers_write_by_themselves_documents_marked_before_their_chunks_and_done_after(
    run: Run,
) -> None:
    folder, outcome, _ = run
    journals = {path.stem.removeprefix("journal-"): path.read_text() for path in folder.glob("journal-*.txt")}
    assert journals
    assert outcome["driver"] not in journals
    lines = "".join(journals.values()).splitlines()
    for name in ("dog", "fish", "bird"):
        written = [line.split()[1] for line in lines if line.startswith(f"https://e.com/{name} ")]
        assert written == ["marked", "chunk", "done"]


def test_a_document_that_fails_or_kills_its_worker_is_told_and_the_others_are_done(
    run: Run,
) -> None:
    report = FeatureReport.model_validate_json(run[1]["faults"])
    assert (report.total.new, report.total.failed) == (3, 2)
    assert report.failures["https://e.com/unreadable"] == "ValueError: no offsets"
    assert "worker died" in report.failures["https://e.com/deadly"]


def test_what_a_worker_refuses_ends_the_job_with_its_own_error(
    run: Run,
) -> None:
    assert run[1]["refusal"] == "no model here"


def test_too_few_cpus_are_an_error_and_no_endless_wait(run: Run) -> None:
    assert run[1]["no room"].startswith("FEATURE_WORKERS is 99")
