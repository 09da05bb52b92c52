"""Git repositories, by the `git` command: one commit is fetched into a temporary folder, which is gone afterwards."""

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from llm_engineering.domain.errors import CrawlError, SourceMissingError
from llm_engineering.domain.links import without_credentials
from llm_engineering.domain.sources import FileTree, SourceState
from llm_engineering.infrastructure.files.paths import allowed_path, local_path, permitted_path
from llm_engineering.infrastructure.files.temporary import temporary_folder
from llm_engineering.infrastructure.files.texts import printable
from llm_engineering.infrastructure.files.tree import FileLimits
from llm_engineering.infrastructure.web.git.files import Bounds, RepositoryReader, is_in
from llm_engineering.infrastructure.web.git.links import RemoteLink, remote_link
from llm_engineering.infrastructure.web.git.local import check_alternates, check_configuration, git_dir_in
from llm_engineering.infrastructure.web.git.process import Git, GitBounds
from llm_engineering.infrastructure.web.git.remote import GitRemotes, HostAddresses, HttpClient

# What git gets to see of this process's environment. No proxies, which would resolve names themselves and so void the
# guard's check, and nothing that changes what git does: GIT_DIR of an outer git command, GIT_SSL_NO_VERIFY, traces.
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "TMPDIR", "GIT_EXEC_PATH", "GIT_SSL_CAINFO", "SSL_CERT_FILE", "SSL_CERT_DIR")
_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "true",
    "GIT_LFS_SKIP_SMUDGE": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "LC_ALL": "C",
}
_NO_TRANSPORT = "none"
_FORMS = "https://HOST/OWNER/NAME, an http(s) URL that ends in .git, or a local path"


@dataclass(frozen=True)
class _Opened:
    """A commit in a repository on this machine: of it, what lies in `folder` ('' is the root), shown below `view`."""

    git: Git
    git_dir: Path
    commit: str
    tree: FileTree
    folder: str = ""
    view: str = ""
    is_local: bool = False

    def count(self, content: bytes) -> bytes:
        """Of a local repository what is read counts; of another one, what was fetched."""
        self.tree.bytes_read += len(content) if self.is_local else 0
        return content


