"""Takes a dataset to a hub."""

from pathlib import Path
from tempfile import TemporaryDirectory

from llm_engineering.application.dataset.card import render_card
from llm_engineering.application.dataset.layout import DATA_FILES, publishable, write_layout
from llm_engineering.domain.dataset_options import PublishOptions
from llm_engineering.domain.dataset_reports import PublishedFile, PublishReport
from llm_engineering.domain.datasets import TrainTestSplit
from llm_engineering.domain.errors import QualityGateError
from llm_engineering.domain.hub import HubRepository


def publish_dataset(
    dataset: TrainTestSplit, hub: HubRepository, options: PublishOptions, dry_run: bool = False
) -> PublishReport:
    """Publish the dataset; a dry run writes it to a temporary folder, and sends nothing.

    Raises:
        QualityGateError: it is not good enough; not of a dry run, whose report says it.
        DependencyUnavailableError, StorageFullError: the hub does not take it.
    """
    if not dry_run:
        require_good(dataset)
    public = publishable(dataset)
    report = PublishReport(
        repository_id=options.dataset_id,
        where=hub.where,
        private=options.private if options.push_to_huggingface else None,
        content=public.version,
        files=[],
        gate=public.report.gate,
        card=render_card(public, options),
    )
    with TemporaryDirectory(prefix="moodswarm-dataset-") as name:
        folder = Path(name)
        write_layout(public, folder, report.card)
        report.files = _files(public, folder)
        if not dry_run:
            message = f"{dataset.kind} dataset {report.content[:12]}"
            sent = hub.publish(options.dataset_id, folder, "dataset", message, options.private)
            report.revision = sent.revision
    return report


def require_good(dataset: TrainTestSplit) -> None:
    """Raises QualityGateError when the dataset may not be published; the message names what it does not meet."""
    if dataset.report.passed:
        return
    failed = (check for check in dataset.report.gate if not check.passed)
    told = "; ".join(f"{check.name}: {check.measured}, wanted {check.wanted}" for check in failed)
    raise QualityGateError(
        f"The dataset is not published, for it is not good enough ({told or 'it was never checked'}). Look at it: "
        f"python -m tools.dataset_inspect stats {dataset.kind}"
    )


def _files(dataset: TrainTestSplit, folder: Path) -> list[PublishedFile]:
    rows = {DATA_FILES[split]: len(dataset.of(split)) for split in DATA_FILES}
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in paths}
    return [PublishedFile(path=name, size=size, rows=rows.get(name)) for name, size in sizes.items()]
