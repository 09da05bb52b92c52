"""What of a feed, a sitemap or a home page is crawled."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_engineering.application.crawlers.listings import (
    is_home,
    is_substack,
    links_in,
    listing_links,
    only_posts,
    select,
)
from llm_engineering.domain.sources import FetchedPage, ListedLink, Listing


def at(link: str, *moment: int) -> ListedLink:
    return ListedLink(f"https://example.com/{link}", datetime(*moment, tzinfo=UTC) if moment else None)  # type: ignore[arg-type,misc]


def names(links: list[ListedLink]) -> list[str]:
    return [item.link.rpartition("/")[2] for item in links]


def test_the_newest_come_first_and_those_without_a_date_last_in_their_order() -> None:
    chosen, skipped = select([at("x"), at("old", 2020, 1, 1), at("new", 2024, 1, 1), at("y")], None, 10)
    assert names(chosen) == ["new", "old", "x", "y"]
    assert skipped == {}


def test_what_is_older_than_the_day_is_left_out_and_the_day_itself_is_not() -> None:
    links = [at("before", 2023, 12, 31, 23, 59), at("on", 2024, 1, 1), at("after", 2024, 1, 2), at("undated")]
    chosen, skipped = select(links, date(2024, 1, 1), 10)
    assert names(chosen) == ["after", "on", "undated"]
    assert skipped == {"older than 2024-01-01": 1}


def test_a_moment_with_a_zone_is_compared_as_a_moment() -> None:
    tokyo = timezone(timedelta(hours=9))
    link = ListedLink("https://example.com/a", datetime(2024, 1, 1, 8, tzinfo=tokyo))  # 23:00 of the day before in UTC
    assert select([link], date(2024, 1, 1), 5) == ([], {"older than 2024-01-01": 1})
    assert select([link], datetime(2024, 1, 1, tzinfo=tokyo), 5) == ([link], {})


def test_the_limit_keeps_the_newest_and_counts_the_others() -> None:
    links = [at("a", 2021, 1, 1), at("b", 2023, 1, 1), at("c", 2022, 1, 1), at("old", 2001, 1, 1), at("undated")]
    chosen, skipped = select(links, date(2020, 1, 1), 2)
    assert names(chosen) == ["b", "c"]
    assert skipped == {"older than 2020-01-01": 1, "beyond the limit of 2": 2}


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_of_nothing_chooses_nothing(limit: int) -> None:
    assert select([at("a")], None, limit) == ([], {f"beyond the limit of {limit}": 1})


moments = st.one_of(
    st.none(), st.datetimes(), st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-7))]))
)
listed = st.lists(st.builds(ListedLink, st.integers(0, 50).map("https://example.com/{}".format), moments), max_size=30)


@given(listed, st.one_of(st.none(), st.dates(), st.datetimes()), st.integers(-1, 40))
def test_every_link_is_chosen_or_counted_and_the_newest_are_chosen(
    links: list[ListedLink], since: date | datetime | None, limit: int
) -> None:
    chosen, skipped = select(links, since, limit)
    assert len(chosen) + sum(skipped.values()) == len(links)
    assert len(chosen) <= max(0, limit)
    assert all(item in links for item in chosen)
    dates = [
        item.published_at.replace(tzinfo=item.published_at.tzinfo or UTC) if item.published_at else None
        for item in chosen
    ]
    known = [moment for moment in dates if moment]
    assert dates == [*known, *[None] * (len(dates) - len(known))]
    assert known == sorted(known, reverse=True)
    assert select(chosen, since, limit) == (chosen, {})


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("https://ada.substack.com", True),
        ("https://ada.substack.com/", True),
        ("https://ada.substack.com/archive?sort=new", True),
        ("https://blog.example.com/posts/", True),
        ("https://ada.substack.com/p/the-mill", False),
        ("https://example.com/archive/2024", False),
        ("https://example.com/about", False),
        ("no link", False),
    ],
)
def test_a_home_or_archive_page_is_told_by_its_path(link: str, expected: bool) -> None:
    assert is_home(link) is expected


def test_a_substack_is_asked_for_its_sitemap_and_then_its_feed() -> None:
    expected = ["https://ada.substack.com/sitemap.xml", "https://ada.substack.com/feed"]
    assert listing_links("https://ada.substack.com/archive?sort=new") == expected
    assert listing_links("https://ada.substack.com", None, "https://ada.substack.com/feed") == expected


def test_a_substack_on_a_domain_of_its_own_is_told_by_what_it_loads() -> None:
    page = FetchedPage("https://engine.example.com/", '<script src="https://substackcdn.com/bundle.js"></script>')
    assert is_substack(page.url, page)
    assert listing_links(page.url, page, "https://engine.example.com/feed") == [
        "https://engine.example.com/sitemap.xml",
        "https://engine.example.com/feed",
    ]


def test_another_site_is_asked_for_the_feed_that_it_names_and_for_nothing_else() -> None:
    page = FetchedPage("https://example.com/", "<p>hello")
    assert listing_links(page.url, page, "https://example.com/index.xml") == ["https://example.com/index.xml"]
    assert listing_links(page.url, page) == []
    assert not is_substack("https://substack.com.evil.example/")
    assert not is_substack("https://substack.com/")


def listing(kind: str, *links: str) -> Listing:
    return Listing(kind, [ListedLink(link) for link in links], "https://home.example/")


def test_of_a_substack_sitemap_only_the_posts_are_articles() -> None:
    root = "https://ada.substack.com"
    posts, skipped = only_posts(
        listing("sitemap", root, f"{root}/about", f"{root}/archive", f"{root}/p/a", f"{root}/p/b")
    )
    assert [item.link for item in posts.links] == [f"{root}/p/a", f"{root}/p/b"]
    assert posts.site == "https://home.example/"
    assert skipped == {"not an article": 3}


def test_of_a_substack_sitemap_on_another_domain_too() -> None:
    root = "https://engine.example.com"
    posts, _ = only_posts(listing("sitemap", root, f"{root}/about", f"{root}/archive", f"{root}/p/a"))
    assert [item.link for item in posts.links] == [f"{root}/p/a"]


def test_of_another_sitemap_all_but_the_home_page_may_be_articles() -> None:
    root = "https://example.com"
    posts, skipped = only_posts(listing("sitemap", f"{root}/", f"{root}/2024/a", f"{root}/p/b"))
    assert [item.link for item in posts.links] == [f"{root}/2024/a", f"{root}/p/b"]
    assert skipped == {"not an article": 1}


def test_of_an_index_the_sitemaps_of_tags_authors_and_pictures_are_left_out() -> None:
    root = "https://example.com"
    kept = ["wp-sitemap-posts-post-1.xml", "post-sitemap2.xml", "sitemap-posts.xml", "sitemap_2024.xml.gz"]
    dropped = [
        "wp-sitemap-taxonomies-category-1.xml", "wp-sitemap-users-1.xml", "author-sitemap.xml", "post_tag-sitemap.xml",
        "sitemap-tags.xml", "image-sitemap-3.xml",
    ]  # fmt: skip
    posts, skipped = only_posts(listing("sitemap index", *(f"{root}/{name}" for name in [*dropped, *kept])))
    assert [item.link.rpartition("/")[2] for item in posts.links] == kept
    assert skipped == {"not an article": 6}


def test_a_feed_holds_only_articles() -> None:
    feed = listing("feed", "https://example.com/", "https://example.com/about")
    assert only_posts(feed) == (feed, {})


def test_the_links_of_a_page_are_absolute_and_unescaped() -> None:
    html = """<a class="x" HREF='/b?x=1&amp;y=2'>b</a> <a href="c">c</a> <a name="d"> <link href="e"> <a href="http://[">
        <a data-href="f">f</a> <abbr href="g">g</abbr>"""
    page = FetchedPage("https://example.com/a/", html)
    assert list(links_in(page)) == ["https://example.com/b?x=1&y=2", "https://example.com/a/c"]


@given(st.text(alphabet="<>a href='\"=x/!-&;", max_size=200))
def test_the_links_of_broken_html_are_read_without_an_error(html: str) -> None:
    assert all(
        link.startswith("https://") or ":" in link for link in links_in(FetchedPage("https://example.com/", html))
    )
