"""Write the answer to a question from the retrieved passages."""

import re
import time
from collections.abc import Sequence

from llm_engineering.application.rag.context import build_context
from llm_engineering.application.rag.grounding import is_grounded
from llm_engineering.application.rag.retrieval import Retriever
from llm_engineering.domain import prompts
from llm_engineering.domain.answers import Answer, Source
from llm_engineering.domain.ports import LanguageModel, VectorStore
from llm_engineering.domain.queries import Query
from llm_engineering.domain.retrieval import Passage, RetrievalOptions

ANSWER_TOKENS = 512
SHORT_ANSWER_TOKENS = 64
QUOTE_CHARACTERS = 600
# What a small model reads of a passage and of a question. A chunk that fits the embedding model's window is shorter,
# but for code or data with "words" of hundreds of characters.
PASSAGE_CHARACTERS = 1_200
QUESTION_CHARACTERS = 500

_SENTENCE_END = re.compile(r"[.!?][\"')\]]*(?=\s)")
# A citation, or code, where numbers in brackets are indexes.
_CITATION = re.compile(
    r"(?P<code>```.*?(?:```|\Z)|`[^`\n]*`)|(?P<blank>[ \t]*)\[(?P<numbers>\d+(?:\s*[,;]\s*\d+)*)\]", re.S
)


def answer_query(
    query: Query, retriever: Retriever, options: RetrievalOptions, vectors: VectorStore, model: LanguageModel
) -> Answer:
    """Retrieve, gather the context, write; `timings` has the seconds of each, `retrieval` how the sources were found.

    Raises:
        UnknownAuthorError: `query.author_full_name` is nobody's of whom something is stored.
        ModelMismatchError: the index was made by another embedding model.
        DependencyUnavailableError: a store or the language model does not answer.
    """
    started = time.perf_counter()
    found = retriever.retrieve(query, options)
    retrieved = time.perf_counter()
    passages = build_context(found.chunks, vectors, options)
    built = time.perf_counter()
    answer = write_answer(query.text, passages, model)
    timings = {
        "retrieval": round(retrieved - started, 4),
        "context": round(built - retrieved, 4),
        "generation": round(time.perf_counter() - built, 4),
    }
    return answer.model_copy(update={"timings": timings, "retrieval": found.notes})


def write_answer(question: str, passages: Sequence[Passage], model: LanguageModel) -> Answer:
    """The model's answer from the passages; a base model's only where the best chunk supports it, else a quotation."""
    sources = [Source.of(passage.chunk) for passage in passages]
    if not passages:
        return Answer(
            answer=prompts.NOTHING_STORED, sources=sources, method="none", model_id=model.model_id, timings={}
        )
    if model.follows_instructions:
        text = model.generate(prompts.render_answer(question, passages), ANSWER_TOKENS)
        text = without_unknown_citations(text, len(passages))
        return Answer(answer=text, sources=sources, method="generated", model_id=model.model_id, timings={})
    best = shorten(passages[0].chunk.text.strip(), PASSAGE_CHARACTERS)
    text = _whole_sentences(
        model.generate(prompts.render_few_shot_answer(question[:QUESTION_CHARACTERS], best), SHORT_ANSWER_TOKENS)
    )
    if is_grounded(text, question, best):
        return Answer(answer=f"{text} [1]", sources=sources, method="generated", model_id=model.model_id, timings={})
    passage = shorten(best, QUOTE_CHARACTERS).replace("\n", "\n> ")
    return Answer(
        answer=prompts.QUOTED.format(passage=passage),
        sources=sources,
        method="quoted",
        model_id=model.model_id,
        timings={},
    )


def without_unknown_citations(text: str, sources: int) -> str:
    """The text without citations of sources that there are not; code stays as it is."""

    def known(match: re.Match[str]) -> str:
        if match["code"] is not None:
            return match.group()
        numbers = [number for number in re.findall(r"\d+", match["numbers"]) if 1 <= int(number) <= sources]
        return f"{match['blank']}[{', '.join(numbers)}]" if numbers else ""

    return _CITATION.sub(known, text)


def _whole_sentences(text: str) -> str:
    """The text without a last sentence that the token limit cut off, unless that is all there is."""
    ends = [match.end() for match in _SENTENCE_END.finditer(f"{text} ")]
    return text[: ends[-1]] if ends else text


def shorten(text: str, characters: int) -> str:
    """The text's beginning, to the last sentence that ends within the limit, else to the last word."""
    if len(text) <= characters:
        return text
    head = text[:characters]
    ends = [match.end() for match in _SENTENCE_END.finditer(head)]
    return head[: ends[-1]] if ends else head.rsplit(maxsplit=1)[0] + " …"
