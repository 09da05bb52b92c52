"""What MongoDB's driver raises, turned into the domain's errors."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from pymongo.errors import ConfigurationError, ConnectionFailure, OperationFailure, PyMongoError

from llm_engineering.domain.errors import DependencyUnavailableError, StorageFullError

_OUT_OF_DISK_SPACE = 14031
# All that the embedded server says when its disk is full.
_INTERNAL_ERROR = 1
# Other codes come with these words: WiredTiger's, the operating system's, and Atlas' (code 8000).
_FULL = re.compile(r"no space left|out of disk space|over your space quota|disk quota exceeded", re.IGNORECASE)


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Raise DependencyUnavailableError for what the driver raises, StorageFullError where it is for want of room.

    `where` is the server without user and password.
    """
    try:
        yield
    except ConnectionFailure as error:
        raise DependencyUnavailableError(
            f"MongoDB at {where} does not answer. Start it, or mend DATABASE_HOST."
        ) from error
    except (OperationFailure, ConfigurationError) as error:
        if isinstance(error, OperationFailure) and _is_full(error):
            raise StorageFullError(
                f"MongoDB at {where} has no room left on its disk or in its quota. Make room, or name another one in "
                "DATABASE_HOST."
            ) from error
        code = getattr(error, "code", None)
        if code == _INTERNAL_ERROR:
            raise DependencyUnavailableError(
                f"MongoDB at {where} failed inside. Is its disk full? See its log, make room, and start it anew."
            ) from error
        reason = "refused the user or password" if code == 18 else f"refused the operation (code {code})"
        raise DependencyUnavailableError(f"MongoDB at {where} {reason}. Check DATABASE_HOST.") from error
    except PyMongoError as error:
        raise DependencyUnavailableError(f"MongoDB at {where} failed: {type(error).__name__}.") from error


def _is_full(error: OperationFailure) -> bool:
    """Whether an operation failed for want of room; of a bulk write: one of its writes."""
    details = error.details or {}
    failures = [*details.get("writeErrors", ()), *details.get("writeConcernErrors", ())]
    reasons = [(error.code, str(error)), *((one.get("code"), str(one.get("errmsg"))) for one in failures)]
    return any(code == _OUT_OF_DISK_SPACE or _FULL.search(text) for code, text in reasons)


def redacted(uri: str) -> str:
    """The URI's scheme and hosts, without user and password, whatever characters the password has."""
    scheme, _, rest = uri.partition("://")
    hosts = rest.rpartition("@")[2] if "@" in rest else rest
    return f"{scheme}://{re.split('[/?#]', hosts)[0]}"
