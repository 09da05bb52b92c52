"""The evaluation with the real models and engine: a BEIR folder, other cuts, and questions by the embedded model."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import pytrec_eval

from llm_engineering.application.evaluation.generator import Generation, ask_model, generate
from llm_engineering.application.evaluation.question_sets import question_line, read_question_set
from llm_engineering.application.preprocessing.making import FeatureMakers
from llm_engineering.application.rag.retrieval import Retriever
from llm_engineering.bootstrap import Services
from llm_engineering.bootstrap_evaluation import Evaluation
from llm_engineering.domain.evaluation import Expected, Question
from llm_engineering.domain.features import ChunkSizes
from llm_engineering.domain.ports import VectorStore
from llm_engineering.domain.queries import Query
from llm_engineering.domain.retrieval import RetrievalOptions, Retrieved
from llm_engineering.infrastructure.local.llama import LlamaServer
from llm_engineering.infrastructure.local.weights import GEMMA_MODEL_ID
from llm_engineering.infrastructure.models.embedding import SentenceTransformerEmbedder
from llm_engineering.infrastructure.models.openai_compatible import Endpoint, OpenAICompatibleModel
from llm_engineering.infrastructure.models.sparse import Bm25Encoder
from tests.fakes import MemoryDocumentStore, SilentProgress, article, cleaned

FACTS = {
    "redis": "Redis can survive a restart, for it writes snapshots at intervals and appends every write to a log.",
    "btree": "A B-tree keeps its keys sorted in wide nodes, so that a lookup touches few pages of the disk.",
    "kafka": "Consumers of Kafka should commit offsets only after a message was processed, else some are lost.",
    "bees": "Honey bees tell each other by a dance in which direction flowers are, and how far away.",
    "tides": "The tides follow the moon, whose pull lifts the water on both sides of the earth.",
    "glass": "Glass is an amorphous solid: its molecules have no order, yet they do not flow.",
}
QUERIES = {
    "q1": "How does Redis keep data over restarts?",
    "q2": "pull of the moon on water",
    "q3": "bees dance flowers",
}
QRELS = {"q1": {"redis": 2, "kafka": 1}, "q2": {"tides": 1, "glass": 1}, "q3": {"bees": 1, "btree": 0}}


class Recorded(Retriever):
    """Remembers which links it found, by question."""

    found: dict[str, list[str]]

    def retrieve(self, query: Query, options: RetrievalOptions) -> Retrieved:
        result = super().retrieve(query, options)
        self.found[query.text] = list(dict.fromkeys(chunk.link for chunk in result.chunks))
        return result


@pytest.fixture
def found() -> dict[str, list[str]]:
    return {}


@pytest.fixture
def services(embedder: SentenceTransformerEmbedder, found: dict[str, list[str]]) -> Services:
    """As the composition root makes them, on documents in memory."""
    documents = MemoryDocumentStore(
        article(f"# {name.title()}\n\n{text}\n\n## More\n\n{'It is said again. ' * 40}", f"https://e.com/{name}", name)
        for name, text in FACTS.items()
    )
    makers = FeatureMakers(embedder, Bm25Encoder("english"), ChunkSizes())

    def retriever_on(vectors: VectorStore) -> Retriever:
        retriever = Recorded(embedder, makers.sparse, vectors, documents.authors, cast("Any", None), {})
        retriever.found = found
        return retriever

    parts = SimpleNamespace(
        embedder=embedder,
        feature_makers=makers,
        documents=documents,
        progress=SilentProgress(),
        retrieval_options=RetrievalOptions(),
        retriever_on=retriever_on,
    )
    return cast("Services", parts)


def lines(records: Sequence[object]) -> str:
    return "".join(f"{json.dumps(record)}\n" for record in records)


def test_a_beir_folder_is_scored_as_pytrec_eval_does(
    services: Services, found: dict[str, list[str]], tmp_path: Path
) -> None:
    (tmp_path / "qrels").mkdir()
    (tmp_path / "corpus.jsonl").write_text(lines([{"_id": id_, "title": "", "text": t} for id_, t in FACTS.items()]))
    (tmp_path / "queries.jsonl").write_text(lines([{"_id": id_, "text": text} for id_, text in QUERIES.items()]))
    rows = [f"{query}\t{id_}\t{grade}" for query, judged in QRELS.items() for id_, grade in judged.items()]
    (tmp_path / "qrels" / "test.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *rows]))
    report = Evaluation(services).run_beir(tmp_path, "test", {})
    run = {
        id_: {link.rpartition("/")[2]: -float(place) for place, link in enumerate(found[text])}
        for id_, text in QUERIES.items()
    }
    theirs = pytrec_eval.RelevanceEvaluator(QRELS, {"recall.1,3,5,10", "ndcg_cut.10", "recip_rank"}).evaluate(run)
    scores = report.results[0].scores
    assert {len(ranking) for ranking in run.values()} == {len(FACTS)}
    for cutoff in (1, 3, 5, 10):
        assert scores.recall[cutoff] == pytest.approx(sum(q[f"recall_{cutoff}"] for q in theirs.values()) / 3)
    assert scores.ndcg == pytest.approx(sum(q["ndcg_cut_10"] for q in theirs.values()) / 3)
    assert scores.mrr == pytest.approx(sum(q["recip_rank"] for q in theirs.values()) / 3)
    assert scores.mrr == 1.0
    assert report.chunks == len(FACTS)


def test_other_cuts_are_indexed_for_the_run_and_asked_the_same(services: Services, tmp_path: Path) -> None:
    questions = [
        Question(id=id_, text=QUERIES[id_], expected=(Expected(link=f"https://e.com/{name}", passage=FACTS[name]),))
        for id_, name in (("q1", "redis"), ("q2", "tides"), ("q3", "bees"))
    ]
    (tmp_path / "facts.jsonl").write_text("".join(map(question_line, questions)))
    evaluation = Evaluation(services)
    small: dict[str, Any] = {"articles": {"max_tokens": 32, "min_tokens": 0, "overlap_tokens": 0}}
    configurations = evaluation.configurations({"chunks": [small, "window-1500"]})[1:]
    report = evaluation.run(evaluation.question_set(tmp_path / "facts.jsonl"), "test", configurations)
    finer, plain = report.results
    assert plain.chunks == len(FACTS)  # each text is shorter than a window
    assert finer.chunks > 4 * len(FACTS)
    assert finer.scores.mrr == plain.scores.mrr == 1.0


@pytest.fixture
def language_model(models_dir: Path) -> Iterator[OpenAICompatibleModel]:
    server = LlamaServer(models_dir, threads=2)
    model = OpenAICompatibleModel(GEMMA_MODEL_ID, False, lambda: Endpoint(server.url, server.api_key))
    yield model
    model.close()
    server.close()


def test_the_embedded_model_writes_questions_that_pass(language_model: OpenAICompatibleModel, tmp_path: Path) -> None:
    corpus = [cleaned(f"{FACTS['redis']} {FACTS['kafka']}", "a"), cleaned(f"{FACTS['btree']} {FACTS['glass']}", "b")]
    path = tmp_path / "made.jsonl"
    made = [
        generate(corpus, Generation(path, 2), ask_model(language_model), GEMMA_MODEL_ID, SilentProgress())
        for _ in range(2)
    ]
    assert made[0] == made[1]
    assert made[0].tried == 2
    assert made[0].taken >= 1
    for question in read_question_set(path).questions:
        assert question.text.endswith("?")
        assert question.expected[0].passage in {document.text for document in corpus}
