"""Where datasets and models are published: the Hugging Face Hub, or a folder in the same layout."""

import re
from pathlib import Path
from typing import Annotated, Literal, Protocol, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from llm_engineering.domain.errors import InvalidInputError

RepositoryType = Literal["dataset", "model"]

_PART = r"[A-Za-z0-9](?:[\w.-]*\w)?"
_ID = re.compile(rf"{_PART}/{_PART}", re.ASCII)
_REVISION = re.compile(r"[A-Za-z0-9][\w.-]*")
_LONGEST = 96


def _checked(text: str) -> str:
    # What the Hub refuses, too: https://huggingface.co/docs/huggingface_hub/package_reference/utilities
    unfit = ".." in text or "--" in text or text.endswith(".git") or len(text) > _LONGEST
    if unfit or not _ID.fullmatch(text):
        raise ValueError(
            f"OWNER/NAME, each of letters, digits and single '-', '_' and '.' between them, at most {_LONGEST} "
            "characters in all"
        )
    return text


RepositoryId = Annotated[str, AfterValidator(_checked)]


class HubReference(BaseModel):
    """A repository at a revision, written `owner/name` or `owner/name@revision`."""

    model_config = ConfigDict(frozen=True)

    repository_id: RepositoryId
    revision: str = "main"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `owner/name[@revision]`. Raises InvalidInputError when it is not of that form."""
        repository_id, _, revision = text.strip().partition("@")
        revision = revision or "main"
        if not _REVISION.fullmatch(revision):
            raise InvalidInputError(f"Expected OWNER/NAME or OWNER/NAME@REVISION, got {text!r}.")
        try:
            return cls(repository_id=repository_id, revision=revision)
        except ValidationError:
            raise InvalidInputError(f"Expected OWNER/NAME or OWNER/NAME@REVISION, got {text!r}.") from None

    def __str__(self) -> str:
        return f"{self.repository_id}@{self.revision}"


class HubRepository(Protocol):
    """A place with versions of folders."""

    @property
    def where(self) -> str:
        """The place in words, for people: a host, or a folder."""

    def publish(
        self, repository_id: str, folder: Path, kind: RepositoryType, message: str, private: bool = True
    ) -> HubReference:
        """Make the folder's files the newest revision; returns it. The same files again make no new one.

        Raises:
            ConfigurationError: `private` is asked for, and the repository is public already; nothing was sent.
            DependencyUnavailableError: the place cannot be reached, or refuses the token.
            StorageFullError: there is no room.
            InvalidInputError: the place does not take this name, or these files.
        """

    def fetch(self, reference: HubReference, kind: RepositoryType) -> Path:
        """A folder with the files of that revision, to be read only.

        Raises:
            UnknownRevisionError: there is no such repository or revision.
            IntegrityError: the files are not those that were published.
            DependencyUnavailableError, StorageFullError: as `publish`.
        """
