"""Git repositories, by the `git` command: a shallow clone into a temporary folder, which is gone afterwards."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from llm_engineering.domain.documents import canonical_repository_link, without_credentials
from llm_engineering.domain.errors import CrawlError
from llm_engineering.domain.ports import FileTree
from llm_engineering.infrastructure.web.files import FileLimits, local_path, read_text_files

GIT_HOSTS = frozenset({"github.com", "gitlab.com", "codeberg.org", "bitbucket.org"})
# No prompt for a password, no hook, no transport that runs a command, the same line ends on every machine.
_ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "true",
    "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
    "LC_ALL": "C",
}
_CONFIG = ("-c", "core.hooksPath=/dev/null", "-c", "core.autocrlf=false")
# Where an outer git command runs us, these name its repository, not ours.
_OUTER = frozenset(
    {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE", "GIT_PREFIX"}
)


class GitRepositories:
    """Implements `FileSource` for repositories on the known hosts, URLs that end in .git, and local paths."""

    def __init__(self, limits: FileLimits, timeout_seconds: float, base: Path) -> None:
        """Relative paths start at `base`."""
        self._limits = limits
        self._timeout = timeout_seconds
        self._base = base

    def handles(self, link: str) -> bool:
        """Whether the link is a repository's, by its form, or because there is a `.git` in the local folder."""
        parts = urlsplit(link)
        if parts.scheme in ("http", "https"):
            host, path = (parts.hostname or "").removeprefix("www."), parts.path.strip("/")
            return path.endswith(".git") or (host in GIT_HOSTS and len(path.split("/")) == 2)
        path_here = local_path(link, self._base)
        return path_here is not None and (path_here / ".git").exists()

    @contextmanager
    def open(self, link: str) -> Iterator[FileTree]:
        """The text files of the default branch's tip (of a local repository: of what is checked out, as committed).

        Raises:
            CrawlError: git cannot clone it; the message is git's own, without credentials.
        """
        path = local_path(link, self._base)
        url = path.as_uri() if path else link
        source = path.as_uri() if path else canonical_repository_link(link)
        with tempfile.TemporaryDirectory(prefix="moodswarm-git-") as folder:
            root = Path(folder) / "repository"
            self._clone(url, root)
            tracked = sorted(f for f in root.rglob("*") if f.is_file() and not f.is_relative_to(root / ".git"))
            if not tracked:
                raise CrawlError("the repository has no files")
            skipped: dict[str, int] = {}
            files = read_text_files(root, tracked, self._limits, skipped)
            yield FileTree(path.name if path else source.rsplit("/", 1)[-1], source, files, skipped)

    def _clone(self, url: str, root: Path) -> None:
        git = shutil.which("git")
        if git is None:
            raise CrawlError("there is no git on this machine: install it")
        environment = {name: value for name, value in os.environ.items() if name not in _OUTER} | _ENVIRONMENT
        command = [git, *_CONFIG, "clone", "--quiet", "--depth=1", "--single-branch", "--no-tags", "--", url, str(root)]
        try:
            subprocess.run(  # noqa: S603
                command, check=True, capture_output=True, timeout=self._timeout, env=environment
            )
        except subprocess.TimeoutExpired as error:
            raise CrawlError(f"git did not finish within {self._timeout:g} s") from error
        except subprocess.CalledProcessError as error:
            lines = without_credentials(error.stderr.decode(errors="replace")).strip().splitlines()
            reason = next(
                (line for line in lines if line.startswith("fatal:")), lines[-1] if lines else "no reason given"
            )
            raise CrawlError(f"git could not clone it: {reason.removeprefix('fatal: ')}") from None
