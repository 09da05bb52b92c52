"""Describe the chunks that a run of the feature pipeline makes, while it makes them."""

from llm_engineering.application.preprocessing.inspection import ChunkInspector
from llm_engineering.application.preprocessing.making import DocumentFeatures, FeatureMakers
from llm_engineering.domain.documents import DataCategory
from llm_engineering.domain.inspection import ChunkInspection


class RunInspection:
    """Takes in one document after the other; what is kept of them has a bound."""

    def __init__(self, makers: FeatureMakers, samples: int = 5) -> None:
        self._makers = makers
        self._samples = samples
        self._inspectors: dict[DataCategory, ChunkInspector] = {}

    def add(self, features: DocumentFeatures) -> None:
        """Take in a document with its chunks."""
        category = features.cleaned.category
        if category not in self._inspectors:  # not before: the window is the model's, which may not be loaded
            window = self._makers.embedder.max_tokens
            most = self._makers.sizes.of(category).max_tokens or window
            self._inspectors[category] = ChunkInspector(category, min(most, window), self._samples)
        self._inspectors[category].add(features.cleaned.language, features.chunks)

    def result(self) -> ChunkInspection:
        """The categories of which there was a document."""
        found = [self._inspectors[category].result() for category in DataCategory if category in self._inspectors]
        return ChunkInspection(model_id=self._makers.embedder.model_id, categories=found)
