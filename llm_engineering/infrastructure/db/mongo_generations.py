"""What language models have answered, in MongoDB: the collection `generations`, by the key of the task."""

from collections.abc import Sequence
from threading import Lock

from pymongo import ASCENDING
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError

from llm_engineering.domain.generation import Generation
from llm_engineering.infrastructure.db.mongo_client import connect
from llm_engineering.infrastructure.db.mongo_errors import redacted, translated
from llm_engineering.infrastructure.db.mongo_records import Record

GENERATIONS = "generations"
_DUPLICATE_KEY = 11000


class MongoGenerationStore:
    """Implements `GenerationStore`. Safe for several threads and processes: the first answer to a task stays.

    Every method raises DependencyUnavailableError when the server does not answer or refuses.
    """

    def __init__(self, uri: str, database: str) -> None:
        self._where = redacted(uri)
        with translated(self._where):
            self._client = connect(uri)
            self._collection: Collection[Record] = self._client[database][GENERATIONS]
        self._preparing = Lock()
        self._prepared = False

    def stored(self, keys: Sequence[str]) -> dict[str, Generation]:
        """Those of the generations that are there, by key."""
        with translated(self._where):
            records = list(self._collection.find({"_id": {"$in": list(keys)}}))
        return {record["_id"]: Generation.model_validate({**record, "key": record["_id"]}) for record in records}

    def store(self, generations: Sequence[Generation]) -> None:
        """Keep these. Twice changes nothing.

        Raises:
            StorageFullError: the server's disk or quota is full; those before it are kept.
        """
        if not generations:
            return
        records = [{"_id": one.key, **one.model_dump(mode="json", exclude={"key"})} for one in generations]
        with translated(self._where):
            self._prepare()
            try:
                self._collection.insert_many(records, ordered=False)
            except BulkWriteError as error:
                failures = [*error.details.get("writeErrors", ()), *error.details.get("writeConcernErrors", ())]
                if any(failed["code"] != _DUPLICATE_KEY for failed in failures):
                    raise

    def count(self) -> int:
        """How many there are."""
        with translated(self._where):
            return self._collection.count_documents({})

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _prepare(self) -> None:
        """Create the indexes by which people and links are forgotten."""
        with self._preparing:
            if not self._prepared:
                for field in ("author_id", "document_id"):
                    self._collection.create_index([(field, ASCENDING)])
                self._prepared = True
