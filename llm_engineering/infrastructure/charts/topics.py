"""What samples are about, told by nothing but counting: their words, pairs of words, and how they begin."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from llm_engineering.domain.datasets import Sample
from llm_engineering.domain.stop_words import STOP_WORDS

SHOWN = 12
# Of an opening: "What is the", "How do you".
_OPENING_WORDS = 2
_FEWEST_LETTERS = 3
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
# Words with more of a meaning, which are no topic all the same.
_NO_TOPICS = """
above again although always another anything away back being below between both cannot come doing don't done down
during either else enough even ever every few first further get gets getting give given goes going good got having her
here hers him his however instead isn't it's itself just keep know last least less let like likely lot made make makes
making many maybe might much must myself need needs neither never new nor nothing now off often once onto others ours
own part people per perhaps put quite rather really same say says see several shall she should since something
sometimes still take that's theirs thing things think though three thus together too toward two until upon use used
using very want way ways well whether whole whose within without yet you're yours yourself
"""
_STOPPED = STOP_WORDS | frozenset(_NO_TOPICS.split())

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
