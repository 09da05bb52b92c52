"""Folders in BEIR's format."""

import json
import random
from collections.abc import Sequence
from contextlib import nullcontext
from html import unescape
from pathlib import Path

import pytest
import pytrec_eval

from llm_engineering.application.evaluation.configurations import Configuration
from llm_engineering.application.evaluation.matching import document_ranks
from llm_engineering.application.evaluation.runner import Index, evaluate
from llm_engineering.domain.documents import DataCategory
from llm_engineering.domain.errors import InvalidQuestionSetError
from llm_engineering.domain.evaluation import Question
from llm_engineering.domain.queries import Query, RetrievedChunk
from llm_engineering.domain.retrieval import RetrievalNotes, RetrievalOptions, Retrieved
from llm_engineering.infrastructure.charts.evaluation import evaluation_page
from llm_engineering.infrastructure.evaluation.beir import BeirFolder
from tests.fakes import SilentProgress, retrieved

IDS = [f"doc/{number} ä" for number in range(30)]
QUERIES = ["doc/3 ä", "q1", "q2", "q3", "unjudged"]  # the first one is a document as well


def beir_folder(folder: Path, qrels: dict[str, dict[str, int]]) -> Path:
    (folder / "qrels").mkdir(parents=True)
    corpus = [{"_id": id_, "title": f"Title {id_}", "text": f"Text of {id_}.", "metadata": {}} for id_ in IDS]
    queries = [{"_id": id_, "text": f"What about {id_}?"} for id_ in QUERIES]
    (folder / "corpus.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in corpus))
    (folder / "queries.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in queries))
    rows = [f"{query}\t{document}\t{grade}" for query, judged in qrels.items() for document, grade in judged.items()]
    (folder / "qrels" / "test.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *rows]) + "\n")
    return folder


def some_qrels() -> dict[str, dict[str, int]]:
    chance = random.Random(7)
    return {query: {id_: chance.randint(0, 2) for id_ in chance.sample(IDS, 12)} for query in QUERIES[:4]}


def test_documents_are_streamed_as_articles_with_links_of_their_own(tmp_path: Path) -> None:
    beir = BeirFolder(beir_folder(tmp_path / "tiny", some_qrels()))
    documents = list(beir.documents())
    assert (beir.name, beir.count(), len(documents)) == ("tiny", 30, 30)
    assert len({document.id for document in documents}) == len({document.link for document in documents}) == 30
    assert documents[3].category is DataCategory.ARTICLES
    assert (documents[3].title, documents[3].content) == ("Title doc/3 ä", "Text of doc/3 ä.")
    assert documents[3].author_full_name == "BEIR tiny"
    assert documents[3].link == beir.own_link("doc/3 ä")


def test_questions_are_those_that_are_judged(tmp_path: Path) -> None:
    qrels = {"q1": {IDS[0]: 2, IDS[1]: 0}, "q2": {IDS[2]: 1}, "not there": {IDS[0]: 1}}
    beir = BeirFolder(beir_folder(tmp_path / "tiny", qrels))
    links = {document.link: document.title for document in beir.documents()}
    found = {
        question.id: {links[item.link]: item.grade for item in question.expected}
        for question in beir.question_set().questions
    }
    assert found == {"q1": {f"Title {IDS[0]}": 2}, "q2": {f"Title {IDS[2]}": 1}}


def test_ids_that_are_judged_and_not_there_are_counted_and_named(tmp_path: Path) -> None:
    lost = {f"lost {number}": 1 for number in range(7)}
    qrels = {"q1": {IDS[0]: 2, **lost}, "gone": {IDS[1]: 1}, "irrelevant": {"nothing": 0}}
    folder = beir_folder(tmp_path / "tiny", qrels)
    queries, documents = BeirFolder(folder).question_set().warnings
    judged = f"Judged in {folder}/qrels/test.tsv but"
    assert queries == f"{judged} without a text in {folder}/queries.jsonl, so not asked: 1 ('gone')."
    first = "'lost 0', 'lost 1', 'lost 2', 'lost 3', 'lost 4', ..."
    assert documents == f"{judged} not in {folder}/corpus.jsonl, so counted as not found: 7 ({first})."


def test_a_whole_folder_has_no_warning(tmp_path: Path) -> None:
    assert BeirFolder(beir_folder(tmp_path / "tiny", some_qrels())).question_set().warnings == ()


def test_the_report_says_what_the_set_warns_of(tmp_path: Path) -> None:
    beir = BeirFolder(beir_folder(tmp_path / "tiny", {"q1": {IDS[0]: 1, "lost": 1}}))
    notes = RetrievalNotes(warnings=("Reranking failed.",))
    index = Index(lambda query, options: Retrieved(chunks=(), notes=notes), 30)
    configurations = [Configuration("one", RetrievalOptions())]
    questions = beir.question_set()
    report = evaluate(questions, None, configurations, lambda _: nullcontext(index), "words", SilentProgress())
    assert report.warnings == [*questions.warnings, "Reranking failed."]
    assert report.warnings[0] in unescape(evaluation_page(report))


def test_scores_are_those_of_pytrec_eval_as_beir_uses_it(tmp_path: Path) -> None:
    """BEIR collapses nothing: a chunk here is a document's; its own query does not count as found."""
    qrels = some_qrels()
    beir, chance = BeirFolder(beir_folder(tmp_path / "tiny", qrels)), random.Random(3)
    links = {beir.own_link(id_): id_ for id_ in IDS}
    rankings: dict[str, list[str]] = {}

    def retrieve(query: Query, _: RetrievalOptions) -> Retrieved:
        chunks = [retrieved(f"{number}", link=chance.choice(list(links))) for number in range(20)]
        rankings[query.text] = list(dict.fromkeys(links[chunk.link] for chunk in chunks))
        return Retrieved(chunks=tuple(chunks))

    def judge(question: Question, chunks: Sequence[RetrievedChunk]) -> list[int | None]:
        return document_ranks(question.expected, chunks, skip=beir.own_link(question.id))

    index = nullcontext(Index(retrieve, 30))
    configurations = [Configuration("one", RetrievalOptions())]
    questions = beir.question_set()
    report = evaluate(questions, None, configurations, lambda _: index, "words", SilentProgress(), judge)
    run = {
        id_: {
            document: -float(place) for place, document in enumerate(rankings[f"What about {id_}?"]) if document != id_
        }
        for id_ in QUERIES[:4]
    }
    top = {id_: dict(sorted(scores.items(), key=lambda item: -item[1])[:10]) for id_, scores in run.items()}
    theirs = pytrec_eval.RelevanceEvaluator(qrels, {"recall.1,3,5,10", "ndcg_cut.10"}).evaluate(run)
    first = pytrec_eval.RelevanceEvaluator(qrels, {"recip_rank"}).evaluate(top)
    scores = report.results[0].scores
    for cutoff in (1, 3, 5, 10):
        assert scores.recall[cutoff] == pytest.approx(sum(q[f"recall_{cutoff}"] for q in theirs.values()) / 4)
    assert scores.ndcg == pytest.approx(sum(q["ndcg_cut_10"] for q in theirs.values()) / 4)
    assert scores.mrr == pytest.approx(sum(q["recip_rank"] for q in first.values()) / 4)
    assert 0 < scores.recall[10] < 1


def refused(folder: Path) -> str:
    def read() -> None:
        beir = BeirFolder(folder)
        list(beir.documents())
        beir.question_set()

    with pytest.raises(InvalidQuestionSetError) as caught:
        read()
    return str(caught.value)


@pytest.mark.parametrize(
    ("file", "text", "problem"),
    [
        ("corpus.jsonl", '{"_id": "a", "text": "b"}\n{\n', "corpus.jsonl:2: not valid JSON"),
        ("corpus.jsonl", '{"_id": "a"}\n', "corpus.jsonl:1: expected a text 'text'; got None"),
        ("queries.jsonl", '{"_id": 5, "text": "b"}\n', "queries.jsonl:1: expected a text '_id'; got 5"),
        ("queries.jsonl", "[]\n", "queries.jsonl:1: expected an object"),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td\tyes\n", "test.tsv:2: expected query-id, corpus-id and"),
        ("qrels/test.tsv", "q1\t0\n", "test.tsv:1: expected query-id, corpus-id and"),
        ("qrels/test.tsv", "nobody\td\t1\n", "test.tsv judges none of the queries"),
        ("qrels/test.tsv", "q1\td\t1\nq2\te\t1\n", "test.tsv judges none of the documents in"),
    ],
)
def test_what_is_malformed_is_named_by_its_place(tmp_path: Path, file: str, text: str, problem: str) -> None:
    folder = beir_folder(tmp_path / "tiny", some_qrels())
    (folder / file).write_text(text)
    assert problem in refused(folder)


def test_a_missing_split_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    folder = beir_folder(tmp_path / "tiny", some_qrels())
    with pytest.raises(InvalidQuestionSetError, match=r"dev\.tsv is missing.* these splits: test"):
        BeirFolder(folder, "dev")
    (folder / "corpus.jsonl").unlink()
    assert "corpus.jsonl is missing" in refused(folder)
