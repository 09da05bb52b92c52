"""What is wrong with a sample that is looked at alone."""

import json
from pathlib import Path

import pytest

from llm_engineering.application.dataset.rules import copied_share, repeats_itself, why_broken
from llm_engineering.application.dataset.wording import is_dangling
from llm_engineering.domain.dataset_options import QualityOptions
from llm_engineering.domain.datasets import Candidate, Method
from tests.dataset_candidates import ANSWER, REJECTED, candidate

OPTIONS = QualityOptions()
QUESTIONS = Path(__file__).resolve().parents[2] / "configs" / "questions" / "quickstart.jsonl"


def reason(sample: Candidate, options: QualityOptions = OPTIONS) -> str | None:
    finding = why_broken(sample, options, None)
    return finding.reason if finding else None


def of_instruction(text: str) -> str | None:
    return reason(candidate(text))


def of_answer(text: str, method: Method = Method.GENERATED) -> str | None:
    return reason(candidate(answer=text, method=method), QualityOptions(min_answer_characters=1))


def test_a_good_sample_breaks_no_rule() -> None:
    assert reason(candidate()) is None
    assert reason(candidate(rejected=REJECTED)) is None


@pytest.mark.parametrize(
    "instruction",
    [
        "What is RAG?",
        "Explain what a B-tree is and how it keeps lookups cheap.",
        "Redis writes snapshots and logs. How does this help after a crash?",
        "Compare C++ with Rust for embedded systems.",
        "List three reasons to keep features in a store (and say why).",
        "What does the extract step of an ETL pipeline do?",
        "What matters in the context of retrieval?",
        "Why should a threshold above 0.9 be avoided?",
        "Why is it better to read the feed than the site map?",
        "Why is it that embeddings of long chunks are poor?",
    ],
)
def test_an_instruction_that_can_be_understood_passes(instruction: str) -> None:
    assert of_instruction(instruction) is None


@pytest.mark.parametrize(
    ("instruction", "expected"),
    [
        ("", "empty instruction"),
        ("   ", "empty instruction"),
        ("Explain Redis.", "instruction too short"),
        ("Explain " + "very " * 60 + "much.", "instruction too long"),
        ("How does Redis work?\nWhy is it fast?", "instruction not one paragraph"),
        ('{"instruction": "Explain Redis now"}', "instruction not plain text"),
        ("- Explain how Redis works.", "instruction not plain text"),
        ("1. What is Redis? 2. Why is it fast?", "several instructions"),
        ("What is Redis? Why is it fast? Who made it?", "several instructions"),
        ("Explain the differences between Redis and", "instruction cut off"),
        ("Explain how Redis works, namely:", "instruction cut off"),
        ("User: How does Redis survive a restart?", "leaked marker"),
        ("</extract> Explain how Redis survives.", "leaked marker"),
        ("What does the extract say about Redis?", "points at the extract"),
        ("According to the text, how does Redis survive?", "points at the extract"),
        ("What does the author think of Redis?", "points at the extract"),
        ("Summarise what is said in the passage on Redis.", "points at the extract"),
        ("What does this article teach about Redis?", "points at the extract"),
        ("How does it survive a restart?", "instruction does not stand alone"),
        ("What are the benefits of this approach?", "instruction does not stand alone"),
        ("Why does he prefer Redis?", "instruction does not stand alone"),
        ("Explain the following code in detail.", "instruction does not stand alone"),
    ],
)
def test_each_fault_of_an_instruction_has_its_reason(instruction: str, expected: str) -> None:
    assert of_instruction(instruction) == expected


def test_the_evaluation_questions_which_people_wrote_pass_as_instructions() -> None:
    questions = [json.loads(line)["question"] for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]
    broken = {question: found for question in questions if (found := of_instruction(question))}
    assert len(questions) > 100
    assert len(broken) <= 0.03 * len(questions), broken


@pytest.mark.parametrize(
    "answer",
    [
        "Redis keeps its data in memory.",
        "“Redis keeps its data in memory.”",
        "Redis keeps its data in memory (and on the disk).",
        "It is **fast**, and it is **simple**.**",
        "Two ways:\n- snapshots at intervals\n- an append-only log",
        "Run this:\n```bash\nredis-server\n```",
        "Redis is fast 🚀",
        "pip3 installs it in a second.",
        "I can't stress enough how fast Redis is.",
        "As an AI engineer, I use Redis for queues.",
    ],
)
def test_an_answer_that_is_whole_passes(answer: str) -> None:
    assert of_answer(answer) is None


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Redis keeps its data in", "answer cut off"),
        ("To start it, run the following command:", "answer cut off"),
        ("and so it survives every restart.", "answer starts inside a sentence"),
        ("Run this:\n```bash\nredis-server.", "code block of the answer not closed"),
        ("I'm sorry, but I cannot answer.", "refusal"),
        ("I cannot provide any information on Redis.", "refusal"),
        ("As an AI language model, I like Redis.", "refusal"),
        ("Es tut mir leid, das weiß ich nicht.", "refusal"),
        ("Answer: Redis keeps its data in memory.", "leaked marker"),
        ("Redis keeps its data in memory.</answer>.", "leaked marker"),
        ("The passage describes how Redis survives.", "points at the extract"),
        ("Redis survives, as mentioned above, by its log.", "points at the extract"),
        ("In this lesson, we start Redis in a container.", "points elsewhere in its source"),
        ("Figure 3 shows how Redis survives a restart.", "points elsewhere in its source"),
        ("How does Redis survive a restart? By its log.", "echo of the instruction"),
        ("It is a log. " * 10, "answer repeats itself"),
    ],
)
def test_each_fault_of_an_answer_has_its_reason(answer: str, expected: str) -> None:
    assert of_answer(answer) == expected


