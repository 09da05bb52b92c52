"""Samples to train on whose text stands in a document that is kept for testing."""

import random
from collections.abc import Sequence

import pytest

from llm_engineering.application.dataset.finding import Verdict
from llm_engineering.application.dataset.funnel import sift
from llm_engineering.application.dataset.shared_text import drop_shared
from llm_engineering.application.dataset.splitting import split_of
from llm_engineering.domain.dataset_options import DatasetOptions, SplitOptions
from llm_engineering.domain.datasets import Candidate, DatasetKind, Method, Sample, Split
from tests.dataset_candidates import ANSWER, candidate
from tests.fakes import WordEmbedder

VOCABULARY = [f"word{number}" for number in range(1000)]
WORDS = random.Random(1).sample(VOCABULARY, 60)


def half_of(sample: Sample) -> Split:
    return Split.TEST if sample.source.title.startswith("test") else Split.TRAIN


def dropped(verdicts: Sequence[Verdict]) -> set[str]:
    return {verdict.candidate.sample.source.title for verdict in verdicts if verdict.finding}


def of(extract: Sequence[str], name: str, answer: str = "") -> Candidate:
    """A sample with an answer of its own, unless one is given."""
    return candidate(answer=answer or f"Nothing but {name}.", extract=" ".join(extract), name=name)


def runs(text: str) -> set[tuple[str, ...]]:
    """Runs of eight words, written anew; for texts of lower-case words only."""
    found = text.split()
    return {tuple(found[i : i + 8]) for i in range(len(found) - 7)}


def test_an_article_to_train_on_goes_where_a_post_in_test_quotes_it_and_none_moves() -> None:
    article, post, other = of(WORDS, "article"), of(WORDS[10:25], "test"), of(VOCABULARY[:30], "other")
    verdicts = drop_shared([article, post, other], half_of, 0.3)
    assert dropped(verdicts) == {"article"}
    finding = verdicts[0].finding
    assert finding is not None
    assert finding.reason == "its text stands in a document in test"
    # The post is the shorter one, and all of it stands in the article.
    assert finding.detail == f"100% of the shorter text: {post.sample.source.link}"
    # The other way round the post goes: what is tested stays.
    assert dropped(drop_shared([of(WORDS, "test"), of(WORDS[10:25], "post")], half_of, 0.3)) == {"post"}
    assert dropped(drop_shared([article, of(WORDS[10:25], "post")], half_of, 0.3)) == set()


@pytest.mark.parametrize(("shared", "goes"), [(12, False), (13, True)])
def test_a_share_of_the_runs_of_the_shorter_text_decides(shared: int, goes: bool) -> None:
    # 27 words are 20 runs of eight. 13 words that the texts share are 6 of them, which is 0.3; 12 words are 5.
    test = of([*WORDS[:shared], *(f"other{number}" for number in range(27 - shared))], "test")
    assert dropped(drop_shared([of(WORDS, "train"), test], half_of, 0.3)) == ({"train"} if goes else set())


def test_a_test_answer_inside_a_train_answer_is_found_though_the_extracts_are_others() -> None:
    longer = of(VOCABULARY[:30], "train", f"Before that, this. {ANSWER} After that, something else.")
    assert dropped(drop_shared([longer, of(VOCABULARY[100:130], "test", ANSWER)], half_of, 0.3)) == {"train"}


def test_the_same_are_found_as_by_comparing_all_pairs_whatever_their_order() -> None:
    generator = random.Random(7)
    texts = []
    for number in range(120):
        start = generator.randrange(900)
        length = generator.randrange(15, 60)
        texts.append((f"{'test' if number % 4 == 0 else 'train'}{number}", VOCABULARY[start : start + length]))
    candidates = [of(words, name) for name, words in texts]
    held = [runs(one.extract.text) for one in candidates if half_of(one.sample) is Split.TEST]
    expected = {
        one.sample.source.title
        for one in candidates
        if half_of(one.sample) is Split.TRAIN
        for mine in [runs(one.extract.text)]
        if any(len(mine & other) >= 0.3 * min(len(mine), len(other)) for other in held)
    }
    assert 20 < len(expected) < 80
    assert dropped(drop_shared(candidates, half_of, 0.3)) == expected
    generator.shuffle(candidates)
    assert dropped(drop_shared(candidates, half_of, 0.3)) == expected


def test_one_article_under_two_links_teaches_nothing_of_what_is_tested_in_whatever_words() -> None:
    options = DatasetOptions(split=SplitOptions(test_size=0.5))
    text = (
        f"{ANSWER} A crash loses what came after the last of either, so choose the interval of Redis by what you can "
        "afford to lose on a bad day. Most teams never look."
    )
    says = {
        "Which files keep the data of Redis over a restart?": "RDB files, written as snapshots, and a log of every "
        "write let Redis survive a restart, although its data is in memory.",
        "What brings Redis back when it was stopped?": "Redis writes snapshots at intervals. What Redis appends to a "
        "log is every write; in memory is its data.",
    }
    made = [
        candidate(asked, said, name, method=Method.GENERATED, extract=text.replace("bad", word))
        for (asked, said), name, word in zip(says.items(), ("art0", "art2"), ("bad", "worse"), strict=True)
    ]
    splits = {one.sample.source.title: split_of(one.sample.source, options.split) for one in made}
    funnel = sift(DatasetKind.INSTRUCT, made, options, WordEmbedder(), [])
    assert set(splits.values()) == {Split.TRAIN, Split.TEST}
    assert [splits[one.sample.source.title] for one in funnel.kept] == [Split.TEST]
    assert [one.stage for one in funnel.dropped] == ["shared text"]
