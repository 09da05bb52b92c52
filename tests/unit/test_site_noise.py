"""What repeats on a site's pages is learned, what is an author's habit is not."""

import random

from llm_engineering.application.preprocessing.cleaning import clean
from llm_engineering.application.preprocessing.site_noise import SAMPLE, learn, noise_of
from llm_engineering.domain.documents import DataCategory, RawDocument
from tests.fakes import article

HOST = "blog.example.com"


def pages(count: int, before: str = "", after: str = "", inside: str = "", host: str = HOST) -> list[RawDocument]:
    """Articles that share lines, around and between two paragraphs of their own."""
    return [
        article(
            f"{before}\n\nPage {i} opens like no other.\n\n{inside}\n\nPage {i} closes like no other.\n\n{after}",
            link=f"https://{host}/{i}",
            title=f"Title {i}",
        )
        for i in range(count)
    ]


def test_lines_around_the_pages_are_learned_in_their_normal_form() -> None:
    noise = learn(pages(4, before="My *Daily* Letter!", after="Read [more](/a)\n\nMade with care"))
    assert noise == {HOST: ["made with care", "my daily letter", "read more"]}


def test_three_pages_are_too_few() -> None:
    assert learn(pages(3, after="Made with care")) == {}


def test_a_line_on_a_third_of_the_pages_is_learned_and_on_a_fifth_it_is_not() -> None:
    often = pages(4, after="Made with care") + pages(12, host=HOST)[4:]
    seldom = pages(3, after="Made with care") + pages(15, host=HOST)[3:]
    assert learn(often) == {HOST: ["made with care"]}
    assert learn(seldom) == {}


def test_sites_are_told_apart() -> None:
    noise = learn(pages(4, after="One") + pages(4, after="Two", host="other.org"))
    assert noise == {HOST: ["one"], "other.org": ["two"]}


def test_a_heading_that_many_texts_have_above_their_own_text_is_not_learned() -> None:
    documents = [
        article(
            f"My letter\n\n## Why now\n\nPage {i} says why.\n\n## What next\n\nPage {i} says what.\n\nMade with care",
            link=f"https://{HOST}/{i}",
        )
        for i in range(6)
    ]
    assert learn(documents) == {HOST: ["made with care", "my letter"]}


def test_a_section_name_is_not_learned_even_above_nothing() -> None:
    noise = learn(pages(6, before="TL;DR", after="## References\n\n## Conclusion\n\nMade with care"))
    assert noise == {HOST: ["made with care"]}


def test_a_phrase_alone_in_the_middle_is_the_authors_and_a_box_is_the_sites() -> None:
    habit = pages(6, inside="Let us dive in.")
    box = pages(6, inside="## Like what you read?\n\nThis letter lives of its readers.\n\nSend it to a friend.")
    assert learn(habit) == {}
    assert learn(box) == {HOST: ["like what you read", "send it to a friend", "this letter lives of its readers"]}


def test_dates_numbers_and_the_title_between_repeating_lines_do_not_hide_them() -> None:
    documents = [
        article(
            f"My letter\n\n# Title {i}\n\nAda Lovelace\n\nMay {i + 1}, 2024\n\n{i}\n\nA greeting to all\n\nPage {i}.",
            link=f"https://{HOST}/{i}",
            title=f"Title {i}",
        )
        for i in range(5)
    ]
    assert learn(documents) == {HOST: ["a greeting to all", "my letter"]}


def test_code_is_never_learned() -> None:
    assert learn(pages(6, after="```\nimport torch\n```")) == {}


def test_posts_and_code_have_no_site_around_them() -> None:
    posts = [raw.model_copy(update={"category": DataCategory.POSTS}) for raw in pages(6, after="#llmops")]
    assert learn(posts) == {}
    assert noise_of(posts[0], {HOST: ["llmops"]}) == frozenset()


def test_the_order_of_the_documents_does_not_matter_even_beyond_the_sample() -> None:
    documents = pages(SAMPLE + 30, before="My letter") + pages(SAMPLE // 2, after="Old footer", host=HOST)[:20]
    shuffled = documents.copy()
    random.Random(4).shuffle(shuffled)
    assert learn(documents) == learn(shuffled)


def test_a_document_depends_only_on_the_learned_lines_that_it_has() -> None:
    noise = {HOST: ["my letter", "made with care"], "other.org": ["my letter"]}
    [raw] = pages(1, before="My letter")
    assert noise_of(raw, noise) == {"my letter"}
    assert noise_of(raw, {}) == frozenset()


def test_what_was_learned_goes_and_the_text_stays() -> None:
    documents = pages(5, before="My letter\n\nHello, dear reader of my letter", after="Made with care\n\n© 2024 Ada")
    noise = learn(documents)
    raw = documents[2]
    assert clean(raw, noise_of(raw, noise)).text == "Page 2 opens like no other.\n\nPage 2 closes like no other."


def test_a_full_sentence_at_the_edges_is_learned_of_half_of_the_pages_and_a_label_of_a_third() -> None:
    opening = "In this series we build a database from scratch in Rust, and every part ends with working code."
    some = pages(4, before=f"My letter\n\n{opening}") + pages(10)[4:]
    assert learn(some) == {HOST: ["my letter"]}
    assert clean(some[0], noise_of(some[0], learn(some))).text.startswith(opening)
    half = pages(5, after=opening) + pages(10)[5:]
    assert [len(lines) for lines in learn(half).values()] == [1]


def test_what_stands_above_an_authors_sentence_is_at_no_edge() -> None:
    opening = "In this series we build a database from scratch in Rust, and more."
    some = pages(4, before=f"{opening}\n\nPart of a series") + pages(10)[4:]
    assert learn(some) == {}


def test_sentences_in_the_middle_of_all_pages_are_the_authors() -> None:
    short = "Install the package with pip first.\n\nThen start the server on port 8000."
    long = "## Setup\n\nInstall the package with pip [first of all steps.](/pip)\n\nThen start it as you have learned."
    assert learn(pages(6, inside=short)) == {}
    assert learn(pages(6, inside=long)) == {}


def test_a_list_under_a_heading_in_the_middle_of_all_pages_is_the_authors() -> None:
    assert learn(pages(6, inside="## Ingredients\n\n- 2 eggs\n- 100 g flour\n- salt")) == {}
    menu = learn(pages(6, inside="- 2 eggs\n- 100 g flour\n- salt"))
    assert menu == {HOST: ["100 g flour", "2 eggs", "salt"]}
