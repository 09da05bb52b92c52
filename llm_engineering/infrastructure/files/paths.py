"""Which paths on this machine a link names, and which of them may be read."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from llm_engineering.domain.errors import CrawlError, ForbiddenLinkError, SourceMissingError
from llm_engineering.infrastructure.files.texts import printable


def local_path(link: str, base: Path) -> Path | None:
    """The absolute path that a path or file:// URL names, a relative one from `base`; None for other links."""
    if not has_form_of_path(link) or "\0" in link:
        return None
    try:
        parts = urlsplit(link)
        if parts.scheme and parts.netloc not in ("", "localhost"):
            return None
        path = (base / Path(unquote(parts.path) if parts.scheme else link).expanduser()).resolve()
        with suppress(PermissionError):  # whether it may be read at all is asked later
            path.exists()
    except (RuntimeError, OSError, ValueError):  # a home folder of nobody, a loop of links, a name that is too long
        return None
    return path


def has_form_of_path(link: str) -> bool:
    """Whether the link is a path or a file:// URL, of whatever is or is not there."""
    try:
        return bool(link.strip()) and urlsplit(link).scheme in ("", "file")
    except ValueError:
        return False


def is_folder(path: Path) -> bool:
    """Whether there is a folder, as far as the user who runs this may look."""
    try:
        return path.is_dir()
    except PermissionError:
        return False


def allowed_path(link: str, base: Path, allowed: Sequence[Path]) -> Path:
    """The path that the link names, with all symbolic links resolved, be there anything or not.

    Raises:
        ForbiddenLinkError: it lies in none of the allowed folders.
        CrawlError: it is no path.
    """
    path = local_path(link, base)
    if path is None:
        raise CrawlError(f"{printable(link[:200])!r} is no path on this machine")
    if not any(path.is_relative_to(folder.expanduser().resolve()) for folder in allowed):
        folder = path if is_folder(path) or path.parent == Path(path.anchor) else path.parent
        raise ForbiddenLinkError(
            f"{path} lies in no folder that may be read{_hint(link)}. To allow it, add to CRAWL_ALLOWED_PATHS: {folder}"
        )
    return path


def permitted_path(link: str, base: Path, allowed: Sequence[Path]) -> Path:
    """The path that the link names, with all symbolic links resolved.

    Raises:
        ForbiddenLinkError: it lies in none of the allowed folders.
        SourceMissingError: there is nothing.
        CrawlError: it is no path, or the user who runs this may not look whether there is something.
    """
    path = allowed_path(link, base, allowed)
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SourceMissingError(
            f"there is no {path} (relative paths start at {base}; a link to a page begins with https://)"
        ) from error
    except OSError as error:
        raise CrawlError(f"{path} cannot be opened: {error.strerror}. Let the user who runs this read it") from error
    return path


def _hint(link: str) -> str:
    """What else may be meant by `example.com/post` and `git@example.com:ada/engine`."""
    if "@" in link and ":" in link:
        return " (a repository is named by its https address)"
    host = link.strip().partition("/")[0]
    return " (a link to a page begins with https://)" if "." in host.strip(".") else ""
