"""What a Git server tells of its branches: the answer to `GET /info/refs?service=git-upload-pack`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from llm_engineering.domain.errors import CrawlError, SourceMissingError

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_BRANCHES = ("refs/heads/", "refs/tags/")


@dataclass(frozen=True)
class References:
    """Commits by reference. A server that is not `smart` hands out files only: no part of a history can be had."""

    commits: dict[str, str] = field(default_factory=dict)
    smart: bool = True

    def resolve(self, reference: str) -> tuple[str, str, str]:
        """Branch, commit and path of what follows `/tree/` in a link; '' names the default branch.

        Branches have slashes in their names, too: the longest one that the server knows counts.

        Raises:
            SourceMissingError: there is no such branch or tag, or no commit at all.
            CrawlError: the link names a commit by a part of its hash.
        """
        segments = reference.split("/") if reference else ["HEAD"]
        for end in range(len(segments), 0, -1):
            name = "/".join(segments[:end])
            commit = self._commit(name)
            if commit:
                return name, commit, "/".join(segments[end:])
        if not self.commits:
            raise SourceMissingError("the repository has no files")
        if re.fullmatch(r"[0-9a-f]{7,63}", segments[0]):
            raise CrawlError(f"{segments[0]!r} is no branch; a commit needs its whole hash")
        raise SourceMissingError(f"the repository has no branch or tag {segments[0]!r}")

    def _commit(self, name: str) -> str | None:
        if name == "HEAD":
            return self.commits.get("HEAD") or self._likely_head()
        found = next((self.commits[prefix + name] for prefix in _BRANCHES if prefix + name in self.commits), None)
        return found or (name if _COMMIT.fullmatch(name) else None)

    def _likely_head(self) -> str | None:
        """HEAD may name a branch that is not there; people then mean the main one, or the only one."""
        branches = {name: commit for name, commit in self.commits.items() if name.startswith("refs/heads/")}
        usual = [branches[name] for name in ("refs/heads/main", "refs/heads/master") if name in branches]
        return usual[0] if usual else next(iter(branches.values())) if len(branches) == 1 else None


def parse_references(body: bytes) -> References:
    """The references in a server's answer, in the smart protocol's form or as the lines of a plain file.

    Source: gitprotocol-http(5), "Discovering References".

    Raises:
        CrawlError: this is no Git server's answer.
    """
    if body[4:].startswith(b"# service=git-upload-pack"):
        return References(dict(_pairs(_packet_lines(body), b" ")))
    if body.strip() and not re.match(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?\t", body):
        raise CrawlError("there is no Git repository: the server answered with something else")
    return References(dict(_pairs(body.splitlines(), b"\t")), smart=False)


def _pairs(lines: Iterator[bytes] | list[bytes], separator: bytes) -> Iterator[tuple[str, str]]:
    for line in lines:
        commit, found, name = line.partition(b"\0")[0].rstrip(b"\n").partition(separator)
        text = commit.decode("ascii", errors="replace")
        if found and _COMMIT.fullmatch(text) and set(text) != {"0"}:
            yield name.decode(errors="replace"), text


def _packet_lines(body: bytes) -> Iterator[bytes]:
    """Each line has its length in front, four hexadecimal digits, themselves counted; 0000 separates."""
    position = 0
    while position < len(body):
        digits = body[position : position + 4]
        if not re.fullmatch(rb"[0-9a-fA-F]{4}", digits):
            raise CrawlError("the Git server's answer is broken")
        length = int(digits, 16)
        if length > 4 and position + length > len(body):
            raise CrawlError("the Git server's answer is cut off")
        yield body[position + 4 : position + length]
        position += max(length, 4)
