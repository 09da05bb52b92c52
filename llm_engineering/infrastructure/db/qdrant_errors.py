"""Qdrant's errors, as the domain knows them."""

from collections.abc import Iterator
from contextlib import contextmanager

from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from llm_engineering.domain.errors import DependencyUnavailableError
from llm_engineering.infrastructure.db.qdrant_protocol import EngineError

VENDOR_ERRORS = (ResponseHandlingException, UnexpectedResponse, ApiException, QdrantException, EngineError)
# Key, rights, collection, time and rate: another time, the same request may do.
_NOT_THE_REQUEST = frozenset({401, 403, 404, 408, 429})


def is_missing(error: Exception) -> bool:
    """Whether the collection is not there."""
    return getattr(error, "status_code", None) == 404


def is_taken(error: Exception) -> bool:
    """Whether a collection of this name is there already."""
    return getattr(error, "status_code", None) == 409


def is_refused(error: Exception) -> bool:
    """Whether the server finds fault with the request itself, so that to send it again is no use."""
    status = getattr(error, "status_code", None)
    return status is not None and 400 <= status < 500 and status not in _NOT_THE_REQUEST


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Raises DependencyUnavailableError for whatever the vendor raises."""
    try:
        yield
    except EngineError as error:
        raise DependencyUnavailableError(
            f"The embedded Qdrant store in {where} failed: {error}. Check that its disk is neither full nor read-only. "
            "If it stays so, make it anew: `python -m tools.local_stack reset --only qdrant`, then run the feature "
            "pipeline."
        ) from error
    except VENDOR_ERRORS as error:
        status = getattr(error, "status_code", None)
        if status in (401, 403):
            reason = "refused the key. Check QDRANT_APIKEY."
        elif status:
            reason = f"answered with status {status}."
        else:
            reason = "does not answer. Start it, or mend QDRANT_DATABASE_HOST or QDRANT_CLOUD_URL."
        raise DependencyUnavailableError(f"Qdrant at {where} {reason}") from error
