"""What is read of each kind of file, by the real libraries."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from llm_engineering.domain.errors import CrawlError
from llm_engineering.domain.sources import SourceFile
from llm_engineering.infrastructure.files.docx import docx_file
from llm_engineering.infrastructure.files.formats import notebook_text
from llm_engineering.infrastructure.files.html import html_file
from llm_engineering.infrastructure.files.markdown_notes import front_matter, markdown_note, readable
from llm_engineering.infrastructure.files.pdf import mended, pdf_file
from tests.integration.samples import docx, notebook, paragraph, pdf, read, write, zipped


def note(text: str, path: str = "a.md") -> SourceFile:
    return markdown_note(path, text)


def test_front_matter_is_told_from_the_text() -> None:
    text = (
        "---\ntitle: 'A: title'\ndescription: |\n  Two\n  lines\ndate: 2024-03-01T10:00:00+02:00\nlang: en-GB\n"
        "canonical_url: https://example.com/a\ntags: [x]\n---\n\n# Heading\n\ntext\n"
    )
    file = note(text)
    assert (file.title, file.subtitle, file.language) == ("A: title", "Two lines", "en")
    assert file.published_at == datetime(2024, 3, 1, 8, tzinfo=UTC)
    assert (file.link, file.text) == ("https://example.com/a", "# Heading\n\ntext\n")


def test_front_matter_of_windows_and_of_toml_is_read_too() -> None:
    assert note("---\r\ntitle: T\r\n---\r\ntext\r\n").title == "T"
    file = note('+++\ntitle = "T"\ndate = 2024-03-01\n+++\ntext')
    assert (file.title, file.published_at, file.text) == ("T", datetime(2024, 3, 1, tzinfo=UTC), "text")


@pytest.mark.parametrize(
    "text",
    [
        "---\ntitle: [broken\n---\ntext",
        "---\nA thematic break.\n---\ntext",
        "---\ntitle: no end\n\ntext",
        "---\nday: 2024-13-45\n---\ntext",
        "---\na: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n---\ntext",
        "---\na: " + "[" * 5000 + "\n---\ntext",
        "---\na: " + "x" * 70_000 + "\n---\ntext",
        "---\nx: !!python/object/apply:os.system ['true']\n---\ntext",
        "text\n---\ntitle: not at the beginning\n---\n",
        "+++\nbroken\n+++\ntext",
    ],
)
def test_what_is_no_front_matter_stays_text(text: str) -> None:
    assert front_matter(text) == ({}, text)
    assert note(text).text == text


@pytest.mark.parametrize("field", ["draft: true", "published: false", "draft: 'True'"])
def test_a_draft_is_left_out(tmp_path: Path, field: str) -> None:
    files, tree = read(write(tmp_path / "n", {"a.md": f"---\n{field}\n---\ntext", "b.md": "b"}))
    assert [file.path for file in files] == ["b.md"]
    assert tree.skipped == {"draft": 1}


@pytest.mark.parametrize("link", ["/a/b", "javascript:alert(1)", "https://", "http://[x", "12", "file:///etc/passwd"])
def test_a_link_in_front_matter_is_taken_only_if_it_leads_to_the_web(link: str) -> None:
    assert note(f"---\nurl: '{link}'\n---\ntext").link is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see [[Page]], [[Folder/Page|its words]] and [[Page#Heading]]",
         "see Page, its words and Page > Heading"),
        ("[[#Heading]] [[Page#^block]] [[Page.md]]", "Heading Page Page"),
        ("| [[Page\\|words]] | x |", "| words | x |"),
        ("![[image.png]]![[image.png|300]] ![[Other note]]", " Other note"),
        ("a %%private%% word, 100%% and %%d and %%s", "a  word, 100%% and %%d and %%s"),
        ("before\n%%\nprivate\n\nprivate\n%%\nafter", "before\nafter"),
        ("before\n%% no end\nafter", "before\n%% no end\nafter"),
        ("> [!note]\n> text\n\n> [!warning]- Mind *this*\n> text",
         "> **Note**\n> text\n\n> **Mind *this***\n> text"),
        ("[[1]](https://example.com) [[ -f x ]] [[1, 2], [3, 4]]",
         "[[1]](https://example.com) [[ -f x ]] [[1, 2], [3, 4]]"),
        ("`[[a]]` ``[[b]] ` %%c%%`` [[d]]", "`[[a]]` ``[[b]] ` %%c%%`` d"),
        ("```sh\n[[ -f x ]] [[a]] %%x%%\n```\n[[b]]", "```sh\n[[ -f x ]] [[a]] %%x%%\n```\nb"),
        ("~~~\n[[a]]\n```\n[[b]]\n~~~\n[[c]]", "~~~\n[[a]]\n```\n[[b]]\n~~~\nc"),
        ("- x\n  ```\n  [[a]]\n  ```\n- [[b]]", "- x\n  ```\n  [[a]]\n  ```\n- b"),
        ("text\n\n    [[code]]\n\n[[b]]", "text\n\n    [[code]]\n\nb"),
        ("- x\n\n    [[a]]\n\t- [[b]]", "- x\n\n    a\n\t- b"),
        ("```\n[[a]] never closed", "```\n[[a]] never closed"),
        ("![dot](data:image/png;base64,AAAA)end", "end"),
    ],
)  # fmt: skip
def test_obsidians_marks_become_words_and_code_stays(text: str, expected: str) -> None:
    assert readable(text) == expected


def test_notions_page_ids_are_in_no_title_and_no_link() -> None:
    page, other = "0123456789abcdef" * 2, "fedcba9876543210" * 2
    text = (
        f"# My page: all of it\n\nStatus: Done\n\n[Sub](My%20page%20{page}/Sub%20page%20{other}.md) "
        f"[web](https://www.notion.so/Sub-{other}) `x`\n"
    )
    file = note(text, f"a/My page {page}.md")
    assert file.title == "My page: all of it"
    assert file.text == (
        "# My page: all of it\n\nStatus: Done\n\n[Sub](My%20page/Sub%20page.md) "
        f"[web](https://www.notion.so/Sub-{other}) `x`\n"
    )
    assert note("text", f"My page {page}.md").title == "My page"


def test_a_pdfs_pages_are_read_in_their_order() -> None:
    file = pdf_file("a.pdf", pdf(["First line", "second line"], ["Another page"], title="On pages"))
    assert (file.title, file.text) == ("On pages", "First line\nsecond line\n\nAnother page")


@pytest.mark.parametrize("title", ["", "untitled", "Microsoft Word - thesis.doc", "thesis-final.pdf"])
def test_a_title_that_a_program_wrote_is_none(title: str) -> None:
    assert pdf_file("a.pdf", pdf(["text"], title=title)).title is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("eﬃcient ﬁle", "efficient file"),
        ("inter-\nnational", "international"),
        ("well-\nknown; a well-known fact", "well-known; a well-known fact"),
        ("a state-\nment; the statement of a state", "a statement; the statement of a state"),
        ("time-\nout and a time, out", "time-out and a time, out"),
        ("Jean-\nPaul", "Jean-Paul"),
        ("soft\u00ad\nhyphen", "softhyphen"),
        ("1990-\n1995", "1990-\n1995"),
        ("a dash -\nhere", "a dash -\nhere"),
    ],
)
def test_what_typesetting_broke_is_mended(text: str, expected: str) -> None:
    assert mended(text) == expected


def test_a_pdf_that_cannot_be_read_fails_alone_with_its_reason(tmp_path: Path) -> None:
    notes = write(
        tmp_path / "n",
        {
            "broken.pdf": b"%PDF-1.4 nonsense",
            "cut.pdf": pdf(["text"])[:200],
            "fine.pdf": pdf(["text"]),
            "locked.pdf": pdf(["text"], encrypted=True),
            "scanned.pdf": pdf([], []),
        },
    )
    files, tree = read(notes)
    assert [file.path for file in files] == ["fine.pdf"]
    assert tree.failed.pop("broken.pdf").startswith("no PDF that can be read")
    assert tree.failed.pop("cut.pdf")
    assert tree.failed == {"locked.pdf": "encrypted", "scanned.pdf": "no text in it (scanned?)"}


def test_a_word_document_keeps_headings_tables_lists_and_links() -> None:
    cell = "<w:tc>{}</w:tc>".format
    table = "".join(f"<w:tr>{cell(paragraph(a))}{cell(paragraph(b))}</w:tr>" for a, b in (("k", "v"), ("1", "2")))
    link = '<w:p><w:hyperlink r:id="r9"><w:r><w:t>a link</w:t></w:r></w:hyperlink></w:p>'
    file = docx_file(
        "a.docx",
        docx(
            paragraph("On documents", "Title")
            + paragraph("Part", "heading2")
            + paragraph("snake_case * 2")
            + f"<w:tbl>{table}</w:tbl>"
            + link
        ),
    )
    assert file.title == "On documents"
    assert file.text == (
        "# On documents\n\n## Part\n\nsnake_case * 2\n\n| k | v |\n| --- | --- |\n| 1 | 2 |\n\n"
        "[a link](https://example.com/x)"
    )


def test_a_word_document_that_is_a_bomb_or_broken_fails(tmp_path: Path) -> None:
    entities = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
    notes = write(
        tmp_path / "n",
        {
            "bomb.docx": zipped({"word/document.xml": b" " * (33 * 2**20)}),
            "broken.docx": b"PK\x03\x04 nonsense",
            "empty.docx": zipped({"x.txt": "x"}),
            "entities.docx": docx(paragraph("&b;"), doctype=entities),
            "fine.docx": docx(paragraph("fine")),
            "tags.docx": zipped({"word/document.xml": b"<a/>" * 1_000_001}),
        },
    )
    files, tree = read(notes)
    assert [file.text for file in files] == ["fine"]
    assert sorted(tree.failed) == ["bomb.docx", "broken.docx", "empty.docx", "entities.docx", "tags.docx"]
    assert tree.failed["bomb.docx"] == "unpacks to far more than a document has"
    assert "declares entities" in tree.failed["entities.docx"]


def test_a_notebooks_text_and_code_are_read_and_its_outputs_are_not() -> None:
    text = notebook_text(
        notebook(
            ("markdown", "# T\n\ntext ![x](data:image/png;base64,AAAA)"),
            ("code", "x <- 1\nx"),
            ("code", "  "),
            ("raw", "raw words"),
            ("code", "'''\n```\n'''"),
            language="R",
        )
    )
    assert text == "# T\n\ntext\n\n```R\nx <- 1\nx\n```\n\nraw words\n\n````R\n'''\n```\n'''\n````"


def test_a_notebook_of_format_3_is_read() -> None:
    cells = [
        {"cell_type": "heading", "level": 2, "source": ["T"], "metadata": {}},
        {"cell_type": "code", "input": ["x = 1"], "language": "python", "outputs": [], "metadata": {}},
    ]
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": [{"cells": cells}]}
    assert notebook_text(json.dumps(old).encode()) == "## T\n\n```python\nx = 1\n```"


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b"null", b"{", b'{"nbformat": 4}', b'{"nbformat": 99, "cells": []}', b"[" * 100_000,
     b'{"nbformat": 4, "nbformat_minor": 0, "metadata": {"kernelspec": null}, "cells": [1]}'],
)  # fmt: skip
def test_what_is_no_notebook_is_an_error(content: bytes) -> None:
    with pytest.raises(CrawlError, match="no notebook"):
        notebook_text(content)


def test_a_page_on_the_disk_loses_what_is_no_text() -> None:
    file = html_file(
        "a.html",
        "<?xml version='1.0' encoding='utf-8'?><!DOCTYPE html><html lang='de-AT'><head><title>In the tab</title>"
        "<link rel='canonical' href='https://example.com/seite'><style>p{}</style><script>evil()</script></head><body>"
        "<nav>Home</nav><h1>Die <em>Seite</em></h1><!-- c --><p onclick='x()'>Grüße <a href='javascript:x()'>hier</a> "
        "<a href='https://example.com/'>da</a><img src='x.png' alt='x'></p><pre><code class='language-py'>a_b<br>  c"
        "</code></pre><noscript>no</noscript></body></html>".encode(),
    )
    assert (file.title, file.language, file.link) == ("Die Seite", "de", "https://example.com/seite")
    assert file.text == "# Die *Seite*\n\nGrüße hier [da](https://example.com/)\n\n```py\na_b\n  c\n```"


def test_a_page_in_an_old_encoding_is_read_as_it_says() -> None:
    page = "<meta charset='windows-1251'><p>Привет</p>"
    assert html_file("a.html", page.encode("cp1251")).text == "Привет"
    lies = b"<meta charset='rot13'><p>caf\xe9 and more</p>"
    assert html_file("a.html", lies).text == "café and more"


@pytest.mark.parametrize(
    "page",
    [
        "<ol>" + "<li>x</li>" * 20_000 + "</ol>",
        "<table>" + "<tbody><tr><td>x</td></tr></tbody>" * 5_000 + "</table>",
        "<table><tr>" + "<td colspan=1000>x</td>" * 5_000 + "</tr></table>",
        "<blockquote>" * 50 + "x",
    ],
)
def test_a_hostile_page_costs_no_more_than_its_size(page: str) -> None:
    text = html_file("a.html", page.encode()).text
    assert text.count("x") == page.count(">x")
    assert len(text) < 10 * len(page)


@pytest.mark.parametrize(
    ("page", "message"),
    [("<div>" * 100_000 + "x", "nested too deeply"), ("<b></b>" * 150_000, "more than 100,000 elements")],
)
def test_a_page_that_cannot_be_read_whole_fails(page: str, message: str) -> None:
    with pytest.raises(CrawlError, match=message):
        html_file("a.html", page.encode())


def test_control_characters_in_a_page_do_no_harm() -> None:
    page = "<pre>a<br>\x19b<br>&#25;c<br>&#x1F;d<script>x</script>\x0c</pre><nav>n</nav>\x0bend &#65; &#250; &#x1FF;"
    text = html_file("a.html", page.encode()).text
    assert text.split() == ["```", "a", "b", "c", "d", "```", "end", "A", "ú", "ǿ"]


def test_characters_that_cannot_be_stored_are_replaced(tmp_path: Path) -> None:
    cell = {"cell_type": "markdown", "metadata": {}, "source": "a\ud800b\0c"}
    content = json.dumps({"nbformat": 4, "nbformat_minor": 0, "metadata": {}, "cells": [cell]})
    [file], _ = read(write(tmp_path / "n", {"a.ipynb": content}))
    assert file.text == "a?bc"


@pytest.mark.parametrize("mark", ["![[", "![](data:x", "[!", "[[a|", "%%\n", "`a", "> [!a] "])
def test_a_note_full_of_half_marks_is_read_as_it_stands(mark: str) -> None:
    text = mark * (256 * 1024 // len(mark))
    assert len(note(text).text) <= len(text)
