"""What the making, publishing and exporting of datasets is put together from. Part of the composition root."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, aclosing, suppress
from functools import partial
from pathlib import Path
from uuid import UUID

from llm_engineering.application.authors import find_author
from llm_engineering.application.dataset.asking import Asker
from llm_engineering.application.dataset.building import build_dataset
from llm_engineering.application.dataset.costs import Purse, check_budget
from llm_engineering.application.dataset.doubts import doubts_of
from llm_engineering.application.dataset.estimating import estimate_dataset
from llm_engineering.application.dataset.finding import is_authors_own
from llm_engineering.application.dataset.foreign import NO_DOCUMENT, read_dataset
from llm_engineering.application.dataset.publishing import publish_dataset
from llm_engineering.application.evaluation.question_sets import read_question_set
from llm_engineering.application.exporting import ArtifactExport
from llm_engineering.bootstrap import Services
from llm_engineering.bootstrap_environment import export_zenml_environment
from llm_engineering.bootstrap_hub import build_hub, fetch
from llm_engineering.bootstrap_models import build_concurrent_model, price_of_model, require_language_model
from llm_engineering.configuration import load_prices
from llm_engineering.domain.dataset_inspection import DatasetQuality
from llm_engineering.domain.dataset_options import DatasetOptions, GenerationOptions, PublishOptions
from llm_engineering.domain.dataset_reports import ExportReport, PublishReport
from llm_engineering.domain.datasets import DatasetKind, TrainTestSplit
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.errors import DependencyUnavailableError, InvalidDatasetError, InvalidInputError
from llm_engineering.domain.generation import ConcurrentLanguageModel, Estimate, Price
from llm_engineering.domain.hub import HubReference, HubRepository
from llm_engineering.settings import PROJECT_ROOT

PRICES = PROJECT_ROOT / "configs" / "prices.yaml"


class DatasetRun:
    """Makes datasets of what is stored, publishes and exports them, and reads what was published."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._settings = services.settings

    def check(self, options: DatasetOptions, publish: PublishOptions) -> None:
        """Look for what would stop a run, as far as it can be told without asking a store or a model.

        Raises:
            NoLanguageModelError: there is none; the message has the three ways to get one.
            SettingsError: the dataset is to go to the Hugging Face Hub, and there is no token.
            PipelineConfigError: there is a budget, and no price to hold it by.
            InvalidQuestionSetError: a set of evaluation questions cannot be read.
        """
        require_language_model(self._settings)
        self.hub(publish)
        self._questions(options)
        Purse(self._settings.OPENAI_MODEL_ID, self._price(), options.generation.budget_usd)

    def estimate(self, kind: DatasetKind, options: DatasetOptions) -> Estimate:
        """What a run would ask and cost, at most. Reads the documents and asks no model.

        Raises:
            UnknownAuthorError: nothing is stored of an author that the options name.
            TooLittleDataError: there is nothing to ask about, or a split would be empty.
            DependencyUnavailableError: a store does not answer.
        """
        with ExitStack() as closing:
            model = build_concurrent_model(self._settings, closing)
            asker = self._asker(model, options.generation)
            documents = self._documents(options.generation)
            return estimate_dataset(kind, documents, options, model, asker)

    def generate(self, kind: DatasetKind, options: DatasetOptions) -> TrainTestSplit:
        """Make the dataset. What is answered is stored as it comes: after any error, the same call goes on from there.

        Raises:
            BudgetTooSmallError: it could cost more than the budget; nothing was asked.
            BudgetExceededError, DependencyUnavailableError, StorageFullError: it could not be finished.
            TooLittleDataError: there is too little to make a dataset of, or to test on.
        """
        if options.generation.budget_usd is not None:
            check_budget(self.estimate(kind, options), options.generation.budget_usd)
        return asyncio.run(self._generate(kind, options))

    async def _generate(self, kind: DatasetKind, options: DatasetOptions) -> TrainTestSplit:
        from llm_engineering.infrastructure.languages import detect

        questions, services = self._questions(options), self._services
        with ExitStack() as closing:
            model = build_concurrent_model(self._settings, closing)
            async with aclosing(model):
                return await build_dataset(
                    kind,
                    partial(self._documents, options.generation),
                    options,
                    self._asker(model, options.generation),
                    model,
                    services.embedder,
                    questions,
                    detect,
                )

    def hub(self, publish: PublishOptions) -> HubRepository:
        """Where it would be published. Raises SettingsError as `build_hub`."""
        return build_hub(self._settings, publish)

    def publish(self, dataset: TrainTestSplit, publish: PublishOptions, dry_run: bool = False) -> PublishReport:
        """See `publish_dataset`."""
        return publish_dataset(dataset, self.hub(publish), publish, dry_run)

    def read(self, reference: HubReference) -> TrainTestSplit:
        """What was published under this name, see `fetch`. Raises InvalidDatasetError when it is no dataset, too."""
        return read_dataset(fetch(self._settings, reference, "dataset"))

    def latest(self, kind: DatasetKind) -> TrainTestSplit | None:
        """The dataset that the last run made, published or not; None where there was none."""
        export_zenml_environment(self._settings)
        from llm_engineering.infrastructure.zenml_artifacts import latest_artifact

        dataset: TrainTestSplit | None = latest_artifact(kind.artifact_name)
        return dataset

    def made(self, kind: DatasetKind) -> TrainTestSplit:
        """As `latest`. Raises InvalidDatasetError where there is none."""
        dataset = self.latest(kind)
        if dataset is None:
            raise InvalidDatasetError(
                f"No {kind} dataset was made yet. Make one: python -m tools.run --run-generate-{kind}-datasets"
            )
        return dataset

    def find(self, name: str) -> TrainTestSplit:
        """The dataset that a person names: the latest of a kind, a path, or a repository with or without revision.

        Raises:
            InvalidDatasetError, UnknownRevisionError: there is none, or it is none of the three.
        """
        if name in tuple(DatasetKind):
            return self.made(DatasetKind(name))
        if Path(name).exists():
            return read_dataset(Path(name))
        try:
            reference = HubReference.parse(name)
        except InvalidInputError:
            raise InvalidDatasetError(
                f"{name!r} is no file or folder, no kind of dataset ({', '.join(DatasetKind)}), and no OWNER/NAME or "
                "OWNER/NAME@REVISION on a hub."
            ) from None
        return self.read(reference)

    def quality(self, dataset: TrainTestSplit) -> DatasetQuality:
        """What is doubtful about it by the default options, with the feature store's documents where it has them."""
        options = DatasetOptions()
        questions = self._questions(options)
        if any(is_authors_own(sample) and sample.source.document_id != NO_DOCUMENT for _, sample in dataset.samples()):
            with suppress(DependencyUnavailableError):  # then it is told that this was not looked at
                return doubts_of(dataset, options.quality, questions, self._documents(options.generation))
        return doubts_of(dataset, options.quality, questions, None)

    def export(self, artifact_names: Sequence[str], output_dir: str | Path) -> ExportReport:
        """Write these artifacts as JSON files; a relative folder is below the project."""
        from llm_engineering.infrastructure.dumps import TextFiles

        services = self._services
        export = ArtifactExport(services.documents, services.vectors, self.latest, TextFiles(PROJECT_ROOT / output_dir))
        return export.export(artifact_names, services.progress)

    def _documents(self, options: GenerationOptions) -> Iterator[CleanedDocument]:
        authors = self._author_ids(options.author_full_names)
        return (
            document
            for category in options.categories
            for document in self._services.vectors.cleaned_documents(category, authors)
        )

    def _author_ids(self, names: Sequence[str]) -> list[UUID] | None:
        known = list(self._services.documents.authors()) if names else []
        return [find_author(name, known).id for name in names] or None

    def _questions(self, options: DatasetOptions) -> list[str]:
        sets = (read_question_set(PROJECT_ROOT / path) for path in options.quality.question_sets)
        return [question.text for questions in sets for question in questions.questions]

    def _asker(self, model: ConcurrentLanguageModel, options: GenerationOptions) -> Asker:
        return Asker(model, self._services.generations, self._price(), options, self._services.progress)

    def _price(self) -> Price | None:
        return price_of_model(self._settings, load_prices(PRICES))
