"""What an evaluation is put together from. Part of the composition root."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path

from llm_engineering.application.evaluation.baselines import WINDOW_CUT
from llm_engineering.application.evaluation.configurations import Chunking, Configuration, Grid, expand, sizes_of
from llm_engineering.application.evaluation.indexing import Cut, fill_index, window_cut
from llm_engineering.application.evaluation.matching import document_ranks
from llm_engineering.application.evaluation.question_sets import read_question_set, settle
from llm_engineering.application.evaluation.runner import Index, evaluate
from llm_engineering.application.preprocessing.cleaning import clean
from llm_engineering.application.preprocessing.making import FeatureMakers, prepare_document
from llm_engineering.application.preprocessing.site_noise import noise_of
from llm_engineering.application.warehouse import COLLECTIONS, Dump, from_record
from llm_engineering.bootstrap import Services
from llm_engineering.domain.documents import CleanedDocument, DataCategory, RawDocument
from llm_engineering.domain.evaluation import EvaluationReport, Question, QuestionSet
from llm_engineering.domain.queries import RetrievedChunk
from llm_engineering.settings import PROJECT_ROOT

# BEIR judges ten documents; one more, for the query itself where it is one of the corpus.
BEIR_LIMIT = 11


class Evaluation:
    """Runs question sets on what is stored."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def question_set(self, path: str | Path) -> QuestionSet:
        """Read a set (a relative path is below the project) and find its documents among those stored.

        Raises:
            InvalidQuestionSetError: it is malformed, or asks for a document or passage that is not stored.
        """
        file = PROJECT_ROOT / path
        return settle(read_question_set(file), self._documents(), file)

    def configurations(self, grid: Grid | None, fixed: Mapping[str, object] | None = None) -> list[Configuration]:
        """The grid around the default options; `fixed` has options that differ in all of them."""
        return expand(grid, self._services.retrieval_options.model_copy(update=dict(fixed or {})))

    def run(
        self, questions: QuestionSet, split: str | None, configurations: Sequence[Configuration]
    ) -> EvaluationReport:
        """Score the configurations."""
        services = self._services
        model_id = services.embedder.model_id
        return evaluate(questions, split, configurations, self.open_index, model_id, services.progress)

    @contextmanager
    def open_index(self, chunking: Chunking) -> Iterator[Index]:
        """The index that serves; for other chunk sizes one that is built for the run and deleted after it."""
        services = self._services
        if not chunking:
            yield Index(services.retriever.retrieve, services.vectors.count_chunks())
            return
        documents = services.documents
        total = sum(documents.count(category) for category in DataCategory)
        makers, cut = self._cut(chunking)
        with self._temporary_index(self._documents(), total, cut, makers) as index:
            yield index

    def run_beir(self, folder: Path, split: str, grid: Grid | None) -> EvaluationReport:
        """Index a BEIR folder for the run, and score it by documents, as BEIR does.

        Raises:
            InvalidQuestionSetError: a file of the folder is missing or malformed.
        """
        from llm_engineering.infrastructure.evaluation.beir import BeirFolder

        beir, services = BeirFolder(folder, split), self._services

        def judge(question: Question, chunks: Sequence[RetrievedChunk]) -> list[int | None]:
            return document_ranks(question.expected, chunks, skip=beir.own_link(question.id))

        @contextmanager
        def open_index(chunking: Chunking) -> Iterator[Index]:
            makers, cut = self._cut(chunking)
            with self._temporary_index(beir.documents(), beir.count(), cut, makers) as index:
                yield index

        # Ten documents are judged, so a chunk of each is asked for; a name in a question is no author here.
        fixed = {"chunks_per_document": 1, "self_query": "off"}
        configurations = [
            replace(configuration, limit=BEIR_LIMIT) for configuration in self.configurations(grid, fixed)
        ]
        model_id = services.embedder.model_id
        return evaluate(beir.question_set(), None, configurations, open_index, model_id, services.progress, judge)

    def passages(self) -> Iterator[CleanedDocument]:
        """What questions are generated from: the stored texts as they are searched; code is left out."""
        noise = self._services.documents.site_noise()
        for category in (DataCategory.ARTICLES, DataCategory.POSTS):
            for raw in self._services.documents.stream(category):
                yield clean(raw, noise_of(raw, noise))

    def dumped_passages(self, dump: Dump) -> Iterator[CleanedDocument]:
        """The same of a dump that is not stored. Raises InvalidDumpError when a record cannot be read."""
        for category in (DataCategory.ARTICLES, DataCategory.POSTS):
            if dump.has(COLLECTIONS[category]):
                for record in dump.read(COLLECTIONS[category]):
                    yield from map(clean, from_record(category, record))

    @contextmanager
    def _temporary_index(
        self, documents: Iterable[RawDocument], total: int, cut: Cut, makers: FeatureMakers
    ) -> Iterator[Index]:
        from llm_engineering.infrastructure.local.qdrant_engine import temporary_store

        with temporary_store() as vectors:
            chunks = fill_index(documents, total, cut, vectors, makers, self._services.progress)
            yield Index(self._services.retriever_on(vectors).retrieve, chunks)

    def _cut(self, chunking: Chunking) -> tuple[FeatureMakers, Cut]:
        makers = self._services.feature_makers
        if chunking.get("cut") == WINDOW_CUT:
            return makers, window_cut(makers)
        changed = replace(makers, sizes=sizes_of(chunking, makers.sizes))
        noise = self._services.documents.site_noise()
        return changed, lambda raw: prepare_document(raw, changed, noise_of(raw, noise))

    def _documents(self) -> Iterator[RawDocument]:
        documents = self._services.documents
        return chain.from_iterable(documents.stream(category) for category in DataCategory)
