"""What libraries read from the process environment: set before they are imported. Part of the composition root."""

import os
import sys
from pathlib import Path

from llm_engineering.settings import PROJECT_ROOT, Settings


def share_the_cores() -> None:
    """Let PyTorch's idle threads sleep instead of spin; read when PyTorch is first imported, no matter by whom.

    Beside another busy process the embedding model is half as fast again for it; alone it is up to a sixth slower
    (docs/benchmarks.md).
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def prepare_for_ray() -> str | None:
    """Set what Ray reads when it is first imported; what is set already stays. Returns the cluster of RAY_ADDRESS."""
    from llm_engineering.infrastructure.scale.ray_cluster import environment

    given = os.environ.get("RAY_ADDRESS")
    address = None if given in {None, "", "local"} else given
    for name, value in environment(address).items():
        os.environ.setdefault(name, value)
    return address


def keep_ragas_quiet() -> None:
    """Ragas reports its use to its makers, unless this is set before it is imported."""
    os.environ["RAGAS_DO_NOT_TRACK"] = "true"


def export_zenml_environment(settings: Settings) -> None:
    """Put the ZENML_* settings where ZenML reads them. Call it before `zenml` is imported; what is set there stays."""
    share_the_cores()  # ZenML imports PyTorch where it is installed
    values = {
        "ZENML_CONFIG_PATH": str(settings.zenml_config_path),
        # Else ZenML takes the folder of the command that runs, `tools/`, for the root of the code.
        "ZENML_CUSTOM_SOURCE_ROOT": str(PROJECT_ROOT),
        "ZENML_LOGGING_VERBOSITY": settings.LOG_LEVEL,
        "ZENML_ANALYTICS_OPT_IN": str(settings.ZENML_ANALYTICS_OPT_IN).lower(),
        "ZENML_STORE_URL": settings.ZENML_STORE_URL,
        "ZENML_STORE_API_KEY": settings.ZENML_STORE_API_KEY.get_secret_value()
        if settings.ZENML_STORE_API_KEY
        else None,
    }
    for name, value in values.items():
        if value is not None:
            os.environ.setdefault(name, value)
    if not sys.stderr.isatty():
        os.environ.setdefault("ZENML_LOGGING_COLORS_DISABLED", "true")
    Path(os.environ["ZENML_CONFIG_PATH"]).mkdir(parents=True, exist_ok=True)
