"""The pipelines' YAML files, checked before anything is started.

The models mirror the parameters of the pipelines; a test holds each against its pipeline's signature.
"""

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from llm_engineering.domain.errors import PipelineConfigError
from llm_engineering.settings import PROJECT_ROOT

CONFIGS = PROJECT_ROOT / "configs"
# What ZenML takes beside the parameters; it checks these itself before a run.
ZENML_KEYS = frozenset({"enable_cache", "extra", "model", "retry", "settings", "steps", "tags"})


class _Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class SmokeTestParameters(_Parameters):
    """`smoke_test` has none."""


class DigitalDataEtlParameters(_Parameters):
    """An author and where their words are."""

    user_full_name: str = Field(pattern=r"\S")
    links: list[Annotated[str, Field(pattern=r"\S")]] = Field(min_length=1)
    exclude: list[str] | None = None

    @field_validator("exclude")
    @classmethod
    def _has_patterns(cls, value: list[str] | None) -> list[str] | None:
        from llm_engineering.infrastructure.web.files import exclusion

        exclusion(value or ())
        return value


class FeatureEngineeringParameters(_Parameters):
    """Whose features to compute; None for everybody's."""

    author_full_names: Annotated[list[str], Field(min_length=1)] | None = None


class EndToEndDataParameters(_Parameters):
    """Several authors."""

    author_links: list[DigitalDataEtlParameters] = Field(min_length=1)


PARAMETERS: dict[str, type[_Parameters]] = {
    "smoke_test": SmokeTestParameters,
    "digital_data_etl": DigitalDataEtlParameters,
    "feature_engineering": FeatureEngineeringParameters,
    "end_to_end_data": EndToEndDataParameters,
}


def check_config(pipeline: str, filename: str) -> Path:
    """The path of a pipeline's configuration in `configs/` (or any path that exists), once it is known to be right.

    Raises:
        PipelineConfigError: the file is missing, is not YAML, or has an unknown key or a wrong type.
    """
    path = Path(filename) if Path(filename).is_file() else CONFIGS / filename
    if not path.is_file():
        available = ", ".join(sorted(config.name for config in CONFIGS.glob("*.yaml")))
        raise PipelineConfigError(f"There is no configuration {filename!r} in {CONFIGS}. There are: {available}.")
    content = _read_yaml(path)
    unknown = content.keys() - ZENML_KEYS - {"parameters"}
    if unknown:
        known = ", ".join(sorted({"parameters", *ZENML_KEYS}))
        raise PipelineConfigError(
            f"{path.name}: unknown key {', '.join(sorted(map(repr, unknown)))}; known are {known}."
        )
    try:
        PARAMETERS[pipeline].model_validate(content.get("parameters") or {})
    except ValidationError as error:
        problems = "; ".join(_explain(problem) for problem in error.errors(include_url=False))
        raise PipelineConfigError(f"{path.name}, for the pipeline {pipeline}: {problems}.") from None
    return path


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PipelineConfigError(f"{path.name} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise PipelineConfigError(f"{path.name} must be a mapping with the key 'parameters'.")
    return content


def _explain(problem: Any) -> str:
    place = ".".join(["parameters", *map(str, problem["loc"])])
    if problem["type"] == "extra_forbidden":
        return f"unknown key {place}"
    if problem["type"] == "missing":
        return f"{place} is missing"
    expected = problem["msg"].removeprefix("Input should be ")
    return f"{place} is {problem['input']!r}, expected {expected}"
