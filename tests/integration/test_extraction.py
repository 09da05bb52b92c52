"""The article in a page: nothing of it lost, nothing else in it. The labelled pages lie in `tests/pages`."""

# ruff: noqa: E501 (HTML and Markdown stand as they are)

import logging
import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_engineering.domain.errors import NotAnArticleError
from llm_engineering.domain.sources import ExtractedArticle, FetchedPage
from llm_engineering.infrastructure.markup.tree import letters
from llm_engineering.infrastructure.web.html import noise
from llm_engineering.infrastructure.web.html.extraction import TrafilaturaExtractor

PAGES = Path(__file__).resolve().parents[1] / "pages"
MIN_KEPT, MAX_BOILERPLATE = 0.98, 0.02
URL = "https://example.com/2024/a-page"
PARAGRAPH = "<p>The lighthouse keeper wrote one line a day, and on stormy days he wrote it in larger letters.</p>"


@dataclass(frozen=True)
class Expected:
    """What was written down by hand when the page was written."""

    title: str
    language: str
    headings: tuple[str, ...]
    exact: tuple[str, ...]
    byline: str | None = None
    subtitle: str | None = None
    published_at: datetime | None = None
    canonical_url: str | None = None


_MEDIUM = "https://medium.com/backpressure-weekly/what-a-leaking-tap-taught-me-about-queues-9f1c2ab34d56"
EXPECTED = {
    "medium": Expected(
        title="What a leaking tap taught me about queues",
        subtitle="Drop by drop, a kitchen becomes a lesson in arrival rates",
        byline="Mara Lindqvist",
        language="en",
        published_at=datetime(2024, 3, 17, 8, 12, 44, 310000, tzinfo=UTC),
        canonical_url=_MEDIUM,
        headings=(
            "# The bowl is not the problem",
            "# Three ways to stop the flood",
            "## What spilling looks like",
            "## The plumber arrives",
        ),
        exact=(
            '```\ndef waiting(rate, seconds):\n    """Little\'s law."""\n    if rate < 0:\n        raise ValueError(rate)\n'
            "    return rate * seconds\n```",
            "[his law](https://en.wikipedia.org/wiki/Little%27s_law)",
            "> A buffer does not repair a rate.",
            "1. **Close the tap.** Tell",
            "*the most honest queue*",
            "Call `waiting(0.25, 3600)` and",
        ),
    ),
    "substack": Expected(
        title="The atlas nobody ordered",
        subtitle="On drawing maps for one reader",
        byline="Tobias Renn",
        language="en",
        published_at=datetime(2025, 1, 9, 6, 30, 12, tzinfo=UTC),
        canonical_url="https://contourlines.substack.com/p/the-atlas-nobody-ordered",
        headings=("## Accuracy is a form of affection", "## A legend for small countries"),
        exact=(
            "- Things that move\n\n  - by themselves: dogs, water, the neighbour\n  - when pushed: gates, wheelbarrow,",
            "  - walls younger than the house\n\n    - mine\n    - disputed",
            "with the temperature[^1]. Steel",
            "[^1]: Eleven degrees, fourteen degrees,",
            "[last spring](https://contourlines.substack.com/p/a-spring-of-percentages)",
            "Plate four: the orchard before",
        ),
    ),
    "wordpress_de": Expected(
        title="Brot, Backups und die Kunst des Wartens",
        byline="Henrike Sötebier",
        language="de",
        published_at=datetime(2023, 11, 5, 18, 40, tzinfo=timezone(timedelta(hours=1))),
        canonical_url="https://example.com/2023/11/brot-backups-und-warten/",
        headings=(
            "## Der Samstag, an dem alles schiefging",
            "## Drei Regeln für Teig und Technik",
            "### Der Zeitplan",
            "## Vom Warten",
        ),
        exact=(
            "| Uhrzeit | Teig | Technik |\n| --- | --- | --- |\n| 06:00 | Anstellgut ansetzen | Prüfsummen vergleichen |\n"
            "| 09:30 | Hauptteig kneten | Kopie einhängen \\| nur lesend |\n",
            '```bash\n#!/bin/sh\nset -eu\nrsync -a --delete "$QUELLE/" "$ZIEL/"\n'
            "if ! sha256sum --check --quiet liste.txt; then\n"
            '    echo "Abweichung gefunden" >&2\n    exit 1\nfi\n```',
            "1. Füttere nach Kalender, nicht nach Gefühl.\n   - Konrad bekommt sonntags Roggenmehl.\n",
            "> Wer keine Sicherung hat, der hat auch keine wichtigen Daten.\n>\n> Meine Schwester, am Telefon",
            "Ein Sonntag, zweimal genutzt.",
        ),
    ),
    "ghost_es": Expected(
        title="Cartas a una base de datos que olvida",
        subtitle="Tres meses con un índice que perdía filas",
        byline="Inés Barrientos",
        language="es",
        published_at=datetime(2024, 9, 2, 7, tzinfo=UTC),
        canonical_url="https://bitacora.example/cartas-a-una-base-de-datos/",
        headings=(
            "## La primera pista",
            "## El culpable era el alfabeto",
            "### Lo que hicimos, en orden",
            "#### ¿Y los duplicados?",
            "## Despedida provisional",
        ),
        exact=(
            "```sql\nSELECT count(*) FROM facturas\n WHERE cliente_id = 77;          -- 41\n\nSET enable_indexscan = off;\n",
            "| Índice | Filas perdidas | Remedio |\n| --- | --- | --- |\n| clientes por nombre | 1.204 | `REINDEX` |\n",
            "2. Reconstruimos los índices:\n   1. primero los únicos, porque protegen de duplicados;\n",
            "La misma tabla, antes y después de apagar el índice.",
        ),
    ),
    "devto": Expected(
        title="Counting goats with a state machine",
        byline="Jo Achterberg",
        language="en",
        published_at=datetime(2025, 6, 21, 14, 5, 9, tzinfo=UTC),
        canonical_url="https://dev.to/goatcounter_jo/counting-goats-with-a-state-machine-3k1d",
        headings=(
            "## Why not just count beams?",
            "## The code",
            "### Things that are not goats",
            "## What I would do again",
        ),
        exact=(
            '```python\nTABLE = {\n    ("idle", "A"): ("entering", 0),\n    ("entering", "B"): ("idle", 1),\n}\n\n'
            "def step(state, beam):\n    # unknown pairs go back to the start\n"
            '    return TABLE.get((state, beam), ("idle", 0))\n```',
            "| leaving | count **-1** | back to `idle` |",
            "- the dog, who is\n  - shorter than beam A, and\n",
            "> Your machine says that I own minus one goat.\n> It is not wrong about my accounts.",
        ),
    ),
    "hugo": Expected(
        title="A small parser for tide tables",
        subtitle="Reading forty years of harbour ledgers with two hundred lines of Go.",
        byline="Ewan Tarrick",
        language="en",
        published_at=datetime(2022, 8, 14, tzinfo=UTC),
        canonical_url="https://saltsyntax.example/posts/tide-parser/",
        headings=("## The format", "## The scanner", "### The exceptions", "## What came out"),
        exact=(
            "```go\nfunc parseLine(line string) (Reading, error) {\n\tfields := gap.Split(line, 4)\n"
            "\tif len(fields) < 3 {\n\t\treturn Reading{}, errShort\n\t}\n\treturn assemble(fields)\n}\n```",
            "```go\nfunc metres(year int, height float64) float64 {\n\tif year >= 1990 && year <= 1992 {\n"
            "\t\treturn height * 0.3048\n\t}\n\treturn height\n}\n```",
            "```\n1987-02-11  04:12  3.9\n",
            "[`bufio`](https://pkg.go.dev/bufio#Scanner)",
            "its exceptions.[^1]",
            "| 2003 | 1 | A recipe for mackerel |",
        ),
    ),
    "blogger": Expected(
        title="The bicycle that would not be sold",
        byline="Alder Whitcombe",
        language="en",
        published_at=datetime(2013, 5, 18, 21, 14, tzinfo=timezone(timedelta(hours=1))),
        canonical_url="http://theshedledger.blogspot.com/2013/05/the-bicycle-that-would-not-be-sold.html",
        headings=(),
        exact=(
            "box of hinges.\n\nThe first buyer",
            "- the brakes are from two different manufacturers, namely\n  - Weinmann in front, and\n",
            "| **Part** | **Paid** | **Source** |\n| --- | --- | --- |\n| Chain | £9 | Market |\n",
            "```\nmiles out:   11.2\nmiles back:  11.2\nchain off:    3\n```",
            "> A museum wants things that have finished happening.",
        ),
    ),
    "linkedin_pulse": Expected(
        title="The meeting that was a spreadsheet",
        byline="Odalys Ferreira",
        language="en",
        published_at=datetime(2025, 2, 11, 9, 20, tzinfo=UTC),
        canonical_url="https://www.linkedin.com/pulse/meeting-spreadsheet-odalys-ferreira-k3xfe",
        headings=("## What the meeting had been doing", "## Three experiments", "### Rules of the table"),
        exact=(
            "> The minutes record what people agreed.",
            "*what did you nearly not tell us?* Fourteen",
            "[an earlier article](https://www.linkedin.com/pulse/lunch-is-a-protocol-odalys-ferreira)",
            "The question, laminated, with soup on it.",
        ),
    ),
    "sphinx": Expected(
        title="Scheduling a lantern",
        language="en",
        headings=("## Writing a plan", "## Moments", "### Repetition", "## Checking what will happen"),
        exact=(
            '```python\nfrom lanternfish import Plan, dusk\n\nporch = Plan("porch")\nwith porch.edit() as draft:\n'
            '    draft.at(dusk, 0.8)\n    draft.at("23:45", 0.0)\n```',
            "```console\n$ fish preview porch --days 2\nFri 17:52   80 %\n",
            "| solar event | `dusk + 20` | recomputed every noon |",
            "[Partial drafts](https://example.com/2024/errors.html#partial-drafts)",
            "1. In the file `fish.toml`, for a household:\n\n   - a latitude and a longitude, or\n",
            "[^1]: Once, the disagreement was a lantern on a ferry.",
        ),
    ),
    "div_soup": Expected(
        title="Notes on keeping bees in the rain",
        byline="Orla Penhallow",
        language="en",
        published_at=datetime(2021, 4, 30, tzinfo=UTC),
        headings=("## What the rain is for", "## The list", "### What I do not do"),
        exact=(
            "    slope = (series[-1] - series[0]) / len(series)\n    if slope < -0.15:\n        print(hive,",
            "| **Hive** | **Before** | **After** |\n| --- | --- | --- |\n| Heather | 21.4 | 18.9 |\n",
            "- Weigh every hive from one side, with a luggage scale.\n\n  - Under fourteen kilos: feed today.\n",
            "answers with *a short hiss that falls away at once*. A colony",
            "[I have described before](https://penhallow.example/post/a-script-for-hives)",
        ),
    ),
}


