"""The one composition root: which adapter stands behind which port. Nobody else builds one.

Steps, endpoints and commands write `with build_services(settings) as services:` and use the members, each of which is
built when it is first used and closed at the end.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import date
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Self

from llm_engineering.application.crawlers.base import Crawler
from llm_engineering.application.crawlers.run import CrawlOptions
from llm_engineering.application.preprocessing.engine import FeatureEngine
from llm_engineering.application.preprocessing.making import FeatureMakers
from llm_engineering.application.rag.answering import answer_query
from llm_engineering.application.rag.retrieval import Retriever
from llm_engineering.bootstrap_environment import (
    export_zenml_environment,
    keep_ragas_quiet,
    prepare_for_ray,
    share_the_cores,
)
from llm_engineering.bootstrap_models import (
    build_answer_judge,
    build_cross_encoder,
    build_embedder,
    build_feature_makers,
    build_language_model,
    build_trained_reranker,
)
from llm_engineering.configuration import load_chunk_sizes, load_retrieval_options
from llm_engineering.domain.answer_evaluation import AnswerJudge
from llm_engineering.domain.answers import Answer
from llm_engineering.domain.changes import ChangeFeed
from llm_engineering.domain.errors import MoodSwarmError
from llm_engineering.domain.generation import GenerationStore
from llm_engineering.domain.ports import DocumentStore, Embedder, LanguageModel, Progress, Reranker, VectorStore
from llm_engineering.domain.queries import Query
from llm_engineering.domain.retrieval import RetrievalOptions, Retrieved
from llm_engineering.settings import PROJECT_ROOT, Settings, load_settings, parse_settings

if TYPE_CHECKING:
    from llm_engineering.infrastructure.local.stack import LocalStack


class Services:
    """What the application is put together from. Implements `Twin`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.close()

    @cached_property
    def documents(self) -> DocumentStore:
        """MongoDB where DATABASE_HOST names one, else the embedded server, started if need be."""
        from llm_engineering.infrastructure.db.mongo import MongoDocumentStore

        store = MongoDocumentStore(self._mongo_uri(), self.settings.DATABASE_NAME)
        self._closing.callback(store.close)
        return store

    def _mongo_uri(self) -> str:
        """Asked again after a failure: the embedded server may have been started anew since."""
        if self.settings.DATABASE_HOST:
            return self.settings.DATABASE_HOST.get_secret_value()
        from llm_engineering.infrastructure.local.mongo_daemon import MongoDaemon

        return MongoDaemon(self.settings.local_state_dir).ensure_running().uri

    @cached_property
    def generations(self) -> GenerationStore:
        """What language models have answered, in the documents' database."""
        from llm_engineering.infrastructure.db.mongo_generations import MongoGenerationStore

        store = MongoGenerationStore(self._mongo_uri(), self.settings.DATABASE_NAME)
        self._closing.callback(store.close)
        return store

    @cached_property
    def vectors(self) -> VectorStore:
        """Qdrant Cloud, a server, or the embedded engine. Raises StoreLockedError when another process has that."""
        from llm_engineering.bootstrap_stores import build_vector_store

        store = build_vector_store(self.settings)
        self._closing.callback(store.close)
        return store

    @cached_property
    def embedder(self) -> Embedder:
        """The model of TEXT_EMBEDDING_MODEL_ID."""
        return build_embedder(self.settings)

    @cached_property
    def feature_makers(self) -> FeatureMakers:
        """What makes features: both encoders, the sizes in `configs/chunking.yaml`, and what tells languages."""
        sizes = load_chunk_sizes(PROJECT_ROOT / "configs" / "chunking.yaml")
        return build_feature_makers(self.settings, self.embedder, sizes)

    @cached_property
    def feature_engine(self) -> FeatureEngine | None:
        """Ray, where FEATURE_ENGINE says so; None: features are made in this process."""
        if self.settings.FEATURE_ENGINE == "local":
            return None
        from llm_engineering.bootstrap_scale import build_feature_engine

        return build_feature_engine(self.settings, self.feature_makers, prepare_for_ray())

    @cached_property
    def language_model(self) -> LanguageModel:
        """The server that OPENAI_* names, else llama.cpp in this process."""
        return build_language_model(self.settings, self._closing)

    @cached_property
    def retrieval_options(self) -> RetrievalOptions:
        """The defaults in `configs/retrieval.yaml`."""
        return load_retrieval_options(PROJECT_ROOT / "configs" / "retrieval.yaml")

    @cached_property
    def rerankers(self) -> dict[str, Reranker]:
        """By the name that RetrievalOptions knows them by; each is loaded at its first use."""
        return {"trained": build_trained_reranker(self.settings), "cross-encoder": build_cross_encoder(self.settings)}

    @cached_property
    def retriever(self) -> Retriever:
        """Everything between a question and its chunks."""
        return self.retriever_on(self.vectors)

    def retriever_on(self, vectors: VectorStore) -> Retriever:
        """A retriever on another index than the one that serves. MongoDB is asked when a name must be looked up."""
        makers = self.feature_makers
        return Retriever(
            makers.embedder,
            makers.sparse,
            vectors,
            lambda: self.documents.authors(),
            self.language_model,
            self.rerankers,
        )

    def answer_judge(self, offline: bool) -> AnswerJudge:
        """What scores answers: by the model of OPENAI_* where one is configured, unless it is to stay offline."""
        keep_ragas_quiet()
        return build_answer_judge(self.settings, self.embedder, offline)

    @cached_property
    def change_feed(self) -> ChangeFeed:
        """What changes in MongoDB from now on, or from where the follower last stood."""
        from llm_engineering.infrastructure.db.mongo_changes import MongoChangeFeed

        feed = MongoChangeFeed(self._mongo_uri, self.settings.DATABASE_NAME)
        self._closing.callback(feed.close)
        return feed

    @cached_property
    def progress(self) -> Progress:
        """A bar on a terminal, lines elsewhere."""
        from llm_engineering.infrastructure.progress import ConsoleProgress

        return ConsoleProgress()

    def crawl_options(self, limit: int, since: date | None) -> CrawlOptions:
        """How much is crawled at once, and how much of what is listed."""
        return CrawlOptions(self.settings.CRAWL_CONCURRENCY, self.settings.CRAWL_REQUESTS_PER_HOST, limit, since)

    def crawlers(self, exclude: Sequence[str] = ()) -> list[Crawler]:
        """Every crawler, in the order in which they are asked; `exclude` has patterns as in .gitignore."""
        from llm_engineering.bootstrap_crawlers import build_crawlers

        return build_crawlers(self.settings, exclude, self._closing)

    def retrieve(self, query: Query) -> Retrieved:
        """The chunks for the question, and how they were found."""
        return self.retriever.retrieve(query, self.retrieval_options)

    def answer(self, query: Query) -> Answer:
        """The twin's answer, with its sources."""
        return answer_query(query, self.retriever, self.retrieval_options, self.vectors, self.language_model)

    def health(self) -> dict[str, str]:
        """'ok', or what is wrong, by dependency."""
        checks: dict[str, Callable[[], object]] = {
            "mongodb": lambda: self.documents.ping(),
            "qdrant": lambda: self.vectors.ping(),
            "embedding_model": lambda: self.embedder.dimension,
            "language_model": lambda: self.language_model.ping(),
        }
        return {name: _state(check) for name, check in checks.items()}


def build_services(settings: Settings | None = None) -> Services:
    """The services for these settings, by default the current ones. Nothing is connected or loaded yet."""
    share_the_cores()
    return Services(settings or current_settings())


def current_settings() -> Settings:
    """The settings of the environment, with those of the ZenML secret that SETTINGS_SECRET names.

    Raises:
        SettingsError: a value is wrong, or there is no such secret.
    """
    settings = parse_settings()
    if settings.SETTINGS_SECRET is None:
        return load_settings()
    from llm_engineering.infrastructure.zenml_secrets import read_secret

    export_zenml_environment(settings)
    return load_settings(secret=read_secret(settings.SETTINGS_SECRET))


def local_stack() -> "LocalStack":
    """The embedded stack of the current settings."""
    from llm_engineering.infrastructure.local.stack import LocalStack

    settings = load_settings()
    return LocalStack(settings.local_state_dir, settings.models_dir, settings.TEXT_EMBEDDING_MODEL_ID)


def _state(check: Callable[[], object]) -> str:
    try:
        check()
    except MoodSwarmError as error:
        return str(error)
    return "ok"
