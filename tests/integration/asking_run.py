"""A process that asks a server for as many answers as it is told: python -m ... URL MONGO_URI DATABASE COUNT."""

import asyncio
import sys
from uuid import UUID

from llm_engineering.application.dataset.asking import Asker
from llm_engineering.domain.dataset_options import GenerationOptions
from llm_engineering.domain.generation import GenerationTask, Sampling
from llm_engineering.domain.prompts import ChatPrompt
from llm_engineering.infrastructure.db.mongo_generations import MongoGenerationStore
from llm_engineering.infrastructure.models.concurrent_model import ConcurrentOpenAIModel
from llm_engineering.infrastructure.models.openai_compatible import Endpoint
from llm_engineering.infrastructure.progress import ConsoleProgress


def tasks(count: int) -> list[GenerationTask]:
    """As many different ones."""
    return [
        GenerationTask(ChatPrompt(system="", user=f"prompt {number}"), Sampling(50), UUID(int=number), UUID(int=0))
        for number in range(count)
    ]


async def main(url: str, uri: str, database: str, count: str) -> None:
    """Ask, and store."""
    model = ConcurrentOpenAIModel("gpt-x", True, lambda: Endpoint(url, None))
    store = MongoGenerationStore(uri, database)
    try:
        await Asker(model, store, None, GenerationOptions(concurrency=4), ConsoleProgress()).ask(
            tasks(int(count)), "answers"
        )
    finally:
        await model.aclose()
        store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
