"""Folders, exports and repositories: a document a file, so that a source names the file and a change touches one."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, urlsplit

from llm_engineering.application.crawlers.base import Crawl
from llm_engineering.application.markdown import first_heading
from llm_engineering.domain.documents import Author, DataCategory, RawDocument, document_id
from llm_engineering.domain.links import canonical_link
from llm_engineering.domain.sources import FileSource, FileTree, RepositoryDirectory, SourceFile, SourceState

# Where a host shows a file at the tip of the default branch.
_BLOB_PATHS = {
    "github.com": "blob/HEAD",
    "gitlab.com": "-/blob/HEAD",
    "codeberg.org": "src/branch/HEAD",
    "bitbucket.org": "src/HEAD",
}


class FileCrawler:
    """Reads the files of a tree, a document each."""

    name: str
    reads: str
    is_page = False
    category: DataCategory  # of the documents of which the tree itself says none

    def __init__(self, files: FileSource) -> None:
        self._files = files

    def matches(self, link: str) -> bool:
        """Whether the link is of this kind; nothing is fetched to find out."""
        return self._files.handles(link)

    def source(self, link: str) -> str:
        """The canonical link of the root."""
        return self._files.source(link)

    @contextmanager
    def crawl(self, link: str, author: Author, known: SourceState | None) -> Iterator[Crawl]:
        """Yield a document a file. Raises CrawlError when the tree cannot be opened."""
        with self._files.open(link, known) as tree:
            crawl = Crawl(
                unchanged=tree.unchanged,
                skipped=tree.skipped,
                failed=tree.failed,
                over_limit=tree.over_limit,
                revision=tree.revision,
            )
            crawl.documents = self._documents(tree, author, crawl)
            yield crawl

    def _documents(self, tree: FileTree, author: Author, crawl: Crawl) -> Iterator[RawDocument]:
        has_links = False
        for file in tree.files:
            has_links = has_links or file.link is not None
            yield to_document(tree, file, author, self.category)
        crawl.bytes_read = tree.bytes_read
        unread = [*tree.failed, *tree.over_limit]
        crawl.spared = [document_id(file_link(tree.link, path), author.id) for path in unread]
        # A folder stands for many documents, and one with a public link of its own is not known by its path.
        crawl.complete = not unread or not (has_links or any(path.endswith("/") for path in unread))


class RepositoryCrawler(FileCrawler):
    """Reads code and docs of a Git repository."""

    name = "repository"
    reads = "Git repositories (https://github.com/OWNER/NAME, any http URL ending in .git, a local path)"
    category = DataCategory.REPOSITORIES


class FolderCrawler(FileCrawler):
    """Reads local folders, files and exports."""

    name = "folder"
    reads = (
        "local folders, files and exports, by path (Markdown, text, HTML, PDF, DOCX, notebooks; ZIPs of Medium, "
        "Substack, LinkedIn, Notion, Obsidian)"
    )
    category = DataCategory.ARTICLES


class UserCrawler:
    """Expands a user of a Git host into the repositories that are the user's own."""

    name = "user"
    is_page = False
    reads = "users of GitHub (https://github.com/USER): all repositories of their own"

    def __init__(self, directory: RepositoryDirectory) -> None:
        self._directory = directory

    def matches(self, link: str) -> bool:
        """Whether the link is a user's page."""
        return self._directory.handles(link)

    def source(self, link: str) -> str:
        """The user's canonical link."""
        return canonical_link(link)

    @contextmanager
    def crawl(self, link: str, author: Author, known: SourceState | None) -> Iterator[Crawl]:  # noqa: ARG002
        """Yield the list of repositories. Raises CrawlError when they cannot be listed."""
        yield Crawl(listing=self._directory.repositories(link))


def to_document(tree: FileTree, file: SourceFile, author: Author, category: DataCategory) -> RawDocument:
    """The document of a file. What the tree does not say of it is told from the path and the text.

    The title of a repository's file is the repository's name and the path; of another, its first heading of level 1,
    else the file's name.
    """
    category = file.category or category
    if category is DataCategory.REPOSITORIES:
        title, platform = f"{tree.name}/{file.path}", platform_of(tree.link)
    else:
        name = file.path.rsplit("/", 1)[-1].rsplit(".", 1)[0]
        title, platform = file.title or first_heading(file.text) or name, file.platform or "folder"
    return RawDocument.create(
        category=category,
        platform=platform,
        link=file.link or file_link(tree.link, file.path),
        source=tree.link,
        author=author,
        title=title,
        subtitle=file.subtitle,
        content=file.text,
        language=file.language,
        published_at=file.published_at,
    )


def file_link(root: str, path: str) -> str:
    """The link of a file under a repository's or folder's link, as its host shows it."""
    blob = _BLOB_PATHS.get(urlsplit(root).hostname or "")
    return "/".join(part for part in (root.rstrip("/"), blob, quote(path)) if part)


def platform_of(root: str) -> str:
    """`github` for github.com, `git` for a local path, else the host."""
    host = urlsplit(root).hostname
    return {"github.com": "github", "gitlab.com": "gitlab"}.get(host, host) if host else "git"
