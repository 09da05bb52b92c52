"""What samples are about, told by nothing but counting: their words, pairs of words, and how they begin."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from llm_engineering.domain.datasets import Sample

SHOWN = 12
# Of an opening: "What is the", "How do you".
_OPENING_WORDS = 2
_FEWEST_LETTERS = 3
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_STOP_WORDS = """
a about above after again all also although always am an and another any anything are as at away back be because been
before being below between both but by can cannot come could did do does doing don't done down during each either else
enough even ever every few first for from further get gets getting give given go goes going good got had has have
having he her here hers him his how however i if in instead into is isn't it it's its itself just keep know last least
less let like likely lot made make makes making many may maybe me might more most much must my myself need needs
neither never new no nor not nothing now of off often on once one only onto or other others our ours out over own part
people per perhaps put quite rather really same say says see several shall she should since so some something
sometimes still such take than that that's the their theirs them then there these they thing things think this those
though three through thus to together too toward two under until up upon us use used using very want was way ways we
well were what when where whether which while who whole whose why will with within without would yet you you're your
yours yourself
"""
_STOPPED = frozenset(_STOP_WORDS.split())

Counted = list[tuple[str, int]]


def openings(samples: Iterable[Sample]) -> Counted:
    """The instructions' first two words, and how many begin so; most first."""
    return _most(samples, lambda sample: [" ".join(_words(sample.instruction)[:_OPENING_WORDS])])


def topics(samples: Sequence[Sample]) -> Counted:
    """The answers' content words, and in how many samples each stands; most first."""
    return _most(samples, lambda sample: [word for word in _words(sample.answer) if _tells(word)])


def phrases(samples: Sequence[Sample]) -> Counted:
    """Two of them side by side, and in how many samples they stand so; most first."""
    return _most(samples, _pairs, fewest=2)


def documents(samples: Iterable[Sample]) -> Counted:
    """The documents by title, and how many samples each gave; most first."""
    counts = Counter(sample.source.document_id for sample in samples)
    titles = {sample.source.document_id: sample.source.title or sample.source.link for sample in samples}
    return [(titles[id_], count) for id_, count in counts.most_common(SHOWN)]


def _most(samples: Iterable[Sample], parts_of: Callable[[Sample], Iterable[str]], fewest: int = 1) -> Counted:
    counts: Counter[str] = Counter()
    for sample in samples:
        counts.update({part for part in parts_of(sample) if part})
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [(part, count) for part, count in ranked[:SHOWN] if count >= fewest]


def _pairs(sample: Sample) -> list[str]:
    return [f"{one} {other}" for one, other in pairwise(_words(sample.answer)) if _tells(one) and _tells(other)]


def _words(text: str) -> list[str]:
    return [match.group().casefold() for match in _WORD.finditer(text)]


def _tells(word: str) -> bool:
    return len(word) >= _FEWEST_LETTERS and word.replace("’", "'") not in _STOPPED
