"""The report of a dataset as a page."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from llm_engineering.domain.dataset_reports import FunnelStage, GateCheck
from llm_engineering.domain.datasets import DatasetKind, DroppedSample, Method, Scores, TrainTestSplit
from llm_engineering.domain.generation import GenerationReport
from llm_engineering.infrastructure.charts.dataset_figures import KEPT, answer_lengths, funnel_svg, lengths_svg
from llm_engineering.infrastructure.charts.datasets import SHOWN_DROPPED, SHOWN_SAMPLES, dataset_page
from llm_engineering.infrastructure.charts.topics import documents, openings, phrases, topics
from tests.sample_datasets import MODEL, dataset, report, sample

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'& $x_{ $"


class Page(HTMLParser):
    """The page as a browser reads it: its elements and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data + " "


@pytest.fixture(scope="module")
def evil() -> Page:
    """A dataset every text of which would like to be markup."""
    bad = sample(EVIL, EVIL, EVIL, link=f"https://e.com/{EVIL}", title=EVIL, model_id=EVIL)
    gone = DroppedSample(sample=bad, stage=EVIL, reason=EVIL, detail=EVIL)
    told = report(
        model_id=EVIL,
        method=EVIL,
        funnel=[FunnelStage(name=EVIL, kept=1, dropped={EVIL: 1})],
        gate=[GateCheck(name=EVIL, passed=True, measured=EVIL, wanted=EVIL)],
        warnings=[EVIL],
    )
    made = TrainTestSplit(kind=DatasetKind.PREFERENCE, train=[bad], test=[], dropped=[gone], report=told)
    return Page(dataset_page(made))


def test_no_text_becomes_markup_and_each_is_shown_as_it_is(evil: Page) -> None:
    assert not {"script", "img", "iframe", "object", "link"} & {tag for tag, _ in evil.tags}
    assert not [name for _, attributes in evil.tags for name in attributes if name.startswith("on")]
    # Instruction, chosen and rejected of the sample and of the dropped one; warning, gate, funnel, reason, title, ...
    assert evil.text.count("<script>alert(1)</script>") >= 14


def test_nothing_is_loaded_from_elsewhere() -> None:
    page = Page(dataset_page(dataset()))
    loading = [(tag, attributes) for tag, attributes in page.tags if "src" in attributes or tag == "link"]
    assert loading == []
    references = [value for _, attributes in page.tags for name, value in attributes.items() if "href" in name]
    assert all(value and value.startswith("#") for value in references)


def test_the_same_dataset_is_the_same_page() -> None:
    assert dataset_page(dataset()) == dataset_page(dataset())


def test_the_page_has_counts_gate_funnel_strata_samples_and_what_was_dropped() -> None:
    made = dataset(DatasetKind.PREFERENCE)
    text = Page(dataset_page(made)).text
    for part in (
        "Preference dataset may be published",
        f"Version {made.version}",
        "2 to train on 1 to test 1 dropped 2 documents 1 authors",
        "enough samples at least 3 3 met",
        "rules answer too short 1",
        "longer one in 67% of 3 pairs, and 1.25 times as long",
        "Ada Lovelace articles 1 1 2 1",
        "Why “cards” & <b>holes</b>? chosen Because Jacquard’s loom had them. rejected Nobody can tell.",
        "1 answer too short (rules)",
        "answer too short: 6 characters",
    ):
        assert part in text


def test_tasks_that_gave_nothing_are_counted_together() -> None:
    asked = GenerationReport(model_id=MODEL, tasks=9, malformed=1, refused=2, failed=4)
    made = dataset().model_copy(update={"report": report(generation=asked)})
    assert "7 malformed, refused or failed" in Page(dataset_page(made)).text


def test_a_dataset_that_failed_its_gate_says_so() -> None:
    failed = GateCheck(name="enough samples", passed=False, measured="3", wanted="at least 20")
    text = Page(dataset_page(dataset().model_copy(update={"report": report(gate=[failed], warnings=["Mind."])}))).text
    assert "Instruct dataset may not be published" in text
    assert "enough samples at least 20 3 not met" in text
    assert "Mind." in text


