"""Sets of questions with what should be found, and what a retriever scored on them."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from llm_engineering.domain.reports import Metadata
from llm_engineering.domain.retrieval import RetrievalOptions

CUTOFFS = (1, 3, 5, 10)


class Expected(BaseModel):
    """What should be found for a question: a document, and the passage of it that holds the answer.

    A passage counts as found when the chunks of that document down to a rank have most of the passage's words in their
    order, so that a question set does not depend on how documents are cut. Without a passage any chunk of the document
    counts.
    """

    model_config = ConfigDict(frozen=True)

    link: str = Field(description="Link of the document; of a local file its path from the corpus' root will do.")
    passage: str | None = Field(default=None, description="Words of the document, as they stand in it.")
    grade: int = Field(default=1, ge=1, description="How relevant, as in BEIR's qrels.")


class Question(BaseModel):
    """A question of an evaluation set."""

    model_config = ConfigDict(frozen=True)

    id: str
    text: str
    expected: tuple[Expected, ...] = Field(min_length=1)
    split: str = Field(default="test", description="'development' for tuning, 'test' for reporting.")


class QuestionSet(BaseModel):
    """Questions about one corpus."""

    model_config = ConfigDict(frozen=True)

    name: str
    questions: tuple[Question, ...]
    made_by: str = Field(default="by hand", description="A person, a model, or a public benchmark.")
    warnings: tuple[str, ...] = Field(default=(), description="What in it cannot be scored as it stands.")


class Latency(BaseModel):
    """Of one stage over all questions, in seconds."""

    p50: float
    p95: float


class Scores(BaseModel):
    """Means over the questions; the definitions are those of TREC and BEIR (Thakur et al., 2021)."""

    recall: dict[int, float] = Field(description="By cutoff: share of what is expected among the first k.")
    mrr: float = Field(description="Mean of 1 / rank of the first hit among the first 10; 0 where there is none.")
    ndcg: float = Field(description="nDCG among the first 10.")
    questions: int


class QuestionScores(BaseModel):
    """What one question scored."""

    rank: int | None = Field(description="Of the first hit among the first 10.")
    recall: dict[int, float]
    ndcg: float
    first: str = Field(default="", description="What came first, in words.")

    @property
    def reciprocal_rank(self) -> float:
        """1 / rank; 0 without a hit."""
        return 1 / self.rank if self.rank else 0.0


class Interval(BaseModel):
    """An estimate, and between which values 95 % of the bootstrap's resamples lie."""

    value: float
    low: float
    high: float

    @property
    def is_noise(self) -> bool:
        """Of a difference: whether it may as well be none."""
        return self.low <= 0 <= self.high


class ConfigurationResult(BaseModel):
    """One configuration's scores and times."""

    name: str
    options: RetrievalOptions
    limit: int = Field(default=10, description="How many chunks were asked for.")
    chunking: dict[str, Any] = Field(default_factory=dict, description="What differs from the default chunk sizes.")
    chunks: int = Field(default=0, description="How many chunks the index has.")
    scores: Scores
    intervals: dict[str, Interval] = Field(default_factory=dict, description="Of recall@1, recall@5 and mrr.")
    behind_best: Interval | None = Field(default=None, description="MRR less the best configuration's, paired.")
    latency: dict[str, Latency] = Field(default_factory=dict, description="By stage; 'total' is the whole.")
    by_question: dict[str, QuestionScores] = Field(default_factory=dict)
    warnings: list[str] = Field(default_factory=list, description="What stages said that failed, each once.")

    @property
    def ranks(self) -> dict[str, int | None]:
        """Rank of the first hit by question."""
        return {id_: scores.rank for id_, scores in self.by_question.items()}


class EvaluationReport(BaseModel):
    """What a run of the evaluation measured."""

    run_id: str
    question_set: str
    split: str
    chunks: int
    embedding_model: str
    results: Sequence[ConfigurationResult]
    seconds: float
    questions: dict[str, str] = Field(default_factory=dict, description="The questions' words by id.")
    set_warnings: tuple[str, ...] = Field(default=(), description="Those of the question set.")

    @property
    def warnings(self) -> list[str]:
        """Those of the question set, then what stages said, each once."""
        return [*self.set_warnings, *sorted({warning for result in self.results for warning in result.warnings})]

    @property
    def best(self) -> ConfigurationResult:
        """See `best_of`."""
        return best_of(self.results)

    @property
    def ranked(self) -> list[ConfigurationResult]:
        """Best first."""
        return sorted(self.results, key=_order)

    def metadata(self) -> Metadata:
        """The report as ZenML metadata."""
        return {
            "run": self.run_id,
            "question_set": self.question_set,
            "split": self.split,
            "questions": len(self.questions),
            "embedding_model": self.embedding_model,
            "best": self.best.name,
            "seconds": round(self.seconds, 2),
            "mrr": {result.name: round(result.scores.mrr, 4) for result in self.results},
            **{
                f"recall@{k}": {result.name: round(result.scores.recall[k], 4) for result in self.results}
                for k in CUTOFFS
            },
        }


def best_of(results: Sequence[ConfigurationResult]) -> ConfigurationResult:
    """The highest MRR; of equal ones the higher Recall@5, then the faster."""
    return min(results, key=_order)


def _order(result: ConfigurationResult) -> tuple[float, float, float]:
    """Differences below a thousandth are ties: no question set is large enough to see them."""
    total = result.latency.get("total")
    return -round(result.scores.mrr, 3), -round(result.scores.recall[5], 3), total.p50 if total else 0.0
