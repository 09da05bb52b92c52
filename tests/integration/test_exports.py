"""Exports of platforms, as folders and as archives, in the shapes that the platforms write."""

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from llm_engineering.domain.documents import DataCategory
from llm_engineering.domain.errors import CrawlError
from llm_engineering.domain.sources import FileTree, SourceFile
from llm_engineering.infrastructure.files.linkedin_export import without_line_quotes
from llm_engineering.infrastructure.files.tree import FileLimits
from tests.integration.samples import read, write, zipped

ARTICLES, POSTS = DataCategory.ARTICLES, DataCategory.POSTS
SECRET = "s3cret of another person"

MEDIUM_POST = """<!DOCTYPE html><html><head><meta charset="utf-8"><title>Growing tomatoes</title>
<style>* {{}}</style></head><body><article class="h-entry"><header><h1 class="p-name">Growing tomatoes</h1></header>
<section data-field="subtitle" class="p-summary">{subtitle}</section>
<section data-field="body" class="e-content"><section name="a" class="section section--body">
<div class="section-divider"><hr class="section-divider"></div><div class="section-content"><div class="section-inner">
{body}</div></div></section></section>
<footer><p>By <a href="https://medium.com/@ada" class="p-author h-card">Ada</a> on
<a href="https://medium.com/p/abc123"><time class="dt-published" datetime="2019-04-01T10:20:30.123Z">then</time></a></p>
{canonical}<p>Exported from <a href="https://medium.com">Medium</a>.</p></footer></article></body></html>"""
CANONICAL = '<p><a href="https://medium.com/@ada/growing-tomatoes-abc123" class="p-canonical">Canonical link</a></p>'
MEDIUM_BODY = (
    '<h3 class="graf graf--h3 graf--leading graf--title">Growing tomatoes</h3>'
    '<p class="graf">Water <strong>them</strong>.</p>'
    '<pre data-code-block-lang="python" class="graf graf--pre"><span>a_b = 1<br />c = 2</span></pre>'
    '<figure><img src="https://cdn/x.png"><figcaption>A tomato</figcaption></figure><ul><li>red</li><li>round</li></ul>'
)


def medium(**post: str) -> str:
    return MEDIUM_POST.format(**{"subtitle": "", "body": MEDIUM_BODY, "canonical": CANONICAL} | post)


MEDIUM: dict[str, bytes | str] = {
    "README.html": "<p>About this export</p>",
    "posts/2019-04-01_Growing-tomatoes-abc123.html": medium(subtitle="What they need"),
    "posts/2019-04-02_Thank-you-def.html": medium(
        body='<p class="graf graf--p graf--leading">Thank you!</p>', canonical="", subtitle="Thank you and…"
    ),
    "posts/2019-04-03_Nothing.html": medium(body=""),
    "posts/draft_Secret-plans-xyz.html": medium(),
    "profile/profile.html": SECRET,
    "claps/claps-0001.html": SECRET,
}

SUBSTACK_HEADER = (
    "post_id,post_date,is_published,email_sent_at,inbox_sent_at,type,audience,title,subtitle,podcast_url\n"
)
SUBSTACK: dict[str, bytes | str] = {
    "posts.csv": SUBSTACK_HEADER
    + '101.on-rain,2023-05-01T12:00:00.000Z,true,,,newsletter,everyone,"On rain, again",Why it falls,\n'
    + "102.draft,,false,,,newsletter,everyone,Not yet,,\n"
    + "103.talk,2023-05-02T12:00:00.000Z,true,,,podcast,everyone,A talk,,https://example.com/x.mp3\n"
    + "104.lost,2023-05-03T12:00:00.000Z,true,,,newsletter,everyone,Lost,,\n"
    + "../email_list,2023-05-03T12:00:00.000Z,true,,,newsletter,everyone,Evil,,\n",
    "posts/101.on-rain.html": "<h2>Clouds</h2><p>It <em>rains</em>.</p><script>x</script>",
    "posts/102.draft.html": "<p>s3cret draft</p>",
    "posts/105.stray.html": "<p>stray</p>",
    "posts/101.opens.csv": f"email\n{SECRET}\n",
    "email_list.html": f"<p>{SECRET}</p>",
    "email_list.ada.csv": f"email\n{SECRET}\n",
}

