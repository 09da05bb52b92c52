"""Every error that MoodSwarm raises on purpose.

    MoodSwarmError
    ├── ConfigurationError          the person at the keyboard can mend it; the CLI exits with 2
    │   ├── SettingsError               an environment variable or `.env` entry has a wrong value
    │   ├── PipelineConfigError         a pipeline's YAML is missing, or has an unknown key or a wrong type
    │   ├── MissingExtraError           an optional package is not installed
    │   ├── NoLanguageModelError        no language model is configured or installed
    │   └── BudgetTooSmallError         what was asked for would cost more than allowed; nothing was spent
    ├── InvalidInputError           what was asked cannot be processed; HTTP 422
    │   ├── InvalidQueryError           an empty, oversized or non-text question
    │   ├── UnknownAuthorError          a filter names an author of whom nothing is stored
    │   ├── UnsupportedLinkError        no crawler takes this link
    │   ├── InvalidDumpError            a file to import is not in the handbook's JSON format
    │   ├── InvalidQuestionSetError     a file of evaluation questions is malformed, or names what is not stored
    │   ├── InvalidDatasetError         a folder or artifact is no dataset that can be read
    │   └── UnknownRevisionError        the hub has no such repository or revision
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
    ├── RefusedPromptError          a language model will not answer this prompt; it may answer others
    ├── BudgetExceededError         the budget is spent; what was answered is kept
    ├── QualityGateError            a dataset is not good enough to be published
    ├── IncompleteExportError       an artifact that was to be exported is not there yet; the others are exported
    ├── StorageFullError            a disk or a quota is full; what was stored is kept
    ├── TooLittleDataError          there are too few examples to train on, or to judge the result by
    ├── DependencyUnavailableError  a server or model cannot be reached; HTTP 503
    │   └── StoreLockedError            another process holds the embedded vector store
    └── IntegrityError              packaged weights, or a revision of the local hub, are not what was published

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


class NoLanguageModelError(ConfigurationError):
    """There is no language model to ask."""


class BudgetTooSmallError(ConfigurationError):
    """A run would cost more than its budget."""


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


class InvalidDatasetError(InvalidInputError):
    """What should be a dataset cannot be read as one."""


class UnknownRevisionError(InvalidInputError):
    """The hub does not have this repository or revision."""


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


class RefusedPromptError(MoodSwarmError):
    """A language model will not answer one prompt. The tokens are those that it has counted all the same.

    Where it is not `lasting`, the same prompt may be answered another day.
    """

    def __init__(
        self, message: str, prompt_tokens: int = 0, completion_tokens: int = 0, *, lasting: bool = True
    ) -> None:
        super().__init__(message)
        self.lasting = lasting
        self.prompt_tokens = prompt_tokens
        self.completion_tokens = completion_tokens


class BudgetExceededError(MoodSwarmError):
    """A run has spent what it was allowed to."""


class QualityGateError(MoodSwarmError):
    """A dataset does not meet what it must to be published."""


class IncompleteExportError(MoodSwarmError):
    """Something that was to be exported is not there."""


class StorageFullError(MoodSwarmError):
    """There is no room to write."""


class TooLittleDataError(MoodSwarmError):
    """There are too few examples to train on, or to judge the result by."""


class DependencyUnavailableError(MoodSwarmError):
    """A server or a model cannot be reached."""


class StoreLockedError(DependencyUnavailableError):
    """Another process holds the embedded vector store."""


class IntegrityError(MoodSwarmError):
    """Files do not have the hash that they were published with."""
