"""Word documents: mammoth makes HTML of them, markdownify Markdown."""

import io
import zipfile
import zlib
from xml.parsers.expat import ExpatError

from llm_engineering.domain.errors import CrawlError
from llm_engineering.domain.sources import SourceFile
from llm_engineering.infrastructure.files.html import markdown, parse, text_of
from llm_engineering.infrastructure.files.texts import BROKEN

_MAX_XML_BYTES = 32 * 2**20
_MAX_PARTS = 10_000
_MAX_TAGS = 1_000_000
_STYLES = """
p[style-name='Title'] => h1:fresh
p[style-name='Source Code'] => pre:separator('\\n')
p[style-name='Code'] => pre:separator('\\n')
"""


def docx_file(path: str, content: bytes) -> SourceFile:
    """The document's headings, paragraphs, lists, tables and links; its images are dropped.

    Raises:
        CrawlError: it is no DOCX, or unpacks to far more than a document has.
    """
    import mammoth

    try:
        result = mammoth.convert_to_html(
            _checked(content), style_map=_STYLES, include_embedded_style_map=False, convert_image=lambda _: []
        )
    except (zipfile.BadZipFile, zlib.error, ExpatError, *BROKEN) as error:
        raise CrawlError(f"no DOCX that can be read ({type(error).__name__})") from error
    page = parse(result.value)
    title = next(iter(page.xpath("//h1")), None)
    return SourceFile(path=path, text=markdown(page), title=None if title is None else text_of(title))


def _checked(content: bytes) -> io.BytesIO:
    """The document with its XML parts alone, so that nothing else can be read as one.

    Raises:
        CrawlError: it is a ZIP bomb or an XML bomb. zipfile never unpacks more of a part than is declared.
    """
    checked = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(checked, "w") as kept:
        parts = {part.filename: part for part in archive.infolist() if part.filename.endswith((".xml", ".rels"))}
        if len(archive.infolist()) > _MAX_PARTS or sum(part.file_size for part in parts.values()) > _MAX_XML_BYTES:
            raise CrawlError("unpacks to far more than a document has")
        for name, part in parts.items():
            kept.writestr(name, _xml(archive, part))
    return checked


def _xml(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> bytes:
    if part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise CrawlError("packed by a method that is not read")
    xml = archive.read(part)
    if b"<!DOCTYPE" in xml or xml.count(b"<") > _MAX_TAGS:
        raise CrawlError("an XML part declares entities or has far too many elements, which no word processor writes")
    return xml
