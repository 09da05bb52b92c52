"""The order of the checks, the judge, and what a dataset must be to be published."""

import asyncio
from collections.abc import Sequence

import pytest
from pydantic import ValidationError

from llm_engineering.application.dataset.finding import Check, Finding
from llm_engineering.application.dataset.funnel import Funnel, sift
from llm_engineering.application.dataset.gate import check_gate
from llm_engineering.application.dataset.judging import Judgement, judge, judging_tasks
from llm_engineering.domain.dataset_options import DatasetOptions, QualityOptions
from llm_engineering.domain.dataset_reports import GateCheck, LengthBias
from llm_engineering.domain.datasets import Candidate, DatasetKind, Method, Sample, Scores, Split
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.generation import Generation, GenerationReport, GenerationTask, Outcome
from tests.dataset_candidates import ANSWER, REJECTED, candidate
from tests.fakes import WordEmbedder, cleaned

OTHER = (
    "Kafka appends messages to partitions on disks. Consumers remember offsets, so that several readers go at their "
    "own pace through one topic."
)


def gate(
    kept: Sequence[Candidate],
    tested: Sequence[str] = ("test",),
    generation: GenerationReport | None = None,
    bias: LengthBias | None = None,
    minimum: int = 1,
) -> dict[str, GateCheck]:
    def split_of(sample: Sample) -> Split:
        return Split.TEST if sample.source.title in tested else Split.TRAIN

    report = generation or GenerationReport(model_id="scripted", tasks=10, malformed=5)
    documents = [cleaned(one.extract.text, one.sample.source.title) for one in kept]
    checks = check_gate(kept, split_of, report, bias, QualityOptions(min_samples=minimum), documents)
    return {check.name: check for check in checks}


def failed(checks: dict[str, GateCheck]) -> set[str]:
    return {name for name, check in checks.items() if not check.passed}


GOOD = [candidate(), candidate("Why does Kafka append messages?", OTHER, "test")]
TESTED = candidate(
    "When should a team test its backups?", "A backup that nobody restores is a wish, and no plan.", "test"
)


PAIRS = [candidate(rejected=REJECTED), candidate("Why does Kafka append messages?", OTHER, "test", "Nobody knows.")]


def test_a_good_dataset_passes_every_check_and_each_says_what_was_found() -> None:
    checks = gate(GOOD)
    assert failed(checks) == set()
    assert checks["samples in both splits"].measured == "1 in train, 1 in test"
    assert checks["few lost answers"].measured == "50.0% of 10 tasks: 5 malformed, 0 refused, 0 failed"
    assert checks["answers that are promised verbatim"].measured == "0 of 0 stand in their document word for word"
    assert all(check.measured and check.wanted for check in checks.values())


def test_too_few_samples_do_not_pass() -> None:
    assert failed(gate(GOOD, minimum=3)) == {"enough samples"}


@pytest.mark.parametrize("tested", [(), ("a", "test")])
def test_an_empty_split_does_not_pass(tested: tuple[str, ...]) -> None:
    assert failed(gate(GOOD, tested)) == {"samples in both splits"}


def test_the_same_instruction_in_both_splits_does_not_pass() -> None:
    both = [candidate(), candidate("how does redis survive a restart", OTHER, "test")]
    assert failed(gate(both)) == {"instructions in one split", "no near-duplicate instructions"}


def test_near_duplicates_do_not_pass_in_one_split_either() -> None:
    # Of 24 runs of three words each 22 are the same: 22 / 26 = 0.85.
    near = [*GOOD, candidate("What is kept in memory?", ANSWER.replace("every write", "each write"), "b")]
    checks = gate(near)
    assert failed(checks) == {"no near-duplicate answers"}
    assert checks["no near-duplicate answers"].measured.startswith("1 pairs")


def test_an_answer_that_is_not_verbatim_does_not_pass_where_it_was_promised() -> None:
    changed = ANSWER.replace("writes", "makes")
    for own in (
        candidate(answer=changed, extract=ANSWER, method=Method.BACK_TRANSLATED),
        candidate(answer=changed, extract=ANSWER, rejected=REJECTED),
    ):
        assert failed(gate([own, GOOD[1]])) == {"answers that are promised verbatim"}
    assert failed(gate([candidate(answer=changed, extract=ANSWER), GOOD[1]])) == set()


