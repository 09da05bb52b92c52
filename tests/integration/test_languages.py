"""The real language detector."""

import pytest

from llm_engineering.application.preprocessing.cleaning import clean
from llm_engineering.infrastructure.languages import SHORTEST_LETTERS, detect
from tests.fakes import article

TEXTS = {
    "en": "A chunk is a slice of a document that is short enough for the embedding model to read all of it.",
    "de": "Ein Abschnitt ist ein Teil eines Dokuments, der kurz genug ist, dass das Modell ihn ganz lesen kann.",
    "fr": "Un fragment est une partie d'un document assez courte pour que le modèle puisse la lire en entier.",
    "es": "Un fragmento es una parte de un documento que es lo bastante corta para que el modelo la lea entera.",
    "ru": "Фрагмент это часть документа, достаточно короткая, чтобы модель могла прочитать её целиком и сразу.",
    "zh": "分块是文档的一部分，它足够短，使得嵌入模型可以完整地读取它，而不会丢失任何内容。" * 3,
}


@pytest.mark.parametrize("language", TEXTS)
def test_a_paragraph_is_told_by_its_words(language: str) -> None:
    assert detect(TEXTS[language]) == language


@pytest.mark.parametrize("text", ["", "ok", "12345 " * 100, "d" * (SHORTEST_LETTERS - 1)])
def test_too_few_letters_say_nothing(text: str) -> None:
    assert detect(text) is None


def test_an_article_about_code_is_in_the_language_of_its_prose() -> None:
    code = "```python\nfor document in documents:\n    yield document.text if document.text else None\n```"
    raw = article(f"{TEXTS['fr']}\n\n{code * 20}").model_copy(update={"language": "en"})
    assert clean(raw, detect_language=detect).language == "fr"
