"""A llama.cpp server inside this process, with the packaged weights; it has OpenAI's API on a loopback port."""

import secrets
from pathlib import Path
from typing import Any

from llm_engineering.domain.errors import DependencyUnavailableError, MissingExtraError
from llm_engineering.infrastructure.local.weights import gemma_gguf

# Shared out among the slots: 8,192 tokens a request. Text outside the vocabulary takes up to four a character.
CONTEXT_TOKENS = 16384
SLOTS = 2
_QUIET = 0


class LlamaServer:
    """Runs until `close`. `url` and `api_key` are for an OpenAI client."""

    def __init__(self, weights_folder: Path, threads: int) -> None:
        """Load the weights and listen.

        Raises:
            MissingExtraError: xllamacpp or the weights are not installed.
            DependencyUnavailableError: the server does not start.
        """
        try:
            import xllamacpp
        except ImportError as error:
            raise MissingExtraError("xllamacpp", "local", "The embedded language model") from error
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(gemma_gguf(weights_folder))
        parameters.n_ctx = CONTEXT_TOKENS
        parameters.n_parallel = SLOTS
        parameters.cpuparams.n_threads = threads
        parameters.verbosity = _QUIET
        # Another user of this machine can reach the port, but not use it.
        self.api_key = secrets.token_urlsafe(32)
        parameters.api_keys = [self.api_key]
        try:
            self._server: Any = xllamacpp.Server(parameters)
        except RuntimeError as error:
            raise DependencyUnavailableError(f"The embedded llama.cpp server does not start: {error}") from error
        self.url = f"{self._server.listening_address}/v1"

    def close(self) -> None:
        """Stop the server and free the weights."""
        self._server = None
