"""The tables in `configs/` that belong to no single pipeline: sizes of chunks, how to retrieve, what models cost."""

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, RootModel, ValidationError

from llm_engineering.domain.errors import PipelineConfigError
from llm_engineering.domain.features import ChunkSizes
from llm_engineering.domain.generation import Price
from llm_engineering.domain.retrieval import RetrievalOptions

T = TypeVar("T", bound=BaseModel)


def load_chunk_sizes(path: Path) -> ChunkSizes:
    """The sizes of chunks by category. Raises PipelineConfigError when the file is missing or malformed."""
    return _load(path, ChunkSizes, "chunks")


def load_retrieval_options(path: Path) -> RetrievalOptions:
    """How to retrieve by default. Raises PipelineConfigError when the file is missing or malformed."""
    return _load(path, RetrievalOptions, "retrieval")


def load_prices(path: Path) -> dict[str, Price]:
    """What models cost, by their ids. Raises PipelineConfigError when the file is missing or malformed."""
    return _load(path, RootModel[dict[str, Price]], "prices").root


def _load(path: Path, form: type[T], section: str) -> T:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PipelineConfigError(f"{path} is missing. Restore it: git checkout -- configs/{path.name}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise PipelineConfigError(f"{path.name} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict) or not isinstance(content.get(section), dict):
        raise PipelineConfigError(f"{path.name}: expected a section '{section}:' with its settings below it.")
    try:
        return form.model_validate(content[section])
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False))
        raise PipelineConfigError(f"{path.name}: {'; '.join(problems)}") from None
