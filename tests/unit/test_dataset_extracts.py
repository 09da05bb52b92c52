"""Extracts: whole paragraphs of prose, as they stand, the same ones whatever order the documents come in."""

import random
import re

import pytest

from llm_engineering.application.dataset.alignment import own_words
from llm_engineering.application.dataset.extracts import Drawn, draw_extracts
from llm_engineering.application.dataset.paragraphs import unwrapped
from llm_engineering.application.dataset.splitting import split_of
from llm_engineering.domain.dataset_options import GenerationOptions, SplitOptions
from llm_engineering.domain.datasets import Extract, Source, Split
from llm_engineering.domain.documents import CleanedDocument, DataCategory
from tests.fakes import cleaned

INDEXES = (
    "Indexes make reads cheap and writes dear. Every insert has to change the table and each index that it has, so a "
    "table with ten of them pays eleven times. Most teams find out when the nightly import no longer ends by morning. "
    "Measure first, and drop the ones that no query uses."
)
CACHES = (
    "Caches are a loan on correctness. You read old data today, and you pay the interest on the day that somebody asks "
    "why the price on the page is not the price on the bill. Set a time to live that you could explain to a customer."
)
PROSE = f"# Databases\n\n## Indexes\n\n{INDEXES}\n\n## Caches\n\n{CACHES}"


def answers(*documents: CleanedDocument, most: int | None = None) -> list[Extract]:
    options = GenerationOptions(max_extracts=most)
    return draw_extracts(documents, options, SplitOptions(), whole_paragraphs=True).extracts


def long_extracts(*documents: CleanedDocument, least: int = 300, most: int = 600) -> list[Extract]:
    options = GenerationOptions(max_extracts=None, min_extract_characters=least, max_extract_characters=most)
    return draw_extracts(documents, options, SplitOptions(), whole_paragraphs=False).extracts


def story(seed: int, paragraphs: int) -> str:
    """Paragraphs of numbered sentences, all different."""
    chance = random.Random(seed)
    return "\n\n".join(
        " ".join(
            f"Server {seed}-{p}-{s} kept its {'very ' * chance.randint(0, 9)}old promise." for s in range(sentences)
        )
        for p, sentences in enumerate(chance.choices(range(1, 12), k=paragraphs))
    )


def test_an_answer_is_a_paragraph_with_the_headings_above_it() -> None:
    found = {extract.text: extract.heading for extract in answers(cleaned(PROSE))}
    assert found == {INDEXES: "Databases > Indexes", CACHES: "Databases > Caches"}


@pytest.mark.parametrize(
    "paragraph",
    [
        f"```python\n{INDEXES}\n```",
        "    " + INDEXES,
        f"| Index | Cost |\n| --- | --- |\n| {INDEXES} | 3 |",
        f"> {INDEXES}",
        f"- {INDEXES}",
        f"1. {INDEXES}",
        "Some links: " + ", ".join(f"[{i}](https://example.com/{i})" for i in range(30)) + ".",
        f"{INDEXES} The code is on [GitHub](https://github.com/a/b).",
        f"{INDEXES} As you can see below, it is slow.",
        f"In this article, you learn about indexes. {INDEXES}",
        f"{INDEXES} There are three kinds:",
        f"However, not all is well. {INDEXES}",
        f"A team that knows this does better. {INDEXES}",
        f"and so it ends. {INDEXES}",
        "Too short to teach anything.",
        "Indexes, " * 200 + "all of them.",
    ],
)
def test_what_is_no_answer_by_itself_is_not_taken(paragraph: str) -> None:
    assert answers(cleaned(f"# Title\n\n{paragraph}")) == []


def test_short_neighbours_are_one_answer_but_not_across_a_heading() -> None:
    first, second, third = "Caches lie. " * 10, "They do it fast. " * 10, "Indexes are honest. " * 10
    one, two, three = first.strip(), second.strip(), third.strip()
    together = answers(cleaned(f"{one}\n\n{two}"))
    assert [extract.text for extract in together] == [f"{one}\n\n{two}"]
    assert answers(cleaned(f"{one}\n\n## Other\n\n{three}")) == []


def test_an_answer_that_points_back_comes_with_what_it_points_at() -> None:
    second = "It is why I keep a list of them with an owner and a date, and why each one that has neither is dropped."
    [extract] = answers(cleaned(f"{INDEXES} {CACHES}\n\n{second}"))
    assert extract.text == f"{INDEXES} {CACHES}\n\n{second}"


