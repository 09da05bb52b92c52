"""What the commands share: errors as one clean line with an exit code, and logging."""

import functools
import logging
import sys
from collections.abc import Callable
from typing import ParamSpec

P = ParamSpec("P")

EXIT_FAILED = 1
EXIT_USAGE = 2
# Libraries that log every request or every loaded file.
_CHATTY = ("httpx", "httpx2", "httpcore", "sentence_transformers", "openai", "trafilatura", "htmldate", "pymongo")


def clean_exit(command: Callable[P, None]) -> Callable[P, None]:
    """Turn MoodSwarm's own errors into a line on standard error: exit code 2 for what the user can mend, else 1."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        from llm_engineering.domain.errors import ConfigurationError, InvalidInputError, MoodSwarmError

        try:
            command(*args, **kwargs)
        except (ConfigurationError, InvalidInputError) as error:
            fail(str(error), EXIT_USAGE)
        except MoodSwarmError as error:
            fail(str(error), EXIT_FAILED)
        except OSError as error:
            fail(str(error), EXIT_FAILED)
        except KeyboardInterrupt:
            fail("Interrupted. Run the same command again: it goes on with what is missing.", 130)

    return wrapped


def fail(message: str, code: int) -> None:
    """Print the message and leave with the code."""
    print(f"Error: {message}", file=sys.stderr)
    sys.exit(code)


def configure_logging(level: str) -> None:
    """Log to standard error; what libraries say of every request stays out."""
    logging.basicConfig(level=level, format="%(message)s", stream=sys.stderr)
    quiet_libraries()


def quiet_libraries() -> None:
    """Keep out of the log what libraries say of every request and file. Where ZenML runs, the handlers are its own."""
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("zenml.orchestrators.local.local_orchestrator").addFilter(_without_own_traceback)


def _without_own_traceback(record: logging.LogRecord) -> bool:
    """Our own errors say what is wrong; the traceback that ZenML logs with them stands in the dashboard as well."""
    from llm_engineering.domain.errors import MoodSwarmError

    if record.exc_info and isinstance(record.exc_info[1], MoodSwarmError):
        record.exc_info = None
    return True
