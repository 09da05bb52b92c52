"""A reranker is trained, taken up after a kill, judged, and serves; with a tiny transformer of random weights."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid5

import pytest

from llm_engineering.domain.documents import NAMESPACE, DataCategory
from llm_engineering.domain.errors import TooLittleDataError
from llm_engineering.domain.queries import RetrievedChunk
from llm_engineering.infrastructure.models.reranking import CrossEncoderReranker
from llm_engineering.model.reranking.config import RerankerConfig
from llm_engineering.model.reranking.data import WRITTEN, TrainingQuestion
from llm_engineering.model.reranking.mining import Group
from llm_engineering.model.reranking.promotion import scorer
from llm_engineering.model.reranking.run import Ground, train_reranker
from llm_engineering.model.reranking.training import CHECKPOINT, Trainer
from llm_engineering.model.reranking.weights import load_reranker, new_reranker, save_reranker
from tests.fakes import SilentProgress

WORDS = [f"{first}{second}" for first in "bdfgklmnprst" for second in ("a", "e", "i", "o", "u")]
CONFIG = RerankerConfig(
    questions=24, evaluation_questions=30, negatives=2, epochs=2, learning_rate=1e-3, max_length=32, candidates=4
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An embedding model's folder: BERT with 2 layers of width 32, and a tokenizer that knows 60 words."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast  # type: ignore[attr-defined]

    folder = tmp_path_factory.mktemp("base")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    BertModel(config).save_pretrained(folder)
    return folder


def chunks_of(count: int) -> list[RetrievedChunk]:
    """A chunk a document, of ten words each."""
    draw = random.Random(1)
    return [
        RetrievedChunk(
            id=uuid5(NAMESPACE, f"chunk {number}"),
            document_id=uuid5(NAMESPACE, f"document {number}"),
            category=DataCategory.POSTS,
            author_full_name="Ada Lovelace",
            title="",
            link=f"https://example.com/{number}",
            text=" ".join(draw.sample(WORDS, 10)),
            context="",
            score=1.0,
        )
        for number in range(count)
    ]


def ground_of(base: Path, folder: Path, chunks: list[RetrievedChunk]) -> Ground:
    """A search that finds four chunks, among them the one that has the question's words, in no good order."""

    def search(question: str, limit: int) -> Sequence[RetrievedChunk]:
        wanted = set(question.split())
        best = max(chunks, key=lambda chunk: len(wanted & set(chunk.text.split())))
        draw = random.Random(question)
        hits = [best, *draw.sample([chunk for chunk in chunks if chunk is not best], limit - 1)]
        draw.shuffle(hits)
        return hits

    return Ground(base, "tiny", "cpu", chunks, search, folder, "seed")


def questions_about(chunks: list[RetrievedChunk], right: Sequence[RetrievedChunk]) -> list[TrainingQuestion]:
    """Three words of each chunk; the right answer to them is the chunk in the same place of `right`."""
    draw = random.Random(2)
    return [
        TrainingQuestion(
            " ".join(draw.sample(chunk.text.split(), 3)),
            chunk.document_id,
            frozenset({answer.id}),
            answer.text,
            WRITTEN,
        )
        for chunk, answer in zip(chunks, right, strict=True)
    ]


def test_a_reranker_that_is_better_than_the_search_is_promoted_and_serves(base: Path, tmp_path: Path) -> None:
    chunks, progress = chunks_of(90), SilentProgress()
    report = train_reranker(ground_of(base, tmp_path, chunks), questions_about(chunks, chunks), CONFIG, progress)
    assert report.promoted, report.why
    assert report.gain.low > 0
    assert report.without.recall_at_1 < 0.5
    assert report.reranked.recall_at_1 > 0.8
    assert report.groups == {WRITTEN: 24}
    assert sum(report.held_out.values()) == 30
    assert [epoch.number for epoch in report.epochs] == [0, 1, 2]
    assert progress.done["Training the reranker"] == 6
    assert not (tmp_path / CHECKPOINT).exists()
    served = CrossEncoderReranker.trained(tmp_path, "cpu", load_reranker)
    passages = [chunk.text for chunk in chunks[:5]]
    for passage in passages:
        scores = served.score(" ".join(passage.split()[2:6]), passages)
        assert passages[scores.index(max(scores))] == passage


def test_where_what_is_right_cannot_be_learnt_nothing_is_promoted(base: Path, tmp_path: Path) -> None:
    chunks = chunks_of(90)
    shuffled = random.Random(3).sample(chunks, len(chunks))
    by_text = {question.text: question for question in questions_about(chunks, shuffled)}
    answers = {chunk.id: chunk for chunk in chunks}

    def search(question: str, limit: int) -> list[RetrievedChunk]:
        [right] = by_text[question].positives
        draw = random.Random(question)
        hits = [answers[right], *draw.sample([chunk for chunk in chunks if chunk.id != right], limit - 1)]
        draw.shuffle(hits)
        return hits

    ground = Ground(base, "tiny", "cpu", chunks, search, tmp_path, "seed")
    report = train_reranker(ground, by_text.values(), CONFIG, SilentProgress())
    assert not report.promoted
    assert not (tmp_path / "current").exists()
    assert (tmp_path / "candidate" / "card.json").is_file()
    assert scorer(load_reranker(tmp_path / "candidate", "cpu"), 8)(WORDS[0], [WORDS[0], WORDS[1]])


class _KilledError(Exception):
    pass


