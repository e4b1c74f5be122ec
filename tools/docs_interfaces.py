"""The references of metrics, HTTP routes, commands and abilities as Markdown, each made from what it describes."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, cast

import httpx2
import typer.main

from storeweave.app.api import create_api
from storeweave.app.hub_port import HubPort
from storeweave.app.metrics import families
from storeweave.app.shown import ConnectionStatus, FlowStatus, Status
from storeweave.connectors.bigcommerce.connector import abilities_of
from storeweave.connectors.bigcommerce.settings import BigCommerceSettings
from storeweave.ports import connector as port

# --- metrics ----------------------------------------------------------------------------------------------------------


def metrics() -> dict[str, tuple[str, str, tuple[str, ...]]]:
    """Name as Prometheus shows it -> type, meaning, labels."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    flow = FlowStatus(name="f", source="a", destination="b", kinds=["product"], linked={"product": 1}, dirty=0,
                      backing_off=0, parked=0, held=0, oldest_at=None, lag_s=0.0)  # fmt: skip
    connection = ConnectionStatus(
        name="a", system="s", state="active", last_notice_at=now, calls=1, limited=0, calls_left=1
    )
    status = Status(
        version="0", at=now, verdict="in agreement", flows=[flow], connections=[connection], brakes=0, parked=0
    )
    found: dict[str, tuple[str, str, tuple[str, ...]]] = {}
    for family in _families(status):
        suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
        labels = tuple(dict.fromkeys(label for sample in family.samples for label in sample.labels))
        found[family.name + suffix] = (family.type, family.documentation, labels)
    return found


def _families(status: Status) -> Iterator[Any]:
    yield from families(status, {("f", "invalid"): 1})
    from storeweave.app import metrics as module

    yield from module._door({("a", 200): 1})  # noqa: SLF001  the door's counts have no public maker of their own


def metrics_page() -> str:
    """What ``/metrics`` serves."""
    lines = ["# Metrics\n", "`/metrics` serves these in Prometheus' text format, besides those of the process itself",
             "(`process_*`, `python_*`). Counters start at 0 with the process; which of them deserve an alert is in",
             "[operating](../operating.md#watch-it).\n",
             "| Metric | Type | Labels | Meaning |", "|---|---|---|---|"]  # fmt: skip
    for name, (kind, words, labels) in metrics().items():
        lines.append(f"| `{name}` | {kind} | {', '.join(f'`{label}`' for label in labels)} | {words} |")
    return "\n".join([*lines, ""])


# --- HTTP API ---------------------------------------------------------------------------------------------------------


def openapi() -> Mapping[str, Any]:
    """The contract, as a server would serve it to this machine."""

    async def fetch() -> str:
        api = create_api(cast("HubPort", None))
        transport = httpx2.ASGITransport(app=cast("Any", api), client=("127.0.0.1", 1))
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return (await client.get("/openapi.json")).text

    return cast("Mapping[str, Any]", json.loads(asyncio.run(fetch())))


