"""Which vector store there is. Part of the composition root."""

from typing import TYPE_CHECKING

from llm_engineering.settings import Settings

if TYPE_CHECKING:
    from llm_engineering.infrastructure.db.qdrant import QdrantVectorStore


def serves_many_processes(settings: Settings) -> bool:
    """Whether the vector store is a server or a cluster; the embedded engine belongs to one process at a time."""
    return settings.USE_QDRANT_CLOUD or settings.QDRANT_DATABASE_HOST is not None


def build_vector_store(settings: Settings) -> "QdrantVectorStore":
    """Qdrant Cloud, a server, or the embedded engine. Raises StoreLockedError when another process has that."""
    from llm_engineering.infrastructure.db.qdrant import connect
    from llm_engineering.infrastructure.db.qdrant_indexes import CollectionLayout
    from llm_engineering.infrastructure.local.qdrant_engine import open_embedded

    layout = CollectionLayout(
        settings.QDRANT_SHARD_NUMBER,
        settings.QDRANT_REPLICATION_FACTOR,
        settings.QDRANT_ON_DISK,
        settings.QDRANT_QUANTIZATION,
    )
    api_key = settings.QDRANT_APIKEY.get_secret_value() if settings.QDRANT_APIKEY else None
    if settings.USE_QDRANT_CLOUD and settings.QDRANT_CLOUD_URL:
        return connect(settings.QDRANT_CLOUD_URL, api_key, layout)
    if settings.QDRANT_DATABASE_HOST:
        return connect(f"http://{settings.QDRANT_DATABASE_HOST}:{settings.QDRANT_DATABASE_PORT}", api_key, layout)
    return open_embedded(settings.local_state_dir / "qdrant", layout)
