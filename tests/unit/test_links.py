"""Links: one spelling for each page."""

from random import Random
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llm_engineering.domain.errors import InvalidInputError
from llm_engineering.domain.links import (
    canonical_link,
    canonical_repository_link,
    host_of,
    identity,
    shown_link,
    without_credentials,
)


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("https://Example.COM/Post/", "https://example.com/Post"),
        ("HTTPS://example.com:443/a", "https://example.com/a"),
        ("http://example.com:8080/a", "http://example.com:8080/a"),
        ("https://example.com./a", "https://example.com/a"),
        ("https://www.example.com/a", "https://example.com/a"),
        ("https://www.www.example.com/a", "https://example.com/a"),
        ("https://www.com/a", "https://www.com/a"),
        ("https://example.com/a#part", "https://example.com/a"),
        ("https://example.com/a?utm_source=x&id=3&fbclid=y", "https://example.com/a?id=3"),
        ("https://example.com/a?z=1&b=2", "https://example.com/a?b=2&z=1"),
        ("https://example.com/a?q=%e4", "https://example.com/a?q=%E4"),
        ("https://example.com/a?q=x%20y", "https://example.com/a?q=x+y"),
        ("https://ada.substack.com/p/x?r=abc", "https://ada.substack.com/p/x"),
        ("https://example.com/search?r=abc", "https://example.com/search?r=abc"),
        ("https://medium.com/@ada/x-1?source=rss----7", "https://medium.com/@ada/x-1"),
        ("https://notmedium.com/x?source=rss", "https://notmedium.com/x?source=rss"),
        ("https://user:secret@example.com/a", "https://example.com/a"),
        ("https://[2001:db8::1]/a", "https://[2001:db8::1]/a"),
        ("https://Müller.example/ä", "https://xn--mller-kva.example/%C3%A4"),
        ("https://example.com/%7Eada/%61%2fb%C3%A4", "https://example.com/~ada/a%2Fb%C3%A4"),
        ("https://example.com/a/./b/../c", "https://example.com/a/c"),
        ("https://example.com/../../a", "https://example.com/a"),
        ("https://example.com/%2e%2e/a", "https://example.com/a"),
        ("https://example.com/100%", "https://example.com/100%25"),
        ("https://example.com/%%32e", "https://example.com/%252e"),
        ("https://example.com", "https://example.com"),
        ("https://example.com/", "https://example.com"),
        ("  https://example.com/a  ", "https://example.com/a"),
        ("file:///home/ada/My%20Notes", "file:///home/ada/My%20Notes"),
        ("urn:uuid:b1", "urn:uuid:b1"),
        ("docs/", "docs/"),
    ],
)
def test_a_canonical_link_keeps_only_what_identifies_the_page(link: str, expected: str) -> None:
    assert canonical_link(link) == expected
    assert canonical_link(expected) == expected


@pytest.mark.parametrize(
    "link",
    [
        "http://[broken",
        "https://",
        "https:///path",
        "http:page",
        "https://example.com:99999/",
        "https://example.com:port/",
        f"https://{'ä' * 80}.example/",
        "https://example.com/\ud800",
        "https://example.com/?q=\ud800",
        "https://.../",
        "https:// /",
        "https://exa mple.com/",
        "urn:uuid:\ud800",
    ],
)
def test_a_link_that_is_no_url_is_an_input_error(link: str) -> None:
    for function in (canonical_link, shown_link, identity):
        with pytest.raises(InvalidInputError, match="not a valid link"):
            function(link)
    assert host_of(link) == ""


def test_what_is_wrong_with_a_link_is_said_without_its_password() -> None:
    with pytest.raises(InvalidInputError) as caught:
        canonical_link("https://ada:hunter2@example.com:port/")
    assert "hunter2" not in str(caught.value)


def test_two_pages_whose_parameters_are_not_utf8_stay_two() -> None:
    assert canonical_link("https://example.com/?q=%e4") != canonical_link("https://example.com/?q=%f6")


