"""One article as its page, its feed and its author's export have it: the same words, so it is stored once."""

from pathlib import Path

from llm_engineering.domain.documents import fingerprint
from llm_engineering.domain.sources import FetchedPage
from llm_engineering.infrastructure.files.local import LocalFiles
from llm_engineering.infrastructure.files.tree import FileLimits
from llm_engineering.infrastructure.web.html.extraction import TrafilaturaExtractor
from llm_engineering.infrastructure.web.html.feeds import FeedReader

LINK = "https://medium.com/@ada/on-the-mill-0123456789ab"
BODY = """\
<p class="graf">The mill takes two numbers from the store, works on them, and gives one back to the store again.</p>
<h3 class="graf">What it can do</h3>
<ul><li>Addition takes <em>one</em> turn of the handle, as <a href="/@ada/turns">a note</a> tells.</li>
<li>Division takes a great many turns, which nobody has counted to the end so far.</li></ul>
<pre data-code-block-lang="python">def mill(a, b):<br>    return a + b</pre>
<figure><img src="https://miro.medium.com/mill.png" alt="The mill as drawn">
<figcaption>The mill, from above</figcaption></figure>
<table><tr><th>Operation</th><th>Turns</th></tr><tr><td>Addition</td><td>1</td></tr></table>
<p class="graf">It can do whatever we know how to order it to perform; it has no pretensions to originate anything.</p>
<blockquote>That brain of mine is something more than merely mortal, as time will show.</blockquote>
"""


def on_its_page() -> str:
    head = "<head><title>On the mill</title><meta property='og:title' content='On the mill'></head>"
    html = f"<html lang=en>{head}<body><nav>Home</nav><article><h1>On the mill</h1>{BODY}</article></body></html>"
    article = TrafilaturaExtractor().extract(FetchedPage(url=LINK, html=html))
    return fingerprint(article.markdown, article.title, article.subtitle or "")


def in_the_feed() -> str:
    feed = f"""<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel><title>Ada</title>
<item><title>On the mill</title><link>{LINK}?source=rss</link>
<content:encoded><![CDATA[{BODY}]]></content:encoded></item>
</channel></rss>"""
    page = FetchedPage(url="https://medium.com/feed/@ada", html=feed, body=feed.encode(), media_type="text/xml")
    article = FeedReader().article_in(page, LINK)
    assert article is not None
    return fingerprint(article.markdown, article.title, article.subtitle or "")


def in_the_export(folder: Path) -> str:
    posts = folder / "posts"
    posts.mkdir()
    (posts / "2024-01-02_On-the-mill-0123456789ab.html").write_text(
        "<html><body><article class='h-entry'><header><h1 class='p-name'>On the mill</h1></header>"
        "<section data-field='body' class='e-content'><h3 class='graf graf--title'>On the mill</h3>"
        f"{BODY}</section><footer><a class='p-canonical' href='{LINK}'>Canonical</a></footer></article></body></html>"
    )
    files = LocalFiles(FileLimits(max_file_bytes=10**6, max_files=10), [folder], folder)
    with files.open(str(folder)) as tree:
        [file] = tree.files
    return fingerprint(file.text, file.title or "", file.subtitle or "")


def test_page_feed_and_export_have_the_same_words(tmp_path: Path) -> None:
    assert on_its_page() == in_the_feed() == in_the_export(tmp_path)
