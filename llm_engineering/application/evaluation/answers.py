"""Let the twin answer the questions of a set, and gather what a judge needs to score the answers."""

from collections.abc import Sequence

from llm_engineering.application.rag.answering import write_answer
from llm_engineering.application.rag.context import build_context
from llm_engineering.application.rag.retrieval import Retriever
from llm_engineering.domain.answer_evaluation import AnswerSample
from llm_engineering.domain.documents import text_hash
from llm_engineering.domain.errors import InvalidQueryError, InvalidQuestionSetError
from llm_engineering.domain.evaluation import Question, QuestionSet
from llm_engineering.domain.ports import LanguageModel, Progress, VectorStore
from llm_engineering.domain.queries import Query
from llm_engineering.domain.retrieval import RetrievalOptions


def draw(questions: QuestionSet, split: str, limit: int) -> list[Question]:
    """At most `limit` questions of a split, spread over the set by the hash of their ids; always the same ones.

    Raises:
        InvalidQuestionSetError: the split has no question.
    """
    found = [question for question in questions.questions if question.split == split]
    if not found:
        splits = ", ".join(sorted({question.split for question in questions.questions}))
        raise InvalidQuestionSetError(f"{questions.name} has no question in the split {split!r}; it has {splits}.")
    return sorted(found, key=lambda question: text_hash(question.id))[:limit]


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
            advance(1)
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
    return samples, failures
