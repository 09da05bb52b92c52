"""Links to Git repositories: which ones are, and what each names. Nothing is asked of the network here."""

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from llm_engineering.domain.errors import InvalidInputError
from llm_engineering.domain.links import canonical_link, canonical_repository_link

# What stands between a project and a branch where a host shows a folder or a file.
_VIEWS: dict[str, tuple[tuple[str, ...], ...]] = {
    "github.com": (("tree",), ("blob",)),
    "gitlab.com": (("-", "tree"), ("-", "blob")),
    "codeberg.org": (("src", "branch"), ("src", "tag"), ("src", "commit")),
    "bitbucket.org": (("src",),),
}
GIT_HOSTS = frozenset(_VIEWS)
# First segments of paths that are the site's own pages, not an owner's.
GITHUB_PAGES = frozenset({
    "about", "account", "apps", "blog", "codespaces", "collections", "contact", "copilot", "customer-stories",
    "dashboard", "discussions", "enterprise", "events", "explore", "features", "git-guides", "gist", "github-copilot",
    "home", "issues", "join", "learn", "login", "logout", "marketplace", "mobile", "models", "new", "newsroom",
    "notifications", "organizations", "orgs", "partners", "personal", "premium-support", "pricing", "pulls", "readme",
    "resources", "search", "security", "sessions", "settings", "showcases", "signup", "site", "solutions", "sponsors",
    "stars", "support", "team", "teams", "terms", "topics", "trending", "users", "watching", "why-github",
})  # fmt: skip
_OTHER_PAGES = frozenset({
    "account", "admin", "api", "dashboard", "explore", "groups", "help", "product", "search", "snippets", "user",
    "users", "workspaces", "repo", "org",
})  # fmt: skip
_NAME = re.compile(r"(?!\.+$)[A-Za-z0-9_.~+-]+")
_SCP = re.compile(r"(?:[\w.-]+@)?(?P<host>[A-Za-z0-9.-]+):(?P<path>[^:]+)")
_UNSAFE = re.compile(r"[\x00-\x20\x7f-\x9f\\]")


@dataclass(frozen=True)
class RemoteLink:
    """A repository behind http(s); `view` is where its host shows files, up to the branch."""

    url: str
    source: str
    name: str
    view: str = ""
    reference: str = ""
    credentials: str = ""

    @property
    def host(self) -> str:
        """The host that is asked first."""
        return urlsplit(self.url).hostname or ""


def remote_link(link: str) -> RemoteLink | None:
    """What the link names; None when it is no repository's.

    `git@HOST:PATH` and ssh:// of the known hosts are read by https. A branch, and a folder or file in it, stand in
    `reference` as in the link: where the branch ends is known only when the host has told its branches.
    """
    link = _as_https(link.strip())
    if link.startswith("-") or _UNSAFE.search(link):
        return None
    try:
        parts = urlsplit(link)
        host, _ = (parts.hostname or "").removeprefix("www."), parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https"):
        return None
    segments = [unquote(segment) for segment in parts.path.split("/") if segment]
    user = unquote(parts.netloc.rpartition("@")[0])
    if host in GIT_HOSTS:
        return _on_known_host(host, segments, user)
    return _anywhere(link, segments, user) if host and segments and segments[-1].endswith(".git") else None


def _as_https(link: str) -> str:
    """`git@HOST:OWNER/NAME.git` and ssh://git@HOST/OWNER/NAME.git of a known host by its other address."""
    match = _SCP.fullmatch(link) if "://" not in link else None
    if match and match["host"].lower() in GIT_HOSTS:
        return f"https://{match['host']}/{match['path'].lstrip('/')}"
    if link.startswith("ssh://"):
        host, _, path = link.removeprefix("ssh://").rpartition("@")[2].partition("/")
        host = host.partition(":")[0].lower()
        return f"https://{host}/{path}" if host in GIT_HOSTS else link
    return link


def _on_known_host(host: str, segments: list[str], user: str) -> RemoteLink | None:
    """These hosts do not tell case apart in owners and names, and read by https."""
    project, view, rest = _split(host, segments)
    if len(project) < 2 or (host != "gitlab.com" and len(project) > 2) or (view and not rest):
        return None
    pages = GITHUB_PAGES if host == "github.com" else _OTHER_PAGES
    project[-1] = project[-1].removesuffix(".git")
    if project[0].lower() in pages or not all(_NAME.fullmatch(segment) for segment in project):
        return None
    root = f"https://{host}/{'/'.join(project).lower()}"
    name, reference = project[-1], "/".join(rest)
    if not view:
        return RemoteLink(f"{root}.git", root, name, credentials=user)
    shown = "/".join(segment.replace("tree", "blob") for segment in view)
    source = f"{root}/{'/'.join(view)}/{quote(reference)}"
    return RemoteLink(f"{root}.git", source, name, f"{root}/{shown}", reference, user)


def _split(host: str, segments: list[str]) -> tuple[list[str], tuple[str, ...], list[str]]:
    """The project, the view and what follows it. A path that goes on in another way is no project's."""
    for view in _VIEWS[host]:
        for start in range(2, len(segments) - len(view) + 1):
            if tuple(segments[start : start + len(view)]) == view and (start == 2 or host == "gitlab.com"):
                return segments[:start], view, segments[start + len(view) :]
    return ([] if "-" in segments else segments), (), []


def _anywhere(link: str, segments: list[str], user: str) -> RemoteLink | None:
    try:
        source = canonical_repository_link(canonical_link(link).partition("?")[0])
    except InvalidInputError:
        return None
    parts = urlsplit(link)
    url = parts._replace(
        netloc=parts.netloc.rpartition("@")[2].lower(), path=parts.path.rstrip("/"), query="", fragment=""
    )
    return RemoteLink(url.geturl(), source, segments[-1].removesuffix(".git"), credentials=user)
