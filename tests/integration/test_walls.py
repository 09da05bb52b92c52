"""A page that stands in the place of an article is refused with its reason; an article about such pages is not."""

# ruff: noqa: E501 (HTML and Markdown stand as they are)

import re

import pytest

from llm_engineering.domain.errors import NotAnArticleError
from llm_engineering.domain.sources import ExtractedArticle, FetchedPage
from llm_engineering.infrastructure.web.html.extraction import TrafilaturaExtractor

BOT, CONSENT, LOGIN = "bot check", "consent page", "after login only"
SOFT_404, PARKED, PAYWALL, SCRIPT = "soft 404", "parked or for sale", "paywall", "only with JavaScript"
EXPORT = "Get a copy of your data"


def extract(html: str, url: str = "https://example.com/an-article") -> ExtractedArticle:
    return TrafilaturaExtractor().extract(FetchedPage(url=url, html=html))


def page(title: str, body: str, head: str = "") -> str:
    return f"<!DOCTYPE html><html lang='en'><head><title>{title}</title>{head}</head><body>{body}</body></html>"


def within_a_site(title: str, main: str) -> str:
    """The way a blog's theme shows a missing page: all of the site around a few words."""
    posts = "".join(f"<li><a href='/{n}'>A post about the {n}th harbour and its lamps</a></li>" for n in range(12))
    return page(
        f"{title} - The Harbour Blog",
        f"<header><nav><a href='/'>Home</a></nav></header><main><h1>{title}</h1>{main}</main>"
        f"<aside class='widget-area'><h2>Recent posts</h2><ul>{posts}</ul></aside><footer>Imprint</footer>",
    )


