"""``/v1/addresses``: where deliveries come from, for receivers that let in only whom they know."""

from pydantic import BaseModel

from onehook.web.operations import Call, NoBody, NoQuery, Operation


class AddressesOut(BaseModel):
    """Addresses and networks that deliveries come from; empty: they are not fixed."""

    addresses: list[str]


async def listing(call: Call[NoBody, NoQuery]) -> AddressesOut:
    """Tell what a receiver has to let in."""
    settings = call.gateway.settings
    told = settings.egress_addresses or settings.egress_bind
    # A network of one is written as its address, as firewalls' forms want it.
    texts = [str(one).removesuffix(f"/{one.max_prefixlen}") for one in told]
    return AddressesOut(addresses=texts)


OPERATIONS = (
    Operation("GET", "/v1/addresses", "listAddresses", "List where deliveries come from", listing,
              answer=AddressesOut, scopes=["subscriber"]),
)  # fmt: skip