def extract(html: str, url: str = URL, **page: object) -> ExtractedArticle:
    return TrafilaturaExtractor().extract(FetchedPage(url=url, html=html, **page))  # type: ignore[arg-type]


def stored(name: str) -> str:
    return (PAGES / f"{name}.html").read_text(encoding="utf-8")


def words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text.lower()))


def words_of_markdown(markdown: str) -> Counter[str]:
    """Without what Markdown adds: link targets, numbers of list items, languages of code."""
    text = re.sub(r"\]\([^)\s]*\)", "]", markdown)
    text = re.sub(r"^ *\d+\. |^ *```\w*", "", text, flags=re.MULTILINE)
    return words(re.sub(r"\\([^\w\s])", r"\1", text))


def measure(name: str) -> tuple[float, float]:
    """Which share of the body's words is in the article, and which share of the article's words is not of the body."""
    body = words((PAGES / f"{name}.body.txt").read_text(encoding="utf-8"))
    found = words_of_markdown(extract(stored(name)).markdown)
    return (body & found).total() / body.total(), (found - body).total() / found.total()


def article(body: str, head: str = "") -> str:
    return (
        f"<html lang='en'><head><title>A title</title>{head}</head><body><nav><a href='/'>Home</a></nav>"
        f"<main><article><h1>A title</h1><div class='entry-content'>{body}</div></article></main>"
        "<footer>Imprint</footer></body></html>"
    )


