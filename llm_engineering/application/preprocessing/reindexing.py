"""Switch to other models: fill a new index while the old one serves, then let the names lead to the new one."""

from llm_engineering.application.preprocessing.engine import FeatureEngine
from llm_engineering.application.preprocessing.features import FeatureSync
from llm_engineering.application.preprocessing.making import FeatureMakers
from llm_engineering.domain.feature_reports import FeatureReport
from llm_engineering.domain.ports import DocumentStore, Progress, VectorStore


def reindex(
    documents: DocumentStore,
    vectors: VectorStore,
    makers: FeatureMakers,
    progress: Progress,
    engine: FeatureEngine | None = None,
) -> FeatureReport:
    """Make the index of these models complete, and let searches see it from then on.

    After a kill, a second run goes on where the first one was. Where the index of these models is the active one
    already, this is a run of the feature pipeline. The index before is deleted by the next run that writes.
    """
    spec = (engine or makers).spec()
    new = vectors.generation(spec)
    report = FeatureSync(documents, new, makers, progress, engine=engine).run()
    # What was written while the index was filled, which can take hours; and what was written meanwhile, in seconds.
    report.absorb(FeatureSync(documents, new, makers, progress, engine=engine).run())
    vectors.activate(spec)
    # A follower of changes may have written into the old index until just now.
    report.absorb(FeatureSync(documents, vectors, makers, progress, engine=engine).run())
    return report
