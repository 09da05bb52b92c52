"""One start of Ray for all that its tests look at; run as a program, for Ray leaves threads and sockets behind it.

    python -m tests.integration.ray_run FOLDER

The settings come from the environment. FOLDER gets `outcome.json`, and a journal of the process that wrote.
"""

import json
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from llm_engineering.application.preprocessing import engine
from llm_engineering.application.preprocessing.engine import FeatureWorker, ParallelEngine
from llm_engineering.application.preprocessing.features import sync_features
from llm_engineering.application.preprocessing.making import FeatureMakers
from llm_engineering.bootstrap import Services
from llm_engineering.bootstrap_environment import prepare_for_ray, share_the_cores
from llm_engineering.domain.chunks import EmbeddedChunk
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.errors import ConfigurationError, DependencyUnavailableError
from llm_engineering.domain.feature_reports import FeatureReport
from llm_engineering.domain.features import ChunkSizes, FeatureState, IndexSpec
from llm_engineering.infrastructure.scale.ray_cluster import Workers, connected, workers_here
from llm_engineering.infrastructure.scale.ray_job import RayJob
from llm_engineering.settings import load_settings
from tests.fakes import MemoryDocumentStore, MemoryVectorStore, SilentProgress, WordEmbedder, WordEncoder, article


class DeadlyEmbedder(WordEmbedder):
    """Cannot cut an unreadable text, and ends its process as a lack of memory would at a deadly one."""

    def token_starts(self, text: str) -> list[int]:
        if "unreadable" in text:
            raise ValueError("no offsets")
        if "deadly" in text:
            os._exit(9)
        return super().token_starts(text)


class Journal(MemoryVectorStore):
    """Notes each write in a file; a worker has its own, as it has its own connection to a server."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def generation(self, spec: IndexSpec) -> "Journal":
        self.prepare(spec)
        return self

    def upsert_documents(self, documents: Sequence[tuple[CleanedDocument, FeatureState]]) -> None:
        for document, state in documents:
            self._note(document.link, "done" if state.feature_hash else "marked")

    def upsert_chunks(self, chunks: Sequence[EmbeddedChunk]) -> None:
        for item in chunks:
            self._note(item.chunk.document.link, "chunk")

    def _note(self, link: str, what: str) -> None:
        with (self._folder / f"journal-{os.getpid()}.txt").open("a") as file:
            file.write(f"{link} {what}\n")


def journalling_worker(folder: Path) -> FeatureWorker:
    return FeatureWorker(word_makers(), Journal(folder))


def refusing_worker() -> FeatureWorker:
    raise DependencyUnavailableError("no model here")


def word_makers() -> FeatureMakers:
    return FeatureMakers(DeadlyEmbedder(), WordEncoder(), ChunkSizes())


def sync_words(folder: Path, job: RayJob, *texts: str) -> FeatureReport:  # type: ignore[type-arg]
    documents = [article(text, f"https://e.com/{text.split()[0]}") for text in texts]
    parallel = ParallelEngine(word_makers(), job.run)
    journal = Journal(folder)
    return sync_features(MemoryDocumentStore(documents), journal, word_makers(), SilentProgress(), engine=parallel)


def sync_stores(services: Services) -> str:
    report = sync_features(
        services.documents,
        services.vectors,
        services.feature_makers,
        SilentProgress(),
        engine=services.feature_engine,
    )
    return report.model_dump_json()


def main(folder: Path) -> None:
    share_the_cores()
    engine.WINDOW_CHARACTERS = 2_000  # a window for each worker, and more
    outcome = {}
    workers = workers_here(2, uses_gpu=False)
    with Services(load_settings(env_file=None)) as services:
        with connected(workers, prepare_for_ray()):
            outcome["first"] = sync_stores(services)
            one = Workers(1)
            job = RayJob(partial(journalling_worker, folder), one)
            texts = ("unreadable cat.", "deadly cat.", "dog here.", "fish there.", "bird everywhere.")
            outcome["faults"] = sync_words(folder, job, *texts).model_dump_json()
            outcome["driver"] = str(os.getpid())
            try:
                sync_words(folder, RayJob(refusing_worker, one), "cat here.")
            except DependencyUnavailableError as error:
                outcome["refusal"] = str(error)
            try:
                sync_words(folder, RayJob(refusing_worker, Workers(99)), "cat here.")
            except ConfigurationError as error:
                outcome["no room"] = str(error)
        import ray

        outcome["second"] = sync_stores(services)
        outcome["ray runs at the end"] = str(ray.is_initialized())
    (folder / "outcome.json").write_text(json.dumps(outcome))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
