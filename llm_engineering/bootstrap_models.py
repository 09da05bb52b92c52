"""Which model stands behind which port. Part of the composition root."""

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from llm_engineering.application.preprocessing.making import FeatureMakers
from llm_engineering.domain.answer_evaluation import AnswerJudge
from llm_engineering.domain.features import ChunkSizes
from llm_engineering.domain.ports import Embedder, LanguageModel, Reranker, SparseEncoder
from llm_engineering.settings import Settings

if TYPE_CHECKING:
    from llm_engineering.infrastructure.models.openai_compatible import Endpoint


def build_embedder(settings: Settings) -> Embedder:
    """The model of TEXT_EMBEDDING_MODEL_ID, from its package where there is one, else from the Hub."""
    from llm_engineering.infrastructure.local.weights import packaged_embedder_path
    from llm_engineering.infrastructure.models.embedding import SentenceTransformerEmbedder
    from llm_engineering.infrastructure.models.openvino_embedding import Int8Embedder, is_usable

    token = settings.HUGGINGFACE_ACCESS_TOKEN
    full = SentenceTransformerEmbedder(
        settings.TEXT_EMBEDDING_MODEL_ID,
        settings.RAG_MODEL_DEVICE,
        packaged_embedder_path,
        token.get_secret_value() if token else None,
    )
    wanted = settings.EMBEDDING_PRECISION
    if wanted == "int8" or (wanted == "auto" and is_usable(settings.RAG_MODEL_DEVICE, full.model_id)):
        return Int8Embedder(full, settings.models_dir)
    return full


def build_feature_makers(settings: Settings, embedder: Embedder, sizes: ChunkSizes) -> FeatureMakers:
    """Both encoders, the sizes of chunks, and what tells languages."""
    from llm_engineering.infrastructure.languages import detect

    return FeatureMakers(embedder, build_sparse_encoder(settings), sizes, detect)


def build_sparse_encoder(settings: Settings) -> SparseEncoder:
    """BM25 in SPARSE_LANGUAGE."""
    from llm_engineering.infrastructure.models.sparse import Bm25Encoder

    return Bm25Encoder(settings.SPARSE_LANGUAGE)


def reranker_folder(settings: Settings) -> Path:
    """Where the reranker stands that was trained on this machine's corpus."""
    return settings.local_state_dir / "reranker"


def build_trained_reranker(settings: Settings) -> Reranker:
    """The reranker that `--run-train-reranker` has promoted. Loaded at its first use."""
    from llm_engineering.infrastructure.models.reranking import CrossEncoderReranker
    from llm_engineering.model.reranking.weights import load_reranker

    return CrossEncoderReranker.trained(reranker_folder(settings), settings.RAG_MODEL_DEVICE, load_reranker)


def build_cross_encoder(settings: Settings) -> Reranker:
    """The handbook's reranker, from the Hugging Face Hub. Loaded at its first use."""
    from llm_engineering.infrastructure.models.reranking import CrossEncoderReranker

    token = settings.HUGGINGFACE_ACCESS_TOKEN
    return CrossEncoderReranker.from_hub(
        settings.RERANKING_CROSS_ENCODER_MODEL_ID,
        settings.RAG_MODEL_DEVICE,
        token.get_secret_value() if token else None,
    )


def remote_endpoint(settings: Settings) -> "Endpoint | None":
    """The server that OPENAI_* names; None where they name none."""
    from llm_engineering.infrastructure.models.openai_compatible import OPENAI_URL, Endpoint

    if not settings.uses_remote_language_model:
        return None
    key = settings.OPENAI_API_KEY.get_secret_value() if settings.OPENAI_API_KEY else None
    return Endpoint(settings.OPENAI_BASE_URL or OPENAI_URL, key)


def build_answer_judge(settings: Settings, embedder: Embedder, offline: bool) -> AnswerJudge:
    """Ragas, with the remote language model as its judge where there is one and it may be asked."""
    from llm_engineering.infrastructure.evaluation.ragas_judge import RagasJudge

    return RagasJudge(embedder, None if offline else remote_endpoint(settings), settings.OPENAI_MODEL_ID)


def build_language_model(settings: Settings, closing: ExitStack) -> LanguageModel:
    """The server that OPENAI_* names, else llama.cpp in this process."""
    from llm_engineering.infrastructure.local.weights import GEMMA_MODEL_ID
    from llm_engineering.infrastructure.models.openai_compatible import Endpoint, OpenAICompatibleModel

    endpoint = remote_endpoint(settings)
    if endpoint:
        remote = OpenAICompatibleModel(settings.OPENAI_MODEL_ID, True, lambda: endpoint)
        closing.callback(remote.close)
        return remote

    def start_embedded() -> Endpoint:
        from llm_engineering.infrastructure.local.llama import LlamaServer

        server = LlamaServer(settings.models_dir, threads=os.cpu_count() or 2)
        closing.callback(server.close)
        return Endpoint(server.url, server.api_key)

    embedded = OpenAICompatibleModel(GEMMA_MODEL_ID, False, start_embedded)
    closing.callback(embedded.close)
    return embedded
