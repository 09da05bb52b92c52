"""Keeps what models answer as it comes: a run that is killed loses a moment's work."""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from llm_engineering.domain.generation import Generation, GenerationStore

BATCH_SIZE = 32
EVERY_SECONDS = 0.25


class Keeper:
    """Stores generations in small batches, beside the asking: by count, by time, and on every way out.

    A batch leaves the buffer once it is stored, so one that was under way at the end is written again: storing twice
    changes nothing.
    """

    def __init__(self, store: GenerationStore) -> None:
        self.stored = 0
        self._store = store
        self._waiting: list[Generation] = []
        self._some, self._many = asyncio.Event(), asyncio.Event()

    async def __aenter__(self) -> Self:
        self._writer = asyncio.create_task(self._write())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Store what waits; in this thread, which no second cancellation interrupts."""
        self._writer.cancel()
        try:
            await asyncio.gather(self._writer, return_exceptions=True)
        finally:
            while self._waiting:
                self._flush()

    def keep(self, generation: Generation) -> None:
        """Hand over one; it is stored in a moment."""
        self._waiting.append(generation)
        self._some.set()
        if len(self._waiting) >= BATCH_SIZE:
            self._many.set()

    async def watch(self, work: Sequence[Coroutine[None, None, None]]) -> None:
        """Run all of the work at once. An error of one, or of the storing, ends the others and is raised."""
        running = {asyncio.create_task(one) for one in work}
        waiting = set(running)
        try:
            while waiting:
                done, _ = await asyncio.wait({*waiting, self._writer}, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
                waiting -= done
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _write(self) -> None:
        while True:
            await self._some.wait()
            with suppress(TimeoutError):
                # Not `wait_for`: in Python 3.11 it loses a cancellation that comes together with what it waits for.
                async with asyncio.timeout(EVERY_SECONDS):
                    await self._many.wait()
            await self._store_some()
            while len(self._waiting) >= BATCH_SIZE:
                await self._store_some()
            # What came meanwhile waits for more, in its turn: a batch of two costs about as much as one of thirty.
            self._many.clear()
            if not self._waiting:
                self._some.clear()

    async def _store_some(self) -> None:
        batch = self._waiting[:BATCH_SIZE]
        await asyncio.to_thread(self._store.store, batch)
        self._stored(len(batch))

    def _flush(self) -> None:
        batch = self._waiting[:BATCH_SIZE]
        self._store.store(batch)
        self._stored(len(batch))

    def _stored(self, count: int) -> None:
        del self._waiting[:count]
        self.stored += count