def routes() -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Method, path and operation of each route."""
    for path, item in openapi()["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def http_page() -> str:
    """All routes."""
    info = openapi()["info"]
    lines = ["# HTTP API\n", info["description"].strip(),
             "\nA running server shows the whole contract at `/docs`, and as OpenAPI 3.1 at `/openapi.json`. Without",
             "`hub.api_token` only this machine is answered; with it, `Authorization: Bearer ...` is asked for. Errors",
             "are explained in [errors](errors.md). `POST /webhooks/{connection}/{secret}` is the door for vendors and",
             "not part of this contract.\n",
             "| Method | Path | Takes | Does |", "|---|---|---|---|"]  # fmt: skip
    for method, path, operation in routes():
        names = [f"`{p['name']}`" for p in operation.get("parameters", []) if p["in"] == "query"]
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        fields = _body_fields(body)
        takes = "; ".join(filter(None, [", ".join(names), f"body: {fields}" if fields else ""]))
        words = " ".join((operation.get("description") or operation.get("summary") or "").split())
        lines.append(f"| {method} | `{path}` | {takes} | {words} |")
    return "\n".join([*lines, ""])


def _body_fields(schema: Mapping[str, Any]) -> str:
    found = re.findall(r"#/components/schemas/(\w+)", json.dumps(schema))
    if not found:
        return ""
    properties = openapi()["components"]["schemas"][found[0]].get("properties", {})
    return ", ".join(f"`{name}`" for name in properties)


# --- commands ---------------------------------------------------------------------------------------------------------


def commands() -> Iterator[tuple[str, Any]]:
    """Every command by its words: ``hooks list``. Groups that do something by themselves are commands, too."""
    from storeweave.app.cli.program import app

    yield from _below("", typer.main.get_command(app))


def _below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
        return
    if name and command.invoke_without_command:
        yield name, command
    for word, one in inner.items():
        if not one.hidden:
            yield from _below(f"{name} {word}".strip(), one)


_EVERYWHERE: Final = {"help", "config", "as_json"}


def commands_page() -> str:
    """All commands with their arguments and options."""
    from storeweave.app.cli.frame import EXIT_CODES_HELP

    found = list(commands())
    lines = ["# Commands\n", EXIT_CODES_HELP + "\n",
             "Results go to standard output, everything else to standard error. A command asks the running server of",
             "its configuration if there is one, and works on the database itself otherwise. `--config` (`-c`, or the",
             "variable `STOREWEAVE_CONFIG`) names another configuration, `--json` prints JSON for programs; both are",
             "left out below.\n"]  # fmt: skip
    lines += [f"- [`storeweave {name}`](#storeweave-{name.replace(' ', '-')}): {_first(c.help)}" for name, c in found]
    for name, command in found:
        arguments = [p for p in command.params if p.param_type_name == "argument"]
        usage = " ".join(["storeweave", name, *(_argument(p) for p in arguments)])
        lines += [f"\n## storeweave {name}\n", f"    {usage}\n", _prose(command.help)]
        options = [p for p in command.params if p.param_type_name == "option" and not getattr(p, "hidden", False)]
        rows = [(p, _argument(p)) for p in arguments if getattr(p, "help", None)]
        rows += [(p, ", ".join([*p.opts, *p.secondary_opts])) for p in options if p.name not in _EVERYWHERE]
        if rows:
            lines += ["", "| Argument or option | Meaning |", "|---|---|"]
            lines += [f"| `{text}` | {_meaning(p)} |" for p, text in rows]
    return "\n".join([*lines, ""])


def _argument(parameter: Any) -> str:
    name = str(parameter.metavar or parameter.name).upper() + ("..." if parameter.nargs == -1 else "")
    return name if parameter.required else f"[{name}]"


def _meaning(parameter: Any) -> str:
    words = (getattr(parameter, "help", "") or "").replace("|", "\\|").replace("\n", " ")
    default = parameter.default
    plain = isinstance(default, str | int | float) and not isinstance(default, bool) and default != ""
    return words + (f" Default: `{default}`." if plain else "")


def _first(text: str | None) -> str:
    return _prose(text).partition("\n")[0].partition(". ")[0].rstrip(".")


def _prose(text: str | None) -> str:
    return inspect.cleandoc(text or "").replace("\f", "").replace("\b", "").strip()


# --- abilities --------------------------------------------------------------------------------------------------------


def abilities() -> dict[str, list[str]]:
    """The fields of ``Abilities`` and ``KindAbilities``, by class."""
    return {cls.__name__: list(cls.__struct_fields__) for cls in (port.Abilities, port.KindAbilities)}


def abilities_page() -> str:
    """What a connector declares, and what BigCommerce declares."""
    ours = abilities_of(BigCommerceSettings.model_validate({"store_hash": "x", "access_token": "x"}))
    lines = ["# Abilities\n",
             "What a connector says of its system, so that the engine never asks for a vendor's name. The contract",
             "suite tries them ([writing a connector](../writing-a-connector.md)).\n",
             "## The whole system\n", "| Ability | Meaning | BigCommerce |", "|---|---|---|"]  # fmt: skip
    comments = _comments()
    for name in abilities()["Abilities"]:
        shown = "by kind, see below" if name == "kinds" else _shown(getattr(ours, name))
        lines.append(f"| `{name}` | {comments.get(('Abilities', name), 'see below')} | {shown} |")
    kinds = list(ours.kinds)
    lines += ["\n## One kind\n", f"| Ability | Meaning | {' | '.join(kinds)} |", "|---|---|" + "---|" * len(kinds)]
    for name in abilities()["KindAbilities"]:
        values = " | ".join(_shown(getattr(ours.kinds[kind], name)) for kind in kinds)
        lines.append(f"| `{name}` | {comments[('KindAbilities', name)]} | {values} |")
    return "\n".join([*lines, ""])


def _comments() -> dict[tuple[str, str], str]:
    """The words beside each field in the port's source."""
    source = inspect.getsource(port)
    lines = source.splitlines()
    found: dict[tuple[str, str], str] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef):
            for field in node.body:
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                    words = lines[field.lineno - 1].partition("  # ")[2]
                    found[node.name, field.target.id] = words.replace("``", "`")
    named = {"concurrency": "calls under way at once", "can_write": "takes changes", "can_delete": "takes deletes",
             "request_timeout_s": "deadline of one call", "price_places": "decimal places that a price may have",
             "max_keys_per_account": "most records of a kind that an account holds", "system": "the connector's name",
             "kinds": "what can be done with each kind"}  # fmt: skip
    return {key: text or named[key[1]] for key, text in found.items() if text or key[1] in named}


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "all"
    if isinstance(value, frozenset):
        return ", ".join(sorted(value)) if len(value) <= 5 else f"{len(value)} of them"
    if isinstance(value, Mapping):
        return "; ".join(f"{kind}: {_shown(inner)}" for kind, inner in value.items()) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
