"""Sample files, built by hand so that what is expected of them is known."""

import io
import json
import zipfile
from pathlib import Path

from llm_engineering.domain.sources import FileTree, SourceFile
from llm_engineering.infrastructure.files.local import LocalFiles
from llm_engineering.infrastructure.files.tree import FileLimits

_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def write(folder: Path, files: dict[str, bytes | str]) -> Path:
    """Write the files under the folder."""
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def zipped(files: dict[str, bytes | str]) -> bytes:
    """A ZIP archive of the files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return buffer.getvalue()


def read(
    link: Path | str, allowed: Path | None = None, limits: FileLimits | None = None
) -> tuple[list[SourceFile], FileTree]:
    """The documents of the link, and the tree with its counts."""
    folder = allowed or Path(link).parent
    source = LocalFiles(limits or FileLimits(256 * 1024, 1000), [folder], folder)
    with source.open(str(link)) as tree:
        return list(tree.files), tree


def pdf(*pages: list[str], title: str = "", encrypted: bool = False) -> bytes:
    """A PDF with these lines on its pages; a page without lines has no text, like a scanned one."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", ""]
    kids = []
    for lines in pages:
        shown = " ".join(f"({line}) Tj 0 -14 Td" for line in lines)
        stream = f"BT /F1 12 Tf 72 720 Td {shown} ET"
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
        font = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {len(objects)} 0 R "
            f"/Resources << /Font << /F1 {font} >> >> >>"
        )
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    objects.append(f"<< /Title ({title}) >>")
    if not encrypted:
        return _pdf_of(objects)
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(_pdf_of(objects))))
    writer.encrypt("s3cret", algorithm="RC4-128")
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def _pdf_of(objects: list[str]) -> bytes:
    body, offsets = "%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n{content}\nendobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    trailer = f"<< /Size {size} /Root 1 0 R /Info {len(objects)} 0 R >>"
    text = f"{body}xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n{trailer}\nstartxref\n{len(body)}\n%%EOF\n"
    return text.encode("latin-1")


def docx(body: str, doctype: str = "") -> bytes:
    """A Word document with this WordprocessingML in its body; the relation r9 links to https://example.com/x."""
    styles = "".join(
        f'<w:style w:type="paragraph" w:styleId="{name.replace(" ", "")}"><w:name w:val="{name}"/></w:style>'
        for name in ("Title", "heading 1", "heading 2")
    )
    root = f'<w:document {_W} xmlns:r="{_R}">'
    return zipped(
        {
            "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"/>',
            "_rels/.rels": _relation("r1", "officeDocument", "word/document.xml"),
            "word/document.xml": f"{doctype}{root}<w:body>{body}</w:body></w:document>",
            "word/styles.xml": f"<w:styles {_W}>{styles}</w:styles>",
            "word/_rels/document.xml.rels": _relation("r9", "hyperlink", 'https://example.com/x" TargetMode="External'),
        }
    )


def _relation(name: str, kind: str, target: str) -> str:
    relation = f'<Relationship Id="{name}" Type="{_R}/{kind}" Target="{target}"/>'
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{relation}</Relationships>'


def paragraph(text: str, style: str = "") -> str:
    """A paragraph of WordprocessingML."""
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{properties}<w:r><w:t>{text}</w:t></w:r></w:p>"


def notebook(*cells: tuple[str, str], language: str = "python") -> bytes:
    """A notebook of format 4.5, without the cell ids that it should have."""
    outputs: dict[str, object] = {"outputs": [{"output_type": "stream", "text": "s3cret"}], "execution_count": 1}
    return json.dumps(
        {
            "nbformat": 4,
            "nbformat_minor": 5,
            "metadata": {"kernelspec": {"name": "k", "language": language}},
            "cells": [
                {"cell_type": kind, "metadata": {}, "source": source.splitlines(keepends=True)}
                | (outputs if kind == "code" else {})
                for kind, source in cells
            ],
        }
    ).encode()
