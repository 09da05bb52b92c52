"""The HTTP API: `POST /rag`, `GET /health`."""

import logging
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.exceptions import HTTPException

from llm_engineering.domain.answers import Answer
from llm_engineering.domain.errors import DependencyUnavailableError, InvalidInputError, MoodSwarmError
from llm_engineering.domain.ports import Twin
from llm_engineering.domain.queries import MAX_QUERY_CHARACTERS, MAX_RESULTS, Query

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 64 * 1024


class RagRequest(BaseModel):
    """A question to the twin."""

    model_config = ConfigDict(extra="forbid", strict=True)

    query: Annotated[str, StringConstraints(min_length=1, max_length=MAX_QUERY_CHARACTERS)]
    author: str | None = Field(
        default=None,
        description="Full name of the author whose texts to search; by default whom the question names, else all.",
    )
    limit: int = Field(
        default=3,
        ge=1,
        le=MAX_RESULTS,
        description="At most how many passages to find; neighbouring ones become one source.",
    )


class Health(BaseModel):
    """Each dependency with 'ok', or what is wrong."""

    status: str
    dependencies: dict[str, str]


class Problem(BaseModel):
    """Why there is no answer, and what to do."""

    detail: str


def create_app(twin: Twin) -> FastAPI:
    """The application on top of a twin. Endpoints are plain functions: they block, so FastAPI gives each a thread."""
    app = FastAPI(
        title="MoodSwarm", description="An LLM twin that answers from what a person has published, with its sources."
    )

    @app.post("/rag", responses={422: {"model": Problem}, 503: {"model": Problem}})
    def rag(request: RagRequest) -> Answer:
        """Answer a question from the stored texts."""
        return twin.answer(Query.create(request.query, author_full_name=request.author, limit=request.limit))

    @app.get("/health", responses={503: {"model": Health}})
    def health() -> JSONResponse:
        """Whether every dependency answers."""
        dependencies = twin.health()
        healthy = all(state == "ok" for state in dependencies.values())
        content = Health(status="ok" if healthy else "unavailable", dependencies=dependencies)
        return JSONResponse(content.model_dump(), status_code=200 if healthy else 503)

    @app.exception_handler(RequestValidationError)
    def malformed(_: Request, error: RequestValidationError) -> JSONResponse:
        # FastAPI's own handler repeats the input, and fails on input that has no UTF-8 form.
        problems = (
            f"{'.'.join(map(str, problem['loc'][1:])) or 'body'}: {problem['msg']}" for problem in error.errors()
        )
        return JSONResponse({"detail": "; ".join(problems)}, status_code=422)

    @app.exception_handler(HTTPException)
    def unreadable(_: Request, error: HTTPException) -> JSONResponse:
        # FastAPI answers 400 to a body that it cannot decode; here that is one more thing that is no question.
        status = 422 if error.status_code == 400 else error.status_code
        return JSONResponse({"detail": error.detail}, status_code=status)

    @app.middleware("http")
    async def refuse_huge_bodies(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        length = request.headers.get("content-length", "0")
        if length.isdigit() and int(length) > MAX_BODY_BYTES:
            return JSONResponse({"detail": f"the body is larger than {MAX_BODY_BYTES:,} bytes"}, status_code=422)
        return await call_next(request)

    @app.exception_handler(InvalidInputError)
    def invalid_input(_: Request, error: InvalidInputError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status_code=422)

    @app.exception_handler(DependencyUnavailableError)
    def unavailable(_: Request, error: DependencyUnavailableError) -> JSONResponse:
        logger.warning("%s", error)
        return JSONResponse({"detail": str(error)}, status_code=503)

    @app.exception_handler(MoodSwarmError)
    def other(_: Request, error: MoodSwarmError) -> JSONResponse:
        logger.error("%s", error)
        return JSONResponse({"detail": str(error)}, status_code=503)

    return app
