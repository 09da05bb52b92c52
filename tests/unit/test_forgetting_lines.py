"""What was learned of a site, when one of its pages is forgotten, or all of them."""

import pytest

from llm_engineering.application.forgetting import forget
from llm_engineering.application.preprocessing.features import sync_features
from llm_engineering.application.preprocessing.making import FeatureMakers
from llm_engineering.application.preprocessing.verification import verify
from llm_engineering.domain.documents import Author, RawDocument
from llm_engineering.domain.features import ChunkSize, ChunkSizes
from tests.fakes import (
    ADA,
    MemoryDocumentStore,
    MemoryVectorStore,
    SilentProgress,
    WordEmbedder,
    WordEncoder,
    article,
)

GRACE = Author.named("Grace Hopper")
FOOTER = "you are reading the letters of ada to her many friends"
OWN = "a line of three pages by grace only"
MAKERS = FeatureMakers(WordEmbedder(), WordEncoder(), ChunkSizes(articles=ChunkSize()))


@pytest.fixture
def stores() -> tuple[MemoryDocumentStore, MemoryVectorStore]:
    """Six pages with a footer; Grace's three have one more line."""
    pages: list[RawDocument] = []
    for i in range(6):
        text, link = f"Text w{i} about x{i}.\n\nSecond text y{i}.", f"https://e.com/{i}"
        own = f"\n\n{OWN}" if i < 3 else ""
        pages.append(article(f"{text}{own}\n\n{FOOTER}", link, author=GRACE if i < 3 else ADA))
    documents, vectors = MemoryDocumentStore(pages), MemoryVectorStore()
    sync_features(documents, vectors, MAKERS, SilentProgress())
    assert documents.site_noise() == {"e.com": [OWN, FOOTER]}
    return documents, vectors


def test_a_forgotten_link_leaves_the_lines_of_the_other_pages(
    stores: tuple[MemoryDocumentStore, MemoryVectorStore],
) -> None:
    documents, vectors = stores
    forget("https://e.com/0", documents, vectors)
    assert documents.site_noise() == {"e.com": [OWN, FOOTER]}
    assert verify(documents, vectors, MAKERS).is_consistent


def test_lines_that_only_the_forgotten_had_go(stores: tuple[MemoryDocumentStore, MemoryVectorStore]) -> None:
    documents, vectors = stores
    forget(GRACE.full_name, documents, vectors)
    assert documents.site_noise() == {"e.com": [FOOTER]}
    assert verify(documents, vectors, MAKERS).is_consistent


def test_with_the_last_page_of_a_site_all_that_was_learned_goes(
    stores: tuple[MemoryDocumentStore, MemoryVectorStore],
) -> None:
    documents, vectors = stores
    for i in range(6):
        forget(f"https://e.com/{i}", documents, vectors)
    assert documents.site_noise() == {}
