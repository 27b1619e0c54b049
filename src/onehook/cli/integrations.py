"""``onehook integrations``: which vendors may send."""

from onehook.cli.resources import Resource

app = Resource(
    "integrations",
    {
        "key": "key",
        "type": "type",
        "name": "name",
        "verify": "verify",
        "active": "active",
        "ingest url": "ingest_url",
        "id": "id",
    },
).app("See and change which vendors may send.")