LONG = "This first line is rather long because its writer did not stop where a title should have stopped, as people do"
LINKEDIN_ARTICLE = (
    '<html><head><title>t</title></head><body><img src="x"><h1><a href="https://www.linkedin.com/pulse/on-work-ada">'
    'On work</a></h1><p class="created">Created on 2020-01-01 09:00</p>{published}'
    "<div><p>Work is <b>good</b>.</p></div></body></html>"
)
SHARE = "https://www.linkedin.com/feed/update/urn%3Ali%3Ashare%3A"
LINKEDIN: dict[str, bytes | str] = {
    "Shares.csv": "\ufeffDate,ShareLink,ShareCommentary,SharedUrl,MediaUrl,Visibility\r\n"
    f'2024-02-01 10:11:12,{SHARE}1,"Line one""\n""""\n""Line, two",,,MEMBER_NETWORK\r\n'
    f"2024-02-02 10:11:12,{SHARE}2,,https://example.com/x,,MEMBER_NETWORK\r\n"
    f"2024-02-03 10:11:12,{SHARE}3,Among friends,,,CONNECTIONS\r\n"
    f"2024-02-04 10:11:12,,{LONG.replace(',', ';')},,,PUBLIC\r\n"
    f"2024-02-04 10:11:12,,{LONG.replace(',', ';')},,,PUBLIC\r\n",
    "Profile.csv": 'Notes:\n"About this file, among others"\n\nFirst Name,Last Name,Headline,Summary\n'
    'Ada,Lovelace,Analyst,"I compute.\nI write."\n',
    "Articles/Articles/on-work.html": LINKEDIN_ARTICLE.format(
        published='<p class="published">Published on 2020-01-02 09:30</p>'
    ),
    "Articles/Articles/unfinished.html": LINKEDIN_ARTICLE.format(published=""),
    "messages.csv": SECRET,
    "Connections.csv": f"First Name,Last Name,Email\n{SECRET}",
    "Email Addresses.csv": SECRET,
    "notes.md": SECRET,
}


def from_folder_and_archive(
    folder: Path, files: dict[str, bytes | str], root: str = ""
) -> tuple[list[SourceFile], FileTree]:
    """The same documents and failures come of the unpacked folder and of the archive."""
    unpacked, _ = read(write(folder / "unpacked", {root + path: content for path, content in files.items()}))
    archive = write(folder, {"export.zip": zipped({root + path: content for path, content in files.items()})})
    packed, tree = read(archive / "export.zip")
    assert packed == unpacked
    assert not any(SECRET in file.text for file in packed)
    return packed, tree


@pytest.mark.parametrize("root", ["", "medium-export-1a2b/"])
def test_a_medium_export_gives_the_published_posts_with_their_public_links(tmp_path: Path, root: str) -> None:
    files, tree = from_folder_and_archive(tmp_path, MEDIUM, root)
    article, response = files
    assert article == SourceFile(
        path=f"{root}posts/2019-04-01_Growing-tomatoes-abc123.html",
        text="### Growing tomatoes\n\nWater **them**.\n\n```python\na_b = 1\nc = 2\n```\n\nA tomato\n\n- red\n- round",
        title="Growing tomatoes",
        subtitle="What they need",
        published_at=datetime(2019, 4, 1, 10, 20, 30, 123000, tzinfo=UTC),
        link="https://medium.com/@ada/growing-tomatoes-abc123",
        category=ARTICLES,
        platform="medium",
    )
    assert (response.category, response.link, response.subtitle) == (POSTS, "https://medium.com/p/abc123", None)
    assert tree.skipped == {"other part of the Medium export": 3, "empty": 1, "draft": 1}
    assert tree.failed == {}


def test_a_substack_export_gives_the_published_posts_and_no_reader(tmp_path: Path) -> None:
    files, tree = from_folder_and_archive(tmp_path, SUBSTACK)
    assert files == [
        SourceFile(
            path="posts/101.on-rain.html",
            text="## Clouds\n\nIt *rains*.",
            title="On rain, again",
            subtitle="Why it falls",
            published_at=datetime(2023, 5, 1, 12, tzinfo=UTC),
            category=ARTICLES,
            platform="substack",
        )
    ]
    assert tree.skipped == {
        "type not read: .csv": 2,
        "other part of the Substack export": 1,
        "draft": 1,
        "podcast": 1,
        "not in posts.csv": 1,
    }
    assert set(tree.failed) == {"posts/104.lost.html", "posts/../email_list.html"}


@pytest.mark.parametrize("folder", ["Articles/Articles/", "Articles/"])
def test_a_linkedin_export_gives_posts_articles_and_profile_and_nobody_elses_data(tmp_path: Path, folder: str) -> None:
    export = {path.replace("Articles/Articles/", folder): content for path, content in LINKEDIN.items()}
    files, tree = from_folder_and_archive(tmp_path, export)
    profile, first, long, article = files
    assert (profile.title, profile.text) == ("LinkedIn profile", "Analyst\n\nI compute.\nI write.")
    assert first == SourceFile(
        path=f"Shares.csv/2024-02-01 10:11:12 {sha256(first.text.encode()).hexdigest()[:8]}",
        text="Line one\n\nLine, two",
        title="Line one",
        published_at=datetime(2024, 2, 1, 10, 11, 12, tzinfo=UTC),
        link="https://www.linkedin.com/feed/update/urn%3Ali%3Ashare%3A1",
        category=POSTS,
        platform="linkedin",
    )
    assert (long.link, long.title) == (
        None,
        "This first line is rather long because its writer did not stop where a title…",
    )
    assert article == SourceFile(
        path=f"{folder}on-work.html",
        text="Work is **good**.",
        title="On work",
        published_at=datetime(2020, 1, 2, 9, 30, tzinfo=UTC),
        link="https://www.linkedin.com/pulse/on-work-ada",
        category=ARTICLES,
        platform="linkedin",
    )
    assert {file.category for file in (profile, first, long)} == {POSTS}
    assert tree.skipped == {
        "type not read: .csv": 3,
        "other part of the LinkedIn export": 1,
        "no words of one's own": 1,
        "not public": 1,
        "twice in the export": 1,
        "draft": 1,
    }
    assert tree.failed == {}