def test_of_ten_real_shaped_pages_the_body_is_kept_and_nothing_else() -> None:
    figures = {name: measure(name) for name in EXPECTED}
    table = "\n".join(f"{name:15} {kept:7.2%} kept {extra:7.2%} boilerplate" for name, (kept, extra) in figures.items())
    assert len(figures) == 10
    assert all(kept >= MIN_KEPT and extra < MAX_BOILERPLATE for kept, extra in figures.values()), f"\n{table}"


@pytest.mark.parametrize("name", EXPECTED)
def test_a_page_has_words_around_its_body_that_could_leak(name: str) -> None:
    body = words((PAGES / f"{name}.body.txt").read_text(encoding="utf-8"))
    around = words((PAGES / f"{name}.boilerplate.txt").read_text(encoding="utf-8"))
    assert 350 <= body.total() <= 900
    assert sum(count for word, count in around.items() if word not in body) >= 20


@pytest.mark.parametrize("name", EXPECTED)
def test_no_word_that_stands_only_around_the_body_gets_into_the_article(name: str) -> None:
    body = words((PAGES / f"{name}.body.txt").read_text(encoding="utf-8"))
    around = words((PAGES / f"{name}.boilerplate.txt").read_text(encoding="utf-8"))
    assert set(words_of_markdown(extract(stored(name)).markdown)) & (set(around) - set(body)) == set()