def test_a_verbatim_answer_whose_document_is_gone_or_was_rewritten_meanwhile_does_not_pass() -> None:
    own = [candidate(method=Method.BACK_TRANSLATED), GOOD[1]]

    def checked(*documents: CleanedDocument) -> GateCheck:
        report = GenerationReport(model_id="scripted")
        checks = check_gate(own, lambda _: Split.TRAIN, report, None, QualityOptions(), documents)
        return next(check for check in checks if check.name == "answers that are promised verbatim")

    wrapped = ANSWER.replace("memory. To", "memory.\nTo")
    assert checked(cleaned(f"# Redis\n\n{wrapped}\n\nAnd more.", "a")).passed
    assert checked(cleaned(ANSWER, "b")).measured == "0 of 1 stand in their document word for word"
    assert not checked(cleaned(ANSWER.replace("snapshots", "dumps"), "a")).passed


@pytest.mark.parametrize(
    "lost", [{"malformed": 6}, {"refused": 6}, {"failed": 6}, {"malformed": 2, "refused": 2, "failed": 2}]
)
def test_too_many_lost_answers_do_not_pass_however_they_were_lost(lost: dict[str, int]) -> None:
    report = GenerationReport.model_validate({"model_id": "x", "tasks": 10, **lost})
    assert failed(gate(GOOD, generation=report)) == {"few lost answers"}
    assert failed(gate(GOOD, generation=GenerationReport(model_id="x"))) == set()


@pytest.mark.parametrize(("ratio", "passes"), [(1.5, True), (1.51, False), (1 / 1.5, True), (0.66, False)])
def test_a_length_bias_over_the_bound_does_not_pass(ratio: float, passes: bool) -> None:
    bias = LengthBias(pairs=2, chosen_longer=0.5, mean_ratio=ratio)
    assert failed(gate(PAIRS, bias=bias)) == (set() if passes else {"no length bias"})
    assert "no length bias" not in gate(GOOD)


@pytest.mark.parametrize(
    ("longer", "pairs", "passes"),
    [(0.65, 20, True), (0.7, 20, False), (0.35, 20, True), (0.3, 20, False), (1.0, 10, False), (1.0, 9, True)],
)
def test_chosen_answers_that_are_nearly_always_the_longer_ones_do_not_pass(
    longer: float, pairs: int, passes: bool
) -> None:
    check = gate(GOOD, bias=LengthBias(pairs=pairs, chosen_longer=longer, mean_ratio=1.2))["no length bias"]
    assert check.passed is passes
    assert ("longer in 35% to 65%" in check.wanted) is (pairs >= 10)


def test_the_same_rejected_answer_twice_does_not_pass() -> None:
    pairs = [candidate(rejected=REJECTED), candidate("Why does Kafka append messages?", OTHER, "test", REJECTED)]
    bias = LengthBias(pairs=2, chosen_longer=0.5, mean_ratio=1.0)
    assert failed(gate(pairs, bias=bias)) == {"no near-duplicate rejected answers"}


def test_a_test_answer_that_stands_inside_an_answer_of_train_does_not_pass() -> None:
    longer = f"{ANSWER} {OTHER} Both of them run on one machine or on many, as their owners like."
    quoted = [candidate(answer=longer, name="a"), candidate("What does Kafka append?", OTHER, "test")]
    assert failed(gate(quoted)) == {"no shared text between the splits"}
    # Inside one split it may.
    assert failed(gate([*quoted[:1], candidate("What does Kafka append?", OTHER, "b"), TESTED])) == set()


def test_two_documents_with_the_same_text_do_not_pass_whatever_is_asked_of_them() -> None:
    extract = f"{ANSWER} {OTHER}"
    both = [candidate(answer=ANSWER, extract=extract), candidate("Why Kafka?", OTHER, "test", extract=extract)]
    checks = gate(both)
    assert failed(checks) == {"no shared text between the splits"}
    assert checks["no shared text between the splits"].measured.startswith("1 extracts or answers of train")


def test_what_a_stage_keeps_and_drops_adds_up_to_what_it_was_given() -> None:
    funnel = Funnel([candidate(name=name) for name in "abcde"])

    def named(names: str, detail: str = "") -> Check:
        def check(one: Candidate) -> Finding | None:
            name = one.sample.source.title
            return Finding(f"is {name}", detail) if name in names else None

        return check

    funnel.put_through("first", named("a"))
    funnel.put_through("second", named("bc", "seen"))
    assert [(s.name, s.kept, s.dropped) for s in funnel.stages] == [
        ("generated", 5, {}),
        ("first", 4, {"is a": 1}),
        ("second", 2, {"is b": 1, "is c": 1}),
    ]
    assert [(one.stage, one.reason, one.detail) for one in funnel.dropped] == [
        ("first", "is a", ""),
        ("second", "is b", "seen"),
        ("second", "is c", "seen"),
    ]
    assert {one.sample.source.title for one in funnel.kept} == {"d", "e"}


