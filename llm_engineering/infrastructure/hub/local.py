"""A hub in a folder, in the layout of Hugging Face's cache: no account, no network.

    datasets/OWNER/NAME/refs/main               the newest revision
    datasets/OWNER/NAME/snapshots/REVISION/...  the files of each one

A revision is the hash of its files' names and contents. Publishers need not know of each other: a snapshot appears
whole under the name that follows from what is in it, and `refs/main` is replaced at once; the last one is the newest.
"""

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from llm_engineering.domain.errors import DependencyUnavailableError, IntegrityError, UnknownRevisionError
from llm_engineering.domain.hub import HubReference, RepositoryType
from llm_engineering.domain.storage import writing

MAIN = "main"
_SHOWN_REVISIONS = 10
_EXISTS = (errno.EEXIST, errno.ENOTEMPTY)


class LocalHub:
    """A HubRepository in a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def where(self) -> str:
        return str(self._root)

    def publish(
        self,
        repository_id: str,
        folder: Path,
        kind: RepositoryType,
        message: str,  # noqa: ARG002 - a folder keeps no log
        private: bool = True,  # noqa: ARG002 - nobody else reads it
    ) -> HubReference:
        """As the port says. Raises StorageFullError, DependencyUnavailableError."""
        repository = self._repository(repository_id, kind)
        partial = repository / "snapshots" / f".{uuid4().hex}.partial"
        with _told(repository), writing(repository):
            try:
                # Of the copy, for the original may change meanwhile.
                _copy(folder, partial)
                revision = content_hash(partial)
                _rename(partial, repository / "snapshots" / revision)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
            _replace(repository / "refs" / MAIN, revision)
        return HubReference(repository_id=repository_id, revision=revision)

    def fetch(self, reference: HubReference, kind: RepositoryType) -> Path:
        """As the port says.

        Raises:
            UnknownRevisionError: the message names the revisions that there are.
            DependencyUnavailableError: the folder cannot be read.
            IntegrityError: the snapshot's files are not those that were published.
        """
        repository = self._repository(reference.repository_id, kind)
        with _told(repository):
            revision = _newest(repository) if reference.revision == MAIN else reference.revision
            snapshot = repository / "snapshots" / (revision or "")
            if not revision or not snapshot.is_dir():
                raise UnknownRevisionError(self._unknown(reference, repository))
            if content_hash(snapshot) != revision:
                raise IntegrityError(
                    f"The files in {snapshot} are not those that were published: somebody edited them. Delete the "
                    "folder and publish again, or name another revision."
                )
        return snapshot

    def _repository(self, repository_id: str, kind: RepositoryType) -> Path:
        # Once more through the form that has no way out of the folder.
        return self._root / f"{kind}s" / HubReference.parse(repository_id).repository_id

    def _unknown(self, reference: HubReference, repository: Path) -> str:
        known = [path for path in repository.glob("snapshots/*") if not path.name.startswith(".")]
        if not known:
            place = repository.parent.parent
            names = sorted(f"{path.parent.parent.name}/{path.parent.name}" for path in place.glob("*/*/snapshots"))
            there = f"There are: {', '.join(names)}." if names else "Nothing was published there yet."
            return f"{self.where} has no {reference.repository_id}. {there}"
        newest_first = sorted(known, key=lambda path: path.stat().st_mtime, reverse=True)
        shown = ", ".join(path.name for path in newest_first[:_SHOWN_REVISIONS])
        return f"{reference.repository_id} has no revision {reference.revision!r}. Newest first, it has: {shown}."


def content_hash(folder: Path) -> str:
    """40 hexadecimal digits of the SHA-256 over all files' names and contents."""
    whole = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        whole.update(f"{digest} {path.relative_to(folder).as_posix()}\n".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()[:40]


def _copy(folder: Path, partial: Path) -> None:
    # File by file: shutil.copytree gathers what fails, and no longer says that the disk is full.
    partial.mkdir(parents=True)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        copy = partial / path.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


def _rename(partial: Path, snapshot: Path) -> None:
    """Give the copy its name, unless the same files have it already."""
    try:
        partial.rename(snapshot)
    except OSError as error:
        if error.errno not in _EXISTS:
            raise


def _newest(repository: Path) -> str | None:
    try:
        return (repository / "refs" / MAIN).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{uuid4().hex}.partial")
    try:
        partial.write_text(text, encoding="ascii")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _told(repository: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DependencyUnavailableError(
            f"{repository} cannot be read or written: {error.strerror or error}. Check its rights, and LOCAL_STATE_DIR."
        ) from error