@pytest.mark.parametrize("name", EXPECTED)
def test_headings_keep_their_level_and_order_and_the_title_is_not_doubled(name: str) -> None:
    markdown = re.sub(r"^(`{3,}).*?^\1", "", extract(stored(name)).markdown, flags=re.MULTILINE | re.DOTALL)
    assert tuple(line for line in markdown.splitlines() if line.startswith("#")) == EXPECTED[name].headings


@pytest.mark.parametrize("name", EXPECTED)
def test_code_tables_lists_quotes_and_links_come_out_exactly(name: str) -> None:
    markdown = extract(stored(name)).markdown
    assert [fragment for fragment in EXPECTED[name].exact if fragment not in markdown] == []


@pytest.mark.parametrize("name", EXPECTED)
def test_what_the_page_says_of_itself_is_kept(name: str) -> None:
    found, expected = extract(stored(name)), EXPECTED[name]
    assert (found.title, found.byline, found.language) == (expected.title, expected.byline, expected.language)
    assert (found.published_at, found.canonical_url) == (expected.published_at, expected.canonical_url)
    if expected.subtitle:
        assert found.subtitle == expected.subtitle


SENTENCES = st.lists(st.text("abcdefghijklmnopqrstuvwxyzäñé", min_size=1, max_size=9), min_size=1, max_size=25).map(
    " ".join
)
BLOCKS = st.one_of(
    SENTENCES.map(lambda text: f"<p>{text}</p>"),
    SENTENCES.map(lambda text: f"<h2>{text}</h2>"),
    SENTENCES.map(lambda text: f"<p>{text} <a href='/x'>{text}</a> <b>{text}</b></p>"),
    SENTENCES.map(lambda text: f"<blockquote><p>{text}</p></blockquote>"),
    SENTENCES.map(lambda text: f"<pre><code>{text}\n  {text}</code></pre>"),
    st.lists(SENTENCES, min_size=1, max_size=4).map(
        lambda items: "<ul>" + "".join(f"<li>{i}</li>" for i in items) + "</ul>"
    ),
    SENTENCES.map(lambda text: f"<ol><li>{text}<ul><li>{text}</li></ul></li></ol>"),
    SENTENCES.map(lambda text: f"<table><tr><th>{text}</th><th>b</th></tr><tr><td>{text}</td><td>c</td></tr></table>"),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(st.lists(BLOCKS, min_size=1, max_size=12))
def test_no_word_of_a_body_is_lost_whatever_it_is_made_of(blocks: list[str]) -> None:
    body = "\n".join([PARAGRAPH * 3, *blocks, PARAGRAPH])
    expected = words(re.sub(r"<[^>]*>", " ", body))
    found = words_of_markdown(extract(article(body)).markdown)
    assert expected - found == Counter()


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.lists(st.text(" \tabc`{}()<>#|*_\\-=:1é\u3042", max_size=20), min_size=1, max_size=8).filter(
        lambda ls: "".join(ls).strip()
    )
)
def test_code_keeps_every_character(lines: list[str]) -> None:
    from html import escape

    code = "x = 1\n" + "\n".join(lines) + "\nend"
    markdown = extract(article(f"{PARAGRAPH * 3}<pre><code>{escape(code)}</code></pre>{PARAGRAPH}")).markdown
    assert f"\n{code}\n" in markdown


@pytest.mark.parametrize(
    ("html", "fence"),
    [
        ('<pre><code class="language-rust">x</code></pre>', "```rust\nx\n```"),
        (
            '<div class="language-ruby highlighter-rouge"><div class="highlight"><pre class="highlight"><code>x</code></pre></div></div>',
            "```ruby\nx\n```",
        ),
        ('<div class="highlight highlight-source-js"><pre>x</pre></div>', "```js\nx\n```"),
        ('<pre class="brush: php; gutter: true">x</pre>', "```php\nx\n```"),
        ('<pre data-language="toml"><code>x</code></pre>', "```toml\nx\n```"),
        ("<pre>no language</pre>", "```\nno language\n```"),
        ("<pre>one ``` two</pre>", "````\none ``` two\n````"),
        ("<pre>a<br>  b<br/>c</pre>", "```\na\n  b\nc\n```"),
        ("<pre><div>a</div><div>  b</div></pre>", "```\na\n  b\n```"),
        ("<code>a<br>b</code>", "```\na\nb\n```"),
        (
            '<table class="rouge-table"><tbody><tr><td class="rouge-gutter gl"><pre class="lineno">1\n2\n</pre></td>'
            '<td class="rouge-code"><pre>a\n  b\n</pre></td></tr></tbody></table>',
            "```\na\n  b\n```",
        ),
        ("<ul><li>Do this:<pre><code>a\n  b</code></pre></li></ul>", "- Do this:\n\n  ```\n  a\n    b\n  ```"),
        ("<blockquote><pre>a\n  b</pre></blockquote>", "> ```\n> a\n>   b\n> ```"),
    ],
)
def test_code_is_fenced_with_its_language_and_without_line_numbers(html: str, fence: str) -> None:
    assert fence in extract(article(PARAGRAPH * 3 + html + PARAGRAPH)).markdown


