"""Sparse vectors of BM25, made by Qdrant's own engine; the text is cut into words here.

The engine's tokenizer takes C++, C# and C for the same word, and parseHttp for one that nobody asks for. So the words
are found here, and the engine lowers, stems, weighs and hashes them.
"""

import re
import unicodedata
from threading import Lock
from typing import TYPE_CHECKING

from llm_engineering.domain.chunks import SparseVector
from llm_engineering.domain.errors import SettingsError

if TYPE_CHECKING:
    import qdrant_edge

# Those for which the engine has stop words; for most of them it has a stemmer, too.
LANGUAGES = (
    *("arabic", "azerbaijani", "basque", "bengali", "catalan", "chinese", "danish", "dutch", "english", "finnish"),
    *("french", "german", "greek", "hebrew", "hinglish", "hungarian", "indonesian", "italian", "japanese", "kazakh"),
    *("nepali", "norwegian", "portuguese", "romanian", "russian", "slovene", "spanish", "swedish", "tajik", "turkish"),
)
NO_LANGUAGE = "none"

# Counted up when `words` gives other words for a text: vectors made before and after cannot be compared.
WORDS_VERSION = 1
# The usual values (Robertson and Zaragoza, 2009, section 3.4.1).
K, B = 1.2, 0.75
# Words of a usual passage, stop words not counted and parts of identifiers counted: 1,000 characters of the
# quickstart's articles, some 230 tokens of the default model, have 105 in the median; most chunks are a bit smaller.
AVERAGE_LENGTH = 100.0

_WORD = re.compile(
    r"""
    (?P<contraction>\b[^\W\d_]+n['’]t\b)           # don't: the engine's lists of stop words would drop it
    | \b[^\W\d_]\w*\+\+                              # C++, g++
    | \b[A-Za-z]\#(?!\w)                             # C#, F#
    | (?<![\w.])\.[A-Za-z]\w*                        # .NET, .env
    | \d+(?:\.\d+)+                                  # 3.11
    | [぀-ヿ㐀-鿿]                                   # Chinese and Japanese have no blanks: a character is a word
    | [^\W぀-ヿ㐀-鿿]+                               # a word, a number, an identifier
    """,
    re.VERBOSE,
)
_PARTS = re.compile(r"[A-Z]{2,}s(?![a-z])|[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z0-9]+")  # first: PDFs


def words(text: str) -> list[str]:
    """The words of a text, as BM25 is to count them; identifiers whole, and then their parts as well.

    >>> words("C++: parseHttp() in my_file.py")
    ['C++', 'parseHttp', 'parse', 'Http', 'in', 'my_file', 'my', 'file', 'py']
    """
    found: list[str] = []
    for match in _WORD.finditer(unicodedata.normalize("NFKC", text)):
        word = match.group()
        if match.lastgroup == "contraction":
            found.append(word.replace("'", "").replace("’", ""))
        elif word.strip("_"):
            parts = _parts(word)
            found += [word] if parts == [word] else [word, *parts]
    return found


def _parts(word: str) -> list[str]:
    """The parts of an identifier in snake_case or camelCase; of C++, C# and 3.11 there are none."""
    if word.endswith(("+", "#")) or "." in word[1:]:
        return []
    pieces = [piece for piece in word.strip(".").split("_") if piece]
    return [part for piece in pieces for part in (_PARTS.findall(piece) if piece.isascii() else [piece])]


class Bm25Encoder:
    """Implements `SparseEncoder`. Terms are numbered by hash, so no vocabulary has to be kept."""

    def __init__(self, language: str) -> None:
        if language not in (*LANGUAGES, NO_LANGUAGE):
            raise SettingsError(
                f"SPARSE_LANGUAGE={language!r} is not known: expected {NO_LANGUAGE} or one of {', '.join(LANGUAGES)}."
            )
        self._language = language
        self._lock = Lock()
        self._model: qdrant_edge.Bm25 | None = None

    @property
    def name(self) -> str:
        """With its parameters."""
        return f"bm25 {self._language} k={K} b={B} length={AVERAGE_LENGTH:g} words={WORDS_VERSION}"

    def encode_query(self, text: str) -> SparseVector:
        """Each term once, with the weight 1; no term where there are only stop words."""
        return _sparse(self._loaded().embed_query(" ".join(words(text))))

    def encode_passage(self, text: str) -> SparseVector:
        """Each term with its frequency, saturated and set against the passage's length."""
        return _sparse(self._loaded().embed_document(" ".join(words(text))))

    def _loaded(self) -> "qdrant_edge.Bm25":
        with self._lock:
            if self._model is None:
                self._model = _build(self._language)
            return self._model


def _build(language: str) -> "qdrant_edge.Bm25":
    import qdrant_edge

    tokenizer = qdrant_edge.TokenizerType.Whitespace
    if language != NO_LANGUAGE:
        config = qdrant_edge.Bm25Config(K, B, AVERAGE_LENGTH, tokenizer, language)
    else:
        stopwords, stemmer = qdrant_edge.StopwordsSet(), qdrant_edge.DisabledStemmer()
        config = qdrant_edge.Bm25Config(K, B, AVERAGE_LENGTH, tokenizer, stopwords=stopwords, stemmer=stemmer)
    return qdrant_edge.Bm25(config)


def _sparse(vector: "qdrant_edge.SparseVector") -> SparseVector:
    return SparseVector(indices=list(vector.indices), values=list(vector.values))
