"""The page about this connector forgets no setting, and its example works."""

import re
import tomllib
from pathlib import Path

from storeweave.connectors.bigcommerce import BigCommerceSettings

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "connectors" / "bigcommerce.md").read_text()


def test_every_setting_is_explained() -> None:
    explained = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    assert explained == set(BigCommerceSettings.model_fields)


def test_defaults_are_told_as_they_are() -> None:
    for name in ("request_timeout_s", "concurrency", "read_lag_s", "late_landing_s", "tree_cache_s"):
        (told,) = re.findall(rf"^\| `{name}` \| ([0-9.]+) \|", PAGE, re.MULTILINE)
        assert float(told) == BigCommerceSettings.model_fields[name].default


def test_the_example_is_a_valid_connection() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (connection,) = tomllib.loads(example)["connections"].values()
    assert connection.pop("connector") == "bigcommerce"
    assert BigCommerceSettings.model_validate(connection).channel_id == 1234