@pytest.mark.parametrize(
    ("html", "markdown"),
    [
        ('<p>See <a href="../b?x=1#y">there</a>.</p>', "See [there](https://example.com/b?x=1#y)."),
        ('<p>See <a href="javascript:alert(1)">there</a>.</p>', "See there."),
        ('<p>See <a href="data:text/html,x">there</a>.</p>', "See there."),
        ('<p>See <a href="http://[bad">there</a>.</p>', "See there."),
        ('<p>See <a href="/a (b)">there</a>.</p>', "See [there](https://example.com/a%20%28b%29)."),
        ("<p># no heading</p>", "\\# no heading"),
        ("<p>```</p>", "\\```"),
        ("<p>snake_case * star</p>", "snake_case * star"),
        ("<h3><strong>Bold</strong> heading<a href='#x'>#</a></h3>", "### Bold heading"),
        ("<p><strong>a <b>b</b></strong></p>", "**a b**"),
        ("<ul><li>a</li><ul><li>b</li></ul></ul>", "- a\n  - b"),
        ("<ol start='3'><li>a</li><li>b</li></ol>", "3. a\n4. b"),
        (
            "<table><tr><th>h</th><th>i</th></tr><tr><td rowspan='2'>a</td><td>b</td></tr><tr><td>c</td></tr></table>",
            "| h | i |\n| --- | --- |\n| a | b |\n|  | c |",
        ),
        ("<table><tr><td><p>only a frame</p></td></tr></table>", "only a frame"),
        (
            "<p><img src='/x.png' alt='A red lighthouse at noon'></p>",
            "![A red lighthouse at noon](https://example.com/x.png)",
        ),
        ("<p>before<img src='/x.png' alt='DSC_0042.jpg'>after</p>", "beforeafter"),
        ("<p>Nice <img class='emoji' alt='🙂' src='x.svg'></p>", "Nice 🙂"),
        (
            "<figure><img src='/x.png' alt='A red lighthouse at noon'><figcaption>The tower.</figcaption></figure>",
            "The tower.",
        ),
        ("<details><summary>More</summary><p>Hidden words.</p></details>", "More\n\nHidden words."),
        (
            "<p>Mass: <math><semantics><mi>E</mi><annotation encoding='application/x-tex'>E=mc^2</annotation></semantics>"
            "</math></p>",
            "Mass: $E=mc^2$",
        ),
        ("<p>It&#146;s</p>", "It’s"),
    ],
)
def test_a_piece_of_html_becomes_the_markdown_that_says_the_same(html: str, markdown: str) -> None:
    assert f"\n{markdown}\n" in extract(article(PARAGRAPH * 3 + html + PARAGRAPH)).markdown


def test_a_base_element_moves_relative_links_and_a_bad_one_does_not() -> None:
    body = PARAGRAPH * 3 + "<p><a href='b'>there</a></p>"
    assert "(https://cdn.example/c/b)" in extract(article(body, "<base href='https://cdn.example/c/'>")).markdown
    assert "there" in extract(article(body, "<base href='http://[bad'>")).markdown


def test_a_list_of_links_at_the_end_of_an_article_stays() -> None:
    links = "<p>Further reading:</p><ul><li><a href='/x'>One book</a></li><li><a href='/y'>Another</a></li></ul>"
    markdown = extract(article(PARAGRAPH * 4 + links)).markdown
    assert markdown.endswith("- [One book](https://example.com/x)\n- [Another](https://example.com/y)")


def test_a_section_named_comments_is_not_taken_for_comments() -> None:
    body = f"{PARAGRAPH * 3}<section id='comments'><h2>Comments</h2><p>In YAML, they begin with a hash.</p></section>"
    assert "begin with a hash" in extract(article(body)).markdown


