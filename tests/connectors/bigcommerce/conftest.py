"""Every request that the connector sends in any test here is held against the vendor's OpenAPI files."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.connectors.bigcommerce.request_contract import RequestContract
from tests.connectors.bigcommerce.seat import Recorder


@functools.cache
def _contract() -> RequestContract | None:
    """None without the files; ``test_spec`` says so, and fails where they are promised."""
    default = Path(__file__).resolve().parents[3].parent / "shared" / "specs"
    folder = Path(os.environ.get("STOREWEAVE_SPECS", default)) / "bigcommerce"
    return RequestContract(folder) if folder.is_dir() else None


@pytest.fixture(autouse=True)
def _requests_keep_the_contract() -> Iterator[None]:
    Recorder.sent.clear()
    yield
    contract = _contract() if Recorder.sent else None
    if contract is not None:
        faults = {fault for request in Recorder.sent for fault in contract.faults(request)}
        assert faults == set()
