"""A reranker that is trained on the user's own corpus, and serves only when it proves better than none."""
