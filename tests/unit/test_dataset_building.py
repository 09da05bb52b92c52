"""From documents to a dataset: a scripted model writes the samples."""

import asyncio
import json
import random
import re
from collections.abc import Sequence

import pytest

from llm_engineering.application.dataset.asking import Asker
from llm_engineering.application.dataset.building import build_dataset
from llm_engineering.application.dataset.judging import Judgement
from llm_engineering.application.dataset.splitting import split_of
from llm_engineering.domain.dataset_options import DatasetOptions
from llm_engineering.domain.datasets import DatasetKind, TrainTestSplit
from llm_engineering.domain.documents import Author, CleanedDocument, DataCategory
from llm_engineering.domain.errors import TooLittleDataError
from llm_engineering.domain.generation import GenerationTask, Outcome, Price, Reply
from llm_engineering.domain.prompts import ChatPrompt, CompletionPrompt
from tests.fakes import ADA, MemoryGenerations, SilentProgress, WordEmbedder, cleaned

GRACE = Author.named("Grace Hopper")
_NOUNS = [
    "anchor", "badger", "copper", "dynamo", "engine", "falcon", "garden", "hammer", "island", "jacket", "kettle",
    "ladder", "magnet", "needle", "orchard", "pelican", "quartz", "ribbon", "saddle", "tunnel", "umbrella", "velvet",
    "walnut", "yacht", "zipper", "beacon", "candle", "desert", "ember", "feather", "glacier", "harbour", "ivory",
    "jungle", "kitten", "lantern", "meadow", "nectar", "oyster", "pepper", "quiver", "rocket", "silver", "thistle",
]  # fmt: skip
REFUSAL = "I'm sorry, but I cannot answer. It would take somebody who knows more of anchors and badgers than I do."
INVENTED = "Postgres vacuums dead tuples nightly, when nobody looks at the tables. Its planner counts rows again then."


def sentence(seed: str) -> str:
    one, two, three, four, five, six, seven = random.Random(seed).sample(_NOUNS, 7)
    return f"The {one} of the {two} holds a {three}, a {four} and a {five} beside the {six} {seven}."


def document(name: str, author: Author = ADA, category: DataCategory = DataCategory.ARTICLES) -> CleanedDocument:
    """A text of one paragraph that is like no other."""
    text = " ".join(sentence(f"{author.full_name} {category} {name} {number}") for number in range(5))
    return cleaned(text, f"{author.first_name}-{category}-{name}", category, author)


class ScriptedWriter:
    """Asks about the first sentence of an extract and answers with the first two; `spoilt` says what to write instead.

    A base model goes on with the words that make an instruction of it.
    """

    model_id = "scripted"

    def __init__(self, follows_instructions: bool = True, spoilt: dict[str, str] | None = None) -> None:
        self.follows_instructions = follows_instructions
        self.spoilt = spoilt or {}
        self.asked: list[GenerationTask] = []
        self.judgement = Judgement(reasons="Good.", accuracy=3, style=3).model_dump_json()

    async def reply(self, task: GenerationTask) -> Reply:
        self.asked.append(task)
        if isinstance(task.prompt, CompletionPrompt):
            return Reply(text=self._continued(task.prompt.text))
        if task.answer is Judgement:
            return Reply(text=self.judgement)
        return Reply(text=json.dumps(self._samples(task.prompt)))

    async def aclose(self) -> None:
        pass

    def _samples(self, prompt: ChatPrompt) -> dict[str, list[dict[str, str]]]:
        said = re.findall(r"The [^.]+\.", prompt.user)
        instruction = f"What does {said[0].partition(' holds')[0].lower()} hold?"
        answer = next((text for start, text in self.spoilt.items() if start in prompt.user), f"{said[0]} {said[1]}")
        if "rejected" not in prompt.system:
            return {"pairs": [{"instruction": instruction, "answer": answer}]}
        rejected = f"{sentence(said[2])} {sentence(said[3])}"
        return {"triples": [{"instruction": instruction, "rejected": rejected, "chosen": answer}]}

    def _continued(self, prompt: str) -> str:
        said = re.findall(r"The (\w+) of the (\w+) holds", prompt)
        if said:
            what = f"the {said[-1][0]} of the {said[-1][1]}"
            is_request = prompt.endswith(("Explain", "Describe how"))
            return f"how {what} holds." if is_request else f"is {what} what holds?"
        return " ".join(sentence(f"{prompt} {number}").lower()[::-1].strip(".").title() + "." for number in range(5))


