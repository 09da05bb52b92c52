"""The part of the composition root that puts the crawlers together."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from llm_engineering.application.crawlers.base import Crawler
from llm_engineering.application.crawlers.files import FolderCrawler, RepositoryCrawler, UserCrawler
from llm_engineering.application.crawlers.medium import MediumCrawler
from llm_engineering.application.crawlers.pages import PageCrawler
from llm_engineering.infrastructure.files.local import LocalFiles
from llm_engineering.infrastructure.files.tree import FileLimits
from llm_engineering.infrastructure.web.browser.browser import ChromeBrowser
from llm_engineering.infrastructure.web.git.github import GitHubUsers
from llm_engineering.infrastructure.web.git.repositories import GitRepositories
from llm_engineering.infrastructure.web.html.extraction import TrafilaturaExtractor
from llm_engineering.infrastructure.web.html.feeds import FeedReader
from llm_engineering.infrastructure.web.http.client import HttpPolicy, PoliteClient
from llm_engineering.infrastructure.web.http.guard import AddressGuard
from llm_engineering.infrastructure.web.http.pages import HttpPageFetcher
from llm_engineering.setting_types import tokens_by_host
from llm_engineering.settings import PROJECT_ROOT, Settings


def build_crawlers(settings: Settings, exclude: Sequence[str], closing: ExitStack) -> list[Crawler]:
    """Every crawler, in the order in which they are asked; what they hold open ends with `closing`."""
    tokens = tokens_by_host(settings.GIT_TOKENS)
    guard = AddressGuard(settings.CRAWL_ALLOWED_HOSTS)
    client = PoliteClient(_http_policy(settings), guard)
    closing.callback(client.close)
    max_page_bytes = settings.CRAWL_MAX_PAGE_MIB * 1024 * 1024
    medium_hosts = ["medium.com", "*.medium.com", *settings.MEDIUM_HOSTS]
    browser = ChromeBrowser(
        medium_hosts, guard.addresses, settings.CRAWL_TIMEOUT_SECONDS, max_page_bytes=max_page_bytes
    )
    closing.callback(browser.close)
    limits = FileLimits(settings.MAX_FILE_KIB * 1024, settings.MAX_REPOSITORY_FILES, tuple(exclude))
    paths = [PROJECT_ROOT / Path(path).expanduser() for path in settings.CRAWL_ALLOWED_PATHS]
    repositories = GitRepositories(
        limits,
        client,
        guard,
        PROJECT_ROOT,
        timeout_seconds=settings.GIT_TIMEOUT_SECONDS,
        max_repository_bytes=settings.MAX_REPOSITORY_MIB * 1024 * 1024,
        tokens=tokens,
        allowed_paths=paths,
        fetches_per_host=settings.CRAWL_REQUESTS_PER_HOST,
    )
    closing.callback(repositories.close)
    users = GitHubUsers(client, settings.GITHUB_API_URL, tokens.get("github.com"))
    fetcher, extractor, feeds = HttpPageFetcher(client), TrafilaturaExtractor(), FeedReader()
    return [
        RepositoryCrawler(repositories),
        UserCrawler(users),
        FolderCrawler(LocalFiles(limits, paths, PROJECT_ROOT)),
        MediumCrawler(browser, fetcher, extractor, feeds, settings.MEDIUM_HOSTS, client.check_robots),
        PageCrawler(fetcher, extractor, feeds),
    ]


def _http_policy(settings: Settings) -> HttpPolicy:
    return HttpPolicy(
        user_agent=settings.CRAWL_USER_AGENT,
        timeout_seconds=settings.CRAWL_TIMEOUT_SECONDS,
        max_attempts=settings.CRAWL_MAX_ATTEMPTS,
        backoff_seconds=settings.CRAWL_BACKOFF_SECONDS,
        budget_seconds=settings.CRAWL_BUDGET_SECONDS,
        breaker_failures=settings.CRAWL_BREAKER_FAILURES,
        breaker_reset_seconds=settings.CRAWL_BREAKER_RESET_SECONDS,
        requests_per_host=settings.CRAWL_REQUESTS_PER_HOST,
        max_bytes=settings.CRAWL_MAX_PAGE_MIB * 1024 * 1024,
        respect_robots=settings.CRAWL_RESPECT_ROBOTS,
    )
