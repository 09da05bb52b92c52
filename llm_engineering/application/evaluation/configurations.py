"""A grid of configurations: every combination of the values that are given for each option."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from pydantic import ValidationError

from llm_engineering.application.evaluation.baselines import WINDOW_CUT
from llm_engineering.domain.errors import PipelineConfigError
from llm_engineering.domain.features import ChunkSizes
from llm_engineering.domain.queries import MAX_RESULTS
from llm_engineering.domain.retrieval import RetrievalOptions

DEFAULT_LIMIT = 10
DEFAULT_NAME = "default"
MAX_CONFIGURATIONS = 500
# What has no effect without another option: two configurations that differ in nothing else are one.
_IDLE: dict[str, Callable[[RetrievalOptions], bool]] = {
    "fusion": lambda options: options.mode != "hybrid",
    "dense_weight": lambda options: options.mode != "hybrid" or options.fusion != "rrf",
    # It also merges several wordings, in every mode.
    "rrf_k": lambda options: options.expansion == "off" and (options.mode != "hybrid" or options.fusion != "rrf"),
    "bm25_weight": lambda options: options.mode != "hybrid" or options.fusion == "rrf",
    "chunks_per_document": lambda options: options.diversity > 0,
    "variants": lambda options: options.expansion in ("off", "hyde"),
    "rerank_candidates": lambda options: options.rerank == "off",
}

Grid = Mapping[str, Sequence[Any]]
# The sizes of `configs/chunking.yaml` that differ, by category; or {"cut": "window-1500"}. Empty: the serving index.
Chunking = dict[str, Any]


@dataclass(frozen=True)
class Configuration:
    """One way to cut and to retrieve."""

    name: str
    options: RetrievalOptions
    limit: int = DEFAULT_LIMIT
    chunking: Chunking = field(default_factory=dict)


def expand(grid: Grid | None, defaults: RetrievalOptions) -> list[Configuration]:
    """The configurations of a grid, the default one first; None among the values stands for the default.

    Keys are the fields of RetrievalOptions, `limit` (chunks asked for) and `chunks` (sizes, or 'window-1500').

    Raises:
        PipelineConfigError: an option or a value is unknown, or there are too many combinations.
    """
    grid = dict(grid or {})
    _check(grid)
    found: dict[tuple[object, ...], Configuration] = {}
    for values in [(None,) * len(grid), *product(*grid.values())]:
        configuration = _configuration({k: v for k, v in zip(grid, values, strict=True) if v is not None}, defaults)
        key = (configuration.options, configuration.limit, repr(configuration.chunking))
        found.setdefault(key, configuration)
    return list(found.values())


def sizes_of(chunking: Chunking, defaults: ChunkSizes) -> ChunkSizes:
    """The default sizes with what differs. Raises PipelineConfigError for an unknown category or a wrong size."""
    merged = defaults.model_dump()
    for category, differences in chunking.items():
        if category not in merged or not isinstance(differences, Mapping):
            raise PipelineConfigError(
                f"grid.chunks: expected sizes by category ({', '.join(merged)}) or {WINDOW_CUT!r}; got {chunking!r}."
            )
        merged[category] |= differences
    try:
        return ChunkSizes.model_validate(merged)
    except ValidationError as error:
        raise PipelineConfigError(f"grid.chunks: {_problems(error)}") from None


def _check(grid: Grid) -> None:
    known = {*RetrievalOptions.model_fields, "limit", "chunks"}
    count = 1
    for key, values in grid.items():
        if key not in known:
            raise PipelineConfigError(f"grid: unknown option {key!r}; known are {', '.join(sorted(known))}.")
        if not isinstance(values, Sequence) or isinstance(values, str) or not values:
            raise PipelineConfigError(f"grid.{key}: expected a list of values, as in [{values}]; null is the default.")
        count *= len(values)
    if count > MAX_CONFIGURATIONS:
        raise PipelineConfigError(
            f"grid: {count:,} combinations are more than {MAX_CONFIGURATIONS}. Give fewer values, or several grids."
        )


def _configuration(values: dict[str, Any], defaults: RetrievalOptions) -> Configuration:
    limit, chunking = values.pop("limit", DEFAULT_LIMIT), _chunking(values.pop("chunks", {}))
    if not isinstance(limit, int) or not 1 <= limit <= MAX_RESULTS:
        raise PipelineConfigError(f"grid.limit: expected a number from 1 to {MAX_RESULTS}; got {limit!r}.")
    try:
        options = RetrievalOptions.model_validate({**defaults.model_dump(), **values})
    except ValidationError as error:
        raise PipelineConfigError(f"grid: {_problems(error)}") from None
    idle = {name: getattr(defaults, name) for name, is_idle in _IDLE.items() if is_idle(options)}
    options = options.model_copy(update=idle)
    return Configuration(_name(options, defaults, limit, chunking), options, limit, chunking)


def _chunking(value: Any) -> Chunking:
    """What differs from the default sizes; checked here, so that an hour's run does not end on a misspelling."""
    if value == WINDOW_CUT:
        return {"cut": WINDOW_CUT}
    if not isinstance(value, Mapping):
        raise PipelineConfigError(f"grid.chunks: expected sizes by category or {WINDOW_CUT!r}; got {value!r}.")
    sizes_of(dict(value), ChunkSizes())
    return dict(value)


def _name(options: RetrievalOptions, defaults: RetrievalOptions, limit: int, chunking: Chunking) -> str:
    """What differs from the defaults, in words."""
    before, now = defaults.model_dump(), options.model_dump()
    parts = [f"{key} {value}" for key, value in now.items() if value != before[key]]
    if limit != DEFAULT_LIMIT:
        parts.append(f"limit {limit}")
    for category, differences in chunking.items():
        told = differences if isinstance(differences, str) else " ".join(f"{k} {v}" for k, v in differences.items())
        parts.append(f"{category} {told}")
    return ", ".join(parts) or DEFAULT_NAME


def _problems(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False))
