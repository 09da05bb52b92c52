"""The int8 form of the embedding model, and how it is made. The form is made once a checkout, in half a minute."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from llm_engineering.domain.errors import ConfigurationError, DependencyUnavailableError
from llm_engineering.infrastructure.local.weights import packaged_embedder_path
from llm_engineering.infrastructure.models import openvino_form
from llm_engineering.infrastructure.models.embedding import SentenceTransformerEmbedder
from llm_engineering.infrastructure.models.openvino_embedding import CALIBRATION, Int8Embedder, is_usable
from llm_engineering.infrastructure.models.openvino_form import OpenVinoForm, ensure_built
from llm_engineering.infrastructure.models.prefixes import Prefixes
from tests.integration.conftest import MODEL_ID

ROOT = Path(__file__).resolve().parents[2]
# Neither is among the calibration texts.
HELD_OUT = [*(ROOT / "tests" / "pages").glob("*.body.txt"), *(ROOT / "llm_engineering" / "domain").glob("*.py")]
ODD_TEXTS = [
    "",
    "x",
    "Don't use C++/C# here: naïve café, ΑΒΓ, 東京 タワー, العربية, русский 🧿👩‍🚀!",
    "def f(a_b: int) -> str:\n\treturn f'{a_b!r}'\n",
    "𝗯𝗼𝗹𝗱 ﬁne\u200b soft\u00adhyphen\ttab  two spaces",
    "word " * 700,
]


@pytest.fixture(scope="module")
def int8(embedder: SentenceTransformerEmbedder, models_dir: Path) -> Int8Embedder:
    return Int8Embedder(embedder, models_dir)


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def held_out_texts() -> list[str]:
    """Passages of 5 to 160 words."""
    texts = []
    for number, file in enumerate(sorted(HELD_OUT)):
        words = file.read_text(encoding="utf-8").split(" ")
        length = 5 + (number * 37) % 155
        texts.append(" ".join(words[:length]))
    return texts


def test_its_vectors_are_close_to_those_of_float32_on_texts_that_it_was_not_calibrated_with(
    embedder: SentenceTransformerEmbedder, int8: Int8Embedder
) -> None:
    texts = held_out_texts()
    calibration = CALIBRATION.read_text(encoding="utf-8")
    assert len(texts) > 20
    assert not any(text in calibration for text in texts)
    pairs = zip(embedder.embed_passages(texts), int8.embed_passages(texts), strict=True)
    cosines = [cosine(full, small) for full, small in pairs]
    assert sum(cosines) / len(cosines) > 0.99
    assert min(cosines) > 0.98
    assert min(cosines) < 1 - 1e-6, "these are the vectors of float32"


@pytest.mark.parametrize("text", ODD_TEXTS, ids=lambda text: repr(text[:12]))
def test_it_sees_the_same_tokens_at_the_same_places(
    embedder: SentenceTransformerEmbedder, int8: Int8Embedder, text: str
) -> None:
    assert int8.token_starts(text) == embedder.token_starts(text)
    ids = embedder._model.tokenizer(text, truncation=True, max_length=256)["input_ids"]
    assert int8._form._reader.encode(text).ids == ids


def test_it_says_of_itself_what_the_float32_model_says_but_for_the_precision(
    embedder: SentenceTransformerEmbedder, int8: Int8Embedder
) -> None:
    for name in ("model_id", "revision", "dimension", "max_tokens"):
        assert getattr(int8, name) == getattr(embedder, name)
    assert embedder.precision == "float32"
    kind, engine, digest = int8.precision.split("-")
    assert (kind, engine, len(digest)) == ("int8", "openvino", 8)


def test_all_its_vectors_have_length_one_and_come_in_the_order_of_the_texts(int8: Int8Embedder) -> None:
    texts = [*ODD_TEXTS, *held_out_texts()]
    together = int8.embed_passages(texts)
    assert len(together) == len(texts)
    for text, vector in zip(texts, together, strict=True):
        assert cosine(vector, vector) == pytest.approx(1, abs=1e-4)
        [alone] = int8.embed_passages([text])
        # Padding must not show: neither that of a row's neighbours nor that to one of the fixed lengths.
        assert cosine(alone, vector) > 1 - 1e-3
    assert int8.embed_passages([]) == []


def test_texts_of_all_lengths_are_computed_in_a_few_shapes(int8: Int8Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    form = OpenVinoForm(int8._form._folder)
    shapes: set[tuple[int, int]] = set()

    class Request:
        def infer(self, inputs: list[Any]) -> list[Any]:
            shapes.add(inputs[0].shape)
            return [inputs[0].astype(float)[:, :3]]

    monkeypatch.setattr(form, "_request", Request())
    for count in range(1, 30):
        form.embed(["word " * (length * 9 % 300) for length in range(count)])
    lengths = {16, 32, 64, 96, 128, 160, 192, 224, 256}
    assert {length for _, length in shapes} == lengths
    assert {rows for rows, _ in shapes} == {1, 8}


def test_a_text_beyond_the_window_is_cut_as_for_float32(
    embedder: SentenceTransformerEmbedder, int8: Int8Embedder
) -> None:
    long = " ".join(held_out_texts())
    assert len(int8.token_starts(long)) > 1000
    head = long[: int8.token_starts(long)[int8.max_tokens]]
    [whole], [cut], [full] = int8.embed_passages([long]), int8.embed_passages([head]), embedder.embed_passages([long])
    assert cosine(whole, cut) > 1 - 1e-4
    assert cosine(whole, full) > 0.98


def test_threads_get_the_vectors_of_their_own_texts(int8: Int8Embedder) -> None:
    texts = held_out_texts()[:16]
    expected = [int8.embed_queries([text])[0] for text in texts]
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda text: int8.embed_queries([text])[0], texts))
    assert all(cosine(one, other) > 1 - 1e-5 for one, other in zip(expected, got, strict=True))


def test_queries_and_passages_have_prefixes_of_their_own(
    int8: Int8Embedder, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = SentenceTransformerEmbedder(MODEL_ID, "cpu", packaged_embedder_path)
    monkeypatch.setattr(full, "prefixes", Prefixes("query: ", "passage: "))
    prefixed = Int8Embedder(full, models_dir)
    [query], [passage] = prefixed.embed_queries(["A cat."]), prefixed.embed_passages(["A cat."])
    expected_query, expected_passage = int8.embed_passages(["query: A cat.", "passage: A cat."])
    assert cosine(query, expected_query) > 1 - 1e-4
    assert cosine(passage, expected_passage) > 1 - 1e-4
    assert cosine(query, passage) < 1 - 1e-3
    assert prefixed.max_tokens == 252


_PROBE = """
import sys
from pathlib import Path
from llm_engineering.infrastructure.local.weights import packaged_embedder_path
from llm_engineering.infrastructure.models.embedding import SentenceTransformerEmbedder
from llm_engineering.infrastructure.models.openvino_embedding import Int8Embedder
small = Int8Embedder(SentenceTransformerEmbedder(sys.argv[1], "cpu", packaged_embedder_path), Path(sys.argv[2]))
small.load()
assert len(small.embed_queries(["Why?"])[0]) == small.dimension
print(sorted({"torch", "transformers", "sentence_transformers", "nncf"} & set(sys.modules)))
"""


def test_a_form_that_was_made_is_used_without_pytorch_and_silently(int8: Int8Embedder, models_dir: Path) -> None:
    int8.load()
    command = [sys.executable, "-W", "error", "-c", _PROBE, MODEL_ID, str(models_dir)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (result.returncode, result.stdout, result.stderr) == (0, "[]\n", "")


def test_an_accelerator_is_refused(models_dir: Path) -> None:
    full = SentenceTransformerEmbedder(MODEL_ID, "cuda:0", packaged_embedder_path)
    with pytest.raises(ConfigurationError, match="RAG_MODEL_DEVICE is cuda:0"):
        Int8Embedder(full, models_dir)


@pytest.mark.parametrize(
    ("device", "model_id", "cpuinfo", "expected"),
    [
        ("cpu", MODEL_ID, "processor : 0\nflags\t\t: sse avx512f avx512_vnni\n", True),
        ("cpu", MODEL_ID, "flags\t\t: sse avx2 avx_vnni\n", True),
        ("cpu", MODEL_ID, "flags\t\t: sse avx2\n", False),
        ("cpu", MODEL_ID, "model name : the avx512_vnni CPU\nflags : sse\n", False),
        ("cpu", MODEL_ID, "Features : fp asimd i8mm\n", False),
        ("cpu", MODEL_ID, None, False),
        ("cuda", MODEL_ID, "flags : avx512_vnni\n", False),
        ("cpu", "intfloat/e5-small", "flags : avx512_vnni\n", False),
    ],
)
def test_it_is_chosen_where_the_cpu_multiplies_bytes_and_for_models_that_were_tried(
    tmp_path: Path, device: str, model_id: str, cpuinfo: str | None, expected: bool
) -> None:
    file = tmp_path / "cpuinfo"
    if cpuinfo is not None:
        file.write_text(cpuinfo, encoding="utf-8")
    assert is_usable(device, model_id, file) is expected


def test_it_is_not_chosen_where_a_package_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text("flags : avx512_vnni\n", encoding="utf-8")
    monkeypatch.setattr("llm_engineering.infrastructure.models.openvino_embedding.find_spec", lambda name: None)
    assert not is_usable("cpu", MODEL_ID, file)


@pytest.fixture
def builder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in the place of the builder; a test writes what it does."""
    program = tmp_path / "builder.py"
    monkeypatch.setattr(openvino_form, "_BUILDER", program)
    return program