FIRST_LINES = (
    "<p>In the spring of that year I sold the boat, and with the money I bought a shed beside the harbour, which had "
    "no roof and an excellent view. Nobody understood the order of these two events, least of all my brother.</p>"
    "<p>The roof came first. I learned to cut slate from a man who had never fallen, and who told me so each day.</p>"
)
WALLS = [
    pytest.param(
        page(
            "Just a moment...",
            "<div class='main-wrapper' role='main'><h1 class='zone-name-title h1'>example.com</h1><p>Verify you are human "
            "by completing the action below.</p><div id='challenge-stage'></div><div>example.com needs to review the "
            "security of your connection before proceeding.</div></div><script>window._cf_chl_opt={cvId:'3'};</script>",
        ),
        BOT,
        id="Cloudflare's challenge",
    ),
    pytest.param(
        page(
            "Attention Required! | Cloudflare",
            "<div id='cf-wrapper'><div id='cf-error-details'><h1>Sorry, you have been blocked</h1><h2>You are unable to "
            "access example.com</h2><h2>Why have I been blocked?</h2><p>This website is using a security service to "
            "protect itself from online attacks. The action you just performed triggered the security solution. There are "
            "several actions that could trigger this block including submitting a certain word or phrase, a SQL command "
            "or malformed data.</p><h2>What can I do to resolve this?</h2><p>You can email the site owner to let them "
            "know you were blocked. Please include what you were doing when this page came up.</p></div></div>",
        ),
        BOT,
        id="Cloudflare's block with a long explanation",
    ),
    pytest.param(
        page(
            "Access to this page has been denied",
            "<div id='px-captcha'></div><p>Press &amp; Hold to confirm you are a human (and not a bot).</p>",
        ),
        BOT,
        id="PerimeterX",
    ),
    pytest.param(
        page("example.com", "<script src='https://ct.captcha-delivery.com/c.js'></script><p>Please enable JS</p>"),
        BOT,
        id="DataDome",
    ),
    pytest.param(
        page(
            "https://www.example.com/search",
            "<form id='captcha-form' action='index' method='post'></form><div>About this page<br>Our systems have detected "
            "unusual traffic from your computer network. This page checks to see if it's really you sending the requests, "
            "and not a robot. Why did this happen? This page appears when automatic requests are detected that seem to be "
            "in violation of the terms. The block will expire shortly after those requests stop.</div>",
        ),
        BOT,
        id="unusual traffic",
    ),
    pytest.param(
        page("Robot oder Mensch", "<p>Bitte bestätige, dass du kein Roboter bist.</p><div class='h-captcha'></div>"),
        BOT,
        id="a German captcha",
    ),
    pytest.param(page("Human Verification", "<div id='captcha-container'></div><noscript>x</noscript>"), BOT, id="AWS WAF"),
    pytest.param(
        page(
            "Before you continue to YouTube",
            "<h1>Before you continue to YouTube</h1><p>We use cookies and data to deliver and maintain services, track "
            "outages and protect against spam, fraud and abuse, and measure audience engagement and site statistics to "
            "understand how our services are used and enhance the quality of those services.</p><p>If you choose to accept "
            "all, we will also use cookies and data to develop and improve new services, and to deliver and measure the "
            "effectiveness of ads.</p><form action='https://consent.youtube.com/save'><button>Accept all</button></form>",
        ),
        CONSENT,
        id="YouTube's consent page",
    ),
    pytest.param(
        page(
            "Bevor Sie zu Google weitergehen",
            "<h1>Bevor Sie zu Google weitergehen</h1><p>Wir verwenden Cookies und Daten, um Dienste bereitzustellen.</p>",
        ),
        CONSENT,
        id="a German consent page",
    ),
    pytest.param(
        page(
            "The shed - by Tobias Renn",
            "<article><h1>The shed</h1><div class='available-content'>" + FIRST_LINES * 8 + "</div><div class='paywall' "
            "data-testid='paywall'><h2 class='paywall-title'>This post is for paid subscribers</h2>"
            "<a class='button'>Subscribe</a><a>Already a paid subscriber? <b>Sign in</b></a></div></article>",
        ),
        PAYWALL,
        id="Substack's preview, however long",
    ),
    pytest.param(
        page(
            "The shed | by Mara | Medium",
            "<article><h1>The shed</h1><p>Member-only story</p>" + FIRST_LINES + "</article><div><h2>Create an account to "
            "read the full story.</h2><p>The author made this story available to Medium members only.</p>"
            "<button>Continue in app</button></div>",
        ),
        PAYWALL,
        id="Medium's member-only stub",
    ),
    pytest.param(
        page("The shed", f"<article><h1>The shed</h1>{FIRST_LINES}<h3>Subscribe to continue reading</h3></article>"),
        PAYWALL,
        id="subscribe to continue reading",
    ),
    pytest.param(
        page(
            "The shed",
            f"<article><h1>The shed</h1>{FIRST_LINES}</article>",
            '<script type="application/ld+json">{"@type":"NewsArticle","isAccessibleForFree":"False"}</script>',
        ),
        PAYWALL,
        id="JSON-LD that says that it is not free",
    ),
    pytest.param(
        page("Der Schuppen", f"<article>{FIRST_LINES}<p>Dieser Artikel ist nur für Abonnenten.</p></article>"),
        PAYWALL,
        id="a German paywall",
    ),
    pytest.param(
        page(
            "Log in to continue",
            "<form action='/login'><label>E-mail</label><input name='m'><input type='password'><button>Log in</button></form>"
            "<p>Log in to read this page. Forgot your password? Create an account.</p>",
        ),
        LOGIN,
        id="a login form",
    ),
    pytest.param(
        page("Example", "<h1>Sign in to view this document</h1><p>Use your company account, please.</p>"),
        LOGIN,
        id="sign in to view",
    ),
    pytest.param(
        within_a_site("Page not found", "<p>It looks like nothing was found at this location. Maybe try a search?</p>"),
        SOFT_404,
        id="WordPress",
    ),
    pytest.param(
        within_a_site("Oops! That page can&rsquo;t be found.", "<p>Try one of the links below or a search.</p>"),
        SOFT_404,
        id="an older WordPress theme",
    ),
    pytest.param(page("404", "<h1>404</h1><p>This page could not be found.</p>"), SOFT_404, id="Next.js"),
    pytest.param(
        page("Medium", "<div><h2>PAGE NOT FOUND</h2><p>404</p><p>Out of nothing, something.</p></div>"),
        SOFT_404,
        id="Medium's",
    ),
    pytest.param(
        page("Example", "<h1>This page doesn’t exist</h1><p>The link may be broken.</p>"), SOFT_404, id="does not exist"
    ),
    pytest.param(
        within_a_site("Seite nicht gefunden", "<p>Die gesuchte Seite gibt es nicht mehr.</p>"), SOFT_404, id="German"
    ),
    pytest.param(within_a_site("Página no encontrada", "<p>Prueba con el buscador.</p>"), SOFT_404, id="Spanish"),
    pytest.param(
        page(
            "example.com is for sale | Lots of names",
            "<h1>The domain name example.com is for sale!</h1><p>" + "Make an offer and own it tomorrow. " * 12 + "</p>",
        ),
        PARKED,
        id="a domain for sale",
    ),
    pytest.param(
        page("example.com", "<script src='https://img.sedoparking.com/js.js'></script><p>Related searches: boats</p>"),
        PARKED,
        id="a parked domain",
    ),
    pytest.param(
        page("App", "<noscript>You need to enable JavaScript to run this app.</noscript><div id='root'></div>"),
        SCRIPT,
        id="a page that a script writes",
    ),
    pytest.param(page("Notes", "<article><p>Soon.</p></article>"), "5 characters of main text", id="next to nothing"),
]  # fmt: skip