def test_of_many_samples_ten_are_drawn_and_of_dropped_ones_three_a_reason() -> None:
    many = [sample(f"What is number {n}?", f"It is {n}.", scores=Scores(accuracy=3, style=2)) for n in range(40)]
    gone = [DroppedSample(sample=one, stage="rules", reason="odd") for one in many]
    made = TrainTestSplit(kind=DatasetKind.INSTRUCT, train=many, test=[], dropped=gone, report=report())
    page = Page(dataset_page(made))
    assert sum(tag == "article" for tag, _ in page.tags) == SHOWN_SAMPLES + SHOWN_DROPPED
    assert page.text.count("judged 3 of 3 for accuracy, 2 of 3 for style") == SHOWN_SAMPLES + SHOWN_DROPPED
    # Drawn by hash, they are not the first ones.
    assert [f"number {n}?" in page.text for n in range(10)] != [True] * 10


def test_duplicates_that_are_left_are_counted_by_their_words() -> None:
    train = [sample("What is it?", "A loom."), sample("what  is it?", "An engine."), sample("Who?", "a LOOM.")]
    test = [sample("What is it?", "Cards.")]
    gone = [DroppedSample(sample=train[0], stage="near duplicates", reason="instruction near another", detail="x")]
    made = TrainTestSplit(kind=DatasetKind.INSTRUCT, train=train, test=test, dropped=gone, report=report())
    text = Page(dataset_page(made)).text
    assert "Dropped as duplicates 1" in text
    assert "instructions that stand in both splits 1" in text
    assert "instructions that are there already 2" in text
    assert "answers that are there already 1" in text


def test_an_empty_dataset_has_a_page_too() -> None:
    made = TrainTestSplit(
        kind=DatasetKind.INSTRUCT, train=[], test=[], report=report(funnel=[], strata=[], gate=[], documents={})
    )
    assert "may not be published" in dataset_page(made)


def test_long_texts_are_cut_and_say_by_how_much() -> None:
    made = TrainTestSplit(kind=DatasetKind.INSTRUCT, train=[sample("Why?", "x" * 3000)], test=[], report=report())
    assert "x… (1,800 more characters)" in dataset_page(made)


def bar_widths(svg: str, colour: str) -> list[float]:
    """Of the filled rectangles of a colour, without the legend's."""
    paths = re.findall(rf'<path d="M ([\d.]+) [\d.]+ \nL ([\d.]+) [^"]*z\n" clip-path[^>]*fill: {colour}', svg)
    return [abs(float(end) - float(start)) for start, end in paths]


def test_the_funnel_draws_what_passed_in_proportion() -> None:
    stages = [FunnelStage(name="form", kept=400), FunnelStage(name="rules", kept=100, dropped={"a": 200, "b": 100})]
    svg = funnel_svg(stages)
    ElementTree.fromstring(svg.replace("xlink:href", "href"))
    first, second = bar_widths(svg, KEPT)
    assert first == pytest.approx(4 * second, rel=0.01)
    assert "<!-- 100  −300 -->" in svg
    assert svg == funnel_svg(stages)


def test_the_lengths_of_both_answers_are_drawn_and_of_no_texts_nothing_fails() -> None:
    lengths = answer_lengths([sample("a", "xx", "yyy"), sample("b", "xxxx", "y")])
    assert {name: values for name, (values, _) in lengths.items()} == {"chosen": [2, 4], "rejected": [3, 1]}
    assert lengths_svg(lengths, "characters").startswith("<svg")
    assert lengths_svg({"answer": ([], KEPT)}, "characters").startswith("<svg")
    # A text a hundred times as long as the others is counted beside the picture.
    assert "1 longer" in lengths_svg({"answer": ([*range(100, 300), 30_000], KEPT)}, "characters")


def test_topics_are_counted_by_samples() -> None:
    samples = [
        sample("How do looms work?", "The Jacquard loom reads punched cards; punched cards rule the loom."),
        sample("How do cards work?", "Punched cards have holes.", link="https://e.com/2", title="Cards"),
    ]
    assert openings(samples) == [("how do", 2)]
    assert topics(samples)[:3] == [("cards", 2), ("punched", 2), ("holes", 1)]
    assert phrases(samples) == [("punched cards", 2)]
    assert documents(samples) == [("The engine", 1), ("Cards", 1)]


def test_every_method_has_words_of_its_own_in_the_page() -> None:
    for method in Method:
        one = sample("Why?", "So.").model_copy(update={"method": method})
        made = TrainTestSplit(kind=DatasetKind.INSTRUCT, train=[one], test=[], report=report(method=method.value))
        assert f"({method.value})" in Page(dataset_page(made)).text
