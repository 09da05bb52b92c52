"""Extracts of documents to make samples from: whole paragraphs of prose, as they stand, drawn by hash.

The same documents give the same extracts, whatever the order they come in; a document more moves few of the others.
"""

import heapq
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import ceil

from llm_engineering.application.dataset.paragraphs import Block, Kind, blocks_of, sentence_breaks, unwrapped
from llm_engineering.application.dataset.splitting import split_of
from llm_engineering.application.preprocessing.sections import shared_path
from llm_engineering.domain.dataset_options import GenerationOptions, SplitOptions
from llm_engineering.domain.datasets import Extract, Split
from llm_engineering.domain.documents import CleanedDocument, DataCategory
from llm_engineering.domain.errors import TooLittleDataError

# An author's paragraphs that are an answer as they stand: neighbours are joined until there is enough.
MIN_ANSWER_CHARACTERS, ENOUGH_CHARACTERS, MAX_ANSWER_CHARACTERS = 200, 350, 1200
# A document that is short as a whole says something, where so short a rest of a longer one does not.
SHARE_OF_SHORT_DOCUMENTS = 0.3

_WHOLE_SENTENCES = re.compile(r"[\"“‘'(*_]*[^\W_a-z].*[.!…][\"'”’)*_]*", re.DOTALL)
# A first word that points back, or a first sentence that does: without what stands before it, nobody knows at what.
_POINTS_BACK = re.compile(
    r"[\"“*_]*(?:(?:it|its|they|their|he|she|his|her|but|however|so|thus|hence|therefore|also|additionally|moreover|"
    r"furthermore|instead|similarly|likewise|finally|then|next|now|besides|otherwise|consequently|nevertheless|"
    r"nonetheless|that|along with|by doing so|similar|interestingly|another|both|and|or|"
    r"first|second|third|firstly|secondly|thirdly|lastly|here|there|yet|still|"
    r"unfortunately|fortunately|luckily|today|yes|no|ok|indeed|we|note|doing so|even|personally|to (?:do|conclude)|"
    r"as (?:a result|such|we|with|you)|for (?:example|instance)|you can see|in (?:conclusion|our|other words|addition)|"
    r"in contrast|on the other hand|on top of that|the (?:former|latter|other|same|first one|second|third|last|"
    r"next|main|final|method|technique|approach|idea|goal))\b"
    r"|[^.!?…]*\b(?:this|that's|that (?:question|problem|reason|case|way)|these|those|such|also|our|previous)\b)",
    re.IGNORECASE,
)
# What only makes sense in its place: links, pictures, code and parts elsewhere, and what asks the reader to subscribe.
_BELONGS_TO_ITS_PLACE = re.compile(
    r"\]\(|https?://|!\[|\b(?:image|photo|screenshot)s?\s(?:by|from)\b"
    r"|\b(?:this|our|my|previous|next|last|following|current|today['’]s)\s(?:\w+\s)?(?:article|post|lesson|series|"
    r"course|newsletter|tutorial|chapter|section|notebook|repository|figure|image|diagram|table|snippet|code|script|"
    r"book|function|class|example|line|plot|graph)s?\b"
    r"|\bthe\s(?:\w+\s)?(?:article|lesson|series|course|newsletter|tutorial|chapter|figure|diagram|snippet|plot)s?\b"
    r"|\b(?:above|below|subscribe\w*|newsletter|github|colab|notebook|feedback|click|proofread\w*|thanks|thank you)\b"
    r"|\b(?:check\sout|see\syou|stay\stuned|sign\sup|read\smore|follow\sme|let\sme\sknow|can\ssee|as\sfollows|"
    r"now\sthat\swe|you\scan\sfind|you(?:['’]ll|\swill)\slearn|i['’]d\slike)\b"
    r"|\b(?:lesson|part|step|chapter|figure)\s#?\d|\blet['’]s\b|\b(?:we|i)(?:['’]ll|\swill)\b|↓|👇|:$",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True)
class _Entry:
    """An extract in a heap whose first element is the largest key."""

    extract: Extract

    def __lt__(self, other: "_Entry") -> bool:
        return self.extract.key > other.extract.key


@dataclass(frozen=True)
class Drawn:
    """What was drawn, the smallest keys first; and how many documents were read, by category, none included."""

    extracts: list[Extract]
    documents: dict[DataCategory, int]


def draw_extracts(
    documents: Iterable[CleanedDocument], options: GenerationOptions, split: SplitOptions, whole_paragraphs: bool
) -> Drawn:
    """Draw `max_extracts` extracts; documents are streamed, and no more than twice as many extracts are kept.

    Args:
        documents: of all categories that are asked for.
        options: how many extracts, and how long they are.
        split: documents in test give their share of the extracts, so that a small draw does not miss them.
        whole_paragraphs: the extracts are to be answers as they stand, a paragraph or a few of a section; else they are
            of `min_extract_characters` to `max_extract_characters`, for a model to write about.
    """
    counts = dict.fromkeys(options.categories, 0)
    found = (
        extract
        for document in _counted(documents, counts)
        for extract in _extracts(document, options, whole_paragraphs)
    )
    if options.max_extracts is None:
        return Drawn(sorted(found, key=lambda extract: extract.key), counts)
    return Drawn(_shared_out(found, options.max_extracts, split), counts)


