"""The pipelines' YAML files, checked before anything is started.

The models mirror the parameters of the pipelines; a test holds each against its pipeline's signature.
"""

import re
from datetime import date
from pathlib import Path
from typing import Annotated, Any, TypeAlias
from urllib.parse import unquote

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from llm_engineering.application.exporting import ARTIFACTS
from llm_engineering.domain.dataset_options import GenerationOptions, PublishOptions, QualityOptions, SplitOptions
from llm_engineering.domain.errors import PipelineConfigError
from llm_engineering.domain.links import without_credentials
from llm_engineering.model.reranking.config import RerankerConfig
from llm_engineering.settings import PROJECT_ROOT

CONFIGS = PROJECT_ROOT / "configs"
# What ZenML takes beside the parameters; it checks these itself before a run.
ZENML_KEYS = frozenset({"enable_cache", "extra", "model", "retry", "settings", "steps", "tags"})


_REFUSED = "link_refused"
# A user and password before a host without a scheme, as Git takes them; `git@host:path` names no secret.
_BARE_CREDENTIALS = re.compile(r"[^/\s@:]+:[^/\s@]*@")


def _without_secrets(link: str) -> str:
    spelt = unquote(link)
    if spelt != without_credentials(spelt) or link != without_credentials(link) or _BARE_CREDENTIALS.match(spelt):
        raise PydanticCustomError(
            _REFUSED,
            "has a user, a password or a token in it. ZenML stores configurations in clear; a token for Git belongs in "
            "GIT_TOKENS",
        )
    return link


Link: TypeAlias = Annotated[str, Field(pattern=r"\S"), AfterValidator(_without_secrets)]


class _Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class SmokeTestParameters(_Parameters):
    """`smoke_test` has none."""


class DigitalDataEtlParameters(_Parameters):
    """An author and where their words are."""

    user_full_name: str = Field(pattern=r"\S")
    links: list[Link] = Field(min_length=1)
    exclude: list[str] | None = None
    limit: int = Field(default=100, ge=1)
    since: str | None = None
    min_success_rate: float = Field(default=0.5, ge=0.0, le=1.0)

    @field_validator("exclude")
    @classmethod
    def _has_patterns(cls, value: list[str] | None) -> list[str] | None:
        from llm_engineering.infrastructure.files.tree import exclusion

        exclusion(value or ())
        return value

    @field_validator("since", mode="before")
    @classmethod
    def _is_a_day(cls, value: Any) -> Any:
        if value is None:
            return value
        try:
            date.fromisoformat(value)
        except (TypeError, ValueError):  # YAML makes a date of a day without quotes, which ZenML cannot pass on
            raise ValueError("a day in quotes, for example '2024-01-31'") from None
        return value


class FeatureEngineeringParameters(_Parameters):
    """Whose features to compute; None for everybody's."""

    author_full_names: Annotated[list[str], Field(min_length=1)] | None = None


class EndToEndDataParameters(_Parameters):
    """Several authors."""

    author_links: list[DigitalDataEtlParameters] = Field(min_length=1)


class RagEvaluationParameters(_Parameters):
    """Which questions, and the grid of configurations that they are put to."""

    question_set: str = Field(pattern=r"\S")
    split: str = Field(default="test", pattern=r"\S")
    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] | None = None

    @field_validator("grid")
    @classmethod
    def _is_a_grid(cls, value: dict[str, list[Any]] | None) -> dict[str, list[Any]] | None:
        from llm_engineering.application.evaluation.configurations import expand
        from llm_engineering.domain.retrieval import RetrievalOptions

        try:
            expand(value, RetrievalOptions())
        except PipelineConfigError as error:
            raise ValueError(str(error)) from None
        return value


class TrainRerankerParameters(_Parameters):
    """Questions beside the corpus' own, and how to train."""

    question_set: str | None = None
    training: RerankerConfig | None = None


class GenerateDatasetsParameters(_Parameters):
    """What to make of which texts, what to keep of it, and where it goes."""

    generation: GenerationOptions | None = None
    quality: QualityOptions | None = None
    split: SplitOptions | None = None
    publish: PublishOptions | None = None


class ExportArtifactToJsonParameters(_Parameters):
    """Which artifacts, and the folder of the files."""

    artifact_names: list[Annotated[str, Field(pattern=rf"^({'|'.join(ARTIFACTS)})$")]] = Field(min_length=1)
    output_dir: str = Field(default="data/artifacts", pattern=r"\S")


PARAMETERS: dict[str, type[_Parameters]] = {
    "smoke_test": SmokeTestParameters,
    "digital_data_etl": DigitalDataEtlParameters,
    "feature_engineering": FeatureEngineeringParameters,
    "end_to_end_data": EndToEndDataParameters,
    "train_reranker": TrainRerankerParameters,
    "rag_evaluation": RagEvaluationParameters,
    "generate_instruct_datasets": GenerateDatasetsParameters,
    "generate_preference_datasets": GenerateDatasetsParameters,
    "export_artifact_to_json": ExportArtifactToJsonParameters,
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
    if problem["type"] == "too_short":
        return f"{place} is empty, expected at least one"
    if problem["type"] == "missing":
        return f"{place} is missing"
    if problem["type"] == _REFUSED:
        return f"{place} {problem['msg']}"
    expected = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return f"{place} is {without_credentials(repr(problem['input']))}, expected {expected}"
