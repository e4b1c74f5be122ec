"""The HTTP application behind the webhook door: health, metrics, docs, and ``/api/v1`` (see ``routes``)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse, Response
from fastapi_offline import FastAPIOffline

from storeweave import __version__
from storeweave.access.secrets import Secret
from storeweave.app.gatekeeper import Gatekeeper
from storeweave.app.hub_port import HubPort
from storeweave.app.metrics import CONTENT_TYPE, Metrics
from storeweave.app.problems import add_problem_handlers
from storeweave.app.routes import api_router
from storeweave.intake.door import ASGIApp
from storeweave.model.errors import StoreweaveError

Ready = Callable[[], Awaitable[list[str]]]
"""What keeps this process from doing its work now, in words; empty: nothing."""
DESCRIPTION = """\
Everything that the command line can do. Errors are problem details (RFC 9457) with a stable `code`; lists have a
`next` cursor to be given back as `after`; instants are UTC; decimals are texts.
"""


async def always_ready() -> list[str]:
    """For who has nothing to wait for."""
    return []


def create_api(
    port: HubPort,
    *,
    token: Secret | None = None,
    ready: Ready = always_ready,
    answered: Mapping[tuple[str, int], int] | None = None,
    identity: str = "",
) -> ASGIApp:
    """The guarded application.

    ``answered`` are the webhook door's counts, for the metrics; ``identity`` tells commands whose server this is.
    """
    app: FastAPI = FastAPIOffline(
        title="Storeweave", version=__version__, description=DESCRIPTION, redoc_url=None, openapi_url="/openapi.json"
    )
    add_problem_handlers(app)
    app.include_router(api_router(port))
    app.include_router(_operation(port, ready, Metrics(answered), identity))
    return Gatekeeper(app, token)


def _operation(port: HubPort, ready: Ready, metrics: Metrics, identity: str) -> APIRouter:
    router = APIRouter(tags=["operation"])

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        """This process answers."""
        return {"status": "ok", "hub": identity}

    @router.get("/readyz", responses={503: {"description": "Not ready, and why"}})
    async def readyz() -> JSONResponse:
        """This process can do its work: the database answers, and what it should run, runs."""
        try:
            reasons = await ready()
        except StoreweaveError as error:
            reasons = [str(error)]
        status = {"status": "not ready" if reasons else "ready", "reasons": reasons}
        return JSONResponse(status, 503 if reasons else 200)

    @router.get("/metrics", response_class=Response)
    async def prometheus() -> Response:
        """Prometheus' text format."""
        status = await port.status()
        parked: Counter[tuple[str, str]] = Counter()
        for cause in (await port.parked(limit=1)).causes:
            parked[cause.flow, cause.code] += cause.count
        return Response(metrics.render(status, parked), media_type=CONTENT_TYPE)

    return router
