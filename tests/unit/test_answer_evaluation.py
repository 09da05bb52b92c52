"""Which questions are answered for a judge, and what the judge is given."""

import pytest

from llm_engineering.application.evaluation.answers import answer_questions, draw
from llm_engineering.application.rag.retrieval import Retriever
from llm_engineering.domain.answer_evaluation import AnswerReport, JudgedAnswer
from llm_engineering.domain.errors import InvalidQuestionSetError
from llm_engineering.domain.evaluation import Expected, Question, QuestionSet
from llm_engineering.domain.retrieval import RetrievalOptions
from tests.fakes import (
    ADA,
    MemoryVectorStore,
    ScriptedModel,
    SilentProgress,
    WordEmbedder,
    WordEncoder,
    cleaned,
    embedded,
    spec_of,
)


def question(
    id_: str, text: str = "Where is the cat?", split: str = "test", passage: str | None = "The cat"
) -> Question:
    return Question(id=id_, text=text, split=split, expected=(Expected(link="docs/a.md", passage=passage),))


def test_the_questions_of_a_split_are_drawn_the_same_way_every_time() -> None:
    questions = [question(str(number), split="test" if number % 2 else "development") for number in range(20)]
    drawn = draw(QuestionSet(name="set", questions=tuple(questions)), "test", 4)
    again = draw(QuestionSet(name="set", questions=tuple(reversed(questions))), "test", 4)
    assert drawn == again
    assert len({one.id for one in drawn}) == 4
    assert {one.split for one in drawn} == {"test"}
    with pytest.raises(InvalidQuestionSetError, match="it has development, test"):
        draw(QuestionSet(name="set", questions=tuple(questions)), "dev", 4)


def test_what_cannot_be_judged_is_named_with_its_reason() -> None:
    store, embedder = MemoryVectorStore(), WordEmbedder()
    model = ScriptedModel("It sleeps on the mat [1].", follows_instructions=True)
    retriever = Retriever(embedder, WordEncoder(), store, lambda: [ADA], model, {})
    asked = [question("good"), question("blank", text="?!"), question("vague", passage=None)]
    store.prepare(spec_of(embedder))
    options = RetrievalOptions(self_query="off")
    assert answer_questions(asked[:1], retriever, options, store, model, SilentProgress())[1] == {
        "good": "nothing was found"
    }
    document = cleaned("The cat sleeps on the mat.", "1")
    store.upsert_chunks([embedded(document, embedder.embed_passages([document.text])[0])])
    progress = SilentProgress()
    samples, failures = answer_questions(asked, retriever, options, store, model, progress)
    assert progress.done == {"Answering": 3}
    assert failures.keys() == {"blank", "vague"}
    assert failures["vague"] == "the question expects no passage"
    [sample] = samples
    assert (sample.answer, sample.contexts, sample.references) == (
        "It sleeps on the mat [1].",
        ("The cat sleeps on the mat.",),
        ("The cat",),
    )


def test_the_mean_of_a_metric_is_over_the_answers_that_have_it() -> None:
    answers = [
        JudgedAnswer(id="a", scores={"faithfulness": 1.0, "relevancy": 0.5}),
        JudgedAnswer(id="b", scores={"relevancy": 1.0}, failures={"faithfulness": "no score"}),
    ]
    report = AnswerReport(judge="me", answers=answers)
    assert report.means == {"faithfulness": 1.0, "relevancy": 0.75}
    assert report.failed == 1