@pytest.mark.parametrize(("html", "reason"), WALLS)
def test_a_page_in_the_place_of_an_article_is_refused_with_its_own_reason(html: str, reason: str) -> None:
    with pytest.raises(NotAnArticleError, match=re.escape(reason)):
        extract(html)


def essay(title: str, *sentences: str) -> str:
    paragraphs = "".join(
        f"<p>{sentence} I have kept notes on this for years, in a ledger with a green cover, and what follows is taken from "
        f"them without much order. The harbour master disagrees with most of it, and he may be right.</p>"
        for sentence in sentences * 3
    )
    return page(f"{title} | The Harbour Blog", f"<main><article><h1>{title}</h1>{paragraphs}</article></main>")


ARTICLES = [
    pytest.param(
        essay("Just a moment...", "Cloudflare asks to verify you are human, and shows a page called Just a moment."),
        id="an essay with the title of a challenge",
    ),
    pytest.param(
        essay("Are you a robot?", "Complete the security check, says the box, and solve this captcha to go on."),
        id="an essay on captchas",
    ),
    pytest.param(
        essay("404 Not Found", "The page you are looking for does not exist: how to write a better sentence than that."),
        id="an essay on 404 pages",
    ),
    pytest.param(
        essay("Page not found", "A page that is not found is an apology, and this page does not exist is a poor one."),
        id="an essay on soft 404s",
    ),
    pytest.param(
        essay("Before you continue", "Before you continue to the site, consent: what cookie banners do to a reader."),
        id="an essay on consent pages",
    ),
    pytest.param(
        essay("Subscribe to continue reading", "This post is for paid subscribers, says every second link that I open."),
        id="an essay on paywalls",
    ),
    pytest.param(
        essay("This domain is for sale", "Buy this domain, they say. I did, and this is what it cost me in the end."),
        id="an essay on parked domains",
    ),
    pytest.param(
        essay("Sign in", "Sign in to view this, log in to read that: a history of the password box.")
        .replace("</main>", "</main><form action='/login'><input type='password'></form>"),
        id="an essay on logins, on a page with a login form",
    ),
    pytest.param(
        essay("On paper boats", "A paper boat floats for eleven minutes.")
        .replace("</main>", "</main><div id='captcha-container'></div><noscript>Please enable JavaScript.</noscript>")
        .replace("</head>", "<script src='/cdn-cgi/challenge-platform/scripts/jsd/main.js'></script></head>"),
        id="an article with a captcha in its comment form",
    ),
    pytest.param(
        essay("On paper boats", "A paper boat floats for eleven minutes.", "A tin one for good.").replace(
            "</head>",
            '<script type="application/ld+json">{"@type":"Article","isAccessibleForFree":false}</script></head>',
        ),
        id="a whole article that says that it is not free",
    ),
    pytest.param(
        page("Short note", f"<article><h1>Short note</h1>{FIRST_LINES}</article>"),
        id="a short note",
    ),
]  # fmt: skip


@pytest.mark.parametrize("html", ARTICLES)
def test_an_article_about_such_pages_is_an_article(html: str) -> None:
    assert extract(html).markdown.count(".") >= 3


POST = "https://www.linkedin.com/posts/odalys_logistics-activity-7290000000000000000-AbCd"
TEXT = "We moved the pallets at night.\n\nThree things went wrong:\n- the lift\n- the list\n\n#logistics"


