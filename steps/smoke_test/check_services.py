"""Ask every dependency for a sign of life."""

from typing import Annotated

from zenml import log_metadata, step

from llm_engineering.bootstrap import build_services
from llm_engineering.domain.errors import DependencyUnavailableError


@step(enable_cache=False)
def check_services() -> Annotated[dict[str, str], "service_states"]:
    """'ok' for each of MongoDB, Qdrant, the embedding model and the language model.

    Raises:
        DependencyUnavailableError: one does not answer; the step's metadata has the state of each.
    """
    with build_services() as services:
        states = services.health()
    log_metadata(metadata=dict(states))
    broken = {name: state for name, state in states.items() if state != "ok"}
    if broken:
        raise DependencyUnavailableError("; ".join(f"{name}: {state}" for name, state in broken.items()))
    return states
