"""Which language a text is in, by the bytes that are frequent in it (py3langid; Lui and Baldwin, 2012)."""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

# Fewer letters are a guess: of 40 letters of English about computers, one text in ten is taken for another language.
SHORTEST_LETTERS = 60
LEAST_CONFIDENCE = 0.8
_MOST_CHARACTERS = 4000


def detect(text: str) -> str | None:
    """The language's ISO 639-1 code; None where the text is too short, or like texts of several languages.

    The model (1 MB) is loaded at the first call.
    """
    head = text[:_MOST_CHARACTERS]
    if sum(map(str.isalpha, head)) < SHORTEST_LETTERS:
        return None
    language, confidence = _identifier().classify(head)
    return language if confidence >= LEAST_CONFIDENCE else None


@cache
def _identifier() -> "LanguageIdentifier":
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages([label for label in identifier.labels if len(label) == 2])
    return identifier