def require_extracts(drawn: Drawn) -> None:
    """Raises TooLittleDataError where nothing was drawn; the message says why, and what to do."""
    counts = ", ".join(f"{count} {category}" for category, count in drawn.documents.items())
    if not any(drawn.documents.values()):
        raise TooLittleDataError(
            f"There are no cleaned documents to make a dataset of ({counts}). Crawl some links (--run-etl), then make "
            "their features (--run-feature-engineering); or ask for other authors or categories."
        )
    if not drawn.extracts:
        raise TooLittleDataError(
            f"The cleaned documents ({counts}) have no paragraphs of prose that are long enough to make a sample of. "
            "Lower generation.min_extract_characters, or crawl longer texts."
        )


def _shared_out(found: Iterable[Extract], most: int, split: SplitOptions) -> list[Extract]:
    """The smallest keys of each split; what one has too few of, the other gives."""
    smallest: dict[Split, list[_Entry]] = {half: [] for half in Split}
    for extract in found:
        heap, entry = smallest[split_of(extract.source, split)], _Entry(extract)
        if len(heap) < most:
            heapq.heappush(heap, entry)
        else:
            heapq.heappushpop(heap, entry)
    train, test = (sorted(entry.extract.key for entry in smallest[half]) for half in Split)
    tested = min(len(test), max(1, round(most * split.test_size), most - len(train)))
    chosen = {*train[: most - tested], *test[:tested]}
    kept = (entry.extract for heap in smallest.values() for entry in heap if entry.extract.key in chosen)
    return sorted(kept, key=lambda extract: extract.key)


def _counted(documents: Iterable[CleanedDocument], counts: dict[DataCategory, int]) -> Iterator[CleanedDocument]:
    for document in documents:
        counts[document.category] = counts.get(document.category, 0) + 1
        yield document


def _extracts(document: CleanedDocument, options: GenerationOptions, whole_paragraphs: bool) -> Iterable[Extract]:
    """The document's extracts, each once."""
    spans = _answers(document) if whole_paragraphs else _packed(document, options)
    made = (Extract.create(document, " > ".join(span.path), _text(document, span)) for span in spans)
    return {extract.key: extract for extract in made}.values()


def _text(document: CleanedDocument, span: Block) -> str:
    """As it stands, but for line ends that only wrap it; those of a post are its author's own."""
    text = document.text[span.start : span.end].strip()
    return text if document.category is DataCategory.POSTS else unwrapped(text)


def _answers(document: CleanedDocument) -> Iterator[Block]:
    """Paragraphs that can be understood by themselves, short ones with their neighbours in the section."""
    answer: Block | None = None
    for block in blocks_of(document):
        text = document.text[block.start : block.end]
        is_good, points_back = _is_answer(block, text), _POINTS_BACK.match(" ".join(text.split())) is not None
        if answer and is_good and _belong_together(answer, block, points_back):
            answer = replace(answer, end=block.end)
            continue
        if answer and answer.size >= MIN_ANSWER_CHARACTERS:
            yield answer
        answer = block if is_good and not points_back else None
    if answer and answer.size >= MIN_ANSWER_CHARACTERS:
        yield answer


def _is_answer(block: Block, text: str) -> bool:
    return (
        block.kind is Kind.PROSE
        and block.size <= MAX_ANSWER_CHARACTERS
        and _WHOLE_SENTENCES.fullmatch(text) is not None
        and not _BELONGS_TO_ITS_PLACE.search(text)
    )


def _belong_together(answer: Block, block: Block, points_back: bool) -> bool:
    is_short = answer.size < ENOUGH_CHARACTERS
    return (is_short or points_back) and answer.path == block.path and block.end - answer.start <= MAX_ANSWER_CHARACTERS


def _packed(document: CleanedDocument, options: GenerationOptions) -> Iterator[Block]:
    """Runs of prose and lists, cut into parts of about the same size; a short document's prose as one part."""
    least, most = options.min_extract_characters, options.max_extract_characters
    blocks = list(blocks_of(document))
    if sum(block.size for block in blocks) < least:
        least = ceil(SHARE_OF_SHORT_DOCUMENTS * least)
    for is_other, run in groupby(blocks, key=lambda block: block.kind is Kind.OTHER):
        if not is_other:
            pieces = [piece for block in run for piece in _cut(document.text, block, max(most - least, 1))]
            yield from (part for part in _parts(pieces, most) if least <= part.size <= most)


def _cut(text: str, block: Block, most: int) -> Iterator[Block]:
    """The block, or where it is larger its sentences."""
    content = text[block.start : block.end]
    breaks = sentence_breaks(content) if block.size > most else []
    starts = [0, *(after for _, after in breaks)]
    ends = [*(before for before, _ in breaks), len(content)]
    for start, end in zip(starts, ends, strict=True):
        if start < end:
            yield replace(block, start=block.start + start, end=block.start + end)


def _parts(pieces: Sequence[Block], most: int) -> Iterator[Block]:
    """As few parts as can be, of about the same size; the headings above a part are those above all of it."""
    whole = pieces[-1].end - pieces[0].start
    wanted = whole / ceil(whole / most)
    part = pieces[0]
    for piece in pieces[1:]:
        longer = piece.end - part.start
        if longer > most or abs(longer - wanted) > abs(part.size - wanted):
            yield part
            part = piece
        else:
            part = replace(part, end=piece.end, path=shared_path(part.path, piece.path))
    yield part
