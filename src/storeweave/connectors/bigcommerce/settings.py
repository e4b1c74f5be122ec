"""What an operator fills in for one BigCommerce store."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

API_URL = "https://api.bigcommerce.com"


class BigCommerceSettings(BaseModel):
    """One store and one API account in it.

    At least one of ``client_secret`` and ``hook_secret`` is needed to accept webhooks; with both, a notice must not
    contradict either and must prove itself by one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    store_hash: str = Field(
        min_length=1, max_length=64, description="The part after store- in https://store-HASH.mybigcommerce.com"
    )
    access_token: SecretStr = Field(description="Token of the API account (sent as X-Auth-Token)")
    client_id: str | None = Field(default=None, description="Client id of the API account; only shown to people")
    client_secret: SecretStr | None = Field(
        default=None, description="Client secret of the API account: the key of the webhooks' signatures"
    )
    hook_secret: SecretStr | None = Field(
        default=None, description="A secret of our own that BigCommerce sends back as a header of each webhook"
    )
    api_url: str = Field(default=API_URL, description="Where the API is; another one for twins and proxies")
    channel_id: int | None = Field(
        default=None, ge=1, description="Channel whose listings decide what may be bought at the destination"
    )
    category_tree_id: int | None = Field(
        default=None,
        ge=1,
        description="Category tree to read and write; default: read all, write the default channel's",
    )
    currency: str | None = Field(default=None, min_length=3, max_length=3, description="Default: what the store says")
    request_timeout_s: float = Field(default=30.0, gt=0, le=300, description="Deadline of one call")
    concurrency: int = Field(default=4, ge=1, le=32, description="Calls under way at once")
    read_lag_s: float = Field(default=2.0, ge=0, le=300, description="How long reads may lag behind writes")
    late_landing_s: float = Field(
        default=60.0, ge=0, le=900, description="How long a request without an answer may still take effect"
    )
    tree_cache_s: float = Field(default=10.0, ge=0, le=300, description="How long a listing of categories is trusted")
    allow_http_hooks: bool = Field(
        default=False, description="Accept webhook addresses that are not https on port 443 (twins on loopback only)"
    )

    @field_validator("api_url")
    @classmethod
    def _no_slash_at_the_end(cls, value: str) -> str:
        if not value.startswith(("https://", "http://")):
            raise ValueError("must start with https:// (or http:// for a twin)")
        return value.rstrip("/")

    @field_validator("store_hash")
    @classmethod
    def _plain_hash(cls, value: str) -> str:
        if not value.isascii() or not value.replace("-", "").replace("_", "").isalnum():
            raise ValueError("must be the bare store hash: letters and digits")
        return value
