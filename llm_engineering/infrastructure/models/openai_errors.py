"""What a client of OpenAI's API raises, in the words of this project. Its own texts stay out: they quote the key."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from llm_engineering.domain.errors import DependencyUnavailableError

if TYPE_CHECKING:
    from openai import APIStatusError


@contextmanager
def translated(where: str, model_id: str) -> Iterator[None]:
    """Map the client's errors to DependencyUnavailableError; `where` is the server's host and port."""
    import openai

    try:
        yield
    except (openai.APITimeoutError, TimeoutError) as error:
        raise DependencyUnavailableError(
            f"The language model at {where} did not answer in time. Try again, or use a smaller model."
        ) from error
    except openai.APIConnectionError as error:
        raise DependencyUnavailableError(
            f"The language model at {where} cannot be reached. Start it, or mend OPENAI_BASE_URL."
        ) from error
    except openai.APIStatusError as error:
        raise DependencyUnavailableError(_explain(error, where, model_id)) from None
    except ValueError as error:
        raise DependencyUnavailableError(
            f"{where} answered with something that is not JSON. Does OPENAI_BASE_URL end in /v1?"
        ) from error
    except openai.OpenAIError as error:
        raise DependencyUnavailableError(f"The language model at {where} failed: {type(error).__name__}.") from None


def _explain(error: "APIStatusError", where: str, model_id: str) -> str:
    status = error.status_code
    if status in (401, 403):
        return f"The language model at {where} refused the key. Check OPENAI_API_KEY."
    if status == 404:
        return f"{where} has no model {model_id!r}. Check OPENAI_MODEL_ID and OPENAI_BASE_URL."
    if status == 429 and error.code == "insufficient_quota":
        return f"The quota at {where} is spent. See to the account's plan and billing, or use another server."
    if status == 429:
        return f"The language model at {where} has had too many requests, or the quota is spent. Try later."
    return f"The language model at {where} answered with {reason(error)}."


def reason(error: "APIStatusError") -> str:
    """The status and the code; not the server's words, which may quote the key or the prompt."""
    code = error.code if isinstance(error.code, str) and error.code.isidentifier() else ""
    return f"status {error.status_code}{f', {code}' if code else ''}"
