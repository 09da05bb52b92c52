"""Ids, names and hashes."""

import pytest

from llm_engineering.domain.documents import Author, DataCategory, RawDocument, fingerprint, text_hash
from llm_engineering.domain.errors import InvalidInputError
from tests.fakes import ADA, article


def test_the_same_page_and_author_give_the_same_id_and_another_author_another() -> None:
    plain = article("text", "https://example.com/a")
    decorated = article("other text", "http://www.EXAMPLE.com/a/?utm_campaign=z#top")
    someone_else = article("text", "https://example.com/a", author=Author.named("Charles Babbage"))
    assert plain.id == decorated.id
    assert plain.id != someone_else.id


def test_the_content_hash_tells_a_changed_text_or_title_but_not_a_new_crawl() -> None:
    first, again = article("text", title="t"), article("text", title="t")
    assert first.content_hash == again.content_hash
    assert first.content_hash != article("text.", title="t").content_hash
    assert first.content_hash != article("text", title="T").content_hash


def test_a_hash_of_parts_knows_where_a_part_ends() -> None:
    assert text_hash("ab", "c") != text_hash("a", "bc")


LONG = " ".join(f"word{number}" for number in range(50))


@pytest.mark.parametrize(
    "text",
    [
        f"Engines weave, *always*. {LONG}",
        f"# Engines\n\nweave - always\n\n> `{LONG}`",
        f"ENGINES\u00a0weave\talways | {LONG}",
        f"[Engines](https://a.example/1) weave always {LONG}",
        f'[Engines](https://b.example/2 "Title") weave ![](always.png)always {LONG}',
    ],
)
def test_the_same_words_have_the_same_fingerprint_however_they_are_marked_up(text: str) -> None:
    assert fingerprint(text) == fingerprint(f"engines weave always {LONG}")


def test_of_a_short_text_only_white_space_and_the_title_above_it_do_not_count() -> None:
    assert fingerprint("# Engines\n\nThey  weave\nré.", "Engines") == fingerprint("They weave re\u0301.", "Looms")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("I like C++ best.", "I like C# best."),
        ("The answer is x - y = -1", "The answer is x + y = 1"),
        ("My [talk](https://a.example)", "My [talk](https://b.example)"),
        ("![](https://a.example/1.png)", "![](https://a.example/2.png)"),
        ("कि", "की"),
        ("Engines weave", "engines weave"),
        ("I agree!", "I agree?"),
    ],
)
def test_short_texts_that_differ_in_a_sign_are_two(one: str, other: str) -> None:
    assert fingerprint(one) != fingerprint(other)


@pytest.mark.parametrize(
    ("one", "other"), [("C++", "C"), ("x + y", "x = y"), ("कि", "की"), ("5 €", "5 $"), ("🎉", "🚀")]
)
def test_long_texts_that_differ_in_a_symbol_or_a_mark_are_two(one: str, other: str) -> None:
    assert fingerprint(f"{LONG} {one}") != fingerprint(f"{LONG} {other}")


@pytest.mark.parametrize(
    "text",
    [
        f"# On engines\n\nThey weave. {LONG}",
        f"### On *engines*\n\n#### How they work\n\nThey weave. {LONG}",
        f"![A picture of engines](https://e.com/a.png)\n\nThey weave. {LONG}",
        f"They [weave](https://e.com/weave?source=x). {LONG}",
    ],
)
def test_title_and_subtitle_above_the_text_and_pictures_do_not_change_the_fingerprint(text: str) -> None:
    assert fingerprint(text, "On engines", "How they work") == fingerprint(f"They weave. {LONG}", "On engines")


def test_another_heading_does() -> None:
    assert fingerprint("# On looms\n\nThey weave.", "On engines") != fingerprint("They weave.", "On engines")


def test_other_words_have_another_fingerprint() -> None:
    texts = [
        "engines weave",
        "weave engines",
        "engine sweave",
        "engines weave 2",
        "",
        " ",
        "🎉",
        "🚀",
        "![](a.png)",
        "![](b.png)",
    ]
    assert len({fingerprint(text) for text in texts}) == len(texts)


def test_what_is_no_character_becomes_a_question_mark() -> None:
    document = article("a\ud800b", title="\udfff")
    assert (document.content, document.title) == ("a?b", "?")


def test_a_hash_survives_text_that_is_not_valid_unicode() -> None:
    assert text_hash("\ud800") != text_hash("")


@pytest.mark.parametrize(
    ("name", "first", "last", "full"),
    [
        ("Ada Lovelace", "Ada", "Lovelace", "Ada Lovelace"),
        ("  Ada   King Lovelace ", "Ada King", "Lovelace", "Ada King Lovelace"),
        ("Plato", "Plato", "Plato", "Plato"),
        ("Plato Plato", "Plato", "Plato", "Plato"),
        ("Ludwig van Beethoven", "Ludwig", "van Beethoven", "Ludwig van Beethoven"),
        ("Maria de la Cruz Ortega", "Maria", "de la Cruz Ortega", "Maria de la Cruz Ortega"),
        ("Van Morrison", "Van", "Morrison", "Van Morrison"),
        ("Ana de", "Ana", "de", "Ana de"),
        ("van der Waals", "van", "der Waals", "van der Waals"),
        ("Renée Müller", "Renée", "Müller", "Renée Müller"),
    ],
)
def test_a_full_name_is_split_at_its_particle_or_last_word(name: str, first: str, last: str, full: str) -> None:
    author = Author.named(name)
    assert (author.first_name, author.last_name, author.full_name) == (first, last, full)


def test_an_author_is_the_same_whatever_the_case_and_spacing_of_the_name() -> None:
    assert Author.named(" ada  LOVELACE").id == ADA.id


def test_an_author_is_the_same_however_the_accents_are_encoded() -> None:
    composed, decomposed = Author.named("Ren\u00e9e M\u00fcller"), Author.named("Rene\u0301e Mu\u0308ller")
    assert composed == decomposed


@pytest.mark.parametrize("name", ["علی\u200cرضا قربانی", "Ada\u00ad Lovelace", "क्\u200dष राय", "\ue000 Ada"])
def test_a_name_may_have_characters_that_only_join_or_part_letters(name: str) -> None:
    assert Author.named(name).full_name == name


@pytest.mark.parametrize("name", ["  ", "", "Ada\x00", "\ud800", "Ada\x1b[31m", "Ada\x7f"])
def test_a_name_that_is_blank_or_not_text_is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError, match="needs a name"):
        Author.named(name)


def test_a_document_is_its_own_source_unless_a_repository_listed_it() -> None:
    alone = article("x", "https://www.example.com/a/#top")
    listed = RawDocument.create(
        category=DataCategory.REPOSITORIES,
        platform="github",
        link="https://github.com/ada/engine/blob/HEAD/a.py",
        source="https://github.com/ada/engine/",
        author=ADA,
        title="engine/a.py",
        content="x",
    )
    assert (alone.link, alone.source) == ("https://www.example.com/a/", "https://example.com/a")
    assert listed.source == "https://github.com/ada/engine"
