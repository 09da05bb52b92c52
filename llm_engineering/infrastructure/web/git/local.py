"""What belongs to a repository on this machine, and lies perhaps elsewhere: looked at before git opens any of it."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from llm_engineering.domain.errors import CrawlError, ForbiddenLinkError

# Returns the path with all symbolic links resolved, or raises ForbiddenLinkError.
Permit = Callable[[str], Path]

# How far git itself follows stores of objects that name other ones.
_MOST_ALTERNATES = 5
_LARGEST_FILE_BYTES = 2**20
# Git allows several sections on a line, so this is sought anywhere.
_INCLUDE = re.compile(rb"\[\s*include", re.IGNORECASE)


def git_dir_in(path: Path) -> Path | None:
    """Where the repository in this folder keeps its history; a bare one is that folder itself."""
    if _is_there(path / ".git"):
        return path / ".git"
    return path if all(_is_there(path / part) for part in ("HEAD", "objects", "refs")) else None


def check_configuration(git_dir: Path, permit: Permit) -> None:
    """Look at what git opens first: nothing of it may lead elsewhere.

    Git has no switch to leave a repository's own configuration unread, and that can include any file.

    Raises:
        ForbiddenLinkError: it does.
        CrawlError: it cannot be read.
    """
    own = permit(str(git_dir))
    if own.is_file():  # of a worktree or a submodule: `gitdir: PATH`
        own = permit(str(own.parent / _named(own, b"gitdir:")))
    common = own / "commondir"
    shared = permit(str(own / _named(common))) if _is_there(common) else own
    for path in {folder / name for folder in (own, shared) for name in ("config", "config.worktree")}:
        if _INCLUDE.search(_content(permit(str(path)))):
            raise ForbiddenLinkError(
                f"{path} includes other files, which git would open: take its [include] sections out"
            )


def check_alternates(objects: Path, permit: Permit) -> None:
    """Follow the stores of objects that a store names (`git clone --shared`), and those that they name.

    Raises:
        ForbiddenLinkError: one lies elsewhere.
        CrawlError: a list of them cannot be read.
    """
    stores = {objects}
    for _ in range(_MOST_ALTERNATES + 1):
        stores = {permit(named) for store in stores for named in _alternates(store, permit)}


def _alternates(objects: Path, permit: Permit) -> Iterator[str]:
    listed = permit(str(objects / "info" / "alternates"))
    for line in os.fsdecode(_content(listed)).splitlines():
        if line.startswith('"'):
            raise CrawlError(f"{listed} has a path in quotes, which is not followed: write it without")
        if line and not line.startswith("#"):
            named = str(objects / line)
            # Before a symbolic link, `..` means one thing to the system and another to git.
            yield from (named, os.path.normpath(named))


def _named(path: Path, key: bytes = b"") -> str:
    return os.fsdecode(_content(path).removeprefix(key).strip())


def _content(path: Path) -> bytes:
    """The file's bytes; none where there is no file.

    Raises:
        CrawlError: it cannot be read, or is larger than any such file.
    """
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE_BYTES + 1)
    except OSError as error:
        raise CrawlError(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > _LARGEST_FILE_BYTES:
        raise CrawlError(f"{path} is larger than any such file")
    return content


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:
        return False
