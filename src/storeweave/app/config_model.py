"""The shape of ``storeweave.toml``: every table and key with its meaning, default and limits.

The reference in the docs is made from these classes, so a description here is a sentence for an operator. Reading the
file, references to secrets and what must fit together across tables are ``config``'s business.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from storeweave.access.address_guard import read_allowed
from storeweave.access.secrets import Secret
from storeweave.model.errors import ConfigError
from storeweave.model.flow import Deletes, Policy
from storeweave.model.kinds import Kind
from storeweave.model.money import Rounding

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
"""Names of connections and flows: they stand in addresses, logs and tables."""
NumberOrOff = Annotated[int, Field(ge=0)] | Literal["off"]


class Table(BaseModel):
    """Base of every table: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_enum_values=False)


class HubTable(Table):
    """The program itself."""

    database: str = Field(
        default="sqlite:///storeweave.db",
        description="Where our own state is kept. A relative SQLite path starts at the configuration file's folder; "
        "postgresql://user:password@host/name is for several machines.",
    )
    public_url: str | None = Field(
        default=None,
        description="The https address under which vendors reach this program, without a path of ours. "
        "Without it no webhooks are ordered, and changes are found by polling.",
    )
    listen: str = Field(default="127.0.0.1:8750", description="Address and port to listen on.")
    role: Literal["all", "door", "worker"] = Field(
        default="all",
        description="What this process does: take webhooks in (door), carry changes out (worker), or both (all). "
        "Anything but all needs a PostgreSQL database.",
    )
    api_token: Secret | None = Field(
        default=None,
        description="Opens the HTTP API and /metrics to other machines (Authorization: Bearer ...). "
        "Without it they answer this machine only.",
    )
    lease_s: float = Field(
        default=6.0,
        ge=1,
        le=300,
        description="How long a worker owns a lane without renewing; a dead one is replaced after this.",
    )
    debounce_ms: int = Field(
        default=50, ge=0, le=60_000, description="How long a changed key waits for more notices of the same change."
    )
    journal_retention_hours: float = Field(
        default=240,
        gt=0,
        description="How long notices that were worked off are kept (for `explain` and against repeats).",
    )
    history_retention_days: float = Field(
        default=90, gt=0, description="How long applied changes are kept (for `history`, `explain` and `undo`)."
    )
    tombstone_retention_days: float = Field(
        default=90, ge=90, description="How long deleted records are remembered, so that a late notice revives none."
    )
    allow_private_hosts: tuple[str, ...] = Field(
        default=(),
        description="Hosts, addresses and networks that may be called though they are private, use another port than "
        "443, or plain http: for example erp.lan:8443 or 10.0.0.0/8.",
    )
    allow_loopback: bool = Field(
        default=False, description="Call addresses of this machine. For twins and development."
    )
    env_file: str | None = Field(
        default=None,
        description="A file of NAME=value lines beside the configuration, asked for ${env:NAME} when the environment "
        "has no such variable.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least that is logged."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        default="auto", description="auto: for people on a terminal, JSON lines elsewhere."
    )

    @field_validator("listen")
    @classmethod
    def _has_a_port(cls, value: str) -> str:
        split_listen(value)
        return value

    @field_validator("allow_private_hosts")
    @classmethod
    def _can_be_read(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            try:
                read_allowed(entry)
            except ConfigError as error:
                raise ValueError(str(error)) from error
        return value


class ConnectionTable(BaseModel):
    """One account in an outside system. The connector's own settings stand beside these."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    connector: str = Field(description="Which kind of system it is, such as bigcommerce.")
    read_only: bool = Field(default=False, description="Nothing is ever written to this account.")
    calls_per_s: float | None = Field(
        default=None, gt=0, description="A pace of our own for calls; default: what the vendor's answers allow."
    )

    @property
    def settings(self) -> dict[str, Any]:
        """What is not ours: for the connector's settings class."""
        return dict(self.__pydantic_extra__ or {})


class ConflictsTable(Table):
    """Who wins when the destination was changed by somebody else."""

    default: Policy = Field(default=Policy.SOURCE, description="For every field that is not named below.")
    fields: dict[str, Policy] = Field(
        default_factory=dict, description='By field, such as description = "destination"; variants.price for parts.'
    )


class PricesTable(Table):
    """What prices become on their way; always computed from the source's price."""

    multiply: Decimal = Field(default=Decimal(1), gt=0, le=1000, description="Factor; 1.2 adds 20 percent.")
    add: Decimal = Field(default=Decimal(0), description="Added after the factor, in the currency of the price.")
    places: int | None = Field(
        default=None, ge=0, le=4, description="Decimal places; default: what the destination keeps."
    )
    rounding: Rounding = Field(default=Rounding.HALF_UP, description="How a half is rounded.")


class BrakesTable(Table):
    """When changes stop and wait for a person. A brake acts above both its number and its share."""

    max_deletes: NumberOrOff = Field(default=20, description="Records deleted or hidden within the window.")
    max_deletes_percent: float = Field(
        default=5, ge=0, le=100, description="The same as a share of all linked records."
    )
    deletes_window_hours: float = Field(default=24, gt=0, description="The window for deletes.")
    max_value_changes: NumberOrOff = Field(
        default=20,
        description="Records whose price moves sharply or becomes 0, or whose stock becomes 0, within the window.",
    )
    max_value_changes_percent: float = Field(
        default=5, ge=0, le=100, description="The same as a share of all linked records."
    )
    values_window_hours: float = Field(default=1, gt=0, description="The window for values.")
    price_move_percent: float = Field(
        default=30, gt=0, description="A price that moves by more than this counts as sharp."
    )
    listing_shrink_percent: float = Field(
        default=50, gt=0, le=100, description="A listing below this share of the last complete one deletes nothing."
    )
    loop_writes: int = Field(
        default=5, ge=2, description="Writes of one field to and fro before it is parked as a loop."
    )
    loop_window_min: float = Field(default=10, gt=0, description="The window for loops.")


class FlowTable(Table):
    """One direction of agreement: what the destination should hold follows the source."""

    source: Name = Field(description="The connection that is read.")
    destination: Name = Field(description="The connection that is written.")
    kinds: tuple[Kind, ...] = Field(
        default=(Kind.CATEGORY, Kind.BRAND, Kind.PRODUCT), min_length=1, description="What is kept in agreement."
    )
    deletes: Deletes = Field(
        default=Deletes.HIDE, description="What happens at the destination when the source's record is gone."
    )
    match: tuple[Literal["sku", "variant-sku", "name", "path"], ...] = Field(
        default=("sku", "variant-sku", "name", "path"),
        min_length=1,
        description="How records that exist on both sides are recognised at first contact, in this order.",
    )
    conflicts: ConflictsTable = Field(default_factory=ConflictsTable, description="Who wins when both sides changed.")
    include: tuple[str, ...] | None = Field(
        default=None, description="Only these fields and collections; default: all that both sides know."
    )
    exclude: tuple[str, ...] = Field(
        default=(), description="Fields and collections that are left alone, such as search_keywords or variants.price."
    )
    set: dict[Kind, dict[str, Any]] = Field(
        default_factory=dict, description="Fields with a fixed value at the destination, by kind."
    )
    prices: PricesTable = Field(default_factory=PricesTable, description="What prices become.")
    images: bool = Field(default=True, description="Keep images in agreement, too.")
    availability_from_listing: bool | None = Field(
        default=None,
        description="Availability at the destination follows the listing on the source's channel; "
        "default: true when the source has a channel_id.",
    )
    destination_deleted: Literal["recreate", "park"] = Field(
        default="recreate", description="When somebody deleted the record at the destination: make it again, or ask."
    )
    sweep_period_hours: float = Field(default=24, ge=0.25, description="Every record is compared once in this time.")
    poll_period_s: float = Field(default=60, ge=1, description="How often the source is asked what changed.")
    debounce_ms: int | None = Field(default=None, ge=0, le=60_000, description="Default: hub.debounce_ms.")
    brakes: BrakesTable = Field(default_factory=BrakesTable, description="When changes stop and wait for a person.")
    shadow: bool = Field(
        default=False, description="Read the source, but write to a copy in memory: shows what would happen."
    )


class ConfigFile(Table):
    """The whole file."""

    hub: HubTable = Field(default_factory=HubTable, description="The program itself.")
    connections: dict[Name, ConnectionTable] = Field(default_factory=dict, description="Accounts in outside systems.")
    flows: dict[Name, FlowTable] = Field(default_factory=dict, description="What is kept in agreement with what.")


def split_listen(value: str) -> tuple[str, int]:
    """``127.0.0.1:8750`` or ``[::1]:8750`` as host and port. Raises ValueError."""
    host, _, port = value.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError("write an address and a port, such as 127.0.0.1:8750")
    return host.strip("[]"), int(port)
