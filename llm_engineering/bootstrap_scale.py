"""How features are made by several workers. Part of the composition root.

With a Qdrant server or cluster each worker writes by a connection of its own. The embedded engine belongs to one
process: what the workers make then comes back to the driver, which writes it.
"""

from dataclasses import replace
from functools import partial

from llm_engineering.application.preprocessing.engine import FeatureEngine, FeatureWorker, ParallelEngine
from llm_engineering.application.preprocessing.making import FeatureMakers
from llm_engineering.bootstrap_models import build_embedder, build_feature_makers
from llm_engineering.bootstrap_stores import build_vector_store, serves_many_processes
from llm_engineering.domain.features import ChunkSizes
from llm_engineering.settings import Settings, is_secret

# The only ones that workers need: they read no documents and ask no language model.
_WORKERS_SECRETS = frozenset({"QDRANT_APIKEY", "HUGGINGFACE_ACCESS_TOKEN"})


def build_feature_engine(settings: Settings, makers: FeatureMakers, address: str | None) -> FeatureEngine:
    """FEATURE_WORKERS workers by Ray: in the cluster at the address, else on this machine."""
    from llm_engineering.infrastructure.scale.ray_cluster import Workers, workers_here
    from llm_engineering.infrastructure.scale.ray_job import RayJob

    count, uses_gpus = settings.FEATURE_WORKERS, settings.RAG_MODEL_DEVICE.startswith("cuda")
    workers = Workers(count, gpus=int(uses_gpus)) if address else workers_here(count, uses_gpus)
    job = RayJob(partial(build_worker, _for_workers(settings), makers.sizes), workers, address)
    if uses_gpus:  # the driver only names the model, and may have no GPU itself
        on_cpu = {"RAG_MODEL_DEVICE": "cpu", "EMBEDDING_PRECISION": "float32"}
        makers = replace(makers, embedder=build_embedder(settings.model_copy(update=on_cpu)))
    return ParallelEngine(makers, job.run)


def build_worker(settings: Settings, sizes: ChunkSizes) -> FeatureWorker:
    """One worker, in a process of its own, with its own models and its own connection."""
    makers = build_feature_makers(settings, build_embedder(settings), sizes)
    return FeatureWorker(makers, build_vector_store(settings) if serves_many_processes(settings) else None)


def _for_workers(settings: Settings) -> Settings:
    """The settings that travel to the workers: without needless secrets, and with the one GPU that each sees."""
    changes: dict[str, object] = {
        name: None for name, field in Settings.model_fields.items() if is_secret(field) and name not in _WORKERS_SECRETS
    }
    if settings.RAG_MODEL_DEVICE.startswith("cuda"):
        changes["RAG_MODEL_DEVICE"] = "cuda"
    return settings.model_copy(update=changes)
