"""Spans of time in a question: "since 2023", "in March 2024", "last year", "between 2020 and 2022"."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    r"nov(?:ember)?|dec(?:ember)?)"
)
_POINT = (
    r"(?:\d{4}-\d{2}-\d{2}|\d{4}-\d{2}|"
    rf"(?:(?:\d{{1,2}}(?:st|nd|rd|th)? (?:of )?)?{_MONTH}\.?,? |{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? )?"
    r"(?:19|20)\d{2})"
    r"(?![\w-])"
)
_SPAN = re.compile(
    rf"\b(?:(?:between|from) (?P<first>{_POINT}) (?:and|to|until|till|through|-|–) (?P<last>{_POINT})"
    r"|(?P<how>since|after|before|until|till|in|during|from|of|on)(?: (?:early|mid|late|the year))? "
    rf"(?P<point>{_POINT})"
    r"|(?<!before )(?<!after )(?<!until )(?P<since>since )?"
    r"(?P<which>last|this|past|previous) (?P<unit>week|month|year)\b"
    r"|(?:in|within|during|over|from)? ?the (?:last|past) (?P<count>\d{1,3}) (?P<units>day|week|month|year)s?\b)",
    re.IGNORECASE,
)
_DATE = re.compile(
    rf"(?:(?P<day>\d{{1,2}})(?:st|nd|rd|th)? (?:of )?)?(?P<month>{_MONTH})?\.?(?: (?P<day2>\d{{1,2}})(?:st|nd|rd|th)?)?"
    r",? ?(?P<year>\d{4})",
    re.IGNORECASE,
)
_DAYS = {"day": 1, "week": 7, "month": 30, "year": 365}


@dataclass(frozen=True)
class TimeSpan:
    """From `start` on, before `end`; it stands at `question[at:to]`."""

    start: datetime | None
    end: datetime | None
    at: int
    to: int


def find_span(question: str, now: datetime) -> TimeSpan | None:
    """The first span of time in the question, in UTC; None where there is none, or no such date."""
    match = _SPAN.search(question)
    if match is None:
        return None
    try:
        start, end = _limits(match, now)
    except (ValueError, OverflowError):  # 31 February; the day after 9999-12-31
        return None
    return TimeSpan(start, end, match.start(), match.end())


def _limits(match: re.Match[str], now: datetime) -> tuple[datetime | None, datetime | None]:
    if match["first"]:
        return _period(match["first"])[0], _period(match["last"])[1]
    if match["count"]:
        return now - timedelta(days=int(match["count"]) * _DAYS[match["units"].lower()]), None
    if match["unit"]:
        start, end = _calendar(match["unit"].lower(), match["which"].lower() == "this", now)
        return start, None if match["since"] else end
    start, end = _period(match["point"])
    limits: dict[str, tuple[datetime | None, datetime | None]] = {
        "since": (start, None),
        "after": (end, None),
        "before": (None, start),
        "until": (None, end),
        "till": (None, end),
    }
    return limits.get(match["how"].lower(), (start, end))


def _period(text: str) -> tuple[datetime, datetime]:
    """First moment of the day, month or year, and the first one after it."""
    if "-" in text:
        year, month, *days = map(int, text.split("-"))
        return _day(year, month, days[0]) if days else _month(year, month)
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValueError(text)
    year = int(match["year"])
    if not match["month"]:
        return datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    month = _MONTHS.index(match["month"][:3].lower()) + 1
    day = match["day"] or match["day2"]
    return _day(year, month, int(day)) if day else _month(year, month)


def _day(year: int, month: int, day: int) -> tuple[datetime, datetime]:
    start = datetime(year, month, day, tzinfo=UTC)
    return start, start + timedelta(days=1)


def _month(year: int, month: int) -> tuple[datetime, datetime]:
    start = datetime(year, month, 1, tzinfo=UTC)
    return start, datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)


def _calendar(unit: str, current: bool, now: datetime) -> tuple[datetime, datetime]:
    """This, or the last, calendar week (from Monday), month or year."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if unit == "week":
        monday = today - timedelta(days=today.weekday() + (0 if current else 7))
        return monday, monday + timedelta(days=7)
    if unit == "year":
        year = today.year - (0 if current else 1)
        return datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    first = today.replace(day=1)
    return _month(first.year, first.month) if current else _month(*_month_before(first))


def _month_before(first: datetime) -> tuple[int, int]:
    before = first - timedelta(days=1)
    return before.year, before.month
