"""What can be chosen about a twin store: its account, its plan, its manners. By default it is unlimited and prompt."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

RETRIES_S = (60, 180, 300, 600, 900, 1800, 3600, 7200, 21600, 50400, 86400)
PLANS: Mapping[str, int | None] = {"standard": 150, "plus": 150, "pro": 450, "enterprise": None}


CAPS: Mapping[str, int] = MappingProxyType(
    {"trees": 40, "categories": 40, "locations": 50, "tree": 1, "assignments": 1}
)


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """An API account's token. ``writes`` False: read-only scopes, writes are answered with 403."""

    client_id: str = "twin-client"
    client_secret: str = "twin-client-secret-0123456789abcdef0123456789"  # noqa: S105  a fixed secret of a toy account
    writes: bool = True


class TwinSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One twin store. Times are seconds."""

    store_hash: str = "twin"
    name: str = "Twin store"
    currency: str = "USD"
    origin: str = ""  # how others reach it; default https://{store_hash}.twin.test
    tokens: Mapping[str, Token] = {}  # by the value of X-Auth-Token; default: "twin-token" and read-only "twin-read"
    quota: int | None = None  # calls per 30 s; see PLANS
    latency_s: float = 0.0
    read_lag_s: float = 0.0  # for at most so long after a write, readers may see the version before
    read_lag_share: float = 1.0
    stock_lag_s: float = 0.0  # inventory adjustments take effect after at most so long
    hook_retries_s: tuple[float, ...] = RETRIES_S
    hook_time_scale: float = 1.0
    hook_delay_s: float = 0.0  # every webhook leaves so long after its event
    hook_warm_up_s: float = 0.0  # a new hook works after so long (the vendor: up to a minute)
    blocks_domains: bool = False  # a domain that fails often gets nothing for three minutes
    allow_http_hooks: bool = True  # plain http and any port, but only on loopback and in-process names
    batch_saves_valid_items: bool = False  # products PUT with a bad item: True 207 and the others saved, False 422
    tidies_descriptions: bool = False  # descriptions are stored trimmed, with LF, without comments and scripts
    parts_move_date: bool = False  # whether changes of images, variants and fields move product.date_modified
    first_id: int = 100  # ids start here, so that ids of two stores never agree by accident
    channels: tuple[tuple[int, str], ...] = ((1, "Storefront"), (2, "Second shop"))
    max_categories: int = 16_000
    max_brands: int = 30_000
    caps: Mapping[str, int] = CAPS  # calls under way at once, by gate

    def token_table(self) -> Mapping[str, Token]:
        return self.tokens or {"twin-token": Token(), "twin-read": Token(writes=False)}

    def base(self) -> str:
        return self.origin or f"https://{self.store_hash}.twin.test"
