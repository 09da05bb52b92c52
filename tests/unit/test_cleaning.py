"""Noise goes, structure stays."""

import pytest

from llm_engineering.application.preprocessing.cleaning import clean
from llm_engineering.domain.documents import DataCategory, RawDocument
from tests.fakes import ADA, article


def cleaned(text: str, category: DataCategory = DataCategory.ARTICLES) -> str:
    document = RawDocument.create(
        category=category, platform="p", link="https://example.com/a", author=ADA, title="t", content=text
    )
    return clean(document).text


def test_headings_lists_code_and_punctuation_survive() -> None:
    prose = "# Title\n\nDon't use C++/C#, e.g. `a[i] += 1`!\n\n- one\n- two\n\n"
    text = prose + "```python\nif x != y:\n    print('a, b')\n```"
    assert cleaned(text) == text


def test_styled_letters_become_plain_ones_and_other_signs_stay() -> None:
    assert cleaned("𝗕𝗼𝗹𝗱 𝘪𝘵𝘢𝘭𝘪𝘤 ℎℬ ＲＡＧ１, x² ½ ™ ﬁ（）") == "Bold italic hB RAG1, x² ½ ™ ﬁ（）"


def test_accents_are_composed_and_invisible_characters_dropped() -> None:
    assert cleaned("cafe\u0301 zero\u200bwidth soft\u00adhyphen \ufeffbom non\u00a0breaking") == (
        "café zerowidth softhyphen bom non breaking"
    )


def test_an_emoji_made_of_joined_signs_stays_whole() -> None:
    family = "👩\u200d💻 works"
    assert cleaned(family) == family


def test_line_ends_are_unified_and_blank_lines_limited() -> None:
    assert cleaned("one  \r\n\r\n\r\n\r\ntwo\rthree") == "one\n\ntwo\nthree"


def test_a_button_alone_on_a_line_goes_and_the_word_in_a_sentence_stays() -> None:
    assert cleaned("Intro\nSubscribeSign in\n**Share this post**\nPlease share this post.\nFollow") == (
        "Intro\nPlease share this post."
    )


def test_what_looks_like_a_button_stays_in_code() -> None:
    text = "```\nshare\n```\n\n~~~~\nlisten\n~~~\nfollow\n~~~~"
    assert cleaned(text) == text


def test_images_without_words_and_inlined_data_go_and_described_images_stay() -> None:
    assert cleaned("a ![](https://x/y.png) b ![chart](data:image/png;base64,AAAA) c ![a chart](z.png)") == (
        "a  b  c ![a chart](z.png)"
    )


def test_code_of_a_repository_keeps_every_character_but_the_carriage_returns() -> None:
    code = "\tif a:\r\n\t\treturn '𝗕'   \n\n\n\n# end\n"
    assert cleaned(code, DataCategory.REPOSITORIES) == "\tif a:\n\t\treturn '𝗕'   \n\n\n\n# end\n"


def test_a_post_keeps_line_breaks_hashtags_and_mentions() -> None:
    text = "Shipping today!\n\n#LLMOps with @ada\nShare"
    assert cleaned(text, DataCategory.POSTS) == text


@pytest.mark.parametrize("category", list(DataCategory))
@pytest.mark.parametrize("text", ["", " \n\t\n", "\u00a0\r\n"])
def test_blank_text_of_any_category_is_empty(category: DataCategory, text: str) -> None:
    assert cleaned(text, category) == ""


def test_cleaning_twice_changes_nothing_more() -> None:
    once = cleaned("# A\n\n\n\nSubscribe\n𝗕  \r\n![](x)\n\n\n\nend")
    assert cleaned(once) == once


def test_a_cleaned_document_keeps_what_names_it() -> None:
    raw = article("text", title="𝗔  title\n")
    document = clean(raw)
    assert (document.id, document.link, document.author_id) == (raw.id, raw.link, ADA.id)
    assert document.title == "A title"
