"""One text under several links: linked and not stored twice, and never lost. In MongoDB, and in the tests' fake."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_engineering.domain.documents import Author, DataCategory, RawDocument
from llm_engineering.domain.ports import DocumentStore
from llm_engineering.domain.reports import WriteCounts
from llm_engineering.infrastructure.db.mongo import MongoDocumentStore
from tests.fakes import ADA, MemoryDocumentStore

ARTICLES, POSTS, REPOSITORIES = DataCategory.ARTICLES, DataCategory.POSTS, DataCategory.REPOSITORIES
BLOG, MEDIUM, FEED = "https://ada.example/engines", "https://medium.com/engines", "https://ada.example/feed"
FOLDER = "file:///home/ada/notes"
LONG = " ".join(f"word{number}" for number in range(50))


@pytest.fixture(params=["mongo", "memory"])
def store(request: pytest.FixtureRequest, mongo_uri: str) -> Iterator[DocumentStore]:
    if request.param == "memory":
        yield MemoryDocumentStore()
        return
    mongo = MongoDocumentStore(mongo_uri, f"test_{uuid4().hex}")
    yield mongo
    mongo.close()


def text(
    content: str,
    link: str = BLOG,
    category: DataCategory = ARTICLES,
    source: str | None = None,
    author: Author = ADA,
    title: str = "Engines",
) -> RawDocument:
    return RawDocument.create(
        category=category, platform="p", link=link, source=source, author=author, title=title, content=content
    )


def stored(store: DocumentStore) -> dict[str, str]:
    """What is stored: content by link."""
    return {document.link: document.content for category in DataCategory for document in store.stream(category)}


def test_the_same_words_under_another_link_are_linked_and_not_stored(store: DocumentStore) -> None:
    assert store.upsert([text(f"Engines *weave*. {LONG}")]) == WriteCounts(new=1)
    copy = text(f"Engines   weave {LONG}", MEDIUM, title="Engines, again")
    assert store.upsert([copy]) == WriteCounts(linked=1)
    assert store.upsert([copy]) == WriteCounts(unchanged=1)
    assert stored(store) == {BLOG: f"Engines *weave*. {LONG}"}
    assert store.count_source(MEDIUM, ADA.id) == store.count_source(BLOG, ADA.id) == 1


def test_the_same_words_twice_in_a_batch_are_stored_once(store: DocumentStore) -> None:
    copies = [text("Engines weave.", f"https://ada.example/{number}") for number in range(3)]
    assert store.upsert(copies) == WriteCounts(new=1, linked=2)
    assert store.upsert(copies) == WriteCounts(unchanged=3)
    assert len(stored(store)) == 1


def test_an_article_that_is_posted_as_well_is_one_document(store: DocumentStore) -> None:
    article, post = text("Engines weave."), text("Engines  weave.", "https://linkedin.com/1", POSTS)
    assert store.upsert([post, article]).linked == 1
    assert store.upsert([post, article]) == WriteCounts(unchanged=2)
    assert len(stored(store)) == 1


def test_the_same_words_of_another_author_or_in_a_repository_are_stored(store: DocumentStore) -> None:
    babbage = Author.named("Charles Babbage")
    files = [text("x = 1", f"https://github.com/ada/engine/blob/HEAD/{name}", REPOSITORIES) for name in ("a", "b")]
    documents = [text("x = 1"), text("x = 1", MEDIUM, author=babbage), *files]
    assert store.upsert(documents) == WriteCounts(new=4)


def test_a_copy_whose_text_changes_becomes_a_document_of_its_own(store: DocumentStore) -> None:
    store.upsert([text("Engines weave."), text("Engines weave.", MEDIUM)])
    changed = text("Engines think.", MEDIUM)
    assert store.upsert([changed]) == WriteCounts(new=1)
    assert stored(store) == {BLOG: "Engines weave.", MEDIUM: "Engines think."}
    assert store.documents_of_link(MEDIUM)[ARTICLES] == [changed.id]
    assert store.delete_vanished(BLOG, ADA.id, []) == 1
    assert stored(store) == {MEDIUM: "Engines think."}


def test_a_document_that_comes_to_equal_another_is_removed_and_linked(store: DocumentStore) -> None:
    store.upsert([text("Engines weave."), text("Engines think.", MEDIUM)])
    assert store.upsert([text("Engines weave.", MEDIUM)]) == WriteCounts(linked=1)
    assert stored(store) == {BLOG: "Engines weave."}
    assert store.count_source(MEDIUM, ADA.id) == 1


def test_a_text_is_not_linked_to_one_that_loses_the_words_in_the_same_batch(store: DocumentStore) -> None:
    store.upsert([text("Engines weave.")])
    assert store.upsert([text("Engines think."), text("Engines weave.", MEDIUM)]) == WriteCounts(new=1, changed=1)
    assert stored(store) == {BLOG: "Engines think.", MEDIUM: "Engines weave."}


def test_an_article_does_not_give_way_to_a_post_but_a_post_to_an_article(store: DocumentStore) -> None:
    post = text("Engines weave.", "https://linkedin.com/1", POSTS)
    store.upsert([text("Engines think."), post])
    assert store.upsert([text("Engines weave.")]) == WriteCounts(changed=1)
    assert store.upsert([post]) == WriteCounts(linked=1)
    assert stored(store) == {BLOG: "Engines weave."}


def test_when_the_document_changes_its_copy_keeps_the_old_words(store: DocumentStore) -> None:
    store.upsert([text("Engines weave."), text("Engines weave.", MEDIUM), text("Engines weave.", FEED)])
    assert store.upsert([text("Engines think.")]) == WriteCounts(changed=1)
    assert stored(store) == {BLOG: "Engines think.", MEDIUM: "Engines weave."}
    copies = [text("Engines weave.", MEDIUM), text("Engines weave.", FEED)]
    assert store.upsert(copies) == WriteCounts(unchanged=2)


def test_when_only_the_title_changes_the_copies_stay_linked(store: DocumentStore) -> None:
    store.upsert([text("Engines weave."), text("Engines weave.", MEDIUM)])
    assert store.upsert([text("Engines weave.", title="On engines")]) == WriteCounts(changed=1)
    assert store.upsert([text("Engines weave.", MEDIUM)]) == WriteCounts(unchanged=1)
    assert len(stored(store)) == 1


def test_when_the_document_vanishes_its_copy_takes_its_place(store: DocumentStore) -> None:
    store.upsert([text("Engines weave."), text("Engines weave.", MEDIUM, title="On engines")])
    assert store.delete_vanished(BLOG, ADA.id, []) == 1
    assert stored(store) == {MEDIUM: "Engines weave."}
    copy = text("Engines weave.", MEDIUM, title="On engines")
    assert [document.id for document in store.stream(ARTICLES)] == [copy.id]
    assert store.upsert([copy]) == WriteCounts(unchanged=1)
    assert (store.count_source(BLOG, ADA.id), store.count_source(MEDIUM, ADA.id)) == (0, 1)


def test_a_file_that_is_renamed_is_not_lost(store: DocumentStore) -> None:
    old, new = (text("Engines weave.", f"{FOLDER}/{name}.md", source=FOLDER) for name in ("old", "new"))
    store.upsert([old])
    assert store.upsert([new]) == WriteCounts(linked=1)
    assert store.delete_vanished(FOLDER, ADA.id, [new.id]) == 1
    assert stored(store) == {new.link: "Engines weave."}
    assert store.upsert([new]) == WriteCounts(unchanged=1)
    assert store.delete_vanished(FOLDER, ADA.id, [new.id]) == 0


def test_a_copy_that_vanishes_leaves_the_document(store: DocumentStore) -> None:
    store.upsert([text("Engines weave."), text("Engines weave.", MEDIUM)])
    assert store.delete_vanished(MEDIUM, ADA.id, []) == 1
    assert stored(store) == {BLOG: "Engines weave."}
    assert store.count_source(MEDIUM, ADA.id) == 0


def test_a_page_that_two_addresses_lead_to_stays_until_both_are_gone(store: DocumentStore) -> None:
    first, second = text("Engines weave.", source=FEED), text("Engines weave.", source=MEDIUM)
    assert store.upsert([first]) == WriteCounts(new=1)
    assert store.upsert([second]) == WriteCounts(unchanged=1)
    assert store.upsert([second, first]) == WriteCounts(unchanged=1)
    assert store.count_source(FEED, ADA.id) == store.count_source(MEDIUM, ADA.id) == 1
    store.upsert([text("Engines weave.", source=FOLDER)])
    assert store.delete_vanished(FOLDER, ADA.id, []) == 0
    assert store.delete_vanished(FEED, ADA.id, []) == 0
    assert stored(store) == {BLOG: "Engines weave."}
    assert (store.count_source(FEED, ADA.id), store.count_source(MEDIUM, ADA.id)) == (0, 1)
    assert store.delete_vanished(MEDIUM, ADA.id, []) == 1
    assert stored(store) == {}


def test_a_page_that_changes_keeps_both_addresses(store: DocumentStore) -> None:
    store.upsert([text("Engines weave.", source=FEED)])
    assert store.upsert([text("Engines think.", source=MEDIUM)]) == WriteCounts(changed=1)
    assert store.count_source(FEED, ADA.id) == store.count_source(MEDIUM, ADA.id) == 1
    assert store.upsert([text("Engines think.", source=FEED)]) == WriteCounts(unchanged=1)
    assert store.count_source(FEED, ADA.id) == store.count_source(MEDIUM, ADA.id) == 1


def test_a_document_that_becomes_another_kind_is_stored_once(store: DocumentStore) -> None:
    store.upsert([text("Engines weave.")])
    assert store.upsert([text("Engines weave.", category=REPOSITORIES)]) == WriteCounts(changed=1)
    assert (store.count(ARTICLES), store.count(REPOSITORIES)) == (0, 1)


def test_two_documents_that_swap_their_texts_are_both_kept(store: DocumentStore) -> None:
    store.upsert([text("Engines weave."), text("Engines think.", MEDIUM)])
    for _ in range(2):
        store.upsert([text("Engines think."), text("Engines weave.", MEDIUM)])
    assert sorted(stored(store).values()) == ["Engines think.", "Engines weave."]
    assert store.upsert([text("Engines think."), text("Engines weave.", MEDIUM)]) == WriteCounts(unchanged=2)


def files(texts: dict[int, int]) -> list[RawDocument]:
    """Files of a folder by number, each with the text of a number."""
    return [text(f"Words {words}.", f"{FOLDER}/{name}.md", source=FOLDER) for name, words in texts.items()]


def crawl(store: DocumentStore, documents: list[RawDocument]) -> None:
    store.upsert(documents)
    store.delete_vanished(FOLDER, ADA.id, [document.id for document in documents])


def assert_each_text_is_stored_once(store: DocumentStore, documents: list[RawDocument]) -> None:
    by_text: dict[str, set[str]] = {}
    for document in documents:
        by_text.setdefault(document.content, set()).add(document.link)
    found = list(store.stream(ARTICLES))
    assert sorted(document.content for document in found) == sorted(by_text)
    for document in found:
        assert document.link in by_text[document.content]
    assert store.count_source(FOLDER, ADA.id) == len(documents)


SHUFFLES: dict[str, tuple[dict[int, int], dict[int, int]]] = {
    "a swap": ({1: 1, 2: 2}, {1: 2, 2: 1}),
    "a rotation": ({1: 1, 2: 2, 3: 3}, {1: 2, 2: 3, 3: 1}),
    "a shift up": ({n: n for n in range(1, 6)}, {n: n - 1 for n in range(1, 7)}),
    "a shift up that leaves the first": ({n: n for n in range(1, 6)}, {1: 1, **{n: n - 1 for n in range(2, 7)}}),
    "a shift down": ({n: n for n in range(1, 6)}, {n: n + 1 for n in range(1, 6)}),
    "the first deleted and a shift": ({n: n for n in range(1, 6)}, {n: n + 1 for n in range(1, 5)}),
    "copies that part": ({1: 1, 2: 1, 3: 1, 4: 2}, {1: 3, 2: 4, 3: 1, 4: 1}),
    "250 files shifted up": ({n: n for n in range(250)}, {n: n - 1 for n in range(251)}),
    "250 files shifted down": ({n: n for n in range(250)}, {n: n + 1 for n in range(249)}),
    "250 files rotated": ({n: n for n in range(250)}, {n: (n + 1) % 250 for n in range(250)}),
    "120 files turned round": ({n: n for n in range(120)}, {n: 119 - n for n in range(120)}),
}


@pytest.mark.parametrize("name", SHUFFLES)
@pytest.mark.parametrize("backwards", [False, True])
def test_files_that_get_each_others_texts_lose_none(store: DocumentStore, name: str, backwards: bool) -> None:
    before, after = (files(texts) for texts in SHUFFLES[name])
    crawl(store, before)
    changed = after[::-1] if backwards else after
    crawl(store, changed)
    assert_each_text_is_stored_once(store, after)
    assert store.upsert(changed) == WriteCounts(unchanged=len(after))
    crawl(store, before)
    assert_each_text_is_stored_once(store, before)


TEXTS = st.dictionaries(st.integers(0, 6), st.integers(0, 6), min_size=1)


def crawl_all(store: DocumentStore, states: list[dict[int, int]]) -> None:
    for texts in states:
        crawl(store, files(texts))
        assert_each_text_is_stored_once(store, files(texts))
        assert store.upsert(files(texts)) == WriteCounts(unchanged=len(texts))


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS, min_size=2, max_size=4))
def test_whatever_texts_change_places_none_is_lost_in_the_fake(states: list[dict[int, int]]) -> None:
    crawl_all(MemoryDocumentStore(), states)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TEXTS, min_size=2, max_size=4))
def test_whatever_texts_change_places_none_is_lost(mongo_uri: str, states: list[dict[int, int]]) -> None:
    store = MongoDocumentStore(mongo_uri, "test_shuffles")
    crawl(store, [])
    crawl_all(store, states)
    store.close()


PAGE_OF_NOTE = "https://ada.example/note"


@pytest.mark.parametrize("page_first", [True, False])
def test_a_page_and_a_note_that_differ_do_not_take_turns(store: DocumentStore, page_first: bool) -> None:
    page, note = text("As it is read.", PAGE_OF_NOTE), text("As I wrote it.", PAGE_OF_NOTE, source=FOLDER)
    for document in (page, note) if page_first else (note, page):
        store.upsert([document])
    for _ in range(2):
        assert store.upsert([page]) == WriteCounts(unchanged=1)
        assert store.upsert([note]) == WriteCounts(unchanged=1)
    assert stored(store) == {PAGE_OF_NOTE: "As it is read."}
    assert store.count_source(FOLDER, ADA.id) == store.count_source(PAGE_OF_NOTE, ADA.id) == 1


def test_a_note_does_not_take_turns_with_a_page_that_is_the_copy_of_another(store: DocumentStore) -> None:
    page, note = text("As it is read.", PAGE_OF_NOTE), text("As I wrote it.", PAGE_OF_NOTE, source=FOLDER)
    store.upsert([text("As it is read."), page])
    store.upsert([note])
    assert store.upsert([page, note]) == store.upsert([note]) == WriteCounts(unchanged=1)
    assert stored(store) == {BLOG: "As it is read."}


def test_when_the_page_of_a_note_is_gone_the_note_is_stored(store: DocumentStore) -> None:
    page, note = text("As it is read.", PAGE_OF_NOTE), text("As I wrote it.", PAGE_OF_NOTE, source=FOLDER)
    store.upsert([page])
    store.upsert([note])
    assert store.delete_vanished(PAGE_OF_NOTE, ADA.id, []) == 0
    assert store.upsert([note]) == WriteCounts(changed=1)
    assert stored(store) == {PAGE_OF_NOTE: "As I wrote it."}


def test_texts_without_a_word_are_told_apart_by_their_signs(store: DocumentStore) -> None:
    assert store.upsert([text("🎉"), text("🚀", MEDIUM)]) == WriteCounts(new=2)


def test_what_is_no_character_does_not_stop_a_document(store: DocumentStore) -> None:
    document = text("Engines \ud800 weave.", title="\udfff")
    assert store.upsert([document]) == WriteCounts(new=1)
    assert store.upsert([document]) == WriteCounts(unchanged=1)
    assert stored(store) == {BLOG: "Engines ? weave."}
