"""Which documents are for testing."""

from math import sqrt
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_engineering.application.dataset.splitting import Strata, missing_in_test, require_both_splits, split_of
from llm_engineering.domain.dataset_options import SplitOptions
from llm_engineering.domain.dataset_reports import Stratum
from llm_engineering.domain.datasets import Source, Split
from llm_engineering.domain.documents import Author, DataCategory
from llm_engineering.domain.errors import TooLittleDataError
from tests.dataset_candidates import candidate
from tests.fakes import ADA, cleaned

OPTIONS = SplitOptions()
GRACE = Author.named("Grace Hopper")


def sources(names: list[str], author: Author = ADA, category: DataCategory = DataCategory.ARTICLES) -> list[Source]:
    return [Source.of(cleaned("text", name, category, author)) for name in names]


def names_in(split: Split, found: list[Source], options: SplitOptions = OPTIONS) -> set[UUID]:
    return {source.document_id for source in found if split_of(source, options) is split}


@pytest.mark.parametrize("author", [ADA, GRACE])
@pytest.mark.parametrize("category", list(DataCategory))
def test_of_each_author_and_category_about_the_share_that_was_asked_for_is_for_testing(
    author: Author, category: DataCategory
) -> None:
    found = sources([str(number) for number in range(5000)], author, category)
    share = len(names_in(Split.TEST, found)) / 5000
    # Four standard deviations of a binomial share: 4 * sqrt(0.2 * 0.8 / 5000) = 0.023. One run in 16,000 is outside.
    assert abs(share - 0.2) < 4 * sqrt(0.2 * 0.8 / 5000)


def test_each_category_and_author_is_drawn_by_itself() -> None:
    names = [str(number) for number in range(200)]
    drawn = [names_in(Split.TEST, sources(names, author)) for author in (ADA, GRACE)]
    assert drawn[0] != drawn[1]
    assert drawn[0] != names_in(Split.TEST, sources(names, category=DataCategory.POSTS))


@settings(deadline=None)
@given(st.lists(st.text(min_size=1), max_size=30), st.lists(st.text(min_size=1), max_size=30))
def test_more_documents_move_none_from_one_split_to_the_other(before: list[str], more: list[str]) -> None:
    few, many = sources(before), sources([*more, *before])
    for split in Split:
        assert names_in(split, few) <= names_in(split, many)


@settings(deadline=None)
@given(st.lists(st.text(min_size=1), max_size=30), st.floats(0.01, 0.98), st.floats(0.01, 0.98))
def test_a_larger_share_only_adds_to_what_is_tested(names: list[str], one: float, other: float) -> None:
    smaller, larger = (SplitOptions(test_size=size) for size in sorted((one, other)))
    assert names_in(Split.TEST, sources(names), smaller) <= names_in(Split.TEST, sources(names), larger)


def test_what_a_document_says_does_not_move_it_and_another_seed_does() -> None:
    names = [str(number) for number in range(200)]
    changed = [Source.of(cleaned("other text", name, language="de")) for name in names]
    assert names_in(Split.TEST, sources(names)) == names_in(Split.TEST, changed)
    assert names_in(Split.TEST, sources(names)) != names_in(Split.TEST, changed, SplitOptions(seed="another"))


@settings(deadline=None)
@given(st.lists(st.text(min_size=1), min_size=2, max_size=8, unique=True))
def test_the_share_that_an_error_names_fills_the_empty_split(names: list[str]) -> None:
    found = sources(names)
    for size in (0.001, 0.999):
        try:
            require_both_splits(found, SplitOptions(test_size=size))
        except TooLittleDataError as error:
            named = float(str(error).partition("split.test_size to ")[2].split()[0])
            filled = Split.TEST if size < 0.5 else Split.TRAIN
            assert names_in(filled, found, SplitOptions(test_size=named))


def test_an_error_says_what_to_do_about_an_empty_split() -> None:
    with pytest.raises(TooLittleDataError, match=r"none is drawn for test.*to 0\.\d+ or more.*split\.seed"):
        require_both_splits(sources(["a", "b", "c"]), SplitOptions(test_size=1e-6))
    with pytest.raises(TooLittleDataError, match="only 1 is left"):
        require_both_splits(sources(["a", "a"]), OPTIONS)
    with pytest.raises(TooLittleDataError, match="only 0 is left"):
        require_both_splits([], OPTIONS)


def test_strata_have_the_documents_that_passed_by_and_the_samples_of_them() -> None:
    half = SplitOptions(test_size=0.5)
    documents = [cleaned("text", name, author=author) for author in (GRACE, ADA) for name in "abcdef"]
    strata = Strata(half)
    assert list(strata.counted(iter(documents))) == documents
    samples = [candidate(name=name, author=ADA).sample for name in "aab"]
    ada, grace = strata.report(samples)
    tested = sum(split_of(source, half) is Split.TEST for source in sources(list("abcdef")))
    in_test = sum(split_of(sample.source, half) is Split.TEST for sample in samples)
    assert ada == Stratum(
        author="Ada Lovelace",
        category=DataCategory.ARTICLES,
        train_documents=6 - tested,
        test_documents=tested,
        train_samples=3 - in_test,
        test_samples=in_test,
    )
    assert (grace.author, grace.train_samples, grace.test_samples) == ("Grace Hopper", 0, 0)


@pytest.mark.parametrize(("train", "test", "warnings"), [(9, 0, 0), (10, 0, 1), (10, 1, 0)])
def test_a_stratum_of_ten_documents_without_any_in_test_is_warned_of(train: int, test: int, warnings: int) -> None:
    stratum = Stratum(
        author="Ada",
        category=DataCategory.POSTS,
        train_documents=train,
        test_documents=test,
        train_samples=0,
        test_samples=0,
    )
    assert len(missing_in_test([stratum])) == warnings
