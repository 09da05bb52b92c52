"""Write the answer to a question from the retrieved chunks."""

import re
import time
from collections.abc import Sequence
from uuid import UUID

from llm_engineering.application.rag.grounding import is_grounded
from llm_engineering.application.rag.retrieval import retrieve
from llm_engineering.domain import prompts
from llm_engineering.domain.ports import Embedder, LanguageModel, VectorStore
from llm_engineering.domain.queries import Answer, Query, RetrievedChunk, Source

ANSWER_TOKENS = 512
SHORT_ANSWER_TOKENS = 64
QUOTE_CHARACTERS = 600
# What a small model reads of a passage and of a question. A chunk that fits the embedding model's window is shorter,
# but for code or data with "words" of hundreds of characters.
PASSAGE_CHARACTERS = 1_200
QUESTION_CHARACTERS = 500

_SENTENCE_END = re.compile(r"[.!?][\"')\]]*(?=\s)")


def answer_query(
    query: Query,
    embedder: Embedder,
    vectors: VectorStore,
    model: LanguageModel,
    author_id: UUID | None = None,
) -> Answer:
    """Retrieve, then write; `timings` has the seconds of each."""
    started = time.perf_counter()
    chunks = retrieve(query, embedder, vectors, author_id)
    retrieved = time.perf_counter()
    answer = write_answer(query.text, chunks, model)
    timings = {"retrieval": round(retrieved - started, 4), "generation": round(time.perf_counter() - retrieved, 4)}
    return answer.model_copy(update={"timings": timings})


def write_answer(question: str, chunks: Sequence[RetrievedChunk], model: LanguageModel) -> Answer:
    """The model's answer from the chunks; a base model's only where the best chunk supports it, else a quotation."""
    sources = [Source.of(chunk) for chunk in chunks]
    if not chunks:
        return Answer(
            answer=prompts.NOTHING_STORED, sources=sources, method="none", model_id=model.model_id, timings={}
        )
    if model.follows_instructions:
        text = model.generate(prompts.render_answer(question, chunks), ANSWER_TOKENS)
        return Answer(answer=text, sources=sources, method="generated", model_id=model.model_id, timings={})
    best = shorten(chunks[0].text.strip(), PASSAGE_CHARACTERS)
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
