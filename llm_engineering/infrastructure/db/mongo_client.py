"""How MongoDB is connected to. Nothing is sent before the first operation."""

from typing import Any

from pymongo import MongoClient

CONNECT_TIMEOUT_SECONDS = 5
# For each read from the connection: an operation's first answer, or the next batch of a cursor.
READ_TIMEOUT_SECONDS = 60


def connect(uri: str) -> MongoClient[dict[str, Any]]:
    """A client that gives up in good time."""
    return MongoClient(
        uri,
        serverSelectionTimeoutMS=CONNECT_TIMEOUT_SECONDS * 1000,
        socketTimeoutMS=READ_TIMEOUT_SECONDS * 1000,
        appname="moodswarm",
        tz_aware=True,
    )
