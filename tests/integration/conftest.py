"""Real parts, started once and shared: a MongoDB-wire server, the embedding model."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from llm_engineering.infrastructure.db.mongo import MongoDocumentStore
from llm_engineering.infrastructure.db.qdrant import QdrantVectorStore
from llm_engineering.infrastructure.local.mongo_daemon import MongoDaemon
from llm_engineering.infrastructure.local.qdrant_engine import open_embedded
from llm_engineering.infrastructure.local.weights import packaged_embedder_path
from llm_engineering.infrastructure.models.embedding import SentenceTransformerEmbedder
from llm_engineering.settings import PROJECT_ROOT, Settings

MODEL_ID = Settings.model_fields["TEXT_EMBEDDING_MODEL_ID"].default


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """Where models are kept that take long to make: the same for all tests, and for the project itself."""
    return PROJECT_ROOT / ".local" / "models"


@pytest.fixture(scope="session")
def zenml_config_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ZenML's configuration and store, made by the first command that needs it: that takes long."""
    return tmp_path_factory.mktemp("zenml")


@pytest.fixture(scope="session")
def mongo_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    daemon = MongoDaemon(tmp_path_factory.mktemp("mongo"))
    yield daemon.ensure_running().uri
    daemon.stop()


@pytest.fixture
def store(mongo_uri: str) -> Iterator[MongoDocumentStore]:
    """A document store in a database of its own."""
    store = MongoDocumentStore(mongo_uri, f"test_{uuid4().hex}")
    yield store
    store.close()


@pytest.fixture
def memory_path(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where the system has one: making a vector store syncs a hundred files to the disk."""
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK):
        yield tmp_path
        return
    with TemporaryDirectory(prefix="moodswarm-test-", dir=shared) as folder:
        yield Path(folder)


@pytest.fixture
def vectors(memory_path: Path) -> Iterator[QdrantVectorStore]:
    """A vector store on the real engine, in a folder of its own."""
    store = open_embedded(memory_path / "qdrant")
    yield store
    store.close()


@pytest.fixture(scope="session")
def embedder() -> SentenceTransformerEmbedder:
    """The real model, loaded once."""
    return SentenceTransformerEmbedder(MODEL_ID, "cpu", packaged_embedder_path)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for `localhost` that nobody has signed, with its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    signed = builder.sign(key, hashes.SHA256())
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    path = tmp_path / "certificate.pem"
    path.write_bytes(pem + signed.public_bytes(serialization.Encoding.PEM))
    return path