def test_processes_that_want_the_form_at_the_same_time_make_it_once(tmp_path: Path, builder: Path) -> None:
    log, target = tmp_path / "log", tmp_path / "models" / "form-1.5"
    builder.write_text(
        "import pathlib, sys, time\n"
        f"pathlib.Path({str(log)!r}).open('a').write('made')\n"
        "target = pathlib.Path(sys.argv[2]); target.mkdir(); time.sleep(0.3); (target / 'form.json').write_text('x')\n"
    )
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: ensure_built("m", tmp_path, target, CALIBRATION), range(3)))
    assert log.read_text() == "made"
    assert (target / "form.json").read_text() == "x"
    assert sorted(path.name for path in target.parent.iterdir()) == ["form-1.5", "form-1.5.lock"]


def test_a_form_that_cannot_be_made_is_a_clear_error_and_leaves_nothing(tmp_path: Path, builder: Path) -> None:
    builder.write_text("import pathlib, sys\npathlib.Path(sys.argv[2]).mkdir()\nraise ValueError('no pooling')\n")
    target = tmp_path / "models" / "form"
    with pytest.raises(DependencyUnavailableError, match=r"m cannot be made.*no pooling.*EMBEDDING_PRECISION=float32"):
        ensure_built("m", tmp_path, target, CALIBRATION)
    assert [path.name for path in target.parent.iterdir()] == ["form.lock"]


def test_a_builder_that_hangs_is_stopped(tmp_path: Path, builder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    builder.write_text("import time\ntime.sleep(60)\n")
    monkeypatch.setattr(openvino_form, "BUILD_SECONDS", 0.5)
    with pytest.raises(DependencyUnavailableError, match="not ready after"):
        ensure_built("m", tmp_path, tmp_path / "models" / "form", CALIBRATION)


def test_a_damaged_form_is_a_clear_error(int8: Int8Embedder, tmp_path: Path) -> None:
    made = int8._form._folder
    for file in ("form.json", "tokenizer.json", "model.bin"):
        (tmp_path / file).symlink_to(made / file)
    (tmp_path / "model.xml").write_text("<net", encoding="utf-8")
    with pytest.raises(DependencyUnavailableError, match="Delete it"):
        OpenVinoForm(tmp_path)
