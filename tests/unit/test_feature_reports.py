"""What the feature commands print."""

from rich.console import Console

from llm_engineering.application.preprocessing.features import sync_features
from llm_engineering.application.preprocessing.making import FeatureMakers
from llm_engineering.application.preprocessing.run_inspection import RunInspection
from llm_engineering.domain.documents import DataCategory
from llm_engineering.domain.feature_reports import CategoryFeatures, ChangeReport, FeatureReport, VerificationReport
from llm_engineering.domain.features import ChunkSize, ChunkSizes
from tests.fakes import MemoryDocumentStore, MemoryVectorStore, SilentProgress, WordEmbedder, WordEncoder, article
from tools._feature_report import change_line, feature_table, repair_line, verification_table


def printed(table: object) -> str:
    console = Console(width=140, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    console.print(table)
    console.file.close()
    return console.export_text()


def test_the_table_of_a_run_names_each_document_that_failed() -> None:
    report = FeatureReport(
        embedding_model="words", categories={"articles": CategoryFeatures(new=2, chunks_embedded=7)}, seconds=1.26
    )
    report.fail(report.categories["articles"], "https://e.com/[bad]", "ValueError: [no] heading")
    text = printed(feature_table(report))
    assert "Features by words, 1.3 s" in text
    [row] = [line for line in text.splitlines() if "articles" in line]
    assert [word for word in row.split() if word.isdigit()] == ["2", "0", "0", "0", "0", "1", "7"]
    assert "failed: https://e.com/[bad]: ValueError: [no] heading" in text


def test_a_later_pass_adds_what_it_did_and_not_what_it_met() -> None:
    first = FeatureReport(
        embedding_model="words",
        categories={"articles": CategoryFeatures(new=5, chunks_embedded=9, failed=1)},
        seconds=10,
        seconds_by_stage={"embed": 8.0},
    )
    later = FeatureReport(
        embedding_model="words",
        categories={"articles": CategoryFeatures(changed=1, unchanged=4, removed=2, chunks_embedded=3, failed=1)},
        seconds=1,
        seconds_by_stage={"embed": 0.5, "load": 0.25},
    )
    first.absorb(later)
    assert first.total == CategoryFeatures(new=5, changed=1, removed=2, chunks_embedded=12, failed=1)
    assert (first.seconds, first.seconds_by_stage) == (11, {"embed": 8.5, "load": 0.25})


def test_the_table_of_a_comparison_names_the_first_of_each_kind_and_counts_the_rest() -> None:
    report = VerificationReport(embedding_model="words", documents=20, chunks=40)
    for number in range(12):
        report.missing.add(f"https://e.com/{number}")
    text = printed(verification_table(report))
    assert "20 documents in MongoDB, 40 chunks in Qdrant" in text
    assert "https://e.com/9" in text
    assert "https://e.com/10" not in text
    assert "and 2 more" in text


def test_a_repair_of_nothing_says_so() -> None:
    report = VerificationReport(embedding_model="words", repaired=FeatureReport(embedding_model="words"))
    assert repair_line(report) == "Nothing to repair."
    report.orphaned.add("chunk")
    report.chunks_deleted = 1
    assert repair_line(report).endswith("0 removed, 1 orphaned chunks deleted, 0 failed.")
    report.rehashed = 2
    assert repair_line(report).endswith("1 orphaned chunks deleted, 2 edited texts hashed anew, 0 failed.")


def test_a_batch_of_changes_is_one_line_and_one_more_for_each_that_failed() -> None:
    report = ChangeReport(
        applied=2, removed=1, failed={"https://e.com/bad": "ValueError: x"}, chunks=5, lag_seconds=0.84
    )
    assert change_line(report).splitlines() == [
        "2 applied, 1 removed, 0 unchanged, 1 failed, 5 chunks embedded; 0.8 s after the first write",
        "  failed: https://e.com/bad: ValueError: x",
    ]


def test_a_run_describes_the_chunks_that_it_makes_and_no_others() -> None:
    makers = FeatureMakers(WordEmbedder(), WordEncoder(), ChunkSizes(articles=ChunkSize()))
    documents, vectors = MemoryDocumentStore([article("cat " * 40, "https://e.com/1")]), MemoryVectorStore()
    first, second = RunInspection(makers), RunInspection(makers)
    sync_features(documents, vectors, makers, SilentProgress(), on_made=first.add)
    documents.upsert([article("dog only.", "https://e.com/2")])
    sync_features(documents, vectors, makers, SilentProgress(), on_made=second.add)
    [articles] = first.result().categories
    assert (articles.category, articles.documents, articles.tokens.count) == (DataCategory.ARTICLES, 1, 3)
    [articles] = second.result().categories
    assert (articles.documents, articles.tokens.count, articles.tokens.maximum) == (1, 1, 2)
    assert RunInspection(makers).result().categories == []
