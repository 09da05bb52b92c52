"""The `git` command: within a time, within a size, and with nothing of the user's configuration."""

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from llm_engineering.domain.errors import CrawlError
from llm_engineering.domain.links import without_credentials
from llm_engineering.infrastructure.files.texts import printable
from llm_engineering.infrastructure.web.git.files import Entry

# A commit's list of files: about 600,000. Trees that hold each other many times over would make it endless.
_LARGEST_LISTING_BYTES = 64 * 2**20
_POLL_SECONDS = 0.05
_LONGEST_REASON = 300
# Bare, and never checked out: no hook, filter (LFS), symbolic link or name can do harm on the way to the disk. A pack
# stays one, large files are not held in memory, and nothing is tidied up in the background.
_CONFIGURATION = (
    "core.hooksPath=/dev/null", "core.fsmonitor=false", "core.bigFileThreshold=16m", "fetch.unpackLimit=1",
    "gc.auto=0", "maintenance.auto=false", "http.followRedirects=false", "credential.helper=", "protocol.version=2",
)  # fmt: skip


@dataclass(frozen=True)
class GitBounds:
    """What one repository may cost. Setting `stopped` ends what runs."""

    seconds: float
    most_bytes: int
    stopped: threading.Event


class Git:
    """Runs git on one repository. `folder` holds what is fetched and what git says; the caller removes it."""

    def __init__(self, folder: Path, environment: Mapping[str, str], bounds: GitBounds) -> None:
        """The environment is all that git gets to see of this process's. Raises CrawlError when there is no git."""
        self._folder = folder
        self._environment = dict(environment)
        self._bounds = bounds
        program = shutil.which("git")
        if program is None:
            raise CrawlError("there is no git on this machine: install it")
        self._program = program

    def output(self, *arguments: str) -> bytes:
        """What git prints.

        Raises:
            CrawlError: git fails; the message is its own, without credentials. Or it takes too long or too much.
        """
        printed = self._folder / "output"
        command = [self._program, *(part for item in _CONFIGURATION for part in ("-c", item)), *arguments]
        with printed.open("wb") as output, self._start(command, stdout=output) as process:
            try:
                self._wait(process)
            finally:
                _kill(process)
        self._check_size()
        if process.returncode:
            raise CrawlError(f"git could not read it: {self._reason()}")
        return printed.read_bytes()

    def fetch(self, url: str, commit: str, *, whole: bool, largest_blob: int, address: str = "") -> Path:
        """The commit, in a bare repository: without its history, unless `whole`, and without files larger than that.

        `address` is what `http.curloptResolve` takes, for git to ask the host at; git before 2.37 does not know it.
        Raises as `output` does.
        """
        git_dir = self._folder / "repository"
        form = ["--object-format=sha256"] if len(commit) == 64 else []
        self.output("init", "--quiet", "--bare", "--template=", *form, str(git_dir))
        before = (git_dir / "config").read_bytes()
        pinned = ["-c", f"http.curloptResolve={address}"] if address else []
        part = [] if whole else ["--depth=1", f"--filter=blob:limit={largest_blob}"]
        options = ["--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", *part]
        self.output(*pinned, f"--git-dir={git_dir}", "fetch", *options, "--", url, commit)
        # Where a file's bytes were left out, the fetch has noted to get them when they are asked for: they are not.
        (git_dir / "config").write_bytes(before)
        return git_dir

    def fetched_bytes(self) -> int:
        """What lies in the folder."""
        return _size(self._folder)

    def entries(self, git_dir: Path, commit: str) -> list[Entry]:
        """The files of a commit. Raises as `output` does."""
        listing = self.output(f"--git-dir={git_dir}", "ls-tree", "-r", "-l", "-z", "--full-tree", commit)
        return [_entry(line) for line in listing.split(b"\0") if line]

    @contextmanager
    def blobs(self, git_dir: Path) -> Iterator[Callable[[Entry], bytes]]:
        """A function that reads a file's bytes, by one git process for all of them.

        The function raises CrawlError when the repository is damaged.
        """
        command = [self._program, f"--git-dir={git_dir}", "cat-file", "--batch"]
        with self._start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            try:
                yield lambda entry: _blob(process, entry)
            finally:
                _kill(process)
                with suppress(BrokenPipeError):
                    (process.stdin or BytesIO()).close()

    @contextmanager
    def _start(self, command: Sequence[str], **streams: object) -> Iterator["subprocess.Popen[bytes]"]:
        """In a process group of its own, which can be killed as a whole."""
        streams = {"stdin": subprocess.DEVNULL} | streams
        with (self._folder / "errors").open("wb") as errors:
            process = subprocess.Popen(  # type: ignore[call-overload] # noqa: S603
                command, env=self._environment, cwd=self._folder, stderr=errors, start_new_session=True, **streams
            )
            with process:
                yield process

    def _wait(self, process: "subprocess.Popen[bytes]") -> None:
        end = time.monotonic() + self._bounds.seconds
        while True:
            try:
                process.wait(_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                self._check(end)
            else:
                return

    def _check(self, end: float) -> None:
        """Raises CrawlError when it takes too long or too much, or is no longer wanted."""
        if self._bounds.stopped.is_set():
            raise CrawlError("git was stopped")
        if time.monotonic() > end:
            raise CrawlError(f"git did not finish within {self._bounds.seconds:g} s (GIT_TIMEOUT_SECONDS)")
        self._check_size()

    def _check_size(self) -> None:
        if (self._folder / "output").stat().st_size > _LARGEST_LISTING_BYTES:
            raise CrawlError("it has more files than any repository of a person's")
        if _size(self._folder) > self._bounds.most_bytes:
            raise CrawlError(
                f"the repository is larger than {self._bounds.most_bytes / 2**20:g} MiB (MAX_REPOSITORY_MIB)"
            )

    def _reason(self) -> str:
        """Git's own words, which may be the server's: one line, of bounded length, without credentials."""
        with (self._folder / "errors").open("rb") as errors:
            lines = errors.read(16_384).decode(errors="replace").splitlines()
        fatal = [line for line in lines if line.startswith("fatal:")] or lines[-1:] or ["it gave no reason"]
        words = "".join(character for character in fatal[0].removeprefix("fatal: ") if character.isprintable())
        return without_credentials(words)[:_LONGEST_REASON]


def _entry(line: bytes) -> Entry:
    """A line of `git ls-tree -l`: `MODE blob HASH SIZE<tab>PATH`; the size of a file that is not there is no number."""
    description, _, path = line.partition(b"\t")
    mode, _, object_id, size = description.decode("ascii").split()
    return Entry(os.fsdecode(path), mode, object_id, int(size) if size.isdigit() else None)


def _blob(process: "subprocess.Popen[bytes]", entry: Entry) -> bytes:
    """Ask `git cat-file --batch`, which answers with a line `HASH blob SIZE`, the bytes and a line's end."""
    if process.stdin is None or process.stdout is None:
        raise ValueError("the process has no pipes")
    try:
        process.stdin.write(f"{entry.object_id}\n".encode())
        process.stdin.flush()
        size = int(process.stdout.readline().split()[2])
        content = process.stdout.read(size)
        process.stdout.read(1)
    except (OSError, ValueError, IndexError) as error:
        raise CrawlError(f"the repository is damaged: {printable(entry.path)} cannot be read") from error
    return content


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """End it, and what it has started."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _size(folder: Path) -> int:
    """The bytes in the folder. Files come and go while git works."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.lstat(f"{parent}/{name}").st_size
    return total