@pytest.mark.parametrize(
    ("commentary", "expected"),
    [
        ('Line one"\n""\n"Line two', "Line one\n\nLine two"),
        ('"Line one"\n"Line two"', "Line one\nLine two"),
        ('She said ""yes"""\n"and left', 'She said "yes"\nand left'),
        ("Line one\nLine two", "Line one\nLine two"),
        ('"Just a quotation"', '"Just a quotation"'),
        ('He said "yes"\nand left', 'He said "yes"\nand left'),
        ("", ""),
    ],
)
def test_the_quotes_around_the_lines_of_a_post_go_and_its_own_stay(commentary: str, expected: str) -> None:
    assert without_line_quotes(commentary) == expected


def test_an_export_among_notes_is_read_as_an_export(tmp_path: Path) -> None:
    export = {f"medium/{path}": text for path, text in MEDIUM.items()}
    files, _ = read(write(tmp_path / "n", {**export, "a.md": "a", "z.md": "z"}))
    assert [file.platform for file in files] == [None, "medium", "medium", None]


def test_an_exclude_pattern_holds_for_exports_too(tmp_path: Path) -> None:
    files, tree = read(write(tmp_path / "n", LINKEDIN), limits=FileLimits(256 * 1024, 100, ("Shares.csv", "Articles/")))
    assert [file.title for file in files] == ["LinkedIn profile"]
    assert tree.skipped["excluded by pattern"] == 2


def test_the_files_of_an_export_are_no_way_out_of_it(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"outside/posts.csv": SUBSTACK["posts.csv"], "outside/posts/101.on-rain.html": "s3cret", "n/a.md": "a"},
    )
    (tmp_path / "n" / "posts.csv").symlink_to(tmp_path / "outside" / "posts.csv")
    (tmp_path / "n" / "posts").symlink_to(tmp_path / "outside" / "posts")
    files, tree = read(tmp_path / "n")
    assert [file.text for file in files] == ["a"]
    assert tree.skipped == {"symbolic link": 2}


def test_a_table_that_cannot_be_read_is_a_failure_with_its_name(tmp_path: Path) -> None:
    huge = SUBSTACK_HEADER + f'101.on-rain,2023-05-01,true,,,newsletter,everyone,"{"x" * 200_000}",,\n'
    notes = write(tmp_path / "n", {"s/posts.csv": huge, "s/posts/101.on-rain.html": "<p>x</p>", "a.md": "a"})
    files, tree = read(notes)
    assert [file.path for file in files] == ["a.md"]
    assert tree.failed["s/posts.csv/"].startswith("no table that can be read: field larger")


def test_posts_without_visibility_are_not_taken_for_public(tmp_path: Path) -> None:
    shares = "Date,ShareLink,ShareCommentary\n2024-02-01 10:11:12,https://www.linkedin.com/x,words\n"
    with pytest.raises(CrawlError, match=r"Shares\.csv/: .*no column Visibility"):
        read(write(tmp_path / "n", {"Shares.csv": shares}))


def test_the_posts_folder_of_a_medium_export_is_read_like_the_export(tmp_path: Path) -> None:
    posts = {path.removeprefix("posts/"): page for path, page in MEDIUM.items() if path.startswith("posts/")}
    alone, tree = read(write(tmp_path / "posts", posts))
    whole, _ = read(write(tmp_path / "export", MEDIUM))
    assert [(file.title, file.text, file.link) for file in alone] == [
        (file.title, file.text, file.link) for file in whole
    ]
    assert tree.skipped == {"empty": 1, "draft": 1}


def test_pages_of_another_site_that_are_h_entries_too_are_no_medium_export(tmp_path: Path) -> None:
    page = '<article class="h-entry"><h1 class="p-name">T</h1><div class="e-content"><p>words</p></div></article>'
    files, _ = read(write(tmp_path / "n", {"draft_a.html": page}))
    assert [file.platform for file in files] == [None]


def test_two_posts_of_the_same_second_without_links_are_two_documents(tmp_path: Path) -> None:
    rows = "".join(f"2024-01-03 10:00:00,,{words},MEMBER_NETWORK\n" for words in ("one", "two"))
    notes = write(tmp_path / "n", {"Shares.csv": f"Date,ShareLink,ShareCommentary,Visibility\n{rows}"})
    files, _ = read(notes)
    assert [file.text for file in files] == ["one", "two"]
    assert len({file.path for file in files}) == 2
