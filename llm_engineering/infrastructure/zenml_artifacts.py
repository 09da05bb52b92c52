"""What earlier runs left in ZenML's store."""

from typing import Any

from llm_engineering.domain.errors import DependencyUnavailableError


def latest_artifact(name: str) -> Any | None:
    """The newest artifact of this name, read by its materializer; None where there is none yet.

    Raises:
        DependencyUnavailableError: ZenML's store or artifact store cannot be reached, refuses, or has lost the files.
    """
    from zenml.client import Client
    from zenml.exceptions import ZenMLBaseException

    try:
        try:
            version = Client().get_artifact_version(name)
        except KeyError:
            return None
        return version.load()
    except (ZenMLBaseException, OSError, RuntimeError) as error:
        raise DependencyUnavailableError(
            f"The artifact {name!r} cannot be read from ZenML's store ({type(error).__name__}). Check "
            "ZENML_STORE_URL and ZENML_STORE_API_KEY, or make it again."
        ) from error
