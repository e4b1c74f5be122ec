"""Errors of the HTTP API as problem details (RFC 9457): one shape, a stable code, never a stack trace or a secret."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from storeweave.model.errors import (
    BadRequestError,
    ConfigError,
    LaneBlockedError,
    RateLimitedError,
    RefusedError,
    StoreweaveError,
    TransientError,
)

log = structlog.get_logger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
URN: Final = "urn:storeweave:problem:"
_TITLES: Final = {
    400: "Bad request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    422: "Cannot be read",
    500: "Our mistake",
    502: "The vendor refuses",
    503: "Not now",
}


class Problem(BaseModel):
    """What went wrong with a request."""

    type: str = Field(description=f"{URN}CODE")
    title: str
    status: int
    detail: str = Field(description="What happened, to what, and what to do.")
    code: str = Field(description="Stable name of the cause.")
    errors: list[dict[str, str]] = Field(default=[], description="By field, when the request could not be read.")


def problem(
    status: int,
    detail: str,
    code: str,
    *,
    errors: list[dict[str, str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The answer for one problem."""
    title = _TITLES.get(status, "Error")
    body = Problem(type=URN + code, title=title, status=status, detail=detail, code=code, errors=errors or [])
    return JSONResponse(
        body.model_dump(exclude_defaults=True), status, headers=dict(headers or {}), media_type=MEDIA_TYPE
    )


def status_of(error: StoreweaveError) -> int:
    """The HTTP status of one of our errors."""
    if isinstance(error, BadRequestError):
        return 400
    if isinstance(error, RefusedError):
        return 404 if error.code == "unknown" else 409
    if isinstance(error, ConfigError):
        return 404
    if isinstance(error, LaneBlockedError):
        return 502
    return 503 if isinstance(error, TransientError) else 500


def add_problem_handlers(app: FastAPI) -> None:
    """Make every error of an app a problem."""

    async def ours(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, StoreweaveError)
        headers = {"retry-after": str(max(1, round(error.wait_s or 1)))} if isinstance(error, RateLimitedError) else {}
        return problem(status_of(error), str(error), error.code, headers=headers)

    async def unreadable(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        errors = [{"field": ".".join(map(str, e["loc"])), "message": str(e["msg"])} for e in error.errors()]
        return problem(422, "the request does not have the documented form", "unreadable", errors=errors)

    async def of_http(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        code = {404: "no-route", 405: "no-method"}.get(error.status_code, "http")
        return problem(error.status_code, str(error.detail), code, headers=error.headers)

    handlers: dict[Any, Any] = {
        StoreweaveError: ours,
        RequestValidationError: unreadable,
        HTTPException: of_http,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)
    app.add_middleware(BugDoor)


class BugDoor:
    """A request is one of the three doors where any exception is caught: our mistakes are a problem with a trace id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            trace = uuid.uuid4().hex[:12]
            log.exception("request.bug", trace=trace, method=scope.get("method"), error=type(error).__name__)
            if started or scope["type"] != "http":
                raise
            answer = problem(500, f"a mistake of ours (trace {trace}); the log has the details", "bug")
            await answer(scope, receive, send)
