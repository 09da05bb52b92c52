"""Clients to test the vector store on: the embedded engine's, and a stand-in for a server's."""

import warnings
from collections.abc import Callable
from typing import Any

import httpx
from qdrant_client import QdrantClient
from qdrant_client.http.exceptions import UnexpectedResponse

from llm_engineering.domain.features import IndexSpec
from tests.fakes import Killed

SPEC = IndexSpec(model_id="m", revision="1", precision="float32", dimension=3, sparse_encoder="words")
OTHER = SPEC.model_copy(update={"precision": "int8 of 3f2a"})
WRITES = ("create_collection", "delete_collection", "create_payload_index", "update_collection_aliases")


def answer(status: int) -> UnexpectedResponse:
    """What the client raises when a server answers with this status."""
    return UnexpectedResponse(status, "", b"", httpx.Headers())


class Recorded:
    """Passes calls on and remembers them; `die_after` changes of the collections raise Killed."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.die_after: int | None = None

    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        def call(*positional: Any, **named: Any) -> Any:
            self.calls.append((name, named))
            if name in WRITES and self.die_after is not None:
                if self.die_after == 0:
                    raise Killed
                self.die_after -= 1
            return method(*positional, **named)

        return call


class ServerStandIn:
    """qdrant_client's local mode with a server's answers: where that raises ValueError, a server answers 404 or 409.

    It has aliases, metadata, IDF and weighted reciprocal ranks. It has no payload indexes: it warns, and goes on.
    """

    def __init__(self) -> None:
        self._client = QdrantClient(":memory:")

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        def call(*positional: Any, **named: Any) -> Any:
            try:
                with warnings.catch_warnings():
                    warnings.filterwarnings("ignore", "Payload indexes have no effect")
                    return method(*positional, **named)
            except ValueError as error:
                if "not found" in str(error):
                    raise answer(404) from error
                if "already exists" in str(error):
                    raise answer(409) from error
                raise

        return call
