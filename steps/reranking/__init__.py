"""From stored chunks to a reranker."""

from steps.reranking.train_reranker import train_reranker

__all__ = ["train_reranker"]
