"""Bring Qdrant in line with MongoDB."""

from typing import Annotated

from zenml import log_metadata, step
from zenml.types import HTMLString

from llm_engineering.application.authors import resolve_author
from llm_engineering.application.preprocessing import features
from llm_engineering.application.preprocessing.run_inspection import RunInspection
from llm_engineering.bootstrap import build_services
from llm_engineering.domain.feature_reports import FeatureReport
from llm_engineering.infrastructure.charts.chunks import chunk_report_html


# Not cached: what changed is told by content hashes, document by document.
@step(enable_cache=False)
def sync_features(
    author_full_names: list[str] | None = None,
) -> tuple[Annotated[FeatureReport, "feature_report"], Annotated[HTMLString, "chunk_report"]]:
    """Clean, chunk, embed and load what is new or changed, of these authors or of all; remove what vanished.

    One step, for documents are streamed from store to store and never become artifacts. It is red when a document
    failed; the others are done then. The second artifact shows lengths, samples and outliers of the run's chunks.
    """
    with build_services() as services:
        authors = [resolve_author(name, services.documents) for name in author_full_names or []]
        ids = [id_ for id_ in authors if id_] or None
        made = RunInspection(services.feature_makers)
        report = features.sync_features(
            services.documents,
            services.vectors,
            services.feature_makers,
            services.progress,
            ids,
            services.feature_engine,
            on_made=made.add,
        )
    log_metadata(metadata=report.metadata())
    report.require_complete()
    return report, HTMLString(chunk_report_html(made.result()))
