"""The forms in which servers with OpenAI's API want to be asked: not all know JSON schemas, or a limit of tokens."""

import json
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from llm_engineering.domain.generation import REASONING_TOKENS, Sampling, reasoning_tokens
from llm_engineering.domain.prompts import ChatPrompt, CompletionPrompt

if TYPE_CHECKING:
    from openai import APIStatusError

# By these codes, or types, a server refuses what a prompt says, or its length; another form would not help.
_PROMPT_CODES = frozenset(
    {
        "content_filter",
        "content_policy_violation",
        "context_length_exceeded",
        "exceed_context_size_error",  # llama.cpp's
        "invalid_prompt",
        "string_above_max_length",
    }
)


@dataclass(frozen=True)
class Dialect:
    """One form. `after` gives the next to try when a server has refused it."""

    reasons: bool = False
    takes_schemas: bool = True

    def chat(
        self, model_id: str, prompt: ChatPrompt, sampling: Sampling, answer: type[BaseModel] | None
    ) -> dict[str, Any]:
        """The parameters of a chat; where `answer` is given, held to its JSON schema, or told it in the prompt."""
        system, form = prompt.system, dict[str, Any]()
        if answer is not None:
            schema = _strict_schema(answer)
            if self.takes_schemas:
                strict = {"name": answer.__name__, "schema": schema, "strict": True}
                form = {"response_format": {"type": "json_schema", "json_schema": strict}}
            else:
                system = f"{system}\nAnswer with one JSON object of this schema: {json.dumps(schema)}"
                form = {"response_format": {"type": "json_object"}}
        messages = [{"role": "system", "content": system}, {"role": "user", "content": prompt.user}]
        # As an extra the client sends them as they are, in place of the parameter that it must have: a parameter it
        # would walk through key by key, for a millisecond and more each time.
        extra = {**form, "messages": messages}
        return {"model": model_id, "messages": [], "extra_body": extra, **self._limits(model_id, sampling)}

    def after(self, error: "APIStatusError", answer: type[BaseModel] | None) -> "Dialect | None":
        """The form to try after this refusal; None where another one would not help."""
        if error.status_code not in (400, 422) or is_of_prompt(error):
            return None
        if not self.reasons and error.status_code == 400 and error.param in ("max_tokens", "temperature"):
            return replace(self, reasons=True)
        if answer is not None and self.takes_schemas:
            return replace(self, takes_schemas=False)
        return None

    def _limits(self, model_id: str, sampling: Sampling) -> dict[str, Any]:
        if self.reasons:
            return {"max_completion_tokens": sampling.max_tokens + REASONING_TOKENS}
        return {"max_tokens": sampling.max_tokens + reasoning_tokens(model_id), **_draw(sampling)}


def is_of_prompt(error: "APIStatusError") -> bool:
    """Whether a refusal is of this prompt for what it is: it would be refused again."""
    names: tuple[object, ...] = (error.code, error.type)
    return any(isinstance(name, str) and name in _PROMPT_CODES for name in names)


def completion(model_id: str, prompt: CompletionPrompt, sampling: Sampling) -> dict[str, Any]:
    """The parameters of a text to continue."""
    limits = {"max_tokens": sampling.max_tokens, **_draw(sampling)}
    return {"model": model_id, "prompt": prompt.text, "stop": list(prompt.stop) or None, **limits}


def first_choice(response: Any) -> Any | None:
    """The answer in a response; None where it has none.

    Raises:
        ValueError: the response is not in the API's form at all, like a gateway's page.
    """
    choices = getattr(response, "choices", None)
    if not isinstance(choices, list):
        raise ValueError("no choices")  # noqa: TRY004 - as for what is not JSON
    return choices[0] if choices else None


def _draw(sampling: Sampling) -> dict[str, Any]:
    """Greedily without a seed: not all servers know seeds."""
    drawn = {"temperature": sampling.temperature}
    return drawn | {"seed": sampling.seed} if sampling.temperature else drawn


@cache
def _strict_schema(answer: type[BaseModel]) -> Any:
    """The schema as OpenAI's strict mode takes it: every object closed, every key required."""
    import openai

    return openai.pydantic_function_tool(answer)["function"]["parameters"]
