"""Which hub stands behind the port. Part of the composition root."""

from pathlib import Path
from typing import TYPE_CHECKING

from llm_engineering.domain.dataset_options import PublishOptions
from llm_engineering.domain.errors import DependencyUnavailableError, SettingsError, UnknownRevisionError
from llm_engineering.domain.hub import HubReference, HubRepository, RepositoryType
from llm_engineering.settings import Settings

if TYPE_CHECKING:
    from llm_engineering.infrastructure.hub.huggingface import HuggingFaceHub
    from llm_engineering.infrastructure.hub.local import LocalHub


def build_hub(settings: Settings, publish: PublishOptions) -> HubRepository:
    """The Hugging Face Hub where it is asked for, else the folder below LOCAL_STATE_DIR.

    Raises:
        SettingsError: it is asked for, and there is no token.
    """
    if not publish.push_to_huggingface:
        return _local(settings)
    if settings.HUGGINGFACE_ACCESS_TOKEN is None:
        raise SettingsError(
            "HUGGINGFACE_ACCESS_TOKEN: not set, but the dataset is to go to the Hugging Face Hub. Set it to a token "
            "that may write, or publish to the local hub (push_to_huggingface: false)."
        )
    return _huggingface(settings)


def fetch(settings: Settings, reference: HubReference, kind: RepositoryType) -> Path:
    """The files of what was published: from the local hub where that has it, else from the Hugging Face Hub.

    Raises:
        UnknownRevisionError: neither has it.
        DependencyUnavailableError: the local hub does not have it, and the other cannot be asked.
    """
    try:
        return _local(settings).fetch(reference, kind)
    except UnknownRevisionError as error:
        local = error
    try:
        return _huggingface(settings).fetch(reference, kind)
    except (UnknownRevisionError, DependencyUnavailableError) as error:
        raise type(error)(f"{local} {error}") from error


def _local(settings: Settings) -> "LocalHub":
    from llm_engineering.infrastructure.hub.local import LocalHub

    return LocalHub(settings.local_state_dir / "hub")


def _huggingface(settings: Settings) -> "HuggingFaceHub":
    from llm_engineering.infrastructure.hub.huggingface import HuggingFaceHub

    token, endpoint = settings.HUGGINGFACE_ACCESS_TOKEN, settings.HUGGINGFACE_ENDPOINT
    return HuggingFaceHub(token.get_secret_value() if token else None, str(endpoint) if endpoint else None)
