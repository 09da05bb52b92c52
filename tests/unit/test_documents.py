"""Ids, links and hashes."""

import pytest

from llm_engineering.domain.documents import (
    Author,
    DataCategory,
    RawDocument,
    canonical_link,
    canonical_repository_link,
    text_hash,
    without_credentials,
)
from llm_engineering.domain.errors import InvalidInputError
from tests.fakes import ADA, article


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("https://Example.COM/Post/", "https://example.com/Post"),
        ("HTTPS://example.com:443/a", "https://example.com/a"),
        ("http://example.com:8080/a", "http://example.com:8080/a"),
        ("https://example.com/a#part", "https://example.com/a"),
        ("https://example.com/a?utm_source=x&id=3&fbclid=y", "https://example.com/a?id=3"),
        ("https://ada.substack.com/p/x?r=abc", "https://ada.substack.com/p/x"),
        ("https://example.com/search?r=abc", "https://example.com/search?r=abc"),
        ("https://user:secret@example.com/a", "https://example.com/a"),
        ("https://[2001:db8::1]/a", "https://[2001:db8::1]/a"),
        ("  https://example.com/a  ", "https://example.com/a"),
        ("file:///home/ada/My%20Notes", "file:///home/ada/My%20Notes"),
    ],
)
def test_a_canonical_link_keeps_only_what_identifies_the_page(link: str, expected: str) -> None:
    assert canonical_link(link) == expected
    assert canonical_link(expected) == expected


def test_a_link_that_is_no_url_is_an_input_error() -> None:
    with pytest.raises(InvalidInputError, match="not a valid link"):
        canonical_link("http://[broken")


def test_the_same_page_and_author_give_the_same_id_and_another_author_another() -> None:
    plain = article("text", "https://example.com/a")
    decorated = article("other text", "https://EXAMPLE.com/a/?utm_campaign=z#top")
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


def test_a_hash_survives_text_that_is_not_valid_unicode() -> None:
    assert text_hash("\ud800") != text_hash("")


@pytest.mark.parametrize(
    ("name", "first", "last", "full"),
    [
        ("Ada Lovelace", "Ada", "Lovelace", "Ada Lovelace"),
        ("  Ada   King Lovelace ", "Ada King", "Lovelace", "Ada King Lovelace"),
        ("Plato", "Plato", "Plato", "Plato"),
        ("Plato Plato", "Plato", "Plato", "Plato"),
    ],
)
def test_a_full_name_is_split_at_its_last_word(name: str, first: str, last: str, full: str) -> None:
    author = Author.named(name)
    assert (author.first_name, author.last_name, author.full_name) == (first, last, full)


def test_an_author_is_the_same_whatever_the_case_and_spacing_of_the_name() -> None:
    assert Author.named(" ada  LOVELACE").id == ADA.id


@pytest.mark.parametrize("name", ["  ", "", "Ada\x00", "\ud800"])
def test_a_name_that_is_blank_or_not_text_is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError, match="needs a name"):
        Author.named(name)


@pytest.mark.parametrize(
    "link",
    [
        "https://github.com/ada/engine",
        "https://www.github.com/ada/engine/",
        "https://github.com/ada/engine.git",
        "https://ada:token@github.com/ada/engine.git",
    ],
)
def test_a_repository_has_one_link_however_it_is_written(link: str) -> None:
    assert canonical_repository_link(link) == "https://github.com/ada/engine"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://user:s3cret@host/x", "https://host/x"),
        ("https://token@host", "https://host"),
        ("https://user:pa@ss@host/x", "https://host/x"),
        ("cannot clone ssh://git:s3cret@host/x: no", "cannot clone ssh://host/x: no"),
        ("https://host/@ada", "https://host/@ada"),
        ("ada@example.com", "ada@example.com"),
    ],
)
def test_credentials_are_taken_out_of_links_in_a_text(text: str, shown: str) -> None:
    assert without_credentials(text) == shown


def test_a_document_is_its_own_source_unless_a_repository_listed_it() -> None:
    alone = article("x", "https://example.com/a/")
    listed = RawDocument.create(
        category=DataCategory.REPOSITORIES,
        platform="github",
        link="https://github.com/ada/engine/blob/HEAD/a.py",
        source="https://github.com/ada/engine/",
        author=ADA,
        title="engine/a.py",
        content="x",
    )
    assert alone.source == alone.link == "https://example.com/a"
    assert listed.source == "https://github.com/ada/engine"