def test_an_extract_for_a_model_to_write_about_has_the_size_that_is_asked_for_and_whole_sentences() -> None:
    document = cleaned(story(1, 60))
    found = long_extracts(document, least=500, most=1000)
    assert found
    assert all(500 <= len(extract.text) <= 1000 for extract in found)
    assert all(re.fullmatch(r"Server .*promise\.", extract.text, re.DOTALL) for extract in found)
    taken = [number for extract in found for number in re.findall(r"Server (\S+)", extract.text)]
    all_numbers = re.findall(r"Server (\S+)", document.text)
    assert len(taken) == len(set(taken))
    assert len(taken) > 0.9 * len(all_numbers)


def test_a_paragraph_that_is_too_long_is_cut_between_sentences() -> None:
    paragraph = " ".join(f"Sentence {number} says what e.g. Dr. No. 5 said." for number in range(100))
    found = long_extracts(cleaned(paragraph))
    assert len(found) > 3
    assert all(re.fullmatch(r"Sentence .* No\. 5 said\.", extract.text) for extract in found)


def test_a_sentence_longer_than_an_extract_is_left_out_and_the_rest_is_not() -> None:
    document = cleaned(f"{INDEXES} {CACHES}\n\n{'word ' * 400}end.\n\n{CACHES} {INDEXES}")
    assert {extract.text for extract in long_extracts(document)} == {f"{INDEXES} {CACHES}", f"{CACHES} {INDEXES}"}


def test_code_stands_in_no_extract() -> None:
    document = cleaned(f"{INDEXES} {CACHES}\n\n```python\nimport os  # {INDEXES}\n```\n\n{CACHES} {INDEXES}")
    assert all("import os" not in extract.text for extract in long_extracts(document))
    assert len(long_extracts(document)) == 2


def test_of_a_repository_only_its_markdown_is_read() -> None:
    files = [
        cleaned(f"{text}\n\n{INDEXES} {CACHES}", name=name, category=DataCategory.REPOSITORIES)
        for name, text in (("repo/README.md", "# Read me"), ("repo/main.py", '"""Code."""'), ("repo/data.txt", "1"))
    ]
    assert {extract.source.title for extract in [*long_extracts(*files), *answers(*files)]} == {"repo/README.md"}


def test_a_short_post_is_an_extract_as_a_whole_and_the_short_rest_of_a_long_text_is_none() -> None:
    post = cleaned(CACHES, category=DataCategory.POSTS)
    assert [extract.text for extract in long_extracts(post, least=600, most=900)] == [CACHES]
    rest = cleaned(f"{INDEXES} {CACHES} {INDEXES}\n\n```\ncode\n```\n\n{CACHES}")
    assert [extract.text for extract in long_extracts(rest, least=600, most=1000)] == [f"{INDEXES} {CACHES} {INDEXES}"]


def test_lines_that_were_broken_at_a_width_are_put_together_but_a_posts_are_its_authors() -> None:
    wrapped = INDEXES.replace(" and ", "\nand ").replace("no longer ends", "no longer-\nlasting ends")
    [extract] = answers(cleaned(wrapped))
    assert extract.text == INDEXES.replace("no longer ends", "no longer-lasting ends")
    [post] = answers(cleaned(wrapped, category=DataCategory.POSTS))
    assert post.text == wrapped


def test_lists_keep_their_lines() -> None:
    text = "Two kinds of\nthem:\n\n  * one that is\nlong\n  * two\n\n1. three\n2\\. four"
    assert unwrapped(text) == "Two kinds of them:\n\n  * one that is long\n  * two\n\n1. three\n2\\. four"


@pytest.mark.parametrize("whole_paragraphs", [True, False])
def test_every_extract_stands_in_its_document(whole_paragraphs: bool) -> None:
    documents = [cleaned(f"# {seed}\n\n{story(seed, 30)}\n\n{PROSE}", name=str(seed)) for seed in range(20)]
    options = GenerationOptions(max_extracts=None, min_extract_characters=300, max_extract_characters=700)
    drawn = draw_extracts(documents, options, SplitOptions(), whole_paragraphs)
    texts = {document.id: document.text for document in documents}
    assert len(drawn.extracts) > 40
    assert all(extract.text in texts[extract.source.document_id] for extract in drawn.extracts)


