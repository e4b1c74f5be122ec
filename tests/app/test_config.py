"""Reading storeweave.toml: what a right file means, and what a wrong one is answered."""

import contextlib
import textwrap
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storeweave.app.config import Config, connector_names, load_config, read_config, settings_class
from storeweave.app.config_faults import InvalidConfigError
from storeweave.app.config_flows import NEVER, flow_digest
from storeweave.model.flow import BrakeLimits, Deletes, FlowSpec, Policy
from storeweave.model.kinds import ConnectionName, FlowName, Kind
from storeweave.model.money import Rounding

ENV = {"TOKEN_A": "canary-a", "TOKEN_B": "canary-b"}
STORES = """
[connections.a]
connector = "bigcommerce"
store_hash = "aaa"
access_token = "${env:TOKEN_A}"

[connections.b]
connector = "bigcommerce"
store_hash = "bbb"
access_token = "${env:TOKEN_B}"
"""
FLOW = """
[flows.main]
source = "a"
destination = "b"
"""


def read(text: str, env: dict[str, str] | None = None, path: Path = Path("shop/storeweave.toml")) -> Config:
    return read_config(textwrap.dedent(text).encode(), path, ENV if env is None else env)


def faults(text: str, env: dict[str, str] | None = None, path: Path = Path("shop/storeweave.toml")) -> dict[str, str]:
    with pytest.raises(InvalidConfigError) as caught:
        read(text, env, path)
    assert all(fault.remedy for fault in caught.value.faults)
    assert "canary" not in str(caught.value)
    return {fault.path: str(fault) for fault in caught.value.faults}


def test_a_short_file_is_enough_and_means_the_engines_own_defaults() -> None:
    config = read(STORES + FLOW)
    assert config.flows == {
        FlowName("main"): FlowSpec(name=FlowName("main"), source=ConnectionName("a"), destination=ConnectionName("b"))
    }
    assert config.hub.listen == "127.0.0.1:8750"
    settings: Any = config.connections[ConnectionName("a")].settings
    assert settings.access_token.get_secret_value() == "canary-a"


def test_an_empty_file_is_a_configuration_without_flows() -> None:
    assert read("").flows == {}


def test_everything_a_flow_can_say_reaches_the_engine() -> None:
    flow = read(
        STORES.replace('"aaa"', '"aaa"\nchannel_id = 5')
        + """
        [flows.main]
        source = "a"
        destination = "b"
        kinds = ["product", "category"]
        deletes = "delete"
        match = ["variant-sku", "sku"]
        include = ["name", "price", "variants"]
        exclude = ["variants.price"]
        images = false
        destination_deleted = "park"
        debounce_ms = 250

        [flows.main.conflicts]
        default = "newest"
        fields = { name = "destination", "variants.price" = "ask" }

        [flows.main.set.product]
        is_visible = false
        price = 1.10
        sort_order = 3
        meta_keywords = ["b", "a"]
        condition = "New"

        [flows.main.prices]
        multiply = 1.2
        add = "0.05"
        places = 2
        rounding = "half_even"

        [flows.main.brakes]
        max_deletes = "off"
        max_deletes_percent = 10
        price_move_percent = 50
        """
    ).flows[FlowName("main")]
    assert flow.kinds == (Kind.CATEGORY, Kind.PRODUCT)
    assert (flow.deletes, flow.match, flow.recreate, flow.debounce_s) == (
        Deletes.DELETE, ("variant-sku", "sku"), False, 0.25,
    )  # fmt: skip
    assert (flow.policy, flow.field_policies) == (
        Policy.NEWEST, {"name": Policy.DESTINATION, "variants.price": Policy.ASK},
    )  # fmt: skip
    assert flow.include == frozenset({"name", "price", "variants"})
    assert flow.exclude == {"variants.price", "images"}
    assert flow.constants == {
        Kind.PRODUCT: {
            "is_visible": False, "price": Decimal("1.1"), "sort_order": 3,
            "meta_keywords": frozenset({"a", "b"}), "condition": "New",
        }
    }  # fmt: skip
    assert (flow.prices.multiply, flow.prices.add, flow.prices.places, flow.prices.rounding) == (
        Decimal("1.2"), Decimal("0.05"), 2, Rounding.HALF_EVEN,
    )  # fmt: skip
    assert flow.brakes == BrakeLimits(deletes=NEVER, deletes_share=0.1, price_move=0.5)
    assert flow.availability_from_listing


