"""Every error that MoodSwarm raises on purpose.

    MoodSwarmError
    ├── ConfigurationError          the person at the keyboard can mend it; the CLI exits with 2
    │   ├── SettingsError               an environment variable or `.env` entry has a wrong value
    │   ├── PipelineConfigError         a pipeline's YAML is missing, or has an unknown key or a wrong type
    │   └── MissingExtraError           an optional package is not installed
    ├── InvalidInputError           what was asked cannot be processed; HTTP 422
    │   ├── InvalidQueryError           an empty, oversized or non-text question
    │   ├── UnknownAuthorError          a filter names an author of whom nothing is stored
    │   ├── UnsupportedLinkError        no crawler takes this link
    │   ├── InvalidDumpError            a file to import is not in the handbook's JSON format
    │   └── InvalidQuestionSetError     a file of evaluation questions is malformed, or names what is not stored
    ├── CrawlError                  one source could not be read; the other sources go on
    │   ├── SourceMissingError          the server says that it is not there (404), or gone for good (410)
    │   ├── NotAnArticleError           a bot wall, a paywall's stub, a soft 404, or too little text
    │   └── ForbiddenLinkError          a private address or a local path that no allow-list names, or robots.txt
    ├── LowSuccessRateError         fewer sources of a run could be read than configured; the ZenML step is red
    ├── ModelMismatchError          the vector store was filled by another embedding model
    ├── ResumeTokenLostError        the document store has forgotten the changes after a point; a full run mends it
    ├── RefusedWriteError           the vector store will not take this document; the others go on
    ├── InconsistentStoresError     the vector store does not have what the document store has
    ├── MalformedAnswerError        a language model's answer is not in the form that was asked for
    ├── TooLittleDataError          there are too few examples to train on, or to judge the result by
    ├── DependencyUnavailableError  a server or model cannot be reached; HTTP 503
    │   └── StoreLockedError            another process holds the embedded vector store
    └── IntegrityError              packaged weights are not the ones that were published

A message says what happened and what to do next, and never carries a secret. Adapters in `infrastructure` turn their
vendor's errors into these; nothing else does.
"""


class MoodSwarmError(Exception):
    """Base of every error raised on purpose."""


class ConfigurationError(MoodSwarmError):
    """A setting, a flag or a configuration file is wrong."""


class SettingsError(ConfigurationError):
    """An environment variable has a wrong value."""


class PipelineConfigError(ConfigurationError):
    """A pipeline's YAML file is missing or malformed."""


class MissingExtraError(ConfigurationError):
    """A package of an optional extra is needed and not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs the package {package!r}. Install it: uv pip install -e '.[{extra}]'")


class InvalidInputError(MoodSwarmError):
    """What was asked for cannot be processed."""


class InvalidQueryError(InvalidInputError):
    """A question is empty, too long or not text."""


class UnknownAuthorError(InvalidInputError):
    """A filter names an author of whom nothing is stored."""


class UnsupportedLinkError(InvalidInputError):
    """No crawler takes this link."""


class InvalidDumpError(InvalidInputError):
    """A file to import is not in the handbook's JSON format."""


class InvalidQuestionSetError(InvalidInputError):
    """A set of evaluation questions cannot be used."""


class CrawlError(MoodSwarmError):
    """One source could not be read."""


class SourceMissingError(CrawlError):
    """The server says that the source is not there."""

    def __init__(self, message: str, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


class NotAnArticleError(CrawlError):
    """A page came, but no article in it."""


class ForbiddenLinkError(CrawlError):
    """The link leads to where MoodSwarm may not go."""


class LowSuccessRateError(MoodSwarmError):
    """Fewer sources could be read than configured."""


class ModelMismatchError(MoodSwarmError):
    """The vector store was filled by another embedding model."""


class ResumeTokenLostError(MoodSwarmError):
    """The document store no longer knows what changed after a resume token."""


class RefusedWriteError(MoodSwarmError):
    """The vector store will not take what was to be written, however often it is sent."""


class InconsistentStoresError(MoodSwarmError):
    """The document store and the vector store differ."""


class MalformedAnswerError(MoodSwarmError):
    """A language model's answer is not in the form that was asked for."""


class TooLittleDataError(MoodSwarmError):
    """There are too few examples to train on, or to judge the result by."""


class DependencyUnavailableError(MoodSwarmError):
    """A server or a model cannot be reached."""


class StoreLockedError(DependencyUnavailableError):
    """Another process holds the embedded vector store."""


class IntegrityError(MoodSwarmError):
    """Packaged weights do not have the published hash."""
