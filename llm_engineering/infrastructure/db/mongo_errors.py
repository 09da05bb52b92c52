"""What MongoDB's driver raises, turned into the domain's errors."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from pymongo.errors import ConfigurationError, ConnectionFailure, OperationFailure, PyMongoError

from llm_engineering.domain.errors import DependencyUnavailableError


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Raise DependencyUnavailableError for what the driver raises; `where` is the server without user and password."""
    try:
        yield
    except ConnectionFailure as error:
        raise DependencyUnavailableError(
            f"MongoDB at {where} does not answer. Start it, or mend DATABASE_HOST."
        ) from error
    except (OperationFailure, ConfigurationError) as error:
        code = getattr(error, "code", None)
        reason = "refused the user or password" if code == 18 else f"refused the operation (code {code})"
        raise DependencyUnavailableError(f"MongoDB at {where} {reason}. Check DATABASE_HOST.") from error
    except PyMongoError as error:
        raise DependencyUnavailableError(f"MongoDB at {where} failed: {type(error).__name__}.") from error


def redacted(uri: str) -> str:
    """The URI's scheme and hosts, without user and password, whatever characters the password has."""
    scheme, _, rest = uri.partition("://")
    hosts = rest.rpartition("@")[2] if "@" in rest else rest
    return f"{scheme}://{re.split('[/?#]', hosts)[0]}"
