"""Folders and repositories: a document a file, so that a source names the file and a change touches one document."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, urlsplit

from llm_engineering.application.crawlers.base import Crawl
from llm_engineering.application.markdown import first_heading
from llm_engineering.domain.documents import Author, DataCategory, RawDocument
from llm_engineering.domain.ports import FileSource, FileTree, SourceFile

# Where a host shows a file at the tip of the default branch.
_BLOB_PATHS = {
    "github.com": "blob/HEAD",
    "gitlab.com": "-/blob/HEAD",
    "codeberg.org": "src/branch/HEAD",
    "bitbucket.org": "src/HEAD",
}


class RepositoryCrawler:
    """Reads the text files of a Git repository."""

    name = "repository"
    reads = (
        "Git repositories (https://github.com/OWNER/NAME, any http URL ending in .git, a local path with .git in it)"
    )

    def __init__(self, repositories: FileSource) -> None:
        self._repositories = repositories

    def matches(self, link: str) -> bool:
        """Whether the link is a repository's."""
        return self._repositories.handles(link)

    @contextmanager
    def crawl(self, link: str, author: Author) -> Iterator[Crawl]:
        """Yield a document a file. Raises CrawlError when the repository cannot be cloned."""
        with self._repositories.open(link) as tree:
            documents = (code_document(tree, file, author) for file in tree.files)
            yield Crawl(source=tree.link, documents=documents, skipped=tree.skipped)


class MarkdownFolderCrawler:
    """Reads the Markdown files of a local folder."""

    name = "markdown_folder"
    reads = "local folders of Markdown files (a path)"

    def __init__(self, folders: FileSource) -> None:
        self._folders = folders

    def matches(self, link: str) -> bool:
        """Whether the link is an existing folder."""
        return self._folders.handles(link)

    @contextmanager
    def crawl(self, link: str, author: Author) -> Iterator[Crawl]:
        """Yield an article a file. Raises CrawlError when the folder cannot be read or has no Markdown in it."""
        with self._folders.open(link) as tree:
            documents = (markdown_document(tree, file, author) for file in tree.files)
            yield Crawl(source=tree.link, documents=documents, skipped=tree.skipped)


def code_document(tree: FileTree, file: SourceFile, author: Author) -> RawDocument:
    """A repository's file; its title is the repository's name and the path."""
    return RawDocument.create(
        category=DataCategory.REPOSITORIES,
        platform=platform_of(tree.link),
        link=file_link(tree.link, file.path),
        source=tree.link,
        author=author,
        title=f"{tree.name}/{file.path}",
        content=file.text,
    )


def markdown_document(tree: FileTree, file: SourceFile, author: Author) -> RawDocument:
    """A folder's Markdown file; its title is its first heading of level 1, else the file's name."""
    heading = first_heading(file.text)
    return RawDocument.create(
        category=DataCategory.ARTICLES,
        platform="folder",
        link=file_link(tree.link, file.path),
        source=tree.link,
        author=author,
        title=heading or file.path.rsplit("/", 1)[-1].rsplit(".", 1)[0],
        content=file.text,
    )


def file_link(root: str, path: str) -> str:
    """The link of a file under a repository's or folder's link, as its host shows it."""
    blob = _BLOB_PATHS.get(urlsplit(root).hostname or "")
    return "/".join(part for part in (root.rstrip("/"), blob, quote(path)) if part)


def platform_of(root: str) -> str:
    """`github` for github.com, `git` for a local path, else the host."""
    host = urlsplit(root).hostname
    return {"github.com": "github", "gitlab.com": "gitlab"}.get(host, host) if host else "git"