def test_money_in_the_file_never_passes_through_a_float() -> None:
    flow = read(STORES + FLOW + "[flows.main.set.product]\nprice = 0.1000000000000000055511151231257827\n").flows
    assert flow[FlowName("main")].constants[Kind.PRODUCT]["price"] == Decimal("0.1000000000000000055511151231257827")


def test_all_faults_of_all_tables_are_listed_with_their_paths_and_remedies() -> None:
    found = faults(
        """
        [hub]
        databse = "x"
        lease_s = "soon"
        database = "mysql://x"
        [connections.a]
        connector = "bigcomerce"
        [connections.b]
        connector = "bigcommerce"
        store_hash = "bbb"
        acces_token = "canary"
        channel_id = 0
        [connections.c]
        connector = "bigcommerce"
        store_hash = "ccc"
        access_token = "${vault:secret/bc#token}"
        [flows.main]
        source = "aa"
        destination = "c"
        deletes = "hid"
        kinds = ["product", "prodct"]
        [flows.other]
        source = "c"
        destination = "c"
        exclude = ["varants.price"]
        [flows.other.brakes]
        max_deletes = "of"
        max_deletess = 1
        [flows.third]
        source = "c"
        destination = "b"
        include = ["prise"]
        [flows.third.set.product]
        is_visble = true
        price = "x"
        name = 3
        brand = "17"
        """
    )
    assert "did you mean database?" in found["hub.databse"]
    assert "write a number" in found["hub.lease_s"]
    assert "did you mean bigcommerce?" in found["connections.a.connector"]
    assert "did you mean access_token?" in found["connections.b.acces_token"]
    assert "required" in found["connections.b.access_token"]
    assert "at least 1" in found["connections.b.channel_id"]
    assert "not supported by this version" in found["connections.c.access_token"]
    assert "did you mean hide?" in found["flows.main.deletes"]
    assert "did you mean product?" in found["flows.main.kinds[1]"]
    assert "whole number" in found["flows.other.brakes.max_deletes"]
    assert "'off'" in found["flows.other.brakes.max_deletes"]
    assert "did you mean max_deletes" in found["flows.other.brakes.max_deletess"]
    assert "did you mean price" in found["flows.third.include"]
    assert "did you mean is_visible?" in found["flows.third.set.product.is_visble"]
    assert "write a number" in found["flows.third.set.product.price"]
    assert "in quotes" in found["flows.third.set.product.name"]
    assert "cannot have a fixed value" in found["flows.third.set.product.brand"]


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        (STORES + FLOW.replace('"b"', '"bb"'), "flows.main.destination", "there is no connection 'bb'"),
        (STORES + FLOW.replace('"b"', '"a"'), "flows.main.destination", "the same connection"),
        (STORES + "read_only = true" + FLOW, "flows.main.destination", "read-only"),
        (STORES + FLOW + "availability_from_listing = true", "flows.main.availability_from_listing", "no channel_id"),
        (STORES + FLOW + FLOW.replace("main", "twice"), "flows.twice", "in agreement"),
        (STORES + FLOW.replace("main", '"Main Flow"'), "flows.Main Flow", "not a name"),
        (STORES + FLOW + "[flows.main.set.order]\nx = 1", "flows.main.set.order", "not one of the values"),
        (STORES + FLOW + 'kinds = ["product"]\nset = {brand = {name = "x"}}', "flows.main.set.brand", "does not keep"),
        ("[hub]\nrole = 'worker'", "hub.role", "needs a database"),
        ("[hub]\ndatabase = 'postgres://u:canary@h/d'", "hub.database", "write postgresql://"),
        ("[hub]\nlisten = '8750'", "hub.listen", "address and a port"),
        ("[hub]\npublic_url = 'hub.example'", "hub.public_url", "not a web address"),
        ("[hub]\nallow_private_hosts = ['http://erp']", "hub.allow_private_hosts", "not a host name"),
        ("[hub]\nlease_s = 0", "hub.lease_s", "at least 1"),
        ("[hub]\nlease_s = nan", "hub.lease_s", "write a number"),
        ("[hub]\nlease_s = true\nallow_loopback = 'perhaps'", "hub.allow_loopback", "true or false"),
        ("hub = 3", "hub", "not a table"),
        ("[[connections]]\nx = 1", "connections", "not a table"),
        ("[huub]\nx = 1", "huub", "did you mean hub?"),
        ("connections.a = 'x'", "connections.a", "not a table"),
        ("[connections.a]\nstore_hash = 'x'", "connections.a.connector", "required"),
        ("[connections.a]\nconnector = ['x']", "connections.a.connector", "a text in quotes"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_told(text: str, path: str, words: str) -> None:
    assert words in faults(text)[path]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"[hub", "not TOML"),
        (b"x = ", "not TOML"),
        (b"a = 1\na = 2", "not TOML"),
        (b"a = 1\nb = '\xff'", "line 2 is not UTF-8"),
        (b"\0\1\2", "not TOML"),
        (b"a=" + b"[" * 5000, "not TOML"),
        (b"#" * (4 * 1024 * 1024 + 1), "larger than 4 MiB"),
    ],
)
def test_what_is_no_toml_is_told_with_its_place(raw: bytes, words: str) -> None:
    with pytest.raises(InvalidConfigError, match=words):
        read_config(raw, Path("storeweave.toml"), {})


