"""The contract of every connector, to be subclassed beside its twin:

    class TestAcme(ConnectorContract):
        async def open(self, account: str = "one") -> Stage:
            return acme_stage(account)

``open`` gives an empty account each time (``tests.contract.stage``); what the system stores, and how much at once, is
taken from the connector's own abilities, so a claim that is not true fails here.
"""

from __future__ import annotations

from storeweave.model.kinds import SCHEMAS
from tests.contract.hooks import HookContract
from tests.contract.reading import ReadingContract
from tests.contract.stage import Stage
from tests.contract.writing import WritingContract

__all__ = ["ConnectorContract", "HookedConnectorContract", "Stage"]


class ConnectorContract(ReadingContract, WritingContract):
    """Promises that every connector keeps."""

    async def test_abilities_speak_of_what_there_is(self) -> None:
        stage = await self.open()
        assert set(stage.connector.abilities.kinds) == set(self.kinds)
        for kind, able in stage.connector.abilities.kinds.items():
            schema = SCHEMAS[kind]
            assert able.read_batch > 0
            assert able.write_batch > 0
            assert able.page > 0
            assert able.parts <= schema.parts.keys()
            assert able.scan_omits <= able.parts
            fields = schema.fields.keys() if able.fields is None else able.fields
            assert fields <= schema.fields.keys()
            assert able.read_only <= fields


class HookedConnectorContract(ConnectorContract, HookContract):
    """The same, for a system with webhooks."""