@pytest.mark.parametrize(
    "comment",
    [
        '<span class="hljs-comment"># why</span>',
        '<span class="token comment"># why</span>',
        '<div class="line comment"># why</div>',
    ],
)
def test_a_comment_in_code_is_not_taken_for_a_readers_comment(comment: str) -> None:
    markdown = extract(article(f"{PARAGRAPH * 3}<pre><code>x = 1 {comment}\ny = 2</code></pre>{PARAGRAPH}")).markdown
    assert "# why\n" in markdown


@pytest.mark.parametrize(
    "names",
    [
        "post tag-newsletter category-social hentry",
        "content has-sidebar no-comments",
        "layout-with-sidebar",
        "page nav-menu",
    ],
)
@pytest.mark.parametrize("tag", ["article", "div"])
def test_an_article_that_many_comments_outweigh_is_kept_whatever_its_class_is_called(tag: str, names: str) -> None:
    comments = "".join(
        f"<div class='comment'><p>Reader {n} thinks otherwise, and says so at length.</p></div>" for n in range(99)
    )
    html = f"<html><body><{tag} class='{names}'><h1>T</h1>{PARAGRAPH * 4}</{tag}><div id='comments'>{comments}</div></body></html>"
    markdown = extract(html).markdown
    assert (markdown.count("lighthouse"), markdown.count("Reader")) == (4, 0)


def test_a_page_laid_out_as_a_table_is_text_and_no_table() -> None:
    lines = "".join(f"The lamp number {n} went out over the water in the month of march.<br><br>" for n in range(5))
    html = f"<html><body><table><tr><td><a href='/'>Home</a></td><td><font size=2>{lines}</font></td></tr></table></body></html>"
    assert extract(html).markdown.split("\n\n")[1] == "The lamp number 1 went out over the water in the month of march."


def test_cells_that_span_thousands_do_not_fill_the_memory() -> None:
    rows = "<tr><td rowspan='9999' colspan='9999'>a</td><td>b</td></tr>" * 200
    assert len(extract(article(f"{PARAGRAPH * 3}<table>{rows}</table>")).markdown) < 60_000


def test_the_one_form_around_a_whole_page_is_no_reason_to_lose_it() -> None:
    html = f"<html><body><form action='x.aspx'><h1>T</h1><div>{PARAGRAPH * 5}</div></form></body></html>"
    assert extract(html).markdown.count("lighthouse") == 5


def test_a_page_without_any_metadata_is_named_after_its_address() -> None:
    found = extract(
        f"<html><body><div>{PARAGRAPH * 4}</div></body></html>", "https://e.com/posts/on_keeping-light.html"
    )
    assert (found.title, found.byline, found.language) == ("on keeping light", None, None)


@pytest.mark.parametrize(
    ("head", "title"),
    [
        ("<title>On light | The Site</title>", "On light"),
        ("<title>On light - and dark</title>", "On light - and dark"),
        ("<title>x</title><meta property='og:title' content='On light'>", "On light"),
        ("<title>On light – Blog</title><meta property='og:site_name' content='Blog'>", "On light"),
        (
            '<title>x</title><script type=\'application/ld+json\'>{"@type":"BlogPosting","headline":"A &amp; B"}</script>',
            "A & B",
        ),
        ("<title>On light</title><script type='application/ld+json'>{broken,}</script>", "On light"),
    ],
)
def test_the_title_is_the_articles_and_not_the_sites(head: str, title: str) -> None:
    assert extract(f"<html><head>{head}</head><body><article>{PARAGRAPH * 4}</article></body></html>").title == title


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-05-01", datetime(2024, 5, 1, tzinfo=UTC)),
        ("2024-05-01T10:00:00Z", datetime(2024, 5, 1, 10, tzinfo=UTC)),
        ("Wed, 01 May 2024 10:00:00 GMT", datetime(2024, 5, 1, 10, tzinfo=UTC)),
        ("yesterday", None),
    ],
)
def test_a_date_has_a_zone_or_is_none(text: str, expected: datetime | None) -> None:
    head = f"<meta property='article:published_time' content='{text}'>"
    assert extract(article(PARAGRAPH * 4, head)).published_at == expected


@pytest.mark.parametrize("open_tags", ["<div>" * 1000, "<b>" * 1500, "<ul><li>" * 500, "<blockquote>" * 900])
def test_a_page_nested_too_deep_keeps_its_text(open_tags: str) -> None:
    assert "lighthouse" in extract(f"<html><body><article>{PARAGRAPH * 3}{open_tags}{PARAGRAPH * 3}").markdown