def test_a_killed_training_goes_on_after_its_last_whole_epoch_and_ends_the_same(base: Path, tmp_path: Path) -> None:
    chunks = chunks_of(30)
    groups = [
        Group(
            " ".join(chunk.text.split()[:3]),
            chunk.text,
            tuple(other.text for other in chunks if other is not chunk),
            "",
        )
        for chunk in chunks
    ]
    measured: list[int] = []

    def trained(folder: Path, dies_at: int | None) -> tuple[list[Any], Any]:
        model = new_reranker(base, 32, "cpu", [chunk.text for chunk in chunks])

        def measure(_: Any) -> float:
            measured.append(len(measured))
            if dies_at == len(measured):
                raise _KilledError
            return 0.1 * len(measured)

        epochs, _ = Trainer(model, groups, CONFIG.model_copy(update={"epochs": 3}), folder, SilentProgress()).train(
            measure
        )
        return epochs, model.state_dict()

    through, expected = trained(tmp_path / "through", None)
    assert len(measured) == 4
    measured.clear()
    with pytest.raises(_KilledError):
        trained(tmp_path / "killed", 3)  # within epoch 2: those before it are whole
    measured.clear()
    taken_up, weights = trained(tmp_path / "killed", None)
    assert len(measured) == 2
    assert [epoch.loss for epoch in taken_up] == [epoch.loss for epoch in through]
    assert all(weights[name].allclose(value, atol=1e-6) for name, value in expected.items())


def test_training_learns_what_it_is_shown_and_leaves_the_lower_layers(base: Path, tmp_path: Path) -> None:
    # The right passage is the one with the word that the question never has: word overlap alone says nothing.
    draw = random.Random(4)
    others = WORDS[2:]
    groups = [
        Group(
            " ".join(draw.sample(others, 3)),
            " ".join([WORDS[0], *draw.sample(others, 5)]),
            tuple(" ".join([WORDS[1], *draw.sample(others, 5)]) for _ in range(4)),
            "",
        )
        for _ in range(40)
    ]
    model = new_reranker(base, 32, "cpu", [group.positive for group in groups])
    before = {name: value.clone() for name, value in model.state_dict().items()}
    config = CONFIG.model_copy(update={"epochs": 5, "learning_rate": 1e-2})
    epochs, kept = Trainer(model, groups, config, tmp_path, SilentProgress()).train(lambda _: 1.0)
    assert kept == 5
    first, last = epochs[1].loss, epochs[-1].loss
    assert first is not None
    assert last is not None
    assert last < 0.5 * first
    after = model.state_dict()
    changed = {name for name, value in before.items() if not value.equal(after[name])}
    assert not any("embeddings" in name or "layer.0." in name or "idf" in name for name in changed)
    assert any("layer.1." in name for name in changed)
    question = " ".join(others[:3])
    good, bad = (" ".join([word, *others[10:15]]) for word in WORDS[:2])
    scores = scorer(model, 8)(question, [bad, good])
    assert scores[1] > scores[0]


def test_a_corpus_that_is_too_small_is_refused_with_what_to_do(base: Path, tmp_path: Path) -> None:
    chunks = chunks_of(8)
    with pytest.raises(TooLittleDataError, match="question_set"):
        train_reranker(ground_of(base, tmp_path, chunks), questions_about(chunks, chunks), CONFIG, SilentProgress())


def test_before_training_a_rare_word_in_common_counts_more_than_a_frequent_one(base: Path) -> None:
    frequent, rare = WORDS[0], WORDS[1]
    passages = [f"{frequent} {word}" for word in WORDS[2:40]]
    model = new_reranker(base, 32, "cpu", [*passages, rare])
    scores = scorer(model, 8)(f"{frequent} {rare}", [f"{frequent} {WORDS[50]}", f"{rare} {WORDS[50]}"])
    assert scores[1] > scores[0]


def test_without_attention_across_each_text_is_read_as_the_embedding_model_reads_it(base: Path) -> None:
    import torch
    from transformers import AutoModel

    model: Any = new_reranker(base, 32, "cpu", WORDS)
    question, passages = f"{WORDS[0]} {WORDS[1]}", [" ".join(WORDS[3:8]), WORDS[9]]
    alone = AutoModel.from_pretrained(str(base)).eval()
    features = model.preprocess([(question, passage) for passage in passages])
    model.eval()
    with torch.no_grad():
        model[0].attention_across.fill_(-1e9)
        closed = model[0](features)["token_embeddings"]
        model[0].attention_across.fill_(0.0)
        opened = model[0](features)["token_embeddings"]
        for row, passage in enumerate(passages):
            first, second = (alone(**model.tokenizer(text, return_tensors="pt")) for text in (question, passage))
            expected = torch.cat([first.last_hidden_state[0], second.last_hidden_state[0]])
            assert closed[row, : len(expected)].allclose(expected, atol=1e-5)
            assert not opened[row, : len(expected)].allclose(expected, atol=1e-3)


def test_a_score_does_not_depend_on_what_is_scored_beside_it(base: Path) -> None:
    score = scorer(new_reranker(base, 32, "cpu", WORDS), 8)
    short, long = WORDS[4], " ".join(WORDS[:20])
    together = score(WORDS[4], [short, long])
    assert together == pytest.approx([*score(WORDS[4], [short]), *score(WORDS[4], [long])], abs=1e-4)


def test_what_was_trained_is_what_is_loaded(base: Path, tmp_path: Path) -> None:
    import torch

    model: Any = new_reranker(base, 32, "cpu", WORDS[:30])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05)
    save_reranker(model, tmp_path)
    passages = [" ".join(WORDS[place : place + 6]) for place in range(0, 30, 6)]
    question = " ".join(WORDS[8:16])
    loaded = scorer(load_reranker(tmp_path, "cpu"), 8)(question, passages)
    assert loaded == pytest.approx(scorer(model, 8)(question, passages), abs=1e-5)
