"""The hub as an operator runs it: ``storeweave serve`` on a file that is written here, asked over its own API."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import httpx2
import msgspec

from storeweave.connectors.bigcommerce.twin import Token
from tests.crash.hub_process import HubOrder

SERVE = "import sys; from storeweave.app.cli import main; sys.argv[0] = 'storeweave'; main()"
FILE = """\
[hub]
database = "{database}"
public_url = "http://127.0.0.1:{port}"
listen = "127.0.0.1:{port}"
allow_loopback = true
log_format = "json"
lease_s = 2

[connections.a]
connector = "bigcommerce"
store_hash = "a"
api_url = "{a_url}"
{account}

[connections.b]
connector = "bigcommerce"
store_hash = "b"
api_url = "{b_url}"
{account}

[flows.a-to-b]
source = "a"
destination = "b"
deletes = "delete"
"""
ACCOUNT = """\
access_token = "twin-token"
client_secret = "{secret}"
request_timeout_s = {request_timeout_s}
late_landing_s = {late_landing_s}
read_lag_s = {read_lag_s}
concurrency = {concurrency}
allow_http_hooks = true"""


def command(order: HubOrder, folder: Path) -> list[str]:
    """How to start it."""
    path = folder / "storeweave.toml"
    account = ACCOUNT.format(
        secret=Token().client_secret,
        request_timeout_s=order.request_timeout_s,
        late_landing_s=order.late_landing_s,
        read_lag_s=order.read_lag_s,
        concurrency=order.concurrency,
    )
    path.write_text(
        FILE.format(database=order.database, port=order.port, a_url=order.a_url, b_url=order.b_url, account=account)
    )
    return [sys.executable, "-c", SERVE, "serve", "--config", str(path)]


async def status(client: httpx2.AsyncClient) -> dict[str, Any]:
    """What it believes, in the words of ``hub_process``."""
    told = await _told(client, "/api/v1/status")
    flows = told["flows"]
    causes = (await _told(client, "/api/v1/parked"))["causes"] if told["parked"] else []
    brakes = await _told(client, "/api/v1/brakes") if told["brakes"] else []
    runs = await _told(client, "/api/v1/runs?limit=200")
    return {
        "first_sync": any(run["what"] == "apply" and run["state"] == "done" for run in runs),
        **{name: sum(flow[name] for flow in flows) for name in ("dirty", "backing_off", "parked", "held")},
        "causes": [f"{cause['count']} {cause['code']}: {cause['reason']}" for cause in causes],
        "brakes": [brake["message"] for brake in brakes],
    }


async def _told(client: httpx2.AsyncClient, path: str) -> Any:
    answer = await client.get(path)
    answer.raise_for_status()
    return msgspec.json.decode(answer.content)
