"""``/v1/schemas``: the JSON Schemas of events and of mapping files."""

from onehook.core.mapping.jsonschema import mapping_schema
from tests.builders import Running


async def test_the_schema_of_mapping_files_is_served(gateway: Running) -> None:
    """Editors that ask a gateway get the schema of its own release."""
    answer = await gateway.api.get("/v1/schemas/mapping")

    assert answer.status == 200
    assert answer.json == mapping_schema()


async def test_an_event_type_and_its_alias_have_one_schema(gateway: Running) -> None:
    """And what is neither is not found."""
    answer = await gateway.api.get("/v1/schemas/ticketing.ticket.created")
    assert answer.json["properties"]["type"] == {"const": "ticketing.ticket.created"}

    assert (await gateway.api.get("/v1/schemas/mappings")).status == 404