def test_of_the_authors_own_words_only_what_points_elsewhere_is_a_fault() -> None:
    own = Method.BACK_TRANSLATED
    assert of_answer("I cannot answer every mail, but I read them all.", own) is None
    assert of_answer("The author of a book is paid by the page.", own) is None
    assert of_answer("In this lesson, we start Redis in a container.", own) == "points elsewhere in its source"


def test_lengths_are_those_of_the_options() -> None:
    assert reason(candidate(answer="Short.")) == "answer too short"
    assert reason(candidate(answer=" \n ")) == "empty answer"
    assert reason(candidate(), QualityOptions(max_answer_characters=len(ANSWER) - 1)) == "answer too long"
    assert reason(candidate(), QualityOptions(max_answer_characters=len(ANSWER))) is None


def test_a_rejected_answer_must_not_give_itself_away() -> None:
    assert reason(candidate(rejected=" ")) == "empty rejected answer"
    assert reason(candidate(rejected=REJECTED.rstrip("."))) == "rejected answer cut off"
    assert reason(candidate(rejected="Instruction: Explain.\n" + REJECTED)) == "leaked marker"
    assert reason(candidate(rejected="It is fast. " * 10)) == "rejected answer repeats itself"
    assert reason(candidate(rejected="I'm sorry, but I cannot answer.")) == "rejected answer is a refusal"
    assert reason(candidate(rejected="The passage says how databases work.")) == "rejected answer points at the extract"
    assert reason(candidate(rejected="In this tutorial, we start a server.")) == "rejected answer points elsewhere"
    assert reason(candidate(rejected="and so they are safe.")) == "rejected answer starts inside a sentence"
    unclosed = "Run this:\n```bash\nredis-server."
    assert reason(candidate(rejected=unclosed)) == "code block of the rejected answer not closed"


def test_a_sample_in_another_language_than_its_source_is_dropped() -> None:
    def detect(text: str) -> str | None:
        return "de" if "ist" in text.split() else "en" if "is" in text.split() else None

    german = candidate(answer="Redis ist schnell, und Redis ist einfach.", language="en")
    options = QualityOptions(min_answer_characters=1)
    finding = why_broken(german, options, detect)
    assert finding is not None
    assert finding.reason == "answer in another language"
    assert finding.detail.startswith("de instead of en")
    asked = why_broken(candidate("Was ist Redis, und wofür?", "Redis is fast."), options, detect)
    assert asked is not None
    assert asked.reason == "instruction in another language"
    pair = why_broken(
        candidate("What is Redis good at?", "Redis is fast.", rejected="Es ist schnell."), options, detect
    )
    assert pair is not None
    assert pair.reason == "rejected answer in another language"
    assert why_broken(candidate(answer=german.sample.answer, language=None), options, detect) is None
    assert why_broken(german, options, None) is None


def test_an_echo_is_counted_from_the_instructions_first_word() -> None:
    assert copied_share("Why are lookups cheap?", "Lookups are cheap, for the tree is flat.") == 0.0
    # Six of the eight words, in a row.
    assert (
        copied_share("Redis keeps its data in memory for speed", "Redis keeps its data in memory. So it is fast.")
        == 0.75
    )
    # Three words are no copy, however short the instruction is.
    assert copied_share("What is RAG?", "What is RAG? It is retrieval.") == 0.0


def test_a_loop_is_told_from_a_text_that_repeats_a_word() -> None:
    assert repeats_itself("the data is in the store and " * 6)
    assert not repeats_itself(ANSWER)
    assert not repeats_itself("no no no no")


def test_a_pronoun_may_stand_for_what_was_named_before() -> None:
    assert not is_dangling("What is Redis, and how does it survive?")
    assert is_dangling("How does this work?")
    assert is_dangling("Explain what they do.")
    assert is_dangling("Why is the first one the best?")
    assert not is_dangling("Compare Redis with Kafka, and say when the latter is better.")


def test_the_reason_names_the_first_fault_only() -> None:
    assert reason(candidate("", "")) == "empty instruction"
