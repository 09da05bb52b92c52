"""Every environment variable: its type, default and meaning. Only `bootstrap` and the command-line tools read it.

Values come from, in this order: the process environment, the file `.env`, a ZenML secret (where `SETTINGS_SECRET` names
one), the defaults below. `.env.example` is made from the descriptions here.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from llm_engineering.domain.errors import SettingsError
from llm_engineering.domain.links import without_credentials
from llm_engineering.setting_types import Hosts, HttpUrl, Key, MongoUri, TokensByHost, Words, as_text, upper_case_level

PROJECT_ROOT = Path(__file__).resolve().parents[1]
# What concerns this machine or leads to the secret itself: not exported into it.
_MACHINE_ONLY = frozenset(
    {"LOCAL_STATE_DIR", "MODELS_DIR", "API_HOST", "API_PORT", "SETTINGS_SECRET", "LOG_LEVEL", "CRAWL_ALLOWED_PATHS"}
)


class Settings(BaseSettings):
    """The configuration. An unset server means: use the embedded one. An empty value counts as unset."""

    model_config = SettingsConfigDict(
        extra="ignore", env_file_encoding="utf-8", env_ignore_empty=True, case_sensitive=False
    )

    # MongoDB: raw documents
    DATABASE_HOST: MongoUri | None = Field(
        default=None, description="MongoDB URI, mongodb://USER:PASSWORD@HOST:PORT. Unset: the embedded server."
    )
    DATABASE_NAME: str = Field(
        default="twin", pattern=r"^[A-Za-z0-9_-]{1,63}$", description="MongoDB database: letters, digits, _ and -."
    )

    # Qdrant: features
    QDRANT_DATABASE_HOST: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9._-]+$",
        description="Host name or IPv4 address of a Qdrant server. Unset, and no cloud: the embedded engine.",
    )
    QDRANT_DATABASE_PORT: int = Field(default=6333, ge=1, le=65535, description="HTTP port of the Qdrant server.")
    USE_QDRANT_CLOUD: bool = Field(default=False, description="Use QDRANT_CLOUD_URL instead of a server.")
    QDRANT_CLOUD_URL: HttpUrl | None = Field(default=None, description="URL of the Qdrant cluster.")
    QDRANT_APIKEY: Key | None = Field(default=None, description="Key of the server or cluster.")
    QDRANT_SHARD_NUMBER: int = Field(default=1, ge=1, description="Shards of a new collection on a server or cluster.")
    QDRANT_REPLICATION_FACTOR: int = Field(default=1, ge=1, description="Copies of each shard.")
    QDRANT_ON_DISK: bool = Field(default=False, description="Keep the vectors of a new collection on disk.")
    QDRANT_QUANTIZATION: Literal["none", "scalar", "binary"] = Field(
        default="none", description="Compress the vectors of a new collection: none, scalar (int8), binary."
    )

    # Language model: any server with OpenAI's API
    OPENAI_API_KEY: Key | None = Field(
        default=None, description="Key. With it or OPENAI_BASE_URL the model is remote; with neither, embedded."
    )
    OPENAI_BASE_URL: HttpUrl | None = Field(
        default=None, description="URL of an OpenAI-compatible server, http://HOST:PORT/v1. Unset: OpenAI's own."
    )
    OPENAI_MODEL_ID: str = Field(default="gpt-4o-mini", min_length=1, description="Model to ask for.")

    # Retrieval models
    TEXT_EMBEDDING_MODEL_ID: str = Field(
        default="sentence-transformers/all-MiniLM-L6-v2",
        min_length=1,
        description="Sentence-transformers model. The default's weights come in a package; others from Hugging Face.",
    )
    EMBEDDING_PRECISION: Literal["auto", "float32", "int8"] = Field(
        default="auto",
        description="int8: OpenVINO on a CPU. auto: that where it is installed and of use, else float32.",
    )
    SPARSE_LANGUAGE: str = Field(
        default="english",
        pattern="^[a-z]+$",
        description="Language of the stop words and stems of BM25; none: neither.",
    )
    RERANKING_CROSS_ENCODER_MODEL_ID: str = Field(
        default="cross-encoder/ms-marco-MiniLM-L-4-v2",
        min_length=1,
        description="Reranker from Hugging Face, used where configs/retrieval.yaml says 'rerank: cross-encoder'.",
    )
    RAG_MODEL_DEVICE: str = Field(
        default="cpu", pattern=r"^(cpu|mps|cuda(:\d+)?)$", description="Device of the embedding model: cpu, mps, cuda."
    )

    # Hugging Face, Comet, AWS
    HUGGINGFACE_ACCESS_TOKEN: SecretStr | None = Field(
        default=None, description="Token for gated or private models, and to publish datasets."
    )
    HUGGINGFACE_ENDPOINT: HttpUrl | None = Field(
        default=None, description="Hub that datasets are published to: a mirror's URL. Unset: https://huggingface.co."
    )
    COMET_API_KEY: SecretStr | None = Field(default=None, description="Experiment tracking (later).")
    COMET_PROJECT: str = Field(default="twin", min_length=1, description="Comet project (later).")
    AWS_REGION: str = Field(default="eu-central-1", min_length=1, description="AWS region (later).")
    AWS_ACCESS_KEY: SecretStr | None = Field(default=None, description="AWS key id (later).")
    AWS_SECRET_KEY: SecretStr | None = Field(default=None, description="AWS secret key (later).")
    AWS_ARN_ROLE: str | None = Field(default=None, description="SageMaker's role (later).")

    # Crawling: what may be read
    CRAWL_ALLOWED_PATHS: Words = Field(
        default=(), description="Folders whose files may be crawled, with commas; a relative one is below the project."
    )
    CRAWL_ALLOWED_HOSTS: Hosts = Field(
        default=(), description="Hosts, IP addresses and networks (CIDR) that may be crawled though not public."
    )
    CRAWL_RESPECT_ROBOTS: bool = Field(default=True, description="Ask no page that the site's robots.txt disallows.")
    CRAWL_USER_AGENT: str = Field(
        default="MoodSwarm/0.1 (+personal archive of one's own publications)",
        pattern=r"^[\x20-\x7e]+$",
        description="Whom we say we are.",
    )
    GIT_TOKENS: TokensByHost | None = Field(
        default=None, description="Tokens for private repositories: github.com=TOKEN,gitlab.com=TOKEN."
    )
    GITHUB_API_URL: HttpUrl = Field(default="https://api.github.com", description="Address of GitHub's API.")
    MEDIUM_HOSTS: Hosts = Field(
        default=(
            "towardsdatascience.com",
            "betterprogramming.pub",
            "levelup.gitconnected.com",
            "pub.towardsai.net",
            "uxdesign.cc",
        ),
        description="Publications of Medium with a domain of their own.",
    )

    # Crawling: how much, and how patiently
    CRAWL_CONCURRENCY: int = Field(default=16, ge=1, le=256, description="Sources read at once.")
    CRAWL_REQUESTS_PER_HOST: int = Field(default=2, ge=1, le=32, description="Requests to one host at once.")
    CRAWL_TIMEOUT_SECONDS: float = Field(default=20.0, gt=0, description="Longest wait for a server to send something.")
    CRAWL_BUDGET_SECONDS: float = Field(default=120.0, gt=0, description="Longest time for one page, retries included.")
    CRAWL_MAX_ATTEMPTS: int = Field(default=3, ge=1, le=20, description="Tries of a request that may pass later.")
    CRAWL_BACKOFF_SECONDS: float = Field(default=0.5, ge=0, description="Pause before the second try; then it doubles.")
    CRAWL_BREAKER_FAILURES: int = Field(default=5, ge=1, description="Failures in a row after which a host is let be.")
    CRAWL_BREAKER_RESET_SECONDS: float = Field(default=60.0, gt=0, description="For how long.")
    CRAWL_MAX_PAGE_MIB: int = Field(default=10, ge=1, description="Larger pages are refused.")
    GIT_TIMEOUT_SECONDS: float = Field(default=300.0, gt=0, description="Longest clone of a repository.")
    MAX_REPOSITORY_MIB: int = Field(default=500, ge=1, description="Larger clones are given up.")
    MAX_REPOSITORY_FILES: int = Field(default=5_000, ge=1, description="Files beyond this number are left out.")
    MAX_FILE_KIB: int = Field(default=256, ge=1, description="Larger text files are left out.")

    # Feature pipeline
    FEATURE_ENGINE: Literal["local", "ray"] = Field(
        default="local", description="Where features are computed: in this process, or by Ray (extra 'scale')."
    )
    FEATURE_WORKERS: int = Field(default=2, ge=1, le=1024, description="Ray's actors, each with a model of its own.")

    # This machine
    LOCAL_STATE_DIR: Path = Field(
        default=Path(".local"), description="State of the embedded stack; a relative path is below the project."
    )
    MODELS_DIR: Path | None = Field(
        default=None, description="Model files that are made here once. Unset: LOCAL_STATE_DIR/models."
    )
    API_HOST: str = Field(default="127.0.0.1", min_length=1, description="Address that the API listens on.")
    API_PORT: int = Field(default=8000, ge=1, le=65535, description="Port that the API listens on.")
    SETTINGS_SECRET: str | None = Field(
        default=None, description="Name of the ZenML secret to take values from that are set nowhere else."
    )
    LOG_LEVEL: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(upper_case_level)] = Field(
        default="INFO", description="Least level logged."
    )

    # ZenML; exported to the process environment before it is imported
    ZENML_CONFIG_PATH: Path | None = Field(
        default=None, description="ZenML's configuration and local store. Unset: LOCAL_STATE_DIR/zenml."
    )
    ZENML_STORE_URL: str | None = Field(default=None, description="URL of a ZenML server.")
    ZENML_STORE_API_KEY: SecretStr | None = Field(default=None, description="Its service account key.")
    ZENML_ANALYTICS_OPT_IN: bool = Field(default=False, description="Send usage statistics to ZenML.")

    @property
    def local_state_dir(self) -> Path:
        """`LOCAL_STATE_DIR` as an absolute path."""
        return PROJECT_ROOT / self.LOCAL_STATE_DIR.expanduser()

    @property
    def models_dir(self) -> Path:
        """`MODELS_DIR`, else its place among the local state."""
        return PROJECT_ROOT / self.MODELS_DIR.expanduser() if self.MODELS_DIR else self.local_state_dir / "models"

    @property
    def zenml_config_path(self) -> Path:
        """`ZENML_CONFIG_PATH`, else its place among the local state."""
        return PROJECT_ROOT / self.ZENML_CONFIG_PATH if self.ZENML_CONFIG_PATH else self.local_state_dir / "zenml"

    @property
    def uses_remote_language_model(self) -> bool:
        """Whether a key or a server's URL is configured."""
        return self.OPENAI_API_KEY is not None or self.OPENAI_BASE_URL is not None

    def exportable(self) -> dict[str, str]:
        """The values that differ from the defaults, secrets in clear, as a ZenML secret takes them.

        Left out are the settings of this machine and of ZenML itself, and what was not set: a secret can say "nothing"
        only by the word `None`, which would come back as a value.
        """
        values: dict[str, str] = {}
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            travels = name not in _MACHINE_ONLY and not name.startswith("ZENML_")
            if travels and value is not None and value != field.default:
                values[name] = as_text(value)
        return values

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment, then `.env`, then what `load_settings` passes (the ZenML secret)."""
        return env_settings, dotenv_settings, init_settings


def load_settings(env_file: Path | None = PROJECT_ROOT / ".env", secret: dict[str, str] | None = None) -> Settings:
    """Read and check the settings; `secret` has the values of a ZenML secret.

    Raises:
        SettingsError: a value is wrong; a line for each, with the variable, what it got and what it expects.
    """
    settings = parse_settings(env_file, secret)
    if settings.USE_QDRANT_CLOUD and not settings.QDRANT_CLOUD_URL:
        raise SettingsError("USE_QDRANT_CLOUD is true, but QDRANT_CLOUD_URL is not set: expected the cluster's URL.")
    return settings


def parse_settings(env_file: Path | None = PROJECT_ROOT / ".env", secret: dict[str, str] | None = None) -> Settings:
    """Read the settings, each checked by itself: the secret may still complete them. Raises as `load_settings` does."""
    set_in_secret = {name: value for name, value in (secret or {}).items() if value}
    try:
        return Settings(_env_file=env_file, **set_in_secret)  # type: ignore[arg-type]
    except UnicodeDecodeError as error:
        raise SettingsError(f"{env_file} is not UTF-8 text: save it as UTF-8.") from error
    except ValidationError as error:
        lines = [_explain(problem) for problem in error.errors(include_url=False)]
        raise SettingsError("\n".join(lines)) from None


def is_secret(field: FieldInfo) -> bool:
    """Whether the variable's value must never be shown."""
    return "SecretStr" in str(field.annotation)


def _explain(problem: Any) -> str:
    name = str(problem["loc"][0]).upper()
    field = Settings.model_fields[name]
    got = "a secret value" if is_secret(field) else without_credentials(repr(problem["input"]))
    expected = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return f"{name}: got {got}, expected {expected}. ({field.description})"
