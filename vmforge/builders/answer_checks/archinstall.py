"""Configurations of Arch's `archinstall --config`: JSON.

By a schema written from https://archinstall.archlinux.page/cli_parameters/config/config_options.html.
"""

from __future__ import annotations

from collections.abc import Iterator

from vmforge.builders.answer_checks.checking import Question
from vmforge.builders.answer_checks.documents import read_json
from vmforge.builders.answer_checks.finding import Finding, warning
from vmforge.builders.answer_checks.names import nearest
from vmforge.builders.answer_checks.schema import load_schema, measure

# Names of other times, for which the installer has another now.
_RENAMED = {
    "harddrives": "disk_config",
    "disk_layouts": "disk_config",
    "keyboard-layout": "locale_config",
    "sys-language": "locale_config",
    "sys-encoding": "locale_config",
    "mirror-region": "mirror_config",
    "nic": "network_config",
    "profile": "profile_config",
    "audio": "audio_config",
    "superusers": "!users",
}


def findings(question: Question) -> Iterator[Finding]:
    """What is wrong with a configuration."""
    document = read_json(question.text)
    if isinstance(document, Finding):
        yield document
        return
    yield from document.repeated()
    schema = load_schema("archinstall")
    value = document.value if isinstance(document.value, dict) else {}
    for old in sorted(_RENAMED.keys() & value.keys()):
        hint = f"it is part of `{_RENAMED[old]}` now"
        yield warning(document.line((old,)), f"archinstall 3 does not read `{old}`", hint)
    known = {*schema["properties"], *_RENAMED}
    yield from measure(document, {**schema, "additionalProperties": True})
    for name in sorted(value.keys() - known):
        yield warning(document.line((name,)), f"there is no `{name}`", nearest(name, schema["properties"]))
    if value and not value.keys() & {"disk_config", "harddrives", "disk_layouts"} and "users" not in value:
        yield warning(0, "nothing says which disk is used", "add `disk_config`")
