"""Datasets of a few samples, as the funnel leaves them."""

from llm_engineering.domain.dataset_reports import DatasetReport, FunnelStage, GateCheck, LengthBias, Stratum
from llm_engineering.domain.datasets import (
    DatasetKind,
    DroppedSample,
    Extract,
    Method,
    Sample,
    Scores,
    TrainTestSplit,
)
from llm_engineering.domain.documents import Author, CleanedDocument, DataCategory, document_id
from llm_engineering.domain.generation import GenerationReport, Usage
from tests.fakes import ADA

MODEL = "google/gemma-3-270m"


def sample(
    instruction: str,
    answer: str,
    rejected: str | None = None,
    link: str = "https://example.com/engine",
    title: str = "The engine",
    author: Author = ADA,
    language: str | None = "en",
    scores: Scores | None = None,
    model_id: str = MODEL,
) -> Sample:
    """A sample of an article; its document's id follows from link and author."""
    document = CleanedDocument(
        id=document_id(link, author.id),
        category=DataCategory.ARTICLES,
        platform="example.com",
        link=link,
        author_id=author.id,
        author_full_name=author.full_name,
        title=title,
        text=answer,
        language=language,
    )
    extract = Extract.create(document, "The engine > Patterns", answer)
    made = Sample.create(extract, instruction, answer, Method.BACK_TRANSLATED, model_id, rejected)
    return made.model_copy(update={"scores": scores})


def report(**fields: object) -> DatasetReport:
    """The report of a run that dropped one sample; `fields` says what is not as usual."""
    usual = DatasetReport(
        model_id=MODEL,
        method="back-translated",
        seed="moodswarm",
        test_size=0.1,
        documents={DataCategory.POSTS: 0, DataCategory.ARTICLES: 3, DataCategory.REPOSITORIES: 0},
        extracts=5,
        generation=GenerationReport(
            model_id=MODEL,
            tasks=5,
            reused=1,
            asked=4,
            answered=4,
            usage=Usage(prompt_tokens=1200, completion_tokens=345),
            cost_usd=0.0,
        ),
        funnel=[
            FunnelStage(name="rules", kept=3, dropped={"answer too short": 1}),
            FunnelStage(name="near duplicates", kept=3),
        ],
        strata=[
            Stratum(
                author=ADA.full_name,
                category=DataCategory.ARTICLES,
                train_documents=1,
                test_documents=1,
                train_samples=2,
                test_samples=1,
            )
        ],
        gate=[GateCheck(name="enough samples", passed=True, measured="3", wanted="at least 3")],
    )
    return usual.model_copy(update=fields)


def dataset(kind: DatasetKind = DatasetKind.INSTRUCT) -> TrainTestSplit:
    """Three samples of two documents, one of them for testing, and a dropped one."""

    def other(text: str) -> str | None:
        return text if kind is DatasetKind.PREFERENCE else None

    bias = LengthBias(pairs=3, chosen_longer=0.667, mean_ratio=1.25) if kind is DatasetKind.PREFERENCE else None
    return TrainTestSplit(
        kind=kind,
        train=[
            sample("What does the engine weave?", "It weaves algebraic patterns.", other("It weaves nothing.")),
            sample("How does it know the pattern?", "By cards,\npunched by hand.\u2028", other("It does not know it.")),
        ],
        test=[
            sample(
                "Why “cards” & <b>holes</b>?",
                "Because Jacquard’s loom had them.",
                other("Nobody can tell."),
                link="https://example.com/loom",
                title="The loom",
                language=None,
            )
        ],
        dropped=[
            DroppedSample(
                sample=sample("What is it?", "Short.", other("Shorter.")),
                stage="rules",
                reason="answer too short",
                detail="6 characters",
            )
        ],
        report=report(length_bias=bias),
    )


def published(made: TrainTestSplit) -> TrainTestSplit:
    """What of a dataset of this module is published: no dropped samples, nothing of a single run."""
    told = made.report.model_copy(update={"generation": GenerationReport(model_id=MODEL, tasks=5)})
    return made.model_copy(update={"dropped": [], "report": told})
