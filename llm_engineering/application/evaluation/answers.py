"""Let the twin answer the questions of a set, and gather what a judge needs to score the answers."""

from collections.abc import Sequence

from llm_engineering.application.rag.answering import write_answer
from llm_engineering.application.rag.context import build_context
from llm_engineering.application.rag.retrieval import Retriever
from llm_engineering.domain.answer_evaluation import AnswerSample
from llm_engineering.domain.errors import InvalidQueryError
from llm_engineering.domain.evaluation import Question
from llm_engineering.domain.ports import LanguageModel, Progress, VectorStore
from llm_engineering.domain.queries import Query
from llm_engineering.domain.retrieval import RetrievalOptions


def answer_questions(
    questions: Sequence[Question],
    retriever: Retriever,
    options: RetrievalOptions,
    vectors: VectorStore,
    model: LanguageModel,
    progress: Progress,
) -> tuple[list[AnswerSample], dict[str, str]]:
    """The answers, and for each question that could not be answered the reason.

    Only questions with expected passages can be judged; without anything retrieved there is no answer to judge.

    Raises:
        DependencyUnavailableError: a store or the language model does not answer.
    """
    samples: list[AnswerSample] = []
    failures: dict[str, str] = {}
    with progress.task("Answering", total=len(questions)) as advance:
        for question in questions:
            references = tuple(expected.passage for expected in question.expected if expected.passage)
            try:
                query = Query.create(question.text, limit=5)
            except InvalidQueryError as error:
                failures[question.id] = str(error)
                continue
            passages = build_context(retriever.retrieve(query, options).chunks, vectors, options)
            if not references or not passages:
                failures[question.id] = "nothing was found" if references else "the question expects no passage"
                continue
            samples.append(
                AnswerSample(
                    id=question.id,
                    question=question.text,
                    answer=write_answer(question.text, passages, model).answer,
                    contexts=tuple(passage.text for passage in passages),
                    references=references,
                )
            )
            advance(1)
    return samples, failures