def test_the_draw_depends_on_the_texts_alone_and_a_document_more_moves_few() -> None:
    documents = [cleaned(f"{INDEXES} It is number {n}.", name=str(n)) for n in range(50)]
    drawn = [extract.key for extract in answers(*documents, most=10)]
    assert drawn == [extract.key for extract in answers(*reversed(documents), most=10)]
    after = [extract.key for extract in answers(*documents, cleaned(CACHES, name="new"), most=10)]
    assert len(set(drawn) - set(after)) <= 1


@pytest.mark.parametrize(("most", "of_test"), [(10, 2), (2, 1), (48, 10)])
def test_documents_in_test_give_their_share_and_each_split_its_smallest_keys(most: int, of_test: int) -> None:
    documents = [cleaned(f"{INDEXES} It is number {n}.", name=str(n)) for n in range(100)]
    split = SplitOptions(test_size=0.2)
    keys: dict[Split, list[str]] = {half: [] for half in Split}
    for extract in sorted(answers(*documents), key=lambda one: one.key):
        keys[split_of(extract.source, split)].append(extract.key)
    drawn = draw_extracts(documents, GenerationOptions(max_extracts=most), split, whole_paragraphs=True).extracts
    wanted = keys[Split.TEST][:of_test] + keys[Split.TRAIN][: most - of_test]
    assert len(keys[Split.TEST]) >= 10
    assert [extract.key for extract in drawn] == sorted(wanted)


def test_what_one_split_has_too_few_of_the_other_gives() -> None:
    documents = [cleaned(f"{INDEXES} It is number {n}.", name=str(n)) for n in range(12)]
    for split in (SplitOptions(test_size=0.01), SplitOptions(test_size=0.99)):
        assert len({split_of(Source.of(document), split) for document in documents}) == 1
        options = GenerationOptions(max_extracts=9)
        assert len(draw_extracts(documents, options, split, whole_paragraphs=True).extracts) == 9


def test_the_same_paragraph_twice_in_a_document_is_one_extract() -> None:
    assert len(answers(cleaned(f"## One\n\n{INDEXES}\n\n## Two\n\n{INDEXES}"))) == 1


def test_documents_are_read_one_at_a_time_and_counted_by_category_none_included() -> None:
    alive = []

    def stream() -> object:
        for number in range(5):
            alive.append(number)
            yield cleaned(INDEXES, name=str(number))

    drawn: Drawn = draw_extracts(stream(), GenerationOptions(max_extracts=2), SplitOptions(), whole_paragraphs=True)  # type: ignore[arg-type]
    assert alive == [0, 1, 2, 3, 4]
    assert len(drawn.extracts) == 2
    counts = {DataCategory.POSTS: 0, DataCategory.ARTICLES: 5, DataCategory.REPOSITORIES: 0}
    assert drawn.documents == counts
    none = draw_extracts([], GenerationOptions(), SplitOptions(), whole_paragraphs=True)
    assert none == Drawn([], dict.fromkeys(DataCategory, 0))


QUOTED = "The team said “it’s done – at last”. Nobody believed them until the nightly import ended by morning. It did."


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (QUOTED, QUOTED),
        ('The team said "it\'s done - at last".', "The team said “it’s done – at last”."),
        ("The team said “it’s done –\n  at last”. Nobody", "The team said “it’s done – at last”. Nobody"),
        (
            "Nobody believed them until the nightly imports ended by morning.",
            "Nobody believed them until the nightly import ended by morning.",
        ),
        ("Nobody believed them until nightly import ended by morning.", None),
        ("Everybody believed them at once, and the import ended early.", None),
        ("It did.", None),
        ("", None),
        (QUOTED * 2, None),
    ],
)
def test_a_chosen_answer_is_found_in_its_sources_own_words(chosen: str, expected: str | None) -> None:
    extract = Extract.create(cleaned(QUOTED), "", QUOTED)
    assert own_words(chosen, extract) == expected


def test_what_was_left_out_of_a_long_copy_is_put_back() -> None:
    text = f"Before. {INDEXES} {CACHES} After that."
    extract = Extract.create(cleaned(text), "", text)
    assert own_words(f"{INDEXES} {CACHES}".replace("nightly ", ""), extract) == f"{INDEXES} {CACHES}"
    assert own_words(f"{INDEXES} {CACHES}".replace(" that no query uses", ""), extract) is None
