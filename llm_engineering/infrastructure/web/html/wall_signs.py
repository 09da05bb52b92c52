"""The signs of walls: what bot checks, consent pages, logins, soft 404s, parked domains and paywalls say and look like.

Data only; `walls` says how much text beside a sign makes it none.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Wall:
    """A kind of page that is no article. `title` matches a title or heading as a whole, `phrase` a part of the text."""

    reason: str
    title: re.Pattern[str]
    phrase: re.Pattern[str]
    markup: str = "//nothing"


def _one_of(*alternatives: str) -> re.Pattern[str]:
    """Any of them, in whatever case, with either apostrophe; blanks and punctuation at the end do not count."""
    return re.compile(f"(?:{'|'.join(alternatives)})".replace("'", "['’]"), re.IGNORECASE)


_BY_HAND = "Open it in a browser, save it, and give the file as a link"
_EXPORT = "Give an export of your own texts as a link instead"

BOT_CHECK = Wall(
    f"a bot check stands before the page. {_BY_HAND}",
    _one_of(
        "just a moment",
        "einen moment",
        "un moment",
        "un momento",
        "attention required",
        "access denied",
        "access to this page has been denied",
        "(?:403 )?forbidden",
        "(?:error )?403",
        "robot or human",
        "are you (?:a |an )?(?:robot|human)",
        "verify(?:ing)? (?:that )?you are (?:a )?human",
        "one more step",
        "(?:security|human|browser|captcha) (?:check|verification|challenge)",
        "pardon our interruption",
        "checking your browser.*",
        "ddos-guard",
        "captcha",
        "bot verification",
        "client challenge",
        "vercel security checkpoint",
        "sicherheitsprüfung",
        "please wait",
        "request blocked",
    ),
    _one_of(
        "verif(?:y|ying) (?:that )?you are (?:a |not a )?(?:human|robot)",
        "unusual traffic from your",
        "complete the (?:security check|captcha)",
        "review the security of your connection",
        "press (?:&|and) hold",
        "(?:confirm|prove|check) (?:that )?you(?:'re| are) (?:a |not a )?(?:human|robot)",
        "checking your browser before",
        "dass (?:sie|du) (?:ein mensch|kein roboter)",
        "que (?:no )?eres un(?: humano| robot)",
        "que vous (?:êtes humain|n'êtes pas un robot)",
        "you have been blocked",
        "solve (?:this|the) (?:captcha|puzzle)",
    ),
    "//*[@id='challenge-form' or @id='challenge-running' or @id='challenge-error-text' or @id='cf-error-details' "
    "or @id='px-captcha' or @id='sec-if-cpt-container' or @id='captcha-form' or @id='captcha-container']"
    "|//script[contains(@src,'captcha-delivery.com') or contains(@src,'_Incapsula_Resource') "
    "or contains(text(),'_cf_chl_opt') or contains(text(),'awsWafCookieDomainList')]"
    "|//iframe[contains(@src,'captcha-delivery.com') or contains(@src,'_Incapsula_Resource')]",
)
CONSENT = Wall(
    f"a consent page stands before the article. {_BY_HAND}",
    _one_of(
        "before you continue(?: to .*)?",
        r"bevor (?:sie|du) .*(?:fortfahr|weitergeh)\w*",
        "antes de continuar.*",
        "avant de continuer.*",
        "prima di continuare.*",
        "voordat je verdergaat.*",
        "we value your privacy",
        "your privacy choices",
        "cookie consent",
        "privacy gate",
    ),
    _one_of(
        "before you continue to",
        r"bevor (?:sie|du) (?:zu|mit) \w+ (?:weitergeh|fortfahr)",
        "antes de continuar (?:a|en) ",
        "(?:accept|consent to) (?:all )?(?:cookies )?to (?:continue|proceed) (?:to|reading)",
    ),
    "//form[contains(@action,'consent.google') or contains(@action,'consent.youtube')]",
)
LOGIN = Wall(
    f"the page is shown after login only. {_EXPORT}",
    _one_of(
        "(?:please )?(?:log|sign) ?in(?: to .*)?",
        "login",
        "(?:sign|log) ?in or (?:sign up|join|register).*",
        "sign up",
        "anmelden",
        "einloggen",
        "iniciar sesión",
        "inicia sesión",
        "se connecter",
        "connexion",
        "accedi",
        "authwall",
        "(?:authentication|login) required",
    ),
    _one_of(
        "(?:sign|log) ?in to (?:view|continue|read|see)",
        "you (?:must|need to) (?:be logged|log|sign) ?in",
        "(?:join|register|sign up) (?:now )?to (?:view|see|read|continue)",
        "(?:melde dich|melden sie sich) an, um",
        "inicia sesión para",
        "connectez-vous pour",
    ),
    "//form[.//input[@type='password']][not(//article)]",
)
_SORRY = r"(?:(?:oops|sorry|uh oh|whoops|hmm|ups|hoppla)\W*)?"
_THING = "(?:requested )?(?:page|post|story|article|content)(?: you (?:requested|(?:are|were) looking for))?"
SOFT_404 = Wall(
    "the server sends a page, and the page says that it is not there (soft 404). Correct the link",
    _one_of(
        rf"{_SORRY}(?:(?:http )?error )?(?:404|410)(?: error)?(?:\W*(?:(?:page )?not found|gone|page))?",
        f"{_SORRY}(?:the |this |that )?{_THING} (?:(?:was |could )?not|can(?:'t|not)|could(?:n't)) (?:be )?found",
        f"{_SORRY}(?:the |this |that )?{_THING} (?:isn't|is not|is no longer) available",
        f"{_SORRY}(?:the |this |that )?{_THING} (?:doesn't|does not|no longer) exists?",
        "not found", "nothing (?:was )?found(?: here)?",
        f"{_SORRY}(?:die |diese )?seite (?:wurde )?(?:leider )?nicht gefunden",
        "diese seite (?:existiert|gibt es) (?:leider )?nicht(?: mehr)?", "página no encontrada",
        "(?:esta |la )?página (?:que buscas )?no existe", "page (?:non trouvée|introuvable)", "pagina non trovata",
        "página não encontrada", "pagina niet gevonden",
    ),
    _one_of(
        "the page you(?:'re| are| were)? (?:looking for|requested) (?:doesn't|does not|no longer|cannot|can't)",
        "the page you(?:'re| are| were)? (?:looking for|requested) (?:might have|may have|was not|isn't|has been)",
        "(?:this|that) page (?:doesn't|does not) exist", "author (?:has )?deleted this (?:story|post)",
        "seite, die (?:sie|du) suchs?t", "página que (?:buscas|está buscando)",
    ),
)  # fmt: skip
PARKED = Wall(
    "the domain is parked or for sale: there is no article any more. Correct the link",
    _one_of(
        r".*(?:domain|website)(?: .*)? for sale.*",
        r"[\w.-]+\.\w+ is for sale",
        "parked domain.*",
        ".*steht zum verkauf.*",
    ),
    _one_of(
        "this (?:web ?page|domain) (?:name )?is (?:parked|for sale)", "buy this domain",
        "domain (?:may be|is) for sale", "diese domain steht zum verkauf", "dominio está en venta",
        "this domain has (?:expired|recently been registered)",
    ),
    "//script[contains(@src,'parkingcrew') or contains(@src,'sedoparking') or contains(@src,'bodis.com') "
    "or contains(text(),'window.park')]",
)  # fmt: skip
WALLS = (BOT_CHECK, CONSENT, LOGIN, SOFT_404, PARKED)

PAYWALL = f"only the beginning of the text is free (paywall). {_EXPORT}"
NEEDS_SCRIPT = f"the page shows its text only with JavaScript. {_BY_HAND}"
# Stands at the beginning of a heading, a paragraph or a button.
STUB_PHRASE = _one_of(
    "this (?:post|article|story|content|episode) is (?:only )?(?:for|available to|reserved for) "
    r"(?:\w+ ){0,3}(?:subscribers|members)",
    "(?:subscribe|sign up|register) to (?:continue|keep) reading",
    r"(?:continue|keep) reading (?:this post for free|with a \d+-day free trial|for free by)",
    "create an account to read the full story",
    "the author made this story available to medium members only",
    "read the (?:full|rest of (?:the|this)) (?:story|article) (?:with|by)",
    "become a member to (?:read|continue)",
    "unlock (?:this|the full) (?:article|story|post)",
    "you've (?:read|reached) (?:all )?your (?:last |limit of )?free",
    "jetzt weiterlesen mit",
    "dieser artikel ist (?:nur )?für abonnenten",
    "suscríbete para (?:seguir|continuar) leyendo",
    "este artículo es (?:solo|exclusivo) para suscriptores",
    "la suite est réservée aux abonnés",
)
STUB_MARKUP = "//*[contains(concat(' ',@class,' '),' paywall ') or contains(@data-testid,'aywall')]"
SCRIPT_PHRASE = _one_of(
    r"(?:enable|turn on|requires?|needs?|aktivieren|activ\w+) (?:\w+ ){0,2}javascript",
    r"javascript (?:\w+ ){0,3}(?:disabled|required|enabled|deaktiviert|aktivieren)",
)
