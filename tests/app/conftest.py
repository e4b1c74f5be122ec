"""Tests of the app log as the program does, quietly."""

import pytest
import structlog

from storeweave.app.logs import set_up_logs


@pytest.fixture(autouse=True)
def _quiet_logs() -> object:
    set_up_logs(level="error", form="json")
    yield
    structlog.reset_defaults()
