"""Settings kept in ZenML's secret store, so that a remote step finds them without a `.env`."""

from collections.abc import Iterator
from contextlib import contextmanager

from llm_engineering.domain.errors import DependencyUnavailableError, SettingsError


def read_secret(name: str) -> dict[str, str]:
    """The values of a secret.

    Raises:
        SettingsError: there is none of this name.
        DependencyUnavailableError: ZenML's store cannot be reached, or refuses.
    """
    from zenml.client import Client

    with _translated():
        try:
            return Client().get_secret(name).secret_values
        except KeyError as error:
            raise SettingsError(
                f"SETTINGS_SECRET: got {name!r}, but ZenML has no such secret. Make it: tools.run --export-settings"
            ) from error


def write_secret(name: str, values: dict[str, str]) -> None:
    """Create the secret, or replace all that it holds. Raises DependencyUnavailableError as `read_secret` does."""
    from zenml.client import Client

    with _translated():
        client = Client()
        try:
            stored = client.get_secret(name)
        except KeyError:
            client.create_secret(name, values=values)
        else:
            surplus = sorted(stored.secret_values.keys() - values)
            client.update_secret(stored.id, add_or_update_values=values, remove_values=surplus)


@contextmanager
def _translated() -> Iterator[None]:
    from zenml.exceptions import ZenMLBaseException

    try:
        yield
    except KeyError:
        raise
    except (ZenMLBaseException, OSError, RuntimeError) as error:
        raise DependencyUnavailableError(
            f"ZenML's secret store does not answer or refuses ({type(error).__name__}). Check ZENML_STORE_URL and "
            "ZENML_STORE_API_KEY."
        ) from error
