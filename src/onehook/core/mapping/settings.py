"""The section ``settings``: what an integration, or a subscription, is asked for."""

from onehook.core.mapping.document import SettingSpec
from onehook.core.mapping.forms import FLAG, SCALAR, TEXT, Keys, list_of
from onehook.core.mapping.reader import Reader
from onehook.core.mapping.report import Report
from onehook.core.mapping.source import Map, Scalar

SETTING: Keys = {
    "secret": FLAG,
    "required": FLAG,
    "default": TEXT,
    "help": TEXT,
    "choices": list_of(SCALAR),
}


def compile_settings(node: Map | None, report: Report) -> dict[str, SettingSpec]:
    """The settings that *node* declares, by name; every problem goes to *report*."""
    found: dict[str, SettingSpec] = {}
    for name, below in (node.items if node else {}).items():
        if not isinstance(below, Map):
            report("E002", below.place, "a setting is a map of secret, required, default, help")
            continue
        reader = Reader(below, report)
        reader.only(*SETTING)
        found[name] = SettingSpec(
            name,
            reader.flag("secret", default=False),
            reader.flag("required", default=False),
            reader.text("default"),
            reader.text("help") or "",
            tuple(str(n.value) for n in reader.items("choices") if isinstance(n, Scalar)),
        )
    return found
