"""Samples for the tests of datasets."""

from llm_engineering.domain.datasets import Candidate, Extract, Method, Sample
from llm_engineering.domain.documents import Author
from tests.fakes import ADA, cleaned

INSTRUCTION = "How does Redis survive a restart?"
ANSWER = (
    "Redis keeps its data in memory. To survive a restart it writes snapshots, called RDB files, at intervals, and an "
    "append-only log of every write."
)
REJECTED = (
    "Databases often store information on disks. Backups are made by administrators every night, and replicas on other "
    "machines take over when hardware breaks."
)


def candidate(
    instruction: str = INSTRUCTION,
    answer: str = ANSWER,
    name: str = "a",
    rejected: str | None = None,
    method: Method = Method.GENERATED,
    extract: str | None = None,
    language: str | None = "en",
    author: Author = ADA,
) -> Candidate:
    """A sample of the document with this name; its extract is by default the answer."""
    source = Extract.create(
        cleaned(extract or answer, name, language=language, author=author), "", answer if extract is None else extract
    )
    sample = Sample.create(source, instruction, answer, method, "scripted", rejected)
    return Candidate(sample=sample, extract=source)