@pytest.mark.parametrize(
    "character", ["\x00", "\x0b", "\ud800", "\ufffe", "&#0;", "&#x1F;", "&#xD800;", "&#x110000;", "&#99999999999;"]
)
def test_a_character_that_xml_cannot_hold_is_left_out_and_the_page_is_read(character: str) -> None:
    found = extract(
        article(f"<p>light{character}house</p>{PARAGRAPH * 4}", f"<meta name='author' content='A{character}B'>")
    )
    assert "light" in found.markdown
    assert found.markdown.encode()


@pytest.mark.parametrize(
    "html",
    [
        "",
        "   ",
        "<!-- nothing -->",
        "\x00\x01",
        "<html></html>",
        "<html><frameset><frame src='x'></frameset></html>",
        "<svg><text>a</text></svg>",
        "<p>" * 150_000,
        "<html><body><table><tr><td>" * 40,
    ],
)
def test_what_is_no_article_is_refused_and_breaks_nothing(html: str) -> None:
    with pytest.raises(NotAnArticleError):
        extract(html)


@settings(max_examples=120, deadline=None, derandomize=True)
@given(st.data())
def test_a_damaged_page_ends_in_an_article_or_a_refusal(data: st.DataObject) -> None:
    html = stored(data.draw(st.sampled_from(sorted(EXPECTED))))
    for _ in range(data.draw(st.integers(1, 8))):
        start = data.draw(st.integers(0, len(html)))
        piece = data.draw(
            st.sampled_from(["", "<", ">", '"', "</div>", "<table><td>", "\x00", "&#0;", "<pre>", "<!--", "<li>"])
        )
        html = html[:start] + piece + html[start + data.draw(st.integers(0, 300)) :]
    with suppress(NotAnArticleError):
        assert extract(html).markdown


def test_threads_that_share_an_extractor_get_what_one_alone_gets() -> None:
    extractor = TrafilaturaExtractor()
    pages = [FetchedPage(url=URL, html=stored(name)) for name in EXPECTED]
    alone = [extractor.extract(page) for page in pages]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(extractor.extract, pages * 4))
    assert together == alone * 4