def test_an_absent_file_names_the_command_that_writes_one(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfigError, match="storeweave init"):
        load_config(tmp_path / "storeweave.toml")
    with pytest.raises(InvalidConfigError, match="cannot be read"):
        load_config(tmp_path)


# --- references ----------------------------------------------------------------------------------------------------


def test_a_reference_may_stand_anywhere_in_a_text() -> None:
    config = read('[hub]\ndatabase = "postgresql://hub:${env:TOKEN_A}@db/$${x}"')
    assert config.hub.database == "postgresql://hub:canary-a@db/${x}"
    assert [secret.reveal() for secret in config.secrets] == ["canary-a"]


def test_a_reference_to_a_file_is_read_beside_the_configuration(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("canary-file\n")
    secret.chmod(0o600)
    text = STORES.replace("${env:TOKEN_A}", "${file:token}")
    config = read(text, path=tmp_path / "storeweave.toml")
    settings: Any = config.connections[ConnectionName("a")].settings
    assert settings.access_token.get_secret_value() == "canary-file"
    assert [warning.path for warning in config.warnings] == ["hub.public_url"]
    secret.chmod(0o644)
    assert "chmod 600" in str(read(text, path=tmp_path / "storeweave.toml").warnings)


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("${env:TOKEN_C}", "TOKEN_C is not set (did you mean TOKEN_A or TOKEN_B?)"),
        ("${env:EMPTY}", "EMPTY is empty"),
        ("${file:absent}", "cannot be read: No such file"),
        ("${file:empty}", "is empty"),
        ("${file:large}", "larger than 64 KiB"),
        ("${file:binary}", "not UTF-8"),
        ("${vault:a#b}", "secrets from HashiCorp Vault are not supported by this version"),
        ("${aws:a#b}", "secrets from AWS Secrets Manager are not supported by this version"),
        ("${store:a}", "secrets from the encrypted store are not supported by this version"),
        ("${TOKEN_A}", "${TOKEN_A} is not a reference that is understood"),
        ("${env:}", "is not a reference that is understood"),
        ("${env:TOKEN_A", "no closing }"),
    ],
)
def test_a_reference_that_leads_nowhere_is_told_once(tmp_path: Path, reference: str, words: str) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "large").write_text("x" * 70_000)
    (tmp_path / "binary").write_bytes(b"\xff")
    text = STORES.replace("${env:TOKEN_A}", reference)
    found = faults(text, ENV | {"EMPTY": ""}, tmp_path / "storeweave.toml")
    assert list(found) == ["connections.a.access_token"]
    assert words in found["connections.a.access_token"]


