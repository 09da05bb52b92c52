"""The Hugging Face Hub, or a mirror with its API."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from llm_engineering.domain.errors import (
    ConfigurationError,
    DependencyUnavailableError,
    InvalidInputError,
    MoodSwarmError,
    StorageFullError,
    UnknownRevisionError,
)
from llm_engineering.domain.hub import HubReference, RepositoryType
from llm_engineering.domain.links import without_credentials
from llm_engineering.domain.storage import writing

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
    from huggingface_hub.errors import HfHubHTTPError

ENDPOINT = "https://huggingface.co"
_COMMIT = re.compile(r"[0-9a-f]{40}")
# Git's own; the Hub makes it, and wants it.
_KEPT = frozenset({".gitattributes"})
_SHOWN_REVISIONS = 5
_SHOWN_CHARACTERS = 300
_CONFLICT, _TOO_LARGE = (409, 412), (413, 507)


class HuggingFaceHub:
    """A HubRepository on the Hub: each publication is one commit, and a revision is a commit's hash."""

    def __init__(self, token: str | None, endpoint: str | None = None, cache: Path | None = None) -> None:
        """Without a token nothing can be published, and only what is public fetched.

        No token that happens to lie on this machine is used instead. Fetched files are kept in `cache`, by default
        Hugging Face's own.
        """
        self._token = token
        self._endpoint = endpoint or ENDPOINT
        self._cache = cache

    @property
    def where(self) -> str:
        return without_credentials(self._endpoint)

    def publish(
        self, repository_id: str, folder: Path, kind: RepositoryType, message: str, private: bool = True
    ) -> HubReference:
        """As the port says; files that are not in the folder are deleted in the same commit.

        Raises:
            ConfigurationError: `private` is asked for, and the repository is there and public: nothing was sent.
            DependencyUnavailableError: as the port says; or somebody else has published at the same moment.
            StorageFullError: the Hub takes no more.
            InvalidInputError: the Hub does not take the name, or the card.
        """
        api = self._api()
        with self._translated(repository_id):
            api.create_repo(repository_id, repo_type=kind, private=private, exist_ok=True)
            head = api.repo_info(repository_id, repo_type=kind)
            if private and not head.private:
                raise ConfigurationError(
                    f"{repository_id} on {self.where} is public, and this was to be published privately. Nothing was "
                    "sent. Make the repository private, name another one, or set 'private: false'."
                )
            commit = api.create_commit(
                repository_id,
                operations=self._operations(api, repository_id, folder, kind),
                commit_message=message,
                repo_type=kind,
                parent_commit=head.sha,
            )
        return HubReference(repository_id=repository_id, revision=commit.oid)

    def fetch(self, reference: HubReference, kind: RepositoryType) -> Path:
        """As the port says. What is in the cache is not asked for again; a commit that is there, not even the Hub.

        Raises:
            StorageFullError: there is no room for the files.
            UnknownRevisionError, DependencyUnavailableError: as the port says.
        """
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import RevisionNotFoundError

        api, id_, revision = self._api(), reference.repository_id, reference.revision
        with self._translated(id_), writing(self._cache or Path("~/.cache/huggingface")):
            try:
                if not _COMMIT.fullmatch(revision):
                    # By itself, snapshot_download takes an old copy for the newest one when the Hub is down.
                    revision = api.repo_info(id_, repo_type=kind, revision=revision).sha or revision
                folder = snapshot_download(
                    id_,
                    repo_type=kind,
                    revision=revision,
                    endpoint=self._endpoint,
                    token=self._token or False,
                    cache_dir=self._cache,
                )
            except RevisionNotFoundError as error:
                raise UnknownRevisionError(self._unknown(api, reference, kind)) from error
        return Path(folder)

    def _api(self) -> "HfApi":
        from huggingface_hub import HfApi

        return HfApi(endpoint=self._endpoint, token=self._token or False, library_name="moodswarm")

    def _operations(
        self, api: "HfApi", repository_id: str, folder: Path, kind: RepositoryType
    ) -> "list[CommitOperationAdd | CommitOperationDelete]":
        """All files of the folder, which the client compares with what is there; and what is there beyond them."""
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
        there = api.list_repo_files(repository_id, repo_type=kind)
        stale = [CommitOperationDelete(path_in_repo=name) for name in there if name not in files and name not in _KEPT]
        return [*stale, *(CommitOperationAdd(path_in_repo=name, path_or_fileobj=path) for name, path in files.items())]

    def _unknown(self, api: "HfApi", reference: HubReference, kind: RepositoryType) -> str:
        commits = islice(api.list_repo_commits(reference.repository_id, repo_type=kind), _SHOWN_REVISIONS)
        shown = ", ".join(commit.commit_id for commit in commits)
        return f"{reference.repository_id} has no revision {reference.revision!r}. Newest first, it has: {shown}."

    @contextmanager
    def _translated(self, repository_id: str) -> Iterator[None]:
        import httpx
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError

        try:
            yield
        except HfHubHTTPError as error:
            raise self._refusal(error, repository_id) from error
        except HFValidationError as error:
            raise InvalidInputError(f"The Hub takes no repository named {repository_id!r}: {error}") from error
        except (json.JSONDecodeError, KeyError) as error:
            raise DependencyUnavailableError(
                f"{self.where} does not answer as the Hugging Face Hub does. Check HUGGINGFACE_ENDPOINT."
            ) from error
        except ValueError as error:  # of the client, which lets the Hub check the card's front matter first
            raise InvalidInputError(f"{self.where} does not take {repository_id}: {self._shown(str(error))}") from error
        except (OSError, httpx.HTTPError) as error:
            raise DependencyUnavailableError(
                f"{self.where} cannot be reached ({type(error).__name__}). Check the network and HUGGINGFACE_ENDPOINT, "
                "and run the same command again."
            ) from error

    def _refusal(self, error: "HfHubHTTPError", repository_id: str) -> MoodSwarmError:
        from huggingface_hub.errors import RepositoryNotFoundError

        status, said = error.response.status_code, self._shown(error.server_message or "")
        if isinstance(error, RepositoryNotFoundError):
            return UnknownRevisionError(
                f"{self.where} has no {repository_id}, or HUGGINGFACE_ACCESS_TOKEN may not read it."
            )
        if status in (401, 403):
            return DependencyUnavailableError(
                f"{self.where} refused the token ({status}){said}. Check HUGGINGFACE_ACCESS_TOKEN: to publish, it must "
                f"be allowed to write to {repository_id.partition('/')[0]}."
            )
        if status in _CONFLICT:
            return DependencyUnavailableError(
                f"Somebody else published to {repository_id} at the same moment, and this was not taken. Publish again."
            )
        if status in _TOO_LARGE:
            return StorageFullError(f"{self.where} has no room for {repository_id} ({status}){said}.")
        if status == 400:
            return InvalidInputError(f"{self.where} does not take {repository_id}{said}.")
        reason = "has had too many requests" if status == 429 else "failed"
        return DependencyUnavailableError(
            f"{self.where} {reason} ({status}){said}. Run the same command again in a while: nothing is lost."
        )

    def _shown(self, text: str) -> str:
        """What the server said, in one line that has no token."""
        line = " ".join(text.replace(self._token, "***").split() if self._token else text.split())
        return f": {line[:_SHOWN_CHARACTERS].rstrip('.')}" if line else ""
