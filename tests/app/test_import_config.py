"""The old synchroniser's .env becomes a storeweave.toml that works, and nothing goes unmentioned."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storeweave.app.config import read_config
from storeweave.app.env_file import parse_env
from storeweave.app.import_config import Imported, ImportFaultsError, convert, import_env
from storeweave.model.kinds import ConnectionName, FlowName, Kind

TOKEN_A, TOKEN_B = "canary-token-a", "canary-token-b"
COMPLETE = {
    "APP_URL": "https://db52156ab43c.ngrok.io/",
    "PORT": "3000",
    "MONGODB_URI": "mongodb://user:canary-password@localhost/bc",
    "SYNC_PERIOD_IN_SECS": "15",
    "CLEAN_PERIOD_IN_HOURS": "2",
    "STORE_A_CLIENT_ID": "client-a",
    "STORE_A_ACCESS_TOKEN": TOKEN_A,
    "STORE_A_HASH": "abc123",
    "STORE_B_CLIENT_ID": "client-b",
    "STORE_B_ACCESS_TOKEN": TOKEN_B,
    "STORE_B_HASH": "def456",
    "STORE_B_CHANNEL_ON_STORE_A": "1000001",
}


def env_text(changes: dict[str, str | None] | None = None) -> bytes:
    values = COMPLETE | (changes or {})
    return "".join(f"{name}={value}\n" for name, value in values.items() if value is not None).encode()


def imported(raw: bytes) -> Imported:
    return convert(parse_env(raw), Path("shop/.env"), beside=Path("shop"))


def test_every_setting_becomes_something_and_the_result_is_a_valid_configuration(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(env_text())
    result = import_env(tmp_path / ".env", beside=tmp_path)
    config = read_config(result.toml.encode(), tmp_path / "storeweave.toml", env={})

    assert config.hub.public_url == "https://db52156ab43c.ngrok.io"
    assert config.hub.listen == "127.0.0.1:3000"
    assert config.hub.journal_retention_hours == 2
    flow = config.flows[FlowName("main")]
    assert (flow.source, flow.destination, flow.kinds) == ("store-a", "store-b", tuple(Kind))
    assert config.flow_tables[FlowName("main")].poll_period_s == 15
    assert flow.availability_from_listing
    source = config.connections[ConnectionName("store-a")].settings
    assert source.model_dump(include={"store_hash", "client_id", "channel_id"}) == {
        "store_hash": "abc123", "client_id": "client-a", "channel_id": 1000001,
    }  # fmt: skip
    assert {secret.reveal() for secret in config.secrets} == {TOKEN_A, TOKEN_B}
    assert [became.name for became in result.became] == list(COMPLETE)


def test_no_secret_enters_the_new_file_or_the_report() -> None:
    result = imported(env_text())
    shown = result.toml + "".join(f"{b.name}{b.now}{b.words}" for b in result.became)
    assert "canary" not in shown


def test_without_a_channel_products_are_kept_identical(tmp_path: Path) -> None:
    for channel in (None, ""):
        (tmp_path / ".env").write_bytes(env_text({"STORE_B_CHANNEL_ON_STORE_A": channel}))
        result = import_env(tmp_path / ".env", beside=tmp_path)
        config = read_config(result.toml.encode(), tmp_path / "storeweave.toml", env={})
        assert not config.flows[FlowName("main")].availability_from_listing


@pytest.mark.parametrize("prefix", ["", "export "])
@pytest.mark.parametrize("quote", ["", "'", '"'])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_way_in_which_it_was_written_does_not_matter(prefix: str, quote: str, end: str) -> None:
    text = "".join(f"{prefix}{name} = {quote}{value}{quote}{end}" for name, value in COMPLETE.items())
    assert imported(b"\xef\xbb\xbf" + text.encode()) == imported(env_text())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"STORE_A_ACCESS_TOKEN": None}, "STORE_A_ACCESS_TOKEN is missing"),
        ({"STORE_B_HASH": ""}, "line 11: STORE_B_HASH is empty"),
        ({"PORT": "three"}, "line 2: PORT is not a whole number from 1 to 65535"),
        ({"PORT": "0"}, "line 2: PORT is not a whole number"),
        ({"PORT": "70000"}, "line 2: PORT is not a whole number"),
        ({"SYNC_PERIOD_IN_SECS": "-1"}, "line 4: SYNC_PERIOD_IN_SECS is not a number above 0"),
        ({"SYNC_PERIOD_IN_SECS": "nan"}, "SYNC_PERIOD_IN_SECS is not a number above 0"),
        ({"CLEAN_PERIOD_IN_HOURS": "2h"}, "line 5: CLEAN_PERIOD_IN_HOURS is not a number above 0"),
        ({"APP_URL": "db52156ab43c.ngrok.io"}, "line 1: APP_URL is not a web address"),
        ({"STORE_A_HASH": "{{STORE_HASH}}"}, "line 8: STORE_A_HASH is not a store hash"),
        ({"STORE_B_HASH": "abc123"}, "the same store as STORE_A_HASH"),
        ({"STORE_B_CHANNEL_ON_STORE_A": "one"}, "line 12: STORE_B_CHANNEL_ON_STORE_A is not a whole number"),
        ({"STORE_A_HASH": None, "STORE_A_HAHS": "abc123"}, "STORE_A_HASH is missing (did you mean STORE_A_HAHS?)"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_with_line_and_remedy(
    changes: dict[str, str | None], words: str
) -> None:
    with pytest.raises(ImportFaultsError) as caught:
        imported(env_text(changes))
    assert words in str(caught.value)
    assert "canary" not in str(caught.value)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ImportFaultsError) as caught:
        imported(env_text({"PORT": "x", "STORE_A_HASH": None, "APP_URL": "x"}))
    assert len(caught.value.faults) == 3


def test_a_hash_given_as_the_stores_address_is_understood() -> None:
    for given_ in ("https://store-abc123.mybigcommerce.com/manage", "store-abc123"):
        assert 'store_hash = "abc123"' in imported(env_text({"STORE_A_HASH": given_})).toml


def test_unknown_settings_are_left_out_and_said_so() -> None:
    result = imported(env_text({"NODE_ENV": "production"}))
    assert result.became[-1].name == "NODE_ENV"
    assert "left out" in result.became[-1].words
    assert "NODE_ENV" not in result.toml


@pytest.mark.parametrize("raw", [b"", b"\0\0", b"\xff\xfe\0", b"{}", "A=1".encode("utf-16")])
def test_what_is_no_env_file_is_refused(raw: bytes) -> None:
    with pytest.raises(ImportFaultsError):
        imported(raw)


values = st.one_of(st.sampled_from(list(COMPLETE.values())), st.text(max_size=30), st.integers().map(str))


def attempt(raw: bytes) -> Imported | ImportFaultsError:
    try:
        return imported(raw)
    except ImportFaultsError as error:
        return error


@given(st.dictionaries(st.sampled_from(list(COMPLETE)), values), st.binary(max_size=60))
def test_any_file_gives_a_valid_configuration_or_a_list_of_faults(given_: dict[str, str], tail: bytes) -> None:
    raw = "".join(f"{name}={value}\n" for name, value in given_.items()).encode("utf-8", "replace") + tail
    result = attempt(raw)
    if isinstance(result, ImportFaultsError):
        assert result.faults
        assert all(fault.remedy for fault in result.faults)
    else:
        old = parse_env(raw).values
        read_config(result.toml.replace('env_file = ".env"', "").encode(), Path("shop/storeweave.toml"), env=old)
        assert {became.name for became in result.became} == set(old)


@given(st.sampled_from(list(COMPLETE)), values)
def test_a_changed_value_is_used_or_named(name: str, value: str) -> None:
    result = attempt(env_text({name: value}))
    assert isinstance(result, Imported) or name in str(result) or "line" in str(result)
