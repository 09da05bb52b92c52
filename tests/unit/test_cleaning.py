"""Noise goes, structure stays, and so does every sentence of the author's."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_engineering.application.preprocessing.cleaning import clean
from llm_engineering.application.preprocessing.language import tagged_language
from llm_engineering.application.preprocessing.page_lines import normal_form
from llm_engineering.domain.documents import DataCategory, RawDocument
from tests.fakes import ADA, article


def cleaned(
    text: str, category: DataCategory = DataCategory.ARTICLES, noise: tuple[str, ...] = (), title: str = "t"
) -> str:
    document = RawDocument.create(
        category=category, platform="p", link="https://example.com/a", author=ADA, title=title, content=text
    )
    return clean(document, noise).text


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


def test_a_code_fence_keeps_its_blank_lines_trailing_spaces_and_image_links() -> None:
    text = "Look:\n\n```md\n![](a.png)  \n\n\n\nshare\n```\n\nAnd `![](b.png)` in a line."
    assert cleaned(text) == text


def test_a_button_alone_on_a_line_goes_and_the_word_in_a_sentence_stays() -> None:
    assert cleaned("Intro\nSubscribeSign in\n**Share this post**\nPlease share this post.\nFollow") == (
        "Intro\nPlease share this post."
    )


def test_what_looks_like_a_button_stays_in_code() -> None:
    text = "```\nshare\n```\n\n~~~~\nlisten\n~~~\nfollow\n~~~~"
    assert cleaned(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "Before.\n\n## Share\n\nEach node can share its state.",  # a heading with text of its own
        "Before.\n\nNote\n\nThis matters.",  # a label among sentences
        "Ways to write to me:\n\n- Email\n- Twitter",  # a list, even at the end
        "## Cookies\n\nWe use cookies in this chapter to keep a session.\n\nThen we sign them.",
        "Subscribe to the queue before you publish: get every post by email.\n\nThat is all.",
        "1\n\n2\n\nThe two lines above are a puzzle.",
        "Jan 05, 2024\n\nA diary, day by day.",
        "## References\n\n- [One](/papers/one)\n- [Two](/papers/two)\n- [Three](/papers/three)",
        "See [my first post](/a).\n\n[The next one](/b)",
        "> Share\n> alike",
        "I use the image:\n\n![a chart of losses](z.png)",
        "# The title\n\n## The subtitle\n\nText.",
    ],
)
def test_what_an_author_writes_stays(text: str) -> None:
    assert cleaned(text, title="The title") == text


def test_a_share_box_goes_with_the_title_that_it_repeats() -> None:
    box = "Share this post\n\n#### My title\n\nexample.com\n\nCopy link\n\nFacebook\n\nEmail\n\nNote\n\nOther\n\n"
    page = f"#\n\nSubscribeSign in\n\n{box}# My title\n\nAda Lovelace\n\nDec 21, 2023\n\n6\n\n{box}Text.\n\n6\n\n{box}"
    assert cleaned(page, title="My title") == "# My title\n\nText."


def test_a_title_that_was_wrapped_is_known_again_in_a_share_box() -> None:
    title = "Seven steps on how to fine-tune an open-source model to create your real-time advisor"
    wrapped = "#### Seven steps on how to fine-tune an open-source model to create your real-\ntime advisor"
    assert cleaned(f"Share\n\n{wrapped}\n\nCopy link\n\nText.", title=title) == "Text."


def test_a_subscribe_box_goes_with_its_heading_its_call_and_its_legal_line() -> None:
    box = (
        "## Join 12,000 readers\n\nGet new posts in your inbox every week, for free.\n\nType your email...\n\n"
        "Subscribe\n\nBy subscribing you agree to our Terms of Service.\n\n"
    )
    assert cleaned(f"Before.\n\n{box}After.") == "Before.\n\nAfter."


def test_a_cookie_notice_goes_with_its_buttons() -> None:
    notice = "We use cookies to improve this site.\n\nAccept all\n\nReject all\n\n"
    assert cleaned(f"{notice}Text.") == "Text."
    assert cleaned(f"Before.\n\n{notice}After.") == "Before.\n\nAfter."


def test_navigation_at_the_edges_goes() -> None:
    menu = "- [Home](/)\n- [Blog](https://example.com/blog)\n- [About](/about)\n\n"
    assert cleaned(f"{menu}Text.\n\n{menu}") == "Text."


def test_links_in_the_middle_and_links_to_other_sites_are_no_navigation() -> None:
    inside = "Before.\n\n- [Home](/)\n- [Blog](/blog)\n- [About](/about)\n\nAfter."
    others = "Text.\n\n- [One](https://a.org)\n- [Two](https://b.org)\n- [Three](https://c.org)"
    assert (cleaned(inside), cleaned(others)) == (inside, others)


def test_a_row_of_links_that_the_author_leads_to_stays_at_the_end() -> None:
    links = "[Intro](/a) [Setup](/b) [Use](/c)"
    for lead in ("Look at these:", "**Look at these:**", "## Look here"):
        assert cleaned(f"Text.\n\n{lead}\n\n{links}") == f"Text.\n\n{lead}\n\n{links}"
    assert cleaned(f"Look at these.\n\n{links}") == "Look at these."


def test_images_without_words_and_inlined_data_go_and_described_images_stay() -> None:
    assert cleaned("a ![](https://x/y.png) b ![chart](data:image/png;base64,AAAA) c ![a chart](z.png)") == (
        "a  b  c ![a chart](z.png)"
    )


def test_a_file_name_is_no_description_and_a_link_around_nothing_goes() -> None:
    assert cleaned("a ![IMG_2041.jpg](x.jpg) b [![](t.png)](https://x/large) c") == "a  b  c"


@pytest.mark.parametrize(
    "credit",
    [
        "Image by author",
        "[Image by the Author]",
        "Image by author (Mojang license)",
        "Photo by Ann Lee",
        "Photo by Ann van Lee on Unsplash",
        "_Illustration created by DALL·E 3_",
        "image credit: midjourney",
        "Figure 3",
    ],
)
def test_a_caption_that_says_nothing_of_the_picture_goes(credit: str) -> None:
    assert cleaned(f"Before.\n\n{credit}\n\nAfter.") == "Before.\n\nAfter."


@pytest.mark.parametrize(
    "caption",
    [
        "Figure 3: the loss falls.",
        "Image by image, the model learns.",
        "Images created by diffusion models",
        "Picture is taken by drones over the city",
        "Photo by the sea",
        "Photo by Ann Lee shows the sea",
    ],
)
def test_a_caption_with_words_stays(caption: str) -> None:
    assert cleaned(f"Before.\n\n{caption}\n\nAfter.") == f"Before.\n\n{caption}\n\nAfter."


def test_learned_lines_go_at_the_edges_and_in_company_and_stay_alone_among_sentences() -> None:
    noise = ("top", "my daily letter", "written with love")
    page = "My daily letter\n\nFirst.\n\nTop\n\nSecond.\n\nMy daily letter\n\n_Written with love!_\n\nThird.\n\nTop"
    assert cleaned(page, noise=noise) == "First.\n\nTop\n\nSecond.\n\nThird."


def test_learned_lines_stay_inside_code() -> None:
    text = "Text.\n\n```\ntop\nlatest\n```"
    assert cleaned(text, noise=("top", "latest")) == text


def test_a_learned_line_that_is_part_of_a_wrapped_sentence_stays() -> None:
    text = "This sentence was wrapped by a converter at some column, and ends with\nunblock scripts"
    assert cleaned(text, noise=("unblock scripts",)) == text


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


_PIECES = st.sampled_from(
    [
        "Share\n",
        "Subscribe\n\n",
        "Copy link\n\n",
        "## Share\n\n",
        "# t\n\n",
        "#\n",
        "6\n\n",
        "Ada Lovelace\n\n",
        "A sentence of the author.\n\n",
        "- [Home](/)\n",
        "![](a.png)",
        "[![](a)](b)",
        "```\n",
        "We use cookies here.\n\n",
        "Accept all\n\n",
        "Image by author\n",
        "Jan 5, 2024\n\n",
        "\n\n\n",
        "  \r\n",
        "𝗕 ",
        "learned line\n\n",
        "| a | b |\n",
        "x" * 70 + "\n",
        "By subscribing you agree to our policy.\n\n",
        "**Share this post**\n",
        "> quote\n",
        "\u2028",
        "`",
    ]
)
_TEXTS = st.one_of(st.lists(_PIECES, max_size=30).map("".join), st.text(max_size=200))


@given(text=_TEXTS, category=st.sampled_from(list(DataCategory)))
def test_cleaning_twice_changes_nothing_more(text: str, category: DataCategory) -> None:
    once = cleaned(text, category, noise=("learned line",))
    assert cleaned(once, category, noise=("learned line",)) == once


_WORDS = [
    "model",
    "share",
    "subscribe",
    "cookies",
    "note",
    "the",
    "privacy",
    "policy",
    "image",
    "email",
    "learned",
    "4",
]
_SENTENCES = st.lists(st.sampled_from(_WORDS), min_size=7, max_size=14).map(lambda words: " ".join(words).title() + ".")
_NOISE_LINES = st.sampled_from(["Share", "Copy link", "Learned line", "Subscribe", "Jan 5, 2024", "Facebook", "12"])


@given(lines=st.lists(st.one_of(_SENTENCES, _NOISE_LINES), min_size=1, max_size=20), data=st.data())
def test_a_sentence_among_sentences_survives_whatever_buttons_stand_around(
    lines: list[str], data: st.DataObject
) -> None:
    """Sentences of subscribe boxes are known by their words; these have the words in an order that says nothing."""
    text = "\n\n".join(["The beginning of it all is here.", *lines, "The end of it all is here."])
    kept = cleaned(text, noise=("learned line",))
    sentences = [line for line in lines if line.endswith(".") and not _calls_to_subscribe(line)]
    assert [line for line in sentences if line not in kept] == []


def _calls_to_subscribe(line: str) -> bool:
    words = line.lower()
    return "subscribe" in words or "privacy policy" in words or "cookies" in words


@given(
    lines=st.lists(st.sampled_from(["share", "  x = 1  ", "", "\tlearned line", "![](a)", "Copy link"]), max_size=20)
)
def test_code_keeps_every_character(lines: list[str]) -> None:
    code = "\n".join(lines)
    fenced = f"Text.\n\n```\n{code}\n```\n\nEnd."
    assert cleaned(fenced, noise=("learned line",)) == fenced
    expected = code if code.strip() else ""
    assert cleaned(code, DataCategory.REPOSITORIES, noise=("learned line",)) == expected


def test_a_cleaned_document_keeps_what_names_it() -> None:
    published = datetime(2024, 5, 1, tzinfo=UTC)
    raw = article("text", title="𝗔  title\n").model_copy(update={"published_at": published})
    document = clean(raw)
    assert (document.id, document.link, document.author_id) == (raw.id, raw.link, ADA.id)
    assert (document.title, document.published_at) == ("A title", published)


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        ("en-US", "en"),
        ("pt_BR", "pt"),
        ("DE", "de"),
        (" fr ", "fr"),
        ("eng", None),
        ("x", None),
        ("", None),
        (None, None),
    ],
)
def test_a_tag_is_read_as_its_language(tag: str | None, language: str | None) -> None:
    assert tagged_language(tag) == language


def test_the_words_decide_over_the_tag_and_the_tag_where_the_words_do_not() -> None:
    raw = article("Text.").model_copy(update={"language": "en-GB"})
    assert clean(raw, detect_language=lambda text: "fr").language == "fr"
    assert clean(raw, detect_language=lambda text: None).language == "en"
    assert clean(raw).language == "en"


def test_the_detector_sees_no_code_and_no_links() -> None:
    seen: list[str] = []
    raw = article("Une `phrase` [ici](https://example.com/english-words).\n\n```\nreturn value\n```")

    def detect(text: str) -> str:
        seen.append(text)
        return "fr"

    clean(raw, detect_language=detect)
    assert normal_form(seen[0]) == "une ici"


@pytest.mark.parametrize(("title", "language"), [("repo/README.md", "en"), ("repo/app.py", None)])
def test_only_what_is_prose_in_a_repository_has_a_language(title: str, language: str | None) -> None:
    raw = article("Words.", title=title).model_copy(update={"category": DataCategory.REPOSITORIES})
    assert clean(raw, detect_language=lambda text: "en").language == language
