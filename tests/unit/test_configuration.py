"""The tables in `configs/` that belong to no single pipeline."""

from pathlib import Path

import pytest

from llm_engineering.configuration import load_chunk_sizes, load_retrieval_options
from llm_engineering.domain.documents import DataCategory
from llm_engineering.domain.errors import PipelineConfigError
from llm_engineering.domain.features import ChunkSize, ChunkSizes
from llm_engineering.settings import PROJECT_ROOT


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "table.yaml"
    path.write_text(text)
    return path


def test_the_tables_of_the_project_are_well_formed() -> None:
    assert load_chunk_sizes(PROJECT_ROOT / "configs" / "chunking.yaml") == ChunkSizes()
    assert load_retrieval_options(PROJECT_ROOT / "configs" / "retrieval.yaml").mode == "hybrid"


def test_what_a_table_leaves_out_is_at_its_default(tmp_path: Path) -> None:
    sizes = load_chunk_sizes(written(tmp_path, "chunks: {posts: {max_tokens: 100}}"))
    assert sizes.of(DataCategory.POSTS) == ChunkSize(max_tokens=100)
    assert sizes.of(DataCategory.ARTICLES) == ChunkSizes().articles


def test_what_justifies_a_setting_may_stand_beside_it(tmp_path: Path) -> None:
    path = written(tmp_path, "retrieval: {mode: dense}\njustified_by: {run: abc}\n")
    assert load_retrieval_options(path).mode == "dense"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected a section 'retrieval:'"),
        ("retrieval: 3", "expected a section 'retrieval:'"),
        ("- retrieval", "expected a section 'retrieval:'"),
        ("retrieval: {mode: fuzzy}", "mode"),
        ("retrieval: {dense_weight: 2}", "dense_weight"),
        ("retrieval: {wieght: 0.5}", "wieght"),
        ("retrieval: {mode: [", "cannot be read"),
        ("retrieval: {rerank: off}", "rerank"),  # YAML reads a bare `off` as false
    ],
)
def test_a_wrong_table_says_what_is_wrong_with_it(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(PipelineConfigError, match=r"table\.yaml") as caught:
        load_retrieval_options(written(tmp_path, text))
    assert said in str(caught.value)


def test_a_missing_table_says_how_to_get_it_back(tmp_path: Path) -> None:
    with pytest.raises(PipelineConfigError, match="git checkout"):
        load_chunk_sizes(tmp_path / "chunking.yaml")