def linkedin_post(body: str, json_ld: str = "") -> str:
    return page(
        "Odalys Ferreira on LinkedIn: We moved the pallets at night.",
        "<div class='contextual-sign-in-modal' role='dialog'><h2>Sign in to view more content</h2></div>"
        f"<main><article class='main-feed-activity-card'>{body}</article><section class='comments'><section class='comment'>"
        "<p class='attributed-text-segment-list__content comment__text'>Insightful!</p></section></section></main>",
        f"<link rel='canonical' href='{POST}'>"
        + (f'<script type="application/ld+json">{json_ld}</script>' if json_ld else ""),
    )


JSON_POST = (
    '{"@context":"http://schema.org","@type":"SocialMediaPosting","@id":"'
    + POST
    + '","articleBody":"We moved the pallets '
    "at night.\\n\\nThree things went wrong:\\n- the lift\\n- the list\\n\\n#logistics"
    '","datePublished":"2025-02-11T09:20:00.000Z","author":{"@type":"Person","name":"Odalys Ferreira"},'
    '"comment":[{"@type":"Comment","text":"Insightful!","author":{"@type":"Person","name":"Bastiaan Krol"}}]}'
)
MARKUP_POST = (
    "<a data-tracking-control-name='public_post_feed-actor-name'>Odalys Ferreira</a><div data-test-id="
    "'main-feed-activity-card__commentary'><p class='attributed-text-segment-list__content text-color-text'>We moved the "
    "pallets at night.<br><br>Three things went wrong:<br>- the lift<br>- the list<br><br><a href='/signup'>#logistics</a></p></div>"
)


@pytest.mark.parametrize(
    ("html", "dated"),
    [
        pytest.param(linkedin_post("", JSON_POST), True, id="JSON-LD"),
        pytest.param(linkedin_post(MARKUP_POST), False, id="markup"),
        pytest.param(linkedin_post(MARKUP_POST, JSON_POST), True, id="both"),
    ],
)
def test_a_public_post_keeps_its_lines_and_leaves_the_comments(html: str, dated: bool) -> None:
    post = extract(html, POST)
    assert (post.markdown, post.title, post.byline) == (TEXT, "We moved the pallets at night.", "Odalys Ferreira")
    assert (post.canonical_url, post.language, post.published_at is not None) == (POST, None, dated)


def test_the_title_of_a_post_is_its_first_line_cut_at_a_word() -> None:
    line = "Seventy-nine letters and one more are about as many as anybody reads of a post before scrolling on"
    json = JSON_POST.replace("We moved the pallets at night.", f"\\n{line}")
    title = extract(linkedin_post("", json), POST).title
    assert title == "Seventy-nine letters and one more are about as many as anybody reads of a post"
    assert len(title) <= 80


@pytest.mark.parametrize("path", ["/posts/x-activity-1", "/feed/update/urn:li:activity:7290000000000000000"])
def test_a_comment_is_never_taken_for_the_post(path: str) -> None:
    with pytest.raises(NotAnArticleError, match=EXPORT):
        extract(linkedin_post(""), f"https://www.linkedin.com{path}")


@pytest.mark.parametrize(
    ("url", "html"),
    [
        (
            "https://www.linkedin.com/authwall?trk=x&sessionRedirect=y",
            page("Sign Up | LinkedIn", "<h1>Join LinkedIn</h1>"),
        ),
        (POST, page("LinkedIn Login, Sign in | LinkedIn", "<h1>Sign in</h1><p>Stay updated.</p>")),
        (
            "https://de.linkedin.com/pulse/a-b",
            page("Sign Up | LinkedIn", "<p>Make the most of your professional life</p>"),
        ),
        ("https://www.linkedin.com/uas/login?x=y", page("x", "<p>x</p>")),
    ],
)
def test_linkedins_wall_points_to_the_export_of_ones_own_data(url: str, html: str) -> None:
    with pytest.raises(NotAnArticleError, match=EXPORT):
        extract(html, url)


def test_another_host_that_ends_like_linkedin_is_an_ordinary_page() -> None:
    html = essay("On paper boats", "A paper boat floats for eleven minutes.")
    assert extract(html, "https://notlinkedin.com/posts/x").title == "On paper boats"