@pytest.mark.parametrize(
    ("link", "shown"),
    [
        ("https://WWW.Example.com/Post/?utm_source=x#top", "https://www.example.com/Post/"),
        ("http://ada:secret@example.com:8080/a?b=2&a=1", "http://example.com:8080/a?a=1&b=2"),
        ("urn:uuid:b1", "urn:uuid:b1"),
    ],
)
def test_a_link_is_shown_with_the_host_and_path_that_were_given(link: str, shown: str) -> None:
    assert shown_link(link) == shown


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("http://example.com/a", "https://www.example.com/a/"),
        ("http://example.com:80/a", "https://example.com:443/a"),
        ("http://example.com:443/a", "https://example.com/a"),
        ("http://example.com:8080/a", "https://example.com:8080/a"),
    ],
)
def test_http_and_https_lead_to_the_same_page(first: str, second: str) -> None:
    assert identity(first) == identity(second)


@pytest.mark.parametrize(
    "link",
    [
        "https://github.com/ada/engine",
        "https://www.github.com/ada/engine/",
        "https://github.com/ada/engine.git",
        "https://github.com/ada/engine.git/",
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
        ("https://host/x?access_token=abc&page=2", "https://host/x?access_token=***&page=2"),
        ("https://host/x?page=2&X-Amz-Signature=abc", "https://host/x?page=2&X-Amz-Signature=***"),
        ("https://host/x?author=Ada&design=new&sig=abc", "https://host/x?author=Ada&design=new&sig=***"),
        ("https://host/@ada", "https://host/@ada"),
        ("ada@example.com", "ada@example.com"),
    ],
)
def test_credentials_are_taken_out_of_links_in_a_text(text: str, shown: str) -> None:
    assert without_credentials(text) == shown


# Text with many of the characters that mean something in a URL, and some that no URL may have.
_SPICED = st.text(st.one_of(st.sampled_from("/:?#[]@!$&'()*+,;=%.-_~ \\wWaA2eE\t"), st.characters()), max_size=25)
_LINKS = st.one_of(
    st.text(max_size=30),
    _SPICED.map(lambda rest: f"https://{rest}"),
    st.tuples(st.sampled_from(["http://e.com/", "HTTPS://www.e.com:443/", "https://e.com?"]), _SPICED).map("".join),
)


@given(_LINKS)
@example("https://www.www.e.com")
@example("http://e.com:443/a")
@example("https://e.com/%%32e%2e/..")
@example("https:////e.com")
@example("https://ｗｗｗ．e.com。")
def test_a_canonical_link_is_its_own_canonical_link_and_nothing_but_an_input_error_is_raised(link: str) -> None:
    try:
        canonical = canonical_link(link)
    except InvalidInputError:
        return
    assert canonical_link(canonical) == canonical
    assert identity(identity(link)) == identity(link)
    assert identity(canonical) == identity(link)
    assert identity(shown_link(link)) == identity(link)
    assert host_of(link) == host_of(canonical)


_WORDS = st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=8)


@given(
    path=st.lists(_WORDS, min_size=1, max_size=4),
    query=st.dictionaries(_WORDS.map(lambda word: f"x{word}"), _WORDS, max_size=3),
    order=st.randoms(use_true_random=False),
    decoration=st.tuples(
        st.sampled_from(["http://", "https://", "HTTPS://"]),
        st.sampled_from(["", "www.", "WWW."]),
        st.sampled_from(["example.com", "EXAMPLE.com", "example.com."]),
        st.booleans(),
        st.sampled_from(["", "/", "/./", "/x/.."]),
        st.sampled_from([{}, {"utm_source": "feed"}, {"fbclid": "1", "UTM_Medium": "x"}]),
        st.sampled_from(["", "#", "#top"]),
    ),
)
def test_every_spelling_of_a_page_has_the_same_identity(
    path: list[str],
    query: dict[str, str],
    order: Random,
    decoration: tuple[str, str, str, bool, str, dict[str, str], str],
) -> None:
    scheme, www, host, escaped, end, tracking, fragment = decoration
    plain = "https://example.com/" + "/".join(path)
    plain += "?" + "&".join(f"{name}={value}" for name, value in query.items()) if query else ""
    pairs = [*query.items(), *tracking.items()]
    order.shuffle(pairs)
    spelt = [quote(part) if escaped else part for part in path]
    parameters = "&".join(f"{name}={quote(value)}" for name, value in pairs)
    decorated = f"{scheme}{www}{host}/{'/'.join(spelt)}{end}{'?' if parameters else ''}{parameters}{fragment}"
    assert identity(decorated) == identity(plain)
