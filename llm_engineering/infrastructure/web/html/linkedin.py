"""Posts on LinkedIn, as far as a page without login shows them: never the comments, never a wall."""

import re
from typing import Any
from urllib.parse import urlsplit

from llm_engineering.domain.errors import NotAnArticleError
from llm_engineering.domain.sources import ExtractedArticle
from llm_engineering.infrastructure.markup.tree import json_ld, letters, text_of, tokens
from llm_engineering.infrastructure.web.html.metadata import article_object, author_name, date_of, read_metadata

_WALL = (
    "LinkedIn shows this page only after login. Ask LinkedIn for your own texts (Settings > Data privacy > Get a copy "
    "of your data) and give the ZIP file as a link instead"
)
_WALL_PATHS = ("/authwall", "/login", "/uas/login", "/checkpoint", "/signup", "/m/login")
_WALL_TITLE = re.compile(r"(?:sign up|join|log ?in|sign in|linkedin login|linkedin:? log).*", re.IGNORECASE)
_POST_PATHS = ("/posts/", "/feed/update/")
_SEGMENTS = "//*[contains(concat(' ', @class, ' '), ' attributed-text-segment-list__content ')]"
_MAX_TITLE = 80


def is_linkedin(url: str) -> bool:
    """Whether the URL is one of LinkedIn's, in whatever country."""
    host = (urlsplit(url).hostname or "").lower()
    return host == "linkedin.com" or host.endswith(".linkedin.com")


def is_post(url: str) -> bool:
    """Whether the URL is a post's; articles (`/pulse/`) are pages like any other."""
    return is_linkedin(url) and urlsplit(url).path.startswith(_POST_PATHS)


def refuse_wall(root: Any, url: str) -> None:
    """Raise NotAnArticleError when the page asks for login and shows nothing else."""
    title = text_of(next(root.iter("title"), None))
    if urlsplit(url).path.startswith(_WALL_PATHS) or _WALL_TITLE.fullmatch(title):
        raise NotAnArticleError(_WALL)


def read_post(root: Any, url: str) -> ExtractedArticle:
    """The post with its line breaks; its title is the first line.

    Raises:
        NotAnArticleError: the page shows none.
    """
    refuse_wall(root, url)
    objects = json_ld(root)
    posting = article_object(objects)
    body = posting.get("articleBody") or posting.get("text")
    text = max(_tidy(body) if isinstance(body, str) else "", _from_markup(root), key=lambda said: len(letters(said)))
    if not letters(text):
        raise NotAnArticleError(_WALL)
    language = posting.get("inLanguage")
    return ExtractedArticle(
        title=post_title(text),
        markdown=text,
        canonical_url=read_metadata(root, url).canonical_url,
        byline=author_name(posting.get("author") or posting.get("creator"), objects) or _author_in_markup(root),
        # The page's own language is the one that LinkedIn's buttons are in.
        language=language.partition("-")[0].lower() if isinstance(language, str) else None,
        published_at=date_of(posting.get("datePublished")),
    )


def post_title(text: str) -> str:
    """The first line, cut at a word if it is longer than 80 characters."""
    line = next((line.strip() for line in text.splitlines() if letters(line)), text.strip())
    return line if len(line) <= _MAX_TITLE else line[: _MAX_TITLE + 1].rpartition(" ")[0].rstrip() or line[:_MAX_TITLE]


def _from_markup(root: Any) -> str:
    for element in root.xpath(_SEGMENTS):
        around = [element, *element.iterancestors()]
        if not any(tokens(part.get("class")) & {"comment", "comments"} for part in around):
            for line_break in element.iter("br"):
                line_break.tail = f"\n{line_break.tail or ''}"
            return _tidy("".join(element.itertext()))
    return ""


def _author_in_markup(root: Any) -> str | None:
    names = root.xpath("//*[@data-tracking-control-name='public_post_feed-actor-name']")
    return next((name for name in map(text_of, names) if name), None)


def _tidy(text: str) -> str:
    from html import unescape

    lines = (" ".join(line.split()) for line in unescape(text).splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
