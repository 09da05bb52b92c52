"""What embedding models want to read before a question and before a passage."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from llm_engineering.domain.errors import DependencyUnavailableError


@dataclass(frozen=True)
class Prefixes:
    """Texts that are put before what is embedded; empty where the model wants none."""

    query: str = ""
    passage: str = ""


_ENGLISH_INSTRUCTION = "Represent this sentence for searching relevant passages: "
_INSTRUCT = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: "

# By a pattern of the model's id, the first that matches. From the models' cards on the Hugging Face Hub.
PREFIXES: tuple[tuple[str, Prefixes], ...] = (
    (r"\be5-.*-instruct$", Prefixes(query=_INSTRUCT)),
    (r"\be5-(small|base|large)", Prefixes(query="query: ", passage="passage: ")),
    (r"\bbge-(small|base|large)-en", Prefixes(query=_ENGLISH_INSTRUCTION)),
    (r"\bbge-(small|base|large)-zh", Prefixes(query="为这个句子生成表示以用于检索相关文章：")),
    (r"\bmxbai-embed-", Prefixes(query=_ENGLISH_INSTRUCTION)),
    (r"\bsnowflake-arctic-embed-.*v2", Prefixes(query="query: ")),
    (r"\bsnowflake-arctic-embed-", Prefixes(query=_ENGLISH_INSTRUCTION)),
    (r"\bnomic-embed-text-", Prefixes(query="search_query: ", passage="search_document: ")),
)
_PASSAGE_NAMES = ("document", "passage", "corpus")


def prefixes_of(model_id: str, folder: Path) -> Prefixes:
    """The model's own, where its configuration for sentence-transformers names any; else those of its family.

    Raises:
        DependencyUnavailableError: the configuration is not JSON.
    """
    prompts = _own_prompts(folder)
    # Since version 5 sentence-transformers writes empty prompts for a model that was given none.
    if any(prompts.values()):
        passage = next((prompts[name] for name in _PASSAGE_NAMES if prompts.get(name)), "")
        return Prefixes(prompts.get("query") or "", passage)
    return next((found for pattern, found in PREFIXES if re.search(pattern, model_id, re.IGNORECASE)), Prefixes())


def _own_prompts(folder: Path) -> dict[str, str]:
    file = folder / "config_sentence_transformers.json"
    if not file.is_file():
        return {}
    try:
        prompts: dict[str, str] = json.loads(file.read_text(encoding="utf-8")).get("prompts") or {}
    except (ValueError, AttributeError) as error:
        raise DependencyUnavailableError(f"{file} is not a JSON object. Fetch the model's files again.") from error
    return {name: prompts.get(name, "") for name in ("query", *_PASSAGE_NAMES)}
