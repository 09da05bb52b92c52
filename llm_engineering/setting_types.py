"""What the settings are made of: URLs, keys, lists of words. A wrong value's message never repeats a secret."""

from ipaddress import ip_network
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

from llm_engineering.domain.links import is_host_name


def _mongo_uri(value: SecretStr) -> SecretStr:
    if _scheme_and_host(value.get_secret_value())[0] not in ("mongodb", "mongodb+srv"):
        raise ValueError("a URI that starts with mongodb:// or mongodb+srv://")
    return value


def _http_url(value: str) -> str:
    scheme, host = _scheme_and_host(value)
    if scheme not in ("http", "https") or not host:
        raise ValueError("a URL that starts with http:// or https://")
    return value.rstrip("/")


def _scheme_and_host(url: str) -> tuple[str, str | None]:
    try:
        parts = urlsplit(url)
        _ = parts.port if "," not in parts.netloc else None
    except ValueError:  # its message would repeat the password
        return "", None
    return parts.scheme, parts.hostname


def _ascii_key(value: SecretStr) -> SecretStr:
    key = value.get_secret_value()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ValueError("ASCII characters without blanks")
    return value


def upper_case_level(value: Any) -> Any:
    """A log level in capitals; anything else as it is."""
    return value.upper() if isinstance(value, str) and value.upper() in ("DEBUG", "INFO", "WARNING", "ERROR") else value


def _words(value: Any) -> Any:
    return tuple(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else value


def _hosts(value: tuple[str, ...]) -> tuple[str, ...]:
    for entry in value:
        try:
            ip_network(entry.strip("[]"))
        except ValueError:
            if not is_host_name(entry):
                raise ValueError(
                    "host names, IP addresses or networks with commas between them, like localhost,10.1.0.0/16"
                ) from None
    return value


def _tokens(value: SecretStr) -> SecretStr:
    for pair in value.get_secret_value().split(","):
        host, separator, token = pair.strip().partition("=")
        if not (host and separator and token and token.isascii() and token.isprintable()) or " " in pair.strip():
            raise ValueError("pairs HOST=TOKEN with commas between them")
    return value


MongoUri = Annotated[SecretStr, AfterValidator(_mongo_uri)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
Key = Annotated[SecretStr, AfterValidator(_ascii_key)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]
Hosts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words), AfterValidator(_hosts)]
TokensByHost = Annotated[SecretStr, AfterValidator(_tokens)]


def tokens_by_host(value: SecretStr | None) -> dict[str, str]:
    """`github.com=T1,gitlab.com=T2` as a dictionary."""
    pairs = value.get_secret_value().split(",") if value else []
    return {host.strip(): token.strip() for host, _, token in (pair.partition("=") for pair in pairs)}


def as_text(value: Any) -> str:
    """A setting's value as the environment has it; a secret in clear."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return ",".join(value) if isinstance(value, tuple) else str(value)
