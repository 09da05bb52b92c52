"""The one composition root: which adapter stands behind which port. Nobody else builds one.

Steps, endpoints and commands write `with build_services(settings) as services:` and use the members, each of which is
built when it is first used and closed at the end.
"""

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import date
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from llm_engineering.application.crawlers.base import Crawler
from llm_engineering.application.crawlers.run import CrawlOptions
from llm_engineering.application.rag.answering import answer_query
from llm_engineering.application.rag.retrieval import resolve_author, retrieve
from llm_engineering.domain.errors import MoodSwarmError
from llm_engineering.domain.ports import DocumentStore, Embedder, LanguageModel, Progress, VectorStore
from llm_engineering.domain.queries import Answer, Query, RetrievedChunk
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

        if self.settings.DATABASE_HOST:
            uri = self.settings.DATABASE_HOST.get_secret_value()
        else:
            from llm_engineering.infrastructure.local.mongo_daemon import MongoDaemon

            uri = MongoDaemon(self.settings.local_state_dir).ensure_running().uri
        store = MongoDocumentStore(uri, self.settings.DATABASE_NAME)
        self._closing.callback(store.close)
        return store

    @cached_property
    def vectors(self) -> VectorStore:
        """Qdrant Cloud, a server, or the embedded engine. Raises StoreLockedError when another process has that."""
        from llm_engineering.infrastructure.db.qdrant import connect
        from llm_engineering.infrastructure.local.qdrant_engine import open_embedded

        settings = self.settings
        api_key = settings.QDRANT_APIKEY.get_secret_value() if settings.QDRANT_APIKEY else None
        if settings.USE_QDRANT_CLOUD and settings.QDRANT_CLOUD_URL:
            store = connect(settings.QDRANT_CLOUD_URL, api_key)
        elif settings.QDRANT_DATABASE_HOST:
            store = connect(f"http://{settings.QDRANT_DATABASE_HOST}:{settings.QDRANT_DATABASE_PORT}", api_key)
        else:
            store = open_embedded(settings.local_state_dir / "qdrant")
        self._closing.callback(store.close)
        return store

    @cached_property
    def embedder(self) -> Embedder:
        """The model of TEXT_EMBEDDING_MODEL_ID, from its package where there is one, else from the Hub."""
        from llm_engineering.infrastructure.local.weights import packaged_embedder_path
        from llm_engineering.infrastructure.models.embedding import SentenceTransformerEmbedder

        token = self.settings.HUGGINGFACE_ACCESS_TOKEN
        return SentenceTransformerEmbedder(
            self.settings.TEXT_EMBEDDING_MODEL_ID,
            self.settings.RAG_MODEL_DEVICE,
            packaged_embedder_path,
            token.get_secret_value() if token else None,
        )

    @cached_property
    def language_model(self) -> LanguageModel:
        """The server that OPENAI_* names, else llama.cpp in this process."""
        from llm_engineering.infrastructure.local.weights import GEMMA_MODEL_ID
        from llm_engineering.infrastructure.models.openai_compatible import OPENAI_URL, Endpoint, OpenAICompatibleModel

        settings = self.settings
        if settings.uses_remote_language_model:
            key = settings.OPENAI_API_KEY.get_secret_value() if settings.OPENAI_API_KEY else None
            endpoint = Endpoint(settings.OPENAI_BASE_URL or OPENAI_URL, key)
            remote = OpenAICompatibleModel(settings.OPENAI_MODEL_ID, True, lambda: endpoint)
            self._closing.callback(remote.close)
            return remote

        def start_embedded() -> Endpoint:
            from llm_engineering.infrastructure.local.llama import LlamaServer

            server = LlamaServer(settings.local_state_dir / "models", threads=os.cpu_count() or 2)
            self._closing.callback(server.close)
            return Endpoint(server.url, server.api_key)

        embedded = OpenAICompatibleModel(GEMMA_MODEL_ID, False, start_embedded)
        self._closing.callback(embedded.close)
        return embedded

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

    def retrieve(self, query: Query) -> list[RetrievedChunk]:
        """The chunks nearest to the question."""
        author = resolve_author(query.author_full_name, self.documents) if query.author_full_name is not None else None
        return retrieve(query, self.embedder, self.vectors, author)

    def answer(self, query: Query) -> Answer:
        """The twin's answer, with its sources."""
        author = resolve_author(query.author_full_name, self.documents) if query.author_full_name is not None else None
        return answer_query(query, self.embedder, self.vectors, self.language_model, author)

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


def share_the_cores() -> None:
    """Let PyTorch's idle threads sleep instead of spin; read when PyTorch is first imported, no matter by whom.

    Beside another busy process the embedding model is half as fast again for it; alone it is up to a sixth slower
    (docs/benchmarks.md).
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


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
    return LocalStack(settings.local_state_dir, settings.TEXT_EMBEDDING_MODEL_ID)


def _state(check: Callable[[], object]) -> str:
    try:
        check()
    except MoodSwarmError as error:
        return str(error)
    return "ok"


def export_zenml_environment(settings: Settings) -> None:
    """Put the ZENML_* settings where ZenML reads them. Call it before `zenml` is imported; what is set there stays."""
    share_the_cores()  # ZenML imports PyTorch where it is installed
    values = {
        "ZENML_CONFIG_PATH": str(settings.zenml_config_path),
        # Else ZenML takes the folder of the command that runs, `tools/`, for the root of the code.
        "ZENML_CUSTOM_SOURCE_ROOT": str(PROJECT_ROOT),
        "ZENML_LOGGING_VERBOSITY": settings.LOG_LEVEL,
        "ZENML_ANALYTICS_OPT_IN": str(settings.ZENML_ANALYTICS_OPT_IN).lower(),
        "ZENML_STORE_URL": settings.ZENML_STORE_URL,
        "ZENML_STORE_API_KEY": settings.ZENML_STORE_API_KEY.get_secret_value()
        if settings.ZENML_STORE_API_KEY
        else None,
    }
    for name, value in values.items():
        if value is not None:
            os.environ.setdefault(name, value)
    if not sys.stderr.isatty():
        os.environ.setdefault("ZENML_LOGGING_COLORS_DISABLED", "true")
    Path(os.environ["ZENML_CONFIG_PATH"]).mkdir(parents=True, exist_ok=True)