def sifted(kind: DatasetKind, candidates: list[Candidate], questions: Sequence[str] = ()) -> Funnel:
    return sift(kind, candidates, DatasetOptions(), WordEmbedder(), questions)


def test_each_check_drops_what_it_is_for() -> None:
    candidates = [
        candidate(name="good"),
        candidate("Explain it.", name="rules"),
        candidate("How do databases log?", answer=OTHER, extract=ANSWER, name="grounding"),
        candidate("Which URLs does the crawler of the project skip today?", OTHER, "contamination"),
        candidate("What do readers of Kafka share?", OTHER.replace("several", "many"), "near"),
        candidate("Why does Kafka append messages?", OTHER, "kafka"),
    ]
    funnel = sifted(DatasetKind.INSTRUCT, candidates, ["Which URLs does the crawler of the project skip today?"])
    went = {one.sample.source.title: one.stage for one in funnel.dropped}
    assert went.pop("near", "") + went.pop("kafka", "") == "near-duplicate answers"
    assert went == {"rules": "rules", "grounding": "grounding", "contamination": "contamination"}
    assert "pairs" not in {stage.name for stage in funnel.stages}
    before = [len(candidates), *(stage.kept for stage in funnel.stages)]
    assert all(
        stage.kept + sum(stage.dropped.values()) == count for stage, count in zip(funnel.stages, before, strict=False)
    )


def test_of_preferences_the_pairs_are_looked_at() -> None:
    candidates = [candidate(rejected=REJECTED), candidate("Why a log?", rejected=ANSWER, name="b")]
    funnel = sifted(DatasetKind.PREFERENCE, candidates)
    assert {one.sample.source.title: one.stage for one in funnel.dropped} == {"b": "pairs"}


class ScriptedAsk:
    def __init__(self, *answers: str | Outcome) -> None:
        self.answers = answers
        self.tasks: list[GenerationTask] = []

    async def __call__(self, tasks: Sequence[GenerationTask], what: str) -> list[Generation]:
        self.tasks += tasks
        return [self._generation(task, one) for task, one in zip(tasks, self.answers, strict=True)]

    def _generation(self, task: GenerationTask, said: str | Outcome) -> Generation:
        is_lost = isinstance(said, Outcome)
        return Generation(
            key=task.key("judge"),
            model_id="judge",
            document_id=task.document_id,
            author_id=task.author_id,
            outcome=Outcome(said) if is_lost else Outcome.ANSWERED,
            text="" if is_lost else said,
            problem="no JSON" if is_lost else "",
        )


def scores(accuracy: int, style: int) -> str:
    return Judgement.model_validate({"reasons": "So so.", "accuracy": accuracy, "style": style}).model_dump_json()


def test_a_judged_sample_has_its_scores_and_a_poor_one_goes() -> None:
    samples = [candidate(name=name) for name in "abc"]
    ask = ScriptedAsk(scores(3, 2), scores(1, 3), scores(2, 1))
    verdicts = asyncio.run(judge(samples, ask, min_score=2))
    assert [verdict.finding and verdict.finding.reason for verdict in verdicts] == [None, "poor accuracy", "poor style"]
    assert [verdict.candidate.sample.scores for verdict in verdicts] == [
        Scores(accuracy=3, style=2),
        Scores(accuracy=1, style=3),
        Scores(accuracy=2, style=1),
    ]
    assert verdicts[0].candidate.sample.id == samples[0].sample.id


def test_a_sample_without_a_judgement_is_dropped() -> None:
    ask = ScriptedAsk(Outcome.MALFORMED, Outcome.REFUSED)
    verdicts = asyncio.run(judge([candidate(name="a"), candidate(name="b")], ask, min_score=1))
    assert [verdict.finding for verdict in verdicts] == [Finding("not judged", "no JSON")] * 2


def test_the_judge_sees_instruction_answer_and_source_and_its_form_has_the_rubric() -> None:
    (task,) = judging_tasks([candidate(extract="Before. " + ANSWER)])
    prompt = task.prompt.model_dump_json()
    assert all(text in prompt for text in ("How does Redis survive a restart?", ANSWER, "Before. Redis"))
    assert task.answer is Judgement
    for wrong in (0, 4):
        with pytest.raises(ValidationError):
            scores(wrong, 2)