OPTIONS = DatasetOptions.model_validate(
    {
        "generation": {"categories": ["articles", "posts"], "min_extract_characters": 200, "samples_per_extract": 1},
        "quality": {"min_samples": 10},
        "split": {"test_size": 0.4},
    }
)
DOCUMENTS = [document(str(number), author) for author in (ADA, GRACE) for number in range(12)]


def build(
    documents: Sequence[CleanedDocument] = DOCUMENTS,
    kind: DatasetKind = DatasetKind.INSTRUCT,
    model: ScriptedWriter | None = None,
    options: DatasetOptions = OPTIONS,
    store: MemoryGenerations | None = None,
    questions: Sequence[str] = (),
) -> TrainTestSplit:
    model = model or ScriptedWriter()
    free = Price(prompt=0, completion=0)
    asker = Asker(model, store or MemoryGenerations(), free, options.generation, SilentProgress())
    return asyncio.run(
        build_dataset(
            kind, lambda: iter(documents), options, asker, model, WordEmbedder(), questions, detect_language=None
        )
    )


def judged(options: DatasetOptions = OPTIONS) -> DatasetOptions:
    return options.model_copy(update={"generation": options.generation.model_copy(update={"judge": True})})


def test_a_dataset_is_split_by_document_and_its_report_adds_up() -> None:
    dataset = build()
    report = dataset.report
    assert report.passed, report.gate
    assert len(dataset.train) + len(dataset.test) + len(dataset.dropped) == len(DOCUMENTS) == report.extracts
    assert all(split_of(sample.source, OPTIONS.split) is split for split, sample in dataset.samples())
    assert {s.source.document_id for s in dataset.train}.isdisjoint(s.source.document_id for s in dataset.test)
    assert sum(stratum.train_samples for stratum in report.strata) == len(dataset.train) > 0
    assert sum(stratum.test_samples for stratum in report.strata) == len(dataset.test) > 0
    assert sum(stratum.train_documents + stratum.test_documents for stratum in report.strata) == len(DOCUMENTS)
    assert [stage.name for stage in report.funnel][:3] == ["generated", "rules", "grounding"]
    assert (report.model_id, report.method, report.generation.answered) == ("scripted", "generated", len(DOCUMENTS))


def test_the_order_of_the_documents_does_not_change_the_dataset_and_a_rerun_asks_nothing() -> None:
    store, model = MemoryGenerations(), ScriptedWriter()
    first = build(store=store, model=model)
    asked = len(model.asked)
    again = build(DOCUMENTS[::-1], store=store, model=model)
    assert asked == len(model.asked) == len(DOCUMENTS)
    assert again.version == first.version
    assert again.report.generation.reused == len(DOCUMENTS)


def test_more_documents_leave_each_sample_in_its_split() -> None:
    few, many = build(DOCUMENTS[:16]), build()
    places = {sample.id: split for split, sample in many.samples()}
    assert all(places[sample.id] is split for split, sample in few.samples())


def test_what_does_not_pass_is_kept_apart_with_its_reason() -> None:
    bad = {sentence("Ada Lovelace articles 0 0"): REFUSAL, sentence("Ada Lovelace articles 1 0"): INVENTED}
    dataset = build(model=ScriptedWriter(spoilt=bad))
    assert {(one.sample.source.title, one.stage, one.reason) for one in dataset.dropped} == {
        ("Ada-articles-0", "rules", "refusal"),
        ("Ada-articles-1", "grounding", "claim not in its source"),
    }
    assert dataset.report.dropped == {"grounding: claim not in its source": 1, "rules: refusal": 1}


def test_an_evaluation_question_is_not_learned() -> None:
    asked = next(iter(build(DOCUMENTS).train)).instruction
    dataset = build(questions=[asked])
    assert [one.sample.instruction for one in dataset.dropped] == [asked]
    assert asked not in {sample.instruction for _, sample in dataset.samples()}