class GitRepositories:
    """Implements `FileSource` for repositories on the known hosts, URLs that end in .git, and local paths.

    A document is a file, not a repository: what is found then names the file, its chunks are about one thing, the limit
    of a document's size cuts nothing off, and a commit that changes one file embeds one file again.

    A link to a branch, a folder or a file (`/tree/BRANCH/FOLDER`, `/blob/BRANCH/FILE`) reads that one. Of a local
    repository what is checked out is read, as it was committed. Nothing is ever checked out: the files come from git's
    own store, so that neither hooks nor filters nor symbolic links of a repository can do anything. Submodules and the
    files that LFS stores elsewhere are left out.
    """

    def __init__(
        self,
        limits: FileLimits,
        client: HttpClient,
        guard: HostAddresses,
        base: Path,
        *,
        timeout_seconds: float,
        max_repository_bytes: int,
        tokens: Mapping[str, str] | None = None,
        allowed_paths: Sequence[Path] = (),
        fetches_per_host: int = 2,
    ) -> None:
        """Relative paths start at `base`; local repositories must lie in one of `allowed_paths`.

        `timeout_seconds` bounds each command of git, `max_repository_bytes` what is fetched, and what is read of it.
        `tokens` holds a token by host name, plain or as USER:TOKEN.
        """
        self._base = base
        self._allowed = tuple(base / path.expanduser() for path in allowed_paths)
        self._bounds = Bounds(limits, max_repository_bytes, timeout_seconds)
        self._remotes = GitRemotes(client, guard, tokens or {}, fetches_per_host)
        self._stopped = threading.Event()

    def handles(self, link: str) -> bool:
        """Whether the link is a repository's, by its form, or because there is a `.git` in the local folder."""
        if remote_link(link):
            return True
        path = local_path(link, self._base)
        return path is not None and git_dir_in(path) is not None

    def source(self, link: str) -> str:
        """The repository's canonical link, with the branch and the folder if the link names them.

        Raises:
            CrawlError: the link is no repository's.
        """
        remote = remote_link(link)
        return remote.source if remote else self._path(link).as_uri()

    @contextmanager
    def open(self, link: str, known: SourceState | None = None) -> Iterator[FileTree]:
        """The texts of a repository's commit.

        `revision` is the commit and how it is read; where `known` has the same, nothing is fetched.

        Raises:
            SourceMissingError: there is no such repository, branch or folder; or it is private, and no token is set;
                or it has no files.
            ForbiddenLinkError: a local path outside of the allowed ones, or an address that is not public.
            CrawlError: git cannot read it, or not within the limits; the message is git's own, without credentials.
        """
        remote = remote_link(link)
        with temporary_folder("moodswarm-git-") as folder:
            opened = self._fetched(remote, folder, known) if remote else self._found(link, folder, known)
            if opened.tree.unchanged:
                yield opened.tree
                return
            with _reading(opened, self._bounds):
                yield opened.tree

    def close(self) -> None:
        """End what git is doing for other threads, whose links then fail. For when the run is interrupted."""
        self._stopped.set()

    def _fetched(self, remote: RemoteLink, folder: Path, known: SourceState | None) -> "_Opened":
        """The commit that the link names, fetched if it is another than last time."""
        origin = self._remotes.ask(remote)
        branch, commit, path = origin.references.resolve(remote.reference)
        git = self._git(folder, self._remotes.environment(remote, origin))
        tree = self._tree(remote.name + (f"/{path}" if path else ""), remote.source, commit, known)
        tree.bytes_read = origin.bytes_read
        opened = _Opened(git, folder, commit, tree, path, f"{remote.view}/{quote(branch)}" if remote.view else "")
        if tree.unchanged:
            return opened
        with self._remotes.turn(origin):
            git_dir = git.fetch(
                origin.url,
                commit,
                whole=not origin.references.smart,
                largest_blob=self._bounds.largest_blob,
                address=self._remotes.pinned(origin),
            )
        tree.bytes_read += git.fetched_bytes()
        return replace(opened, git_dir=git_dir)

    def _found(self, link: str, folder: Path, known: SourceState | None) -> "_Opened":
        """What is checked out of a local repository. Nothing is fetched: git reads it where it is."""
        path = permitted_path(str(self._path(link)), self._base, self._allowed)
        git_dir = git_dir_in(path)
        if git_dir is None:
            raise CrawlError(f"{path} is no Git repository")
        check_configuration(git_dir, self._permit)
        git = self._git(folder, {"GIT_ALLOW_PROTOCOL": _NO_TRANSPORT})
        self._check_parts(git, git_dir)
        commit = git.output(f"--git-dir={git_dir}", "rev-parse", "--revs-only", "HEAD^{commit}").decode().strip()
        if not commit:
            raise SourceMissingError("the repository has no files")
        return _Opened(git, git_dir, commit, self._tree(path.name, path.as_uri(), commit, known), is_local=True)

    def _path(self, link: str) -> Path:
        path = local_path(link, self._base)
        if path is None:
            shown = printable(without_credentials(link))[:200]
            raise CrawlError(f"{shown!r} is no Git repository that can be read: {_FORMS}")
        return path

    def _check_parts(self, git: Git, git_dir: Path) -> None:
        """What git keeps elsewhere (`git worktree`, `git clone --shared`) must be allowed, too.

        Raises:
            ForbiddenLinkError: it has them outside of the allowed folders.
        """
        what = ("--path-format=absolute", "--git-dir", "--git-common-dir", "--git-path", "objects")
        parts = os.fsdecode(git.output(f"--git-dir={git_dir}", "rev-parse", *what)).splitlines()
        for part in parts:
            self._permit(part)
        check_alternates(Path(parts[-1]), self._permit)

    def _permit(self, path: str) -> Path:
        return allowed_path(path, self._base, self._allowed)

    def _tree(self, name: str, link: str, commit: str, known: SourceState | None) -> FileTree:
        revision = f"{commit}-{self._bounds.fingerprint}"
        unchanged = known is not None and known.revision == revision
        return FileTree(name, link, iter(()), revision=revision, unchanged=unchanged)

    def _git(self, folder: Path, more: dict[str, str]) -> Git:
        passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        # The user's configuration, passwords (~/.netrc) and attributes are sought in a home that has none.
        home = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
        bounds = GitBounds(self._bounds.seconds, self._bounds.total_bytes, self._stopped)
        return Git(folder, passed_on | _ENVIRONMENT | home | more, bounds)


@contextmanager
def _reading(opened: _Opened, bounds: Bounds) -> Iterator[None]:
    """Let the tree have its files while the context lasts."""
    entries = opened.git.entries(opened.git_dir, opened.commit)
    if not entries:
        raise SourceMissingError("the repository has no files")
    if opened.folder and not any(is_in(entry.path, opened.folder) for entry in entries):
        raise SourceMissingError(f"the repository has no {opened.folder!r}")
    with opened.git.blobs(opened.git_dir) as read_blob:
        reader = RepositoryReader(bounds, opened.tree, lambda entry: opened.count(read_blob(entry)))
        opened.tree.files = reader.read(entries, opened.folder, opened.view)
        yield