def test_the_libraries_log_nothing_of_a_bad_page(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        for html in ("", "<html><body></body></html>", "<p>x", stored("medium")[:3000]):
            with pytest.raises(NotAnArticleError):
                extract(html)
    assert caplog.records == []


def test_a_text_file_is_its_own_article() -> None:
    text = "intro\n\n```\n# no title\n```\n\n# The title #\n\n" + "Some words of text. " * 20
    found = extract(text, "https://e.com/notes/a_note.md", media_type="text/markdown; charset=utf-8")
    assert (found.title, found.markdown) == ("The title", text.strip())
    plain = extract("Some words of text. " * 20, "https://e.com/notes/a_note.txt", media_type="text/plain")
    assert plain.title == "a note"


def test_html_that_is_served_as_text_is_html() -> None:
    found = extract("<!DOCTYPE html>" + article(PARAGRAPH * 4), media_type="text/plain")
    assert found.title == "A title"


@pytest.mark.parametrize("kind", ["image/png", "application/zip", "application/json", "video/mp4"])
def test_a_file_that_holds_no_text_is_no_article(kind: str) -> None:
    with pytest.raises(NotAnArticleError, match=f"file of type {kind}"):
        extract("x" * 500, media_type=kind)


def pdf(text: str) -> bytes:
    """A PDF of one page, written by hand (PDF 1.4, sections 7.5 and 9.4)."""
    stream = f"BT /F1 12 Tf 50 700 Td ({text}) Tj ET"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        "<< /Title (On light) >>",
    ]
    body, offsets = "%PDF-1.4\n", []
    for number, value in enumerate(objects, 1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n{value}\nendobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    trailer = f"trailer << /Size 7 /Root 1 0 R /Info 6 0 R >>\nstartxref\n{len(body)}\n%%EOF"
    return f"{body}xref\n0 7\n0000000000 65535 f \n{table}{trailer}".encode()


def test_the_text_of_a_pdf_is_an_article() -> None:
    found = extract("", media_type="application/pdf", body=pdf("The keeper wrote one line a day. " * 10))
    assert found.title == "On light"
    assert found.markdown.count("one line a day") == 10


@pytest.mark.parametrize("body", [b"", b"%PDF-1.4 broken", pdf("short"), pdf("x " * 300)[:300]])
def test_a_pdf_without_text_or_broken_is_no_article(body: bytes) -> None:
    with pytest.raises(NotAnArticleError, match=r"PDF"):
        extract("", media_type="application/pdf", body=body)


WORDS = "<p>" + "The keeper of the light wrote down what the sea had brought that morning. " * 20 + "</p>"


def test_four_times_the_json_ld_takes_no_sixteen_times_as_long() -> None:
    """Time of the processor, not of the clock: four times as much where it is linear, sixteen where it is square."""

    def took(numbers: int) -> float:
        script = "<script type='application/ld+json'>[" + "1," * numbers + "1]</script>"
        began = time.process_time()
        extract(f"<html><body>{script}{PARAGRAPH * 5}</body></html>")
        return time.process_time() - began

    took(100)  # what is imported when it is first used
    assert took(800_000) < 9 * took(200_000)


@pytest.mark.parametrize("tag", ["div class='share'", "aside"])
def test_noise_within_noise_is_not_read_once_for_each_level(tag: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def counting(text: str) -> str:
        read.append(len(text))
        return letters(text)

    monkeypatch.setattr(noise, "letters", counting)
    extract(f"<html><body>{f'<{tag}>' * 90}{WORDS * 5}{f'</{tag.split(maxsplit=1)[0]}>' * 90}</body></html>")
    assert sum(read) <= len(WORDS * 5)


@pytest.mark.parametrize(
    "tag",
    [
        "<p " + " ".join(f"a{n}=x" for n in range(5000)) + ">",
        "<p " + " ".join(f'a{n}=">"' for n in range(5000)) + ">",
        "<!--><p " + "/".join(f"a{n}" for n in range(5000)) + ">",
        "<p " + "a " * 5000,
    ],
    ids=["plain", "with the end in values", "after an empty comment", "open"],
)
def test_a_tag_with_thousands_of_attributes_is_refused(tag: str) -> None:
    with pytest.raises(NotAnArticleError, match="thousands of attributes"):
        extract(f"<html><body>{tag}{PARAGRAPH * 5}</body></html>")


@pytest.mark.parametrize(
    "beside",
    [
        f"<img alt='' src='data:image/png;base64,{'iVBOR/w0K=' * 20_000}'>",
        f"<img alt src=data:image/png;base64,{'iVBOR/w0K' * 20_000}>",
        f"<script>if (1<n) f([{'1, ' * 9000}])</script>",
        f"<style>a::before {{ content: '<b' }} {'a b ' * 9000}</style>",
        f"<!-- if a <b {'a b ' * 9000} -->",
    ],
    ids=["a picture", "a bare picture", "a script", "a style", "a comment"],
)
def test_what_only_looks_like_a_tag_with_many_attributes_is_no_reason_to_refuse(beside: str) -> None:
    assert "keeper wrote one line" in extract(f"<html><body>{beside}{PARAGRAPH * 5}</body></html>").markdown


@pytest.mark.parametrize("error", [ValueError, RecursionError, KeyError, IndexError, TypeError, AttributeError])
def test_a_page_that_a_library_stumbles_over_is_no_article(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(*_: object, **__: object) -> None:
        raise error("in the depths of a parser")

    monkeypatch.setattr("lxml.html.document_fromstring", stumble)
    with pytest.raises(NotAnArticleError, match=rf"^the page cannot be read \({error.__name__}\)$"):
        extract(PARAGRAPH * 5)


def test_the_address_for_link_previews_is_not_taken_for_the_canonical_one() -> None:
    preview = "<meta property='og:url' content='https://example.com/blog'>"
    assert extract(f"<html><head>{preview}</head><body>{PARAGRAPH * 5}</body></html>").canonical_url is None
    both = f"{preview}<link rel='canonical' href='/a'>"
    found = extract(f"<html><head>{both}</head><body>{PARAGRAPH * 5}</body></html>")
    assert found.canonical_url == "https://example.com/a"


@pytest.mark.parametrize(
    "odd",
    [
        '<p>x</p><tr><td colspan="100%">Total</td><td>1</td></tr>',
        f'<table><tr><td colspan="{"9" * 5000}">a</td><td>b</td></tr></table>',
        f'<ol start="{"1" * 5000}"><li>a</li></ol>',
        f'<div role="heading" aria-level="{"2" * 5000}">a</div>',
        '<ol start="²"><li>a</li></ol>',
        "<p>x</p><tr><td colspan=20000000>y</td></tr>",
    ],
)
def test_numbers_that_are_none_or_enormous_do_no_harm(odd: str) -> None:
    words = "".join(f"<p>Paragraph {n} tells at length what the keeper wrote on day {n}.</p>" for n in range(12))
    found = extract(f"<html><body><article><h1>Odd</h1>{words}{odd}</article></body></html>")
    assert "Paragraph 11 tells at length" in found.markdown
    assert len(found.markdown) < 10_000
