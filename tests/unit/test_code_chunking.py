"""Code is cut along its definitions, which name their chunks; what stands above one goes with it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_engineering.application.preprocessing.chunking import chunk
from llm_engineering.application.preprocessing.cleaning import clean
from llm_engineering.application.preprocessing.code_chunking import code_sections
from llm_engineering.domain.chunks import Chunk
from llm_engineering.domain.documents import DataCategory
from tests.fakes import article, word_starts

PYTHON = '''"""Docs."""

import os

LIMIT = 3


# why
@cached
def first(a):
    x = 1

    return x


class Second:
    """A class."""

    size = 2

    def run(self):
        return 1

    @property
    async def walk(self):
        return 2


print(first(2))
'''


def named(text: str, name: str) -> list[tuple[str, str]]:
    """The path and the first line of each section."""
    sections = code_sections(text, name)
    return [(" > ".join(s.path), text[s.start : s.end].strip().split("\n")[0].strip()) for s in sections]


def chunks_of(text: str, title: str, window: int = 16) -> list[Chunk]:
    cleaned = clean(article("x", title=title))
    return chunk(cleaned.model_copy(update={"text": text, "category": DataCategory.REPOSITORIES}), word_starts, window)


def test_python_is_cut_into_functions_classes_and_methods() -> None:
    assert named(PYTHON, "repo/a.py") == [
        ("", '"""Docs."""'),
        ("def first", "# why"),
        ("class Second", "class Second:"),
        ("class Second > def run", "def run(self):"),
        ("class Second > def walk", "@property"),
        ("", "print(first(2))"),
    ]


def test_python_of_another_version_is_cut_by_its_look() -> None:
    text = "import os\n\ndef first():\n    print 'old'\n\nclass Second:\n    pass\n"
    assert named(text, "a.py") == [("", "import os"), ("def first", "def first():"), ("class Second", "class Second:")]


def test_an_odd_escape_in_a_string_warns_nobody() -> None:
    assert named("def first():\n    return '\\d'\n", "a.py") == [("def first", "def first():")]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (
            "a.ts",
            "import x\n\n/** Says. */\nexport default class Shop {\n  go() {}\n}\n\nexport async function run() {\n}\n",
            [("", "import x"), ("class Shop", "/** Says. */"), ("function run", "export async function run() {")],
        ),
        (
            "a.go",
            "package a\n\ntype Server struct {\n}\n\nfunc (s *Server) Run() {\n\n\treturn\n}\n",
            [("", "package a"), ("type Server", "type Server struct {"), ("func Run", "func (s *Server) Run() {")],
        ),
        (
            "a.rs",
            "use x;\n\npub(crate) struct Shop;\n\nimpl<T> Shop {\n    fn run() {}\n}\n",
            [("", "use x;"), ("struct Shop", "pub(crate) struct Shop;"), ("impl Shop", "impl<T> Shop {")],
        ),
        ("a.sh", "set -e\n\nbuild() {\n  make\n}\n", [("", "set -e"), ("function build", "build() {")]),
        ("a.sql", "SELECT 1;\n\nSELECT 2;\n", [("", "SELECT 1;")]),
    ],
)
def test_other_languages_are_cut_by_their_look(name: str, text: str, expected: list[tuple[str, str]]) -> None:
    assert named(text, name) == expected


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.yaml", "# head\nname: x\non:\n  push: y\n# jobs\njobs:\n  a: 1\n", ["name", "on", "jobs"]),
        ("a.toml", "x = 1\n\n[project]\nname = 1\n\n[[tool.mypy]]\nstrict = 1\n", ["", "project", "tool.mypy"]),
        ("a.json", '{\n  "a": {\n    "b": 1\n  },\n  "c": 2\n}\n', ["", "a", "c"]),
        ("a.json", '{"a": 1}', [""]),
    ],
)
def test_configuration_is_cut_at_its_top_level_keys(name: str, text: str, expected: list[str]) -> None:
    assert [path for path, _ in named(text, name)] == expected


def test_a_chunk_is_named_by_the_file_and_the_definition_around_it() -> None:
    method = "    def run(self):\n" + "        x = 1\n" * 4  # 14 words
    text = f"class FeatureSync:\n{method}\n{method.replace('run', 'stop')}"
    # The line that names the class is too little to stand alone: it is with the first method.
    chunks = chunks_of(text, "repo/sync.py", window=28)
    assert [chunk.context for chunk in chunks] == [
        "repo/sync.py > class FeatureSync",
        "repo/sync.py > class FeatureSync > def stop",
    ]


def test_small_definitions_share_a_chunk() -> None:
    text = "def one():\n    pass\n\n\ndef two():\n    pass\n"
    assert [chunk.context for chunk in chunks_of(text, "repo/a.py")] == ["repo/a.py"]


def test_a_function_that_fits_is_not_cut() -> None:
    function = "def one():\n" + "    x = 1\n\n" * 7  # 23 words
    text = f"{function}\n{function.replace('one', 'two')}"
    assert [chunk.text.split()[1] for chunk in chunks_of(text, "repo/a.py", window=30)] == ["one():", "two():"]


def test_a_function_that_does_not_fit_is_cut_between_lines_and_keeps_its_name() -> None:
    text = "def one():\n" + "    x = 1\n" * 20
    chunks = chunks_of(text, "repo/a.py", window=30)
    assert {chunk.context for chunk in chunks} == {"repo/a.py > def one"}
    assert all(chunk.text.endswith("\n") for chunk in chunks)


def test_markdown_and_notebooks_of_a_repository_are_cut_along_headings_and_cells() -> None:
    cell = "```python\n" + "x = 1\n" * 4 + "```"  # 14 words
    text = f"# Setup\n\n{cell}\n\n# Training\n\n{cell}"
    for title in ("repo/README.md", "repo/a.ipynb"):
        chunks = chunks_of(text, title, window=24)
        assert [chunk.context for chunk in chunks] == [f"{title} > Setup", f"{title} > Training"]
        assert all(cell in chunk.text for chunk in chunks)


_LINES = st.lists(
    st.sampled_from(
        [
            "def f():",
            "class A:",
            "    def g(self):",
            "    x = 1",
            "# comment",
            "@wraps",
            "",
            "  ",
            "}",
            "type B struct {",
            "key: 1",
            "[table]",
            "{",
            '  "k": 1,',
            "\tx",
            '"""',
            "x = '''",
            "async def h(): pass",
            "return",
            "\x0c",
        ]
    ),
    max_size=30,
)


@given(
    lines=_LINES,
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    suffix=st.sampled_from(["py", "go", "yaml", "toml", "json"]),
)
def test_the_sections_are_the_text_in_order(lines: list[str], end: str, suffix: str) -> None:
    text = end.join(lines)
    sections = code_sections(text, f"a.{suffix}")
    assert "".join(text[section.start : section.end] for section in sections) == text
