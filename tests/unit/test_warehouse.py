"""Back-up and restore of the raw data, in the handbook's JSON."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from llm_engineering.application.warehouse import export_raw_data, from_record, import_raw_data, to_record
from llm_engineering.domain.documents import Author, DataCategory, RawDocument
from llm_engineering.domain.errors import InvalidDumpError
from llm_engineering.domain.reports import WriteCounts
from llm_engineering.domain.sources import SourceState
from tests.fakes import ADA, MemoryDocumentStore, SilentProgress

ARTICLE: dict[str, Any] = {
    "_id": "a964f3ac-e92f-4fcb-847a-a46da3d697d9",
    "content": {
        "Title": "Maths behind attention",
        "Subtitle": None,
        "Content": "A first paragraph.\n\nA second one.",
        "language": "en",
    },
    "platform": "medium",
    "author_id": "eff74089-0271-4319-8543-745c087f4f61",
    "author_full_name": "Ada Lovelace",
    "link": "https://medium.com/p/attention",
}
POST: dict[str, Any] = {
    "_id": "b1",
    "content": {"Hook": "Engines do not think.", "Body": "They weave.", "Empty": None},
    "platform": "linkedin",
    "author_id": "x",
    "author_full_name": "Ada Lovelace",
}
REPOSITORY: dict[str, Any] = {
    "_id": "c1",
    "name": "engine",
    "link": "https://github.com/ada/engine",
    "content": {"src/mill.py": "def mill(): ...\n", "READ ME.md": "# Engine\n"},
    "platform": "github",
    "author_id": "x",
    "author_full_name": "Ada Lovelace",
}
RECORDS = [
    (DataCategory.ARTICLES, ARTICLE),
    (DataCategory.POSTS, POST),
    (DataCategory.REPOSITORIES, REPOSITORY),
]


class DictDump:
    """A dump in a dictionary. A record that is an exception is raised when it is reached."""

    def __init__(self, **collections: list[Any]) -> None:
        self.collections = collections

    def __str__(self) -> str:
        return "the dictionary"

    def has(self, collection: str) -> bool:
        return collection in self.collections

    def read(self, collection: str) -> Iterator[Any]:
        for record in self.collections[collection]:
            if isinstance(record, Exception):
                raise record
            yield record

    def write(self, collection: str, records: Iterable[Mapping[str, Any]]) -> int:
        self.collections[collection] = [dict(record) for record in records]
        return len(self.collections[collection])


def article(number: int) -> dict[str, Any]:
    content = {**ARTICLE["content"], "Content": f"Text {number}."}
    return {**ARTICLE, "_id": str(number), "link": f"https://example.com/{number}", "content": content}


def rejection(category: DataCategory, record: Any) -> str:
    with pytest.raises(InvalidDumpError) as caught:
        from_record(category, record)
    return str(caught.value)


def test_an_article_keeps_its_title_text_language_and_link() -> None:
    [document] = from_record(DataCategory.ARTICLES, ARTICLE)
    assert document.category is DataCategory.ARTICLES
    assert (document.title, document.subtitle, document.language) == ("Maths behind attention", None, "en")
    assert document.content == "A first paragraph.\n\nA second one."
    assert (document.link, document.source) == ("https://medium.com/p/attention", "https://medium.com/p/attention")
    assert (document.platform, document.author_full_name) == ("medium", "Ada Lovelace")
    assert document.published_at is None


def test_a_documents_ids_are_ours_and_not_the_dumps() -> None:
    [document] = from_record(DataCategory.ARTICLES, ARTICLE)
    crawled = RawDocument.create(
        category=DataCategory.ARTICLES,
        platform="medium.com",
        link="https://medium.com/p/attention/?utm_source=feed",
        author=ADA,
        title="x",
        content="y",
    )
    assert (document.id, document.author_id) == (crawled.id, ADA.id)


def test_a_post_is_its_sections_in_order_with_the_first_line_as_its_title() -> None:
    [document] = from_record(DataCategory.POSTS, POST)
    assert document.title == "Engines do not think."
    assert document.content == "Engines do not think.\n\nThey weave."


def test_a_long_first_line_makes_a_title_of_80_characters() -> None:
    [document] = from_record(DataCategory.POSTS, {**POST, "content": {"Body": "x" * 81}})
    assert document.title == "x" * 80
    assert document.content == "x" * 81


def test_a_repository_gives_a_document_a_file() -> None:
    code, text = from_record(DataCategory.REPOSITORIES, REPOSITORY)
    assert (code.title, code.content) == ("engine/src/mill.py", "def mill(): ...\n")
    assert code.link == "https://github.com/ada/engine/blob/HEAD/src/mill.py"
    assert text.link == "https://github.com/ada/engine/blob/HEAD/READ%20ME.md"
    assert code.source == text.source == "https://github.com/ada/engine"
    assert code.id != text.id


def test_a_repositorys_empty_files_are_left_out() -> None:
    record = {**REPOSITORY, "content": {"a.py": "x", "empty.py": "", "nothing.py": None}}
    assert [document.title for document in from_record(DataCategory.REPOSITORIES, record)] == ["engine/a.py"]


def test_a_repository_without_a_name_is_called_by_its_link() -> None:
    record = {**REPOSITORY, "name": None, "link": "https://github.com/ada/engine/"}
    titles = [document.title for document in from_record(DataCategory.REPOSITORIES, record)]
    assert titles == ["engine/src/mill.py", "engine/READ ME.md"]


def test_a_missing_link_is_made_from_the_records_id_so_that_a_second_import_meets_the_first() -> None:
    first, again = (from_record(DataCategory.POSTS, POST)[0] for _ in range(2))
    other = from_record(DataCategory.POSTS, {**POST, "_id": "b2"})[0]
    assert first.link == "urn:uuid:b1"
    assert first.id == again.id != other.id


def test_a_key_of_another_version_is_ignored() -> None:
    [document] = from_record(DataCategory.ARTICLES, {**ARTICLE, "embedding": [1, 2], "tags": "x"})
    assert document.title == "Maths behind attention"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"content": {}}, "no text"),
        ({"content": {"Title": "A title alone"}}, "no text"),
        ({"content": {"Content": " \n "}}, "no text"),
        ({"content": {"Content": 5}}, "content.Content: Input should be a valid string"),
        ({"content": {"Content": {"nested": "x"}}}, "content.Content: Input should be a valid string"),
        ({"content": "text"}, "content: Input should be a valid dictionary"),
        ({"content": None}, "content: Input should be a valid dictionary"),
        ({"_id": None}, "_id: Input should be a valid string"),
        ({"author_full_name": "  "}, "needs a name"),
        ({"link": "http://[broken"}, "not a valid link"),
        ({"published_at": "soon"}, "published_at: "),
    ],
)
def test_a_record_that_cannot_be_read_says_what_is_wrong_with_it(change: dict[str, Any], reason: str) -> None:
    assert reason in rejection(DataCategory.ARTICLES, {**ARTICLE, **change})


@pytest.mark.parametrize("missing", ["_id", "content", "author_full_name"])
def test_a_record_without_a_needed_key_names_it(missing: str) -> None:
    record = {key: value for key, value in ARTICLE.items() if key != missing}
    assert f"{missing}: Field required" in rejection(DataCategory.ARTICLES, record)


@pytest.mark.parametrize("record", ["text", None, 5, ["a"]])
def test_a_record_that_is_no_mapping_is_rejected(record: Any) -> None:
    assert "valid dictionary" in rejection(DataCategory.ARTICLES, record)


def test_a_repository_without_a_link_is_rejected() -> None:
    assert "link" in rejection(DataCategory.REPOSITORIES, {**REPOSITORY, "link": None})


@pytest.mark.parametrize("content", [{}, {"a.py": "", "b.py": None}])
def test_a_repository_without_any_text_is_rejected_rather_than_lost(content: dict[str, str | None]) -> None:
    assert "no text" in rejection(DataCategory.REPOSITORIES, {**REPOSITORY, "content": content})


def test_a_document_is_written_in_the_handbooks_form() -> None:
    [document] = from_record(DataCategory.ARTICLES, ARTICLE)
    assert to_record(document) == {**ARTICLE, "_id": str(document.id), "author_id": str(ADA.id)}


def test_a_repositorys_file_is_written_as_a_repository_with_one_file() -> None:
    code, _ = from_record(DataCategory.REPOSITORIES, REPOSITORY)
    assert to_record(code) == {
        **REPOSITORY,
        "_id": str(code.id),
        "author_id": str(ADA.id),
        "content": {"src/mill.py": "def mill(): ...\n"},
    }


@pytest.mark.parametrize(
    ("category", "record"),
    [
        *RECORDS,
        (DataCategory.ARTICLES, {**ARTICLE, "content": {**ARTICLE["content"], "Subtitle": "A subtitle"}}),
        (DataCategory.ARTICLES, {**ARTICLE, "source": "https://example.com/feed"}),
        (DataCategory.ARTICLES, {**ARTICLE, "published_at": "2024-03-05T10:00:00+01:00"}),
        (DataCategory.ARTICLES, {**ARTICLE, "author_full_name": "Plato"}),
        (DataCategory.ARTICLES, {**ARTICLE, "byline": "Ada L. and friends"}),
        (DataCategory.ARTICLES, {**ARTICLE, "link": "http://www.example.com/a/?b=1"}),
        (DataCategory.POSTS, {**POST, "link": "https://www.linkedin.com/feed/update/urn:li:activity:7/"}),
        (DataCategory.REPOSITORIES, {**REPOSITORY, "name": "ada/engine"}),
        (DataCategory.REPOSITORIES, {**REPOSITORY, "link": "https://gitlab.com/ada/engine/"}),
        (DataCategory.REPOSITORIES, {**REPOSITORY, "link": "https://github.com/ada/engine.git"}),
        (DataCategory.REPOSITORIES, {**REPOSITORY, "content": {"100% a#b?.md": "x"}}),
    ],
)
def test_a_document_written_and_read_again_is_the_same(category: DataCategory, record: dict[str, Any]) -> None:
    documents = from_record(category, record)
    assert documents
    for document in documents:
        written = to_record(document)
        assert from_record(category, written) == [document]
        assert to_record(*from_record(category, written)) == written


def test_the_source_that_listed_a_document_is_kept_beside_its_link() -> None:
    [document] = from_record(DataCategory.ARTICLES, {**ARTICLE, "source": "https://example.com/feed"})
    assert (document.link, document.source) == ("https://medium.com/p/attention", "https://example.com/feed")
    assert to_record(document)["source"] == "https://example.com/feed"


def test_a_date_keeps_its_moment() -> None:
    [document] = from_record(DataCategory.ARTICLES, {**ARTICLE, "published_at": "2024-03-05T10:00:00+01:00"})
    assert document.published_at == datetime(2024, 3, 5, 9, tzinfo=UTC)


def test_rejected_records_are_counted_with_their_place_and_the_others_stored() -> None:
    nameless = {**article(3), "author_full_name": ""}
    dump = DictDump(
        ArticleDocument=[article(0), {"_id": "1"}, article(2), nameless, "text"],
        RepositoryDocument=[{**REPOSITORY, "link": None}, REPOSITORY],
    )
    store = MemoryDocumentStore()
    report = import_raw_data(dump, store, SilentProgress())
    assert report.rejected.keys() == {
        "ArticleDocument.json, record 1",
        "ArticleDocument.json, record 3",
        "ArticleDocument.json, record 4",
        "RepositoryDocument.json, record 0",
    }
    assert "author_full_name: Field required" in report.rejected["ArticleDocument.json, record 1"]
    assert report.documents["articles"] == WriteCounts(new=2)
    assert report.documents["repositories"] == WriteCounts(new=2)
    assert sorted(document.link for document in store.documents.values()) == [
        "https://example.com/0",
        "https://example.com/2",
        "https://github.com/ada/engine/blob/HEAD/READ%20ME.md",
        "https://github.com/ada/engine/blob/HEAD/src/mill.py",
    ]


def test_a_second_import_changes_nothing() -> None:
    dump = DictDump(ArticleDocument=[article(0), article(1)], PostDocument=[POST])
    store = MemoryDocumentStore()
    import_raw_data(dump, store, SilentProgress())
    stored = dict(store.documents)
    again = import_raw_data(dump, store, SilentProgress())
    assert again.documents["articles"] == WriteCounts(unchanged=2)
    assert again.documents["posts"] == WriteCounts(unchanged=1)
    assert store.documents == stored


def test_a_text_that_a_dump_has_under_two_links_is_stored_once_and_counted_as_linked() -> None:
    copy = {**article(0), "_id": "copy", "link": "https://medium.com/copy"}
    dump, again, store = DictDump(ArticleDocument=[article(0), copy]), DictDump(), MemoryDocumentStore()
    report = import_raw_data(dump, store, SilentProgress())
    assert report.documents["articles"] == WriteCounts(new=1, linked=1)
    assert import_raw_data(dump, store, SilentProgress()).documents["articles"] == WriteCounts(unchanged=2)
    export_raw_data(store, again, SilentProgress())
    assert [record["link"] for record in again.collections["ArticleDocument"]] == ["https://example.com/0"]


def test_more_records_than_a_batch_are_all_stored_and_counted() -> None:
    progress, store = SilentProgress(), MemoryDocumentStore()
    report = import_raw_data(DictDump(ArticleDocument=[article(n) for n in range(201)]), store, progress)
    assert report.documents["articles"].new == len(store.documents) == 201
    assert sum(progress.done.values()) == 201


def test_users_are_imported_and_bad_ones_counted() -> None:
    users = [
        {"_id": "1", "first_name": "Ada", "last_name": "Lovelace"},
        {"_id": "2", "first_name": "Plato", "last_name": "Plato"},
        {"_id": "3", "first_name": "Nameless"},
        {"_id": "4", "first_name": " ", "last_name": ""},
    ]
    store = MemoryDocumentStore()
    report = import_raw_data(DictDump(UserDocument=users), store, SilentProgress())
    assert [author.full_name for author in store.authors()] == ["Ada Lovelace", "Plato"]
    assert report.authors == 2
    assert report.rejected.keys() == {"UserDocument.json, record 2", "UserDocument.json, record 3"}


def test_the_author_of_a_document_is_stored_even_where_no_user_is() -> None:
    store = MemoryDocumentStore()
    import_raw_data(DictDump(PostDocument=[POST]), store, SilentProgress())
    assert list(store.authors()) == [ADA]


def test_a_folder_without_a_dump_is_told_what_was_expected() -> None:
    with pytest.raises(InvalidDumpError) as caught:
        import_raw_data(DictDump(Other=[]), MemoryDocumentStore(), SilentProgress())
    message = str(caught.value)
    assert "the dictionary" in message
    for name in ("UserDocument.json", "ArticleDocument.json", "PostDocument.json", "RepositoryDocument.json"):
        assert name in message


def test_a_file_that_breaks_off_ends_the_import_as_an_error() -> None:
    dump = DictDump(ArticleDocument=[article(0), InvalidDumpError("broken off")])
    with pytest.raises(InvalidDumpError, match="broken off"):
        import_raw_data(dump, MemoryDocumentStore(), SilentProgress())


def test_what_is_exported_and_imported_elsewhere_is_the_same_store() -> None:
    documents = [document for category, record in RECORDS for document in from_record(category, record)]
    store, copy, dump = MemoryDocumentStore(documents), MemoryDocumentStore(), DictDump()
    store.get_or_create_author("Charles Babbage")
    exported = export_raw_data(store, dump, SilentProgress())
    import_raw_data(dump, copy, SilentProgress())
    assert copy.documents == store.documents
    assert set(copy.authors()) == {ADA, Author.named("Charles Babbage")}
    assert exported.authors == 2
    assert {name: counts.new for name, counts in exported.documents.items()} == {
        "articles": 1,
        "posts": 1,
        "repositories": 2,
    }
    assert [user["first_name"] for user in dump.collections["UserDocument"]] == ["Ada", "Charles"]


def repository_file(link: str, source: str, title: str) -> RawDocument:
    return RawDocument.create(
        category=DataCategory.REPOSITORIES,
        platform="local",
        link=link,
        source=source,
        author=ADA,
        title=title,
        content="# Guide",
    )


@pytest.mark.parametrize(
    "document",
    [
        repository_file("file:///srv/x.git/a.md", "file:///srv/x.git", "x/a.md"),
        repository_file(
            "https://github.com/ada/demo/blob/main/docs/guide.md",
            "https://github.com/ada/demo/tree/main/docs",
            "demo/docs/guide.md",
        ),
        repository_file("https://git.example/x/a.md", "https://git.example/x.git", "x/a.md"),
    ],
)
def test_a_repositorys_file_whose_link_cannot_be_made_from_its_path_is_the_same_again(document: RawDocument) -> None:
    assert from_record(DataCategory.REPOSITORIES, to_record(document)) == [document]


def test_the_repository_of_a_disk_keeps_its_ending_and_one_of_the_web_does_not() -> None:
    roots = [
        from_record(DataCategory.REPOSITORIES, {**REPOSITORY, "link": link})[0].source
        for link in ("file:///srv/x.git", "https://github.com/ada/x.git")
    ]
    assert roots == ["file:///srv/x.git", "https://github.com/ada/x"]


def test_sources_whose_texts_an_import_changes_are_read_anew_by_the_next_crawl() -> None:
    store, dump = MemoryDocumentStore(), DictDump(ArticleDocument=[article(0)], RepositoryDocument=[REPOSITORY])
    feed, page, repository, other = (
        SourceState(source=link, link=link, author_id=ADA.id, etag="e", last_modified="l", revision="r", listed_by=by)
        for link, by in (
            ("https://example.com/feed", None),
            ("https://example.com/0", "https://example.com/feed"),
            ("https://github.com/ada/engine", None),
            ("https://example.com/other", None),
        )
    )
    states = (feed, page, repository, other)
    for state in states:
        store.save_source_state(state)
    import_raw_data(dump, store, SilentProgress())
    read = {state.source: store.source_state(state.source, ADA.id) for state in states}
    assert read.pop(other.source) == other
    forgotten = {"etag": None, "last_modified": None, "revision": None}
    assert read == {state.source: state.model_copy(update=forgotten) for state in (feed, page, repository)}
    for state in states:
        store.save_source_state(state)
    import_raw_data(dump, store, SilentProgress())
    assert [store.source_state(state.source, ADA.id) for state in states] == list(states)