@pytest.mark.parametrize("follows_instructions", [True, False])
def test_of_preferences_every_chosen_answer_stands_in_its_document(follows_instructions: bool) -> None:
    dataset = build(kind=DatasetKind.PREFERENCE, model=ScriptedWriter(follows_instructions))
    texts = {one.id: one.text for one in DOCUMENTS}
    assert len(dataset.train) > 5
    assert all(sample.answer in texts[sample.source.document_id] for _, sample in dataset.samples())
    assert all(sample.rejected for _, sample in dataset.samples())
    bias = dataset.report.length_bias
    assert bias is not None
    assert bias.pairs == len(dataset.train) + len(dataset.test)
    assert dataset.report.funnel[-1].name == "length bias"
    method = "generated" if follows_instructions else "back-translated"
    assert {str(sample.method) for _, sample in dataset.samples()} == {dataset.report.method} == {method}


def test_where_a_judge_is_asked_for_every_sample_has_scores() -> None:
    dataset = build(options=judged())
    assert all(sample.scores and sample.scores.accuracy == 3 for _, sample in dataset.samples())
    assert dataset.report.funnel[-1].name == "judge"
    assert all(sample.scores is None for _, sample in build().samples())


def test_samples_that_could_not_be_judged_are_counted_and_told() -> None:
    model = ScriptedWriter()
    store = MemoryGenerations()
    build(model=model, store=store, options=judged())
    lost = next(key for key, one in store.kept.items() if "accuracy" in one.text)
    store.kept[lost] = store.kept[lost].model_copy(update={"outcome": Outcome.MALFORMED, "text": "", "problem": "?"})
    dataset = build(model=model, store=store, options=judged())
    assert [(one.stage, one.reason) for one in dataset.dropped] == [("judge", "not judged")]
    assert any(warning.startswith("1 samples were dropped") for warning in dataset.report.warnings)


def test_a_base_model_is_no_judge_and_that_is_told() -> None:
    dataset = build(model=ScriptedWriter(follows_instructions=False), options=judged())
    assert any("does not follow instructions" in warning for warning in dataset.report.warnings)


def test_a_category_without_documents_is_reported() -> None:
    report = build().report
    assert report.documents == {DataCategory.ARTICLES: len(DOCUMENTS), DataCategory.POSTS: 0}
    assert "There are no documents in posts." in report.warnings
    short = cleaned("Too short.", "short", DataCategory.POSTS)
    assert "None of the 1 documents in posts has a sample." in build([*DOCUMENTS, short]).report.warnings


@pytest.mark.parametrize(
    ("documents", "told"),
    [
        ([], r"no cleaned documents.*0 articles, 0 posts.*--run-etl.*--run-feature-engineering"),
        ([cleaned("Short.", "a")], r"1 articles.*no paragraphs of prose.*min_extract_characters"),
        ([document("0")], "only 1 is left to split"),
    ],
)
def test_too_little_to_begin_with_is_told_before_anything_is_asked(documents: list[CleanedDocument], told: str) -> None:
    model = ScriptedWriter()
    with pytest.raises(TooLittleDataError, match=told):
        build(documents, model=model)
    assert model.asked == []


def test_when_nothing_passes_the_error_counts_the_reasons() -> None:
    model = ScriptedWriter(spoilt={"The": "I'm sorry, but I cannot answer. " + sentence("x") + " " + sentence("y")})
    with pytest.raises(
        TooLittleDataError, match=rf"None of the {len(DOCUMENTS)} samples passed: rules: refusal \(24\)"
    ):
        build(model=model)


def test_when_the_model_gives_nothing_the_error_says_so() -> None:
    class Broken(ScriptedWriter):
        async def reply(self, task: GenerationTask) -> Reply:
            return Reply(text="no JSON")

    with pytest.raises(TooLittleDataError, match=rf"gave no samples \({len(DOCUMENTS)} malformed"):
        build(model=Broken())


def test_no_split_is_left_empty_by_what_was_dropped() -> None:
    tested = [one for one in DOCUMENTS if one.id in {s.source.document_id for s in build().test}]
    model = ScriptedWriter(spoilt={one.text.partition(".")[0]: REFUSAL for one in tested})
    with pytest.raises(TooLittleDataError, match=r"none is drawn for test\. Set split\.test_size to 0\.\d+ or more"):
        build(model=model)
