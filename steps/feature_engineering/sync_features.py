"""Bring Qdrant in line with MongoDB."""

from typing import Annotated

from zenml import log_metadata, step

from llm_engineering.application.preprocessing import features
from llm_engineering.application.rag.retrieval import resolve_author
from llm_engineering.bootstrap import build_services
from llm_engineering.domain.reports import FeatureReport


# Not cached: what changed is told by content hashes, document by document.
@step(enable_cache=False)
def sync_features(author_full_names: list[str] | None = None) -> Annotated[FeatureReport, "feature_report"]:
    """Clean, chunk, embed and load what is new or changed, of these authors or of all; remove what vanished.

    One step, for documents are streamed from store to store and never become artifacts.
    """
    with build_services() as services:
        authors = [resolve_author(name, services.documents) for name in author_full_names or []]
        ids = [id_ for id_ in authors if id_] or None
        report = features.sync_features(services.documents, services.vectors, services.embedder, services.progress, ids)
    log_metadata(metadata=report.metadata())
    return report