def test_an_env_file_answers_what_the_environment_does_not(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TOKEN_A=from-file\nTOKEN_B=from-file\n")
    config = read('[hub]\nenv_file = ".env"\n' + STORES, {"TOKEN_B": "from-env"}, tmp_path / "storeweave.toml")
    assert [secret.reveal() for secret in config.secrets] == ["from-file", "from-env"]


def test_a_faulty_env_file_is_told(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TOKEN_A='canary\n")
    found = faults('[hub]\nenv_file = ".env"\n' + STORES, {}, tmp_path / "storeweave.toml")
    assert ".env: line 1: the value of TOKEN_A has no closing '" in found["hub.env_file"]


def test_a_secret_in_plain_text_works_but_is_warned_of() -> None:
    config = read(STORES.replace("${env:TOKEN_A}", "canary-plain") + "[hub]\napi_token = 'canary-api'")
    assert {w.path for w in config.warnings} == {"hub.public_url", "connections.a.access_token", "hub.api_token"}
    assert "canary" not in str(config.warnings) + repr(config.hub) + repr(config.connections) + repr(config.secrets)


# --- the rest ------------------------------------------------------------------------------------------------------


def test_a_relative_database_lies_beside_the_configuration(tmp_path: Path) -> None:
    config = read("", path=tmp_path / "conf" / "storeweave.toml")
    assert config.sqlite_path == tmp_path / "conf" / "storeweave.db"
    assert config.database_url == f"sqlite:///{tmp_path}/conf/storeweave.db"
    assert read("[hub]\ndatabase = 'postgresql://h/d'").sqlite_path is None


def test_a_flows_digest_changes_with_its_rules_and_with_nothing_else() -> None:
    flow = FlowName("main")
    same = flow_digest(read(STORES + FLOW).flows[flow])
    assert flow_digest(read(STORES + FLOW + "# a comment\npoll_period_s = 5").flows[flow]) == same
    assert flow_digest(read(STORES + FLOW + "exclude = ['name', 'price']").flows[flow]) == flow_digest(
        read(STORES + FLOW + "exclude = ['price', 'name']").flows[flow]
    )
    assert flow_digest(read(STORES + FLOW + "deletes = 'ignore'").flows[flow]) != same


def test_every_connector_that_is_offered_has_a_settings_class() -> None:
    assert "bigcommerce" in connector_names()
    for name in connector_names():
        assert settings_class(name).model_fields
    with pytest.raises(LookupError):
        settings_class("../secrets")


toml_values = st.recursive(
    st.one_of(st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)
KEYS = [
    "hub",
    "connections",
    "flows",
    "listen",
    "database",
    "main",
    "a",
    "source",
    "kinds",
    "brakes",
    "set",
    "price",
    "product",
    "connector",
    "store_hash",
    "max_deletes",
    "env_file",
    "conflicts",
    "fields",
    "allow_private_hosts",
]


def nested(path: list[str], value: Any) -> dict[str, Any]:
    for key in reversed(path):
        value = {key: value}
    return value  # type: ignore[no-any-return]


@given(st.lists(st.sampled_from(KEYS), min_size=1, max_size=4), toml_values)
def test_no_shape_of_file_brings_the_reader_down(path: list[str], value: Any) -> None:
    from storeweave.app import config

    data = nested(path, value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config, "_parse", lambda raw, path: data)
        with contextlib.suppress(InvalidConfigError):
            read_config(b"", Path("storeweave.toml"), {})
