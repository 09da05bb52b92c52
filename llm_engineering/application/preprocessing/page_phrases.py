"""Words that pages, not authors, write: labels of buttons, and the sentences of subscribe boxes and cookie notices.

What a list can know. The lines of a site that repeat from page to page are learned instead (`site_noise.py`). None of
these matters alone in the middle of a text, but for the labels that cannot be anything else.
"""

import re
from collections.abc import Collection

# Nobody writes these as a paragraph of its own.
SURE_BUTTONS = frozenset({
    "accept all cookies", "accept cookies", "copy link", "copy to clipboard", "leave a comment", "open in app",
    "previousnext", "share", "share on facebook", "share on linkedin", "share on twitter", "share on x",
    "share this post", "share this article", "sign in", "sign up", "skip to content", "skip to main content",
    "start writingget the app", "subscribe", "subscribe now", "subscribesign in", "type your email…",
    "type your email...",
})  # fmt: skip
# Buttons among buttons, at a page's edges too.
LIKELY_BUTTONS = frozenset({
    "accept", "accept all", "all rights reserved", "allow all", "back to top", "bluesky", "bookmark", "clap",
    "comment", "comments", "continue reading", "cookie settings", "decline", "discussions", "email", "facebook",
    "follow", "get the app", "got it", "hacker news", "instagram", "join", "latest", "like", "likes", "linkedin",
    "listen", "load more", "log in", "login", "manage cookies", "mastodon", "menu", "more", "more from this author",
    "next", "no comments", "no posts", "note", "notes", "other", "pinterest", "pocket", "previous", "print",
    "privacy policy", "privacy ∙ terms ∙ collection notice", "read in app", "read more", "read next", "ready for more?",
    "recommend", "recommended", "reddit", "register", "reject", "reject all", "reply", "restack", "restacks", "rss",
    "save", "search", "send", "skip", "start writing", "submit", "telegram", "terms of service", "threads", "top",
    "twitter", "whatsapp", "x", "youtube",
})  # fmt: skip
_SUBSCRIBE = re.compile(
    r"\b(?:subscrib(?:e|ing)|sign(?:ing)? up|join|get|receive|enter)\b.{0,80}"
    r"\b(?:newsletter|inbox|e-?mail|free|updates|posts|readers|subscribers|support my work)\b",
    re.IGNORECASE,
)
_LEGAL = re.compile(
    r"\b(?:by (?:subscribing|signing up|clicking|continuing|using)\b|unsubscribe|no spam|"
    r"we (?:respect|care about) your privacy|privacy policy|terms of (?:use|service)|all rights reserved"
    r"|protected by recaptcha)",
    re.IGNORECASE,
)
_COOKIES = re.compile(r"\b(?:we|site|website|our partners)\b.{0,60}\bcookies?\b", re.IGNORECASE)
_COPYRIGHT = re.compile(r"(?:©|\(c\)|copyright)\s.{0,80}\b(?:19|20)\d\d\b|(?:©|\(c\)) ?(?:19|20)\d\d", re.IGNORECASE)
BOX_SENTENCES = (_SUBSCRIBE, _LEGAL, _COOKIES, _COPYRIGHT)
# In the normal form.
BOX_HEADING = re.compile(
    r"\b(?:subscribe|newsletter|stay (?:in|up|tuned)|join \d+|inbox|keep in touch|ready for more|we value your privacy"
    r"|cookies?|share (?:this|on)|discussion about this post)\b"
)
# As the last line of a page this is a notice, whatever stands before it.
LEGAL_NOTICE = re.compile(
    r"you agree to our\b.{0,80}\bpolicy|all rights reserved|©|this site requires javascript", re.IGNORECASE
)
_MONTH = r"(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]*\.?"
METADATA = re.compile(
    rf"[\d.,]+\s?[km]?|{_MONTH} \d{{1,2}}(?:, \d{{4}})?|\d{{1,2}}\.? {_MONTH} \d{{4}}|\d{{4}}-\d\d-\d\d"
    r"|[\d.,]+[km]? (?:likes?|comments?|more comments?|claps?|shares?|restacks?|min read|minutes? read)(?:\.{3}|…)?"
    r"|\d+ (?:reply|replies)(?: by [\w .’'-]{1,40})?",
    re.IGNORECASE,
)
# Whom pictures are from: names, which have capitals, and some that are also written without.
_SOURCE = (
    r"(?:(?i:the authors?|authors?|me|myself|ai|unsplash|pexels|pixabay|flickr|freepik|wikipedia|wikimedia|midjourney"
    r"|chatgpt|stable diffusion|dall[-·•. ]?e)(?!\w)|@\w+|\d+|[^\W\d_a-zß-öø-ÿ][\w’'·•&-]*)"
)
_AND = r"(?:,? (?:(?i:on|from|via|and|in|with|using|of|for|at|de|van|von|the)|&|/|\|) |,? )"
# A credit says where a picture is from, and nothing of what it shows: "Picture taken by drones" is a caption.
CREDIT = re.compile(
    r"[\[(_*]*(?:(?i:image|photo|picture|figure|screenshot|illustration)s?(?i: is| was)?"
    r"(?i: generated| created| made| taken| drawn)? (?i:by|credits?(?: to)?:?|courtesy of) (?i:the )?"
    rf"{_SOURCE}(?:{_AND}{_SOURCE}){{0,7}}(?: \([^().!?\n]{{1,40}}\))?"
    r"|(?i:image|figure|fig\.|photo|picture)\s*\d*(?i: of \d+)?:?)[\])_*]*"
)


def is_button(line: str, labels: Collection[str]) -> bool:
    """Whether the line is the label of a button and nothing else; a full stop makes it a sentence."""
    return len(line) <= 60 and " ".join(line.strip(" *_\t").casefold().split()) in labels
