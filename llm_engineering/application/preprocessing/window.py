"""The documents that are sorted, embedded and written together."""

from llm_engineering.application.preprocessing.making import DocumentFeatures

# A window closes when it has so many chunks, or so many documents, for some clean to nothing, or so much text.
WINDOW_CHUNKS = 512
WINDOW_DOCUMENTS = 256
WINDOW_CHARACTERS = 4_000_000


class Window:
    """Documents that are held until there are enough of them."""

    def __init__(self) -> None:
        self._items: list[DocumentFeatures] = []
        self._chunks = 0
        self._characters = 0

    def __len__(self) -> int:
        return len(self._items)

    @property
    def is_full(self) -> bool:
        """Whether to write the documents now."""
        return (
            self._chunks >= WINDOW_CHUNKS
            or len(self._items) >= WINDOW_DOCUMENTS
            or self._characters >= WINDOW_CHARACTERS
        )

    def add(self, item: DocumentFeatures) -> None:
        """Hold one more."""
        self._items.append(item)
        self._chunks += len(item.chunks)
        self._characters += len(item.cleaned.text)

    def take(self) -> list[DocumentFeatures]:
        """The documents; the window is empty then."""
        taken = self._items
        self._items, self._chunks, self._characters = [], 0, 0
        return taken
