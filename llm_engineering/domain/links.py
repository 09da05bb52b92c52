"""Links: one spelling for each page, and one that can be shown."""

import re
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit, urlunsplit

from llm_engineering.domain.errors import InvalidInputError

_TRACKING_PARAMETERS = frozenset({
    "fbclid", "gclid", "dclid", "msclkid", "mc_cid", "mc_eid", "ref_src", "igshid", "_hsenc", "_hsmi", "yclid",
    "vero_id", "mkt_tok", "sharedid", "trk", "trackingid",
})  # fmt: skip
# Hosts that add parameters of their own: who shared the link, and from where it was opened.
_TRACKING_BY_HOST = {
    "substack.com": frozenset({"r", "s", "triedredirect", "showwelcome", "isfreemail", "publication_id", "post_id"}),
    "medium.com": frozenset({"source", "sk", "gi"}),
}
HOST_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_][a-z0-9_-]{0,62})*")
# The system's resolver reads 2130706433, 0x7f.1 and 0177.0.0.1 as addresses; nobody writes them so with a good mind.
NUMERIC_HOST = re.compile(r"(.*\.)?(\d+|0x[0-9a-f]*)")
_CREDENTIALS = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://)[^/\s]*@")
_SECRET_PARAMETER = re.compile(
    r"([?&](?:[\w.-]*(?:token|secret|password|passwd|signature|credential|api[-_]?key)[\w.-]*|sig|auth|key)=)[^&\s#'\"]+",
    re.IGNORECASE,
)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9._-]+")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
# What may stand unescaped in a path (RFC 3986, section 3.3), and the sign of an escape.
_PATH_CHARACTERS = "/%:@!$&'()*+,;=-._~"
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def canonical_link(link: str) -> str:
    """The link without what does not identify the page, in the normal form of RFC 3986, section 6.2.

    Scheme and host in lower case, no `www.`, no default port, no user, no fragment, no trailing slash, no tracking
    parameters, the others sorted, escapes only where they are needed. Other schemes than http and https stay.

    Raises:
        InvalidInputError: the link cannot be parsed as a URL.
    """
    try:
        link.encode()  # what is no character can be neither sent nor stored
        parts = urlsplit(link.strip())
        scheme = parts.scheme.lower()
        return _canonical(scheme, parts) if scheme in _DEFAULT_PORTS else link.strip()
    except ValueError as error:
        raise InvalidInputError(
            f"{without_credentials(link)!r} is not a valid link. Write it as in https://example.com/post."
        ) from error


def shown_link(link: str) -> str:
    """The link as people open it: host and path stay as they are, for not every server knows its other spellings.

    Raises:
        InvalidInputError: the link cannot be parsed as a URL.
    """
    whole = canonical_link(link)
    canonical = urlsplit(whole)
    if canonical.scheme not in _DEFAULT_PORTS:
        return whole
    parts = urlsplit(link.strip())
    host = parts.netloc.rpartition("@")[2].lower()
    return parts._replace(path=parts.path.rstrip(), query=canonical.query, fragment="", netloc=host).geturl()


def identity(link: str) -> str:
    """What two links to the same page share: the canonical link, whatever of http and https it was fetched by.

    Raises:
        InvalidInputError: the link cannot be parsed as a URL.
    """
    link = canonical_link(link)
    # Once more, for `http://host:443` has the default port now.
    return canonical_link(f"https{link.removeprefix('http')}") if link.startswith("http://") else link


def canonical_repository_link(link: str) -> str:
    """The canonical link of a Git repository: `.git` does not make it another one."""
    return canonical_link(link).removesuffix(".git")


def host_of(link: str) -> str:
    """The host of a link, without `www.`; '' for a link that has none, or that cannot be parsed."""
    try:
        return urlsplit(canonical_link(link)).hostname or ""
    except (ValueError, InvalidInputError):
        return ""


def is_host_name(text: str) -> bool:
    """Whether the text has the form of a host's name, and not of a number that resolvers take for an address."""
    name = text.lower().rstrip(".")
    return HOST_NAME.fullmatch(name) is not None and NUMERIC_HOST.fullmatch(name) is None


def without_credentials(text: str) -> str:
    """The text for logs and reports: users and passwords before a host, and secrets in a query, are left out."""
    return _SECRET_PARAMETER.sub(r"\1***", _CREDENTIALS.sub(r"\1", text))


def _canonical(scheme: str, parts: SplitResult) -> str:
    """The canonical form of a link by http or https. Raises ValueError for what is no URL."""
    host, port = _normal_host(parts.hostname or ""), parts.port
    netloc = host if port in (None, _DEFAULT_PORTS[scheme]) else f"{host}:{port}"
    # Bytes that are no UTF-8 stay apart: two pages of an old site may differ in nothing else.
    pairs = parse_qsl(parts.query, keep_blank_values=True, errors="surrogateescape")
    kept = sorted(pair for pair in pairs if not _is_tracking(pair[0], host))
    query = urlencode(kept, errors="surrogateescape")
    return urlunsplit((scheme, netloc, _normal_path(parts.path), query, ""))


def _normal_host(host: str) -> str:
    """Lower case, without `www.`; other letters than ASCII in their ASCII form (RFC 3490), IPv6 in brackets."""
    if ":" in host:
        return f"[{host}]"
    if not host.isascii():
        host = host.encode("idna").decode("ascii").lower()
    host = host.rstrip(".")
    while host.startswith("www.") and "." in host.removeprefix("www."):
        host = host.removeprefix("www.")
    if not _HOST.fullmatch(host):
        raise ValueError("a link needs a host")
    return host


def _normal_path(path: str) -> str:
    """Without `.`, `..`, slashes at the end, and escapes of characters that need none."""
    segments: list[str] = []
    escaped = _ESCAPE.sub(_normal_escape, _LONE_PERCENT.sub("%25", path.rstrip()))
    for segment in quote(escaped, safe=_PATH_CHARACTERS).split("/"):
        if segment == "..":
            segments = segments[: max(1, len(segments) - 1)]
        elif segment != ".":
            segments.append(segment)
    return "/".join(segments).rstrip("/")


def _normal_escape(match: re.Match[str]) -> str:
    character = chr(int(match.group(1), 16))
    return character if character in _UNRESERVED else match.group(0).upper()


def _is_tracking(parameter: str, host: str) -> bool:
    name = parameter.lower()
    if name.startswith("utm_") or name in _TRACKING_PARAMETERS:
        return True
    return any(
        name in names and (host == domain or host.endswith(f".{domain}")) for domain, names in _TRACKING_BY_HOST.items()
    )
