"""Answer files of Windows Setup: `autounattend.xml`.

Microsoft's schema comes with the Windows ADK alone, and says less than what Setup trips over; so this is
vmforge's own reading of https://learn.microsoft.com/windows-hardware/customize/desktop/unattend/.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vmforge.builders.answer_checks.checking import Question
from vmforge.builders.answer_checks.finding import Finding, warning
from vmforge.builders.answer_checks.names import known, nearest
from vmforge.builders.answer_checks.xml_tree import Element, read_xml

_NAMESPACE = "urn:schemas-microsoft-com:unattend"
_WCM = "http://schemas.microsoft.com/WMIConfig/2002/State"
_PASSES = (
    *("windowsPE", "offlineServicing", "generalize", "specialize", "auditSystem", "auditUser", "oobeSystem"),
)
_TOKEN = "31bf3856ad364e35"
_ARCHITECTURES = ("amd64", "arm64", "x86")


_MAY_BE = {
    "WillShowUI": ("Always", "Never", "OnError"),
    "ProtectYourPC": ("1", "2", "3"),
    "NetworkLocation": ("Home", "Work", "Other"),
    "WillReboot": ("Always", "Never", "OnRequest"),
}
# Setup cuts what is longer.
_LONGEST_COMMAND = 1024


def findings(question: Question) -> Iterator[Finding]:
    """What is wrong with an answer file of Windows Setup."""
    root = read_xml(question.text)
    if isinstance(root, Finding):
        yield root
        return
    if root.name != "unattend" or root.namespace != _NAMESPACE:
        hint = f'begin with `<unattend xmlns="{_NAMESPACE}">`'
        yield Finding(root.line, "this is not `unattend`, or not in its namespace", hint)
        return
    for settings in root.all("settings"):
        yield from _settings(settings)
    for element in root.everything():
        yield from _value(element)
        yield from _commands(element)
    yield from _open_questions(root)


def _settings(settings: Element) -> Iterator[Finding]:
    name = settings.attributes.get("pass", "")
    if name not in _PASSES:
        message = f"Setup has no pass `{name}`"
        yield warning(settings.line, message, nearest(name, _PASSES) or "there are " + ", ".join(_PASSES))
    seen: set[tuple[str, str]] = set()
    for component in settings.all("component"):
        yield from _component(component, name)
        key = component.attributes.get("name", ""), component.attributes.get("processorArchitecture", "")
        if key in seen:
            message = f"`{key[0]}` is given twice in the pass {name}; Setup refuses the file"
            yield warning(component.line, message, "put both into one")
        seen.add(key)


def _component(component: Element, in_pass: str) -> Iterator[Finding]:
    attributes, components = component.attributes, known("unattend")["components"]
    name = attributes.get("name", "")
    if name in components and in_pass in _PASSES and in_pass not in components[name]:
        passes = " or ".join(f"`{one}`" for one in components[name])
        yield warning(component.line, f"`{name}` is not read in the pass {in_pass}", f"put it into {passes}")
    elif name not in components and (hint := nearest(name, components, 0.9)):
        yield warning(component.line, f"Windows has no component `{name}`", hint)
    expected = {"publicKeyToken": (_TOKEN,), "language": ("neutral",), "versionScope": ("nonSxS", "NonSxS")}
    for key, values in {**expected, "processorArchitecture": _ARCHITECTURES}.items():
        if attributes.get(key) not in values:
            listed = ", ".join(f"`{value}`" for value in values)
            yield warning(
                component.line, f"`{key}` of `{name}` must be one of {listed}: Setup passes it over"
            )


def _value(element: Element) -> Iterator[Finding]:
    name, text = element.name, element.text
    key = element.find("Key") or element
    if name == "ProductKey" and key.text and not re.fullmatch(r"([A-Z0-9]{5}-){4}[A-Z0-9]{5}", key.text):
        # the key itself is nobody else's business
        yield warning(key.line, "this is no product key: five groups of five letters and digits")
    if element.children:
        return
    if name in known("unattend")["truths"] and text.lower() not in ("true", "false", "1", "0"):
        yield warning(element.line, f"`{name}` is `{text}`, and may be `true` or `false`")
    if name in _MAY_BE and text not in _MAY_BE[name]:
        listed = ", ".join(f"`{one}`" for one in _MAY_BE[name])
        yield warning(element.line, f"`{name}` is `{text}`, and may be {listed}")
    if name == "ComputerName" and (len(text) > 15 or not re.fullmatch(r"[\w-]*|\*", text)):
        yield warning(
            element.line, f"`{text}` is no name for a computer: letters, digits and `-`, 15 at most"
        )
    if name in ("CommandLine", "Path") and len(text) > _LONGEST_COMMAND:
        message = f"the command has {len(text)} characters, and Setup takes {_LONGEST_COMMAND} at most"
        yield warning(element.line, message, "put it into a script on the same disc")


def _commands(element: Element) -> Iterator[Finding]:
    """Lists whose items are added one by one, in an order of their own."""
    items = [
        child for child in element.children if child.name in ("SynchronousCommand", "RunSynchronousCommand")
    ]
    orders: dict[str, Element] = {}
    for item in items:
        if item.attributes.get(f"{_WCM} action") != "add":
            hint = f'write `wcm:action="add"`, and `xmlns:wcm="{_WCM}"` above'
            yield warning(item.line, f"`{item.name}` is not added to its list", hint)
        order, command = item.find("Order"), item.find("CommandLine") or item.find("Path")
        if order is None or command is None:
            missing = "Order" if order is None else "CommandLine" if "First" in element.name else "Path"
            yield warning(item.line, f"`{item.name}` lacks `{missing}`")
        elif order.text in orders:
            yield warning(
                order.line, f"another command has the order {order.text} too; one of them is not run"
            )
        else:
            orders[order.text] = item


def _open_questions(root: Element) -> Iterator[Finding]:
    """What Setup would ask."""
    components = {
        (settings.attributes.get("pass", ""), component.attributes.get("name", "")): component
        for settings in root.all("settings")
        for component in settings.all("component")
    }
    if not any(in_pass == "windowsPE" for in_pass, _ in components):
        return  # it is for a Windows that is installed already
    setup = components.get(("windowsPE", "Microsoft-Windows-Setup"))
    if setup is None:
        hint = (
            "add `Microsoft-Windows-Setup` to the pass windowsPE, with `DiskConfiguration` and `ImageInstall`"
        )
        yield warning(0, "nothing says where Windows is installed", hint)
    else:
        for path, asked in (
            (("UserData", "AcceptEula"), "for the licence to be accepted"),
            (("ImageInstall", "OSImage"), "which edition is installed, and where"),
            (("DiskConfiguration",), "how the disk is divided"),
        ):
            if setup.find(*path) is None:
                yield warning(setup.line, f"Setup asks {asked}", f"add `{'/'.join(path)}`")
    if ("windowsPE", "Microsoft-Windows-International-Core-WinPE") not in components:
        hint = "add `Microsoft-Windows-International-Core-WinPE` to the pass windowsPE, with `UILanguage`"
        yield warning(0, "Setup asks for its language", hint)
    shell = components.get(("oobeSystem", "Microsoft-Windows-Shell-Setup"))
    in_audit_mode = ("oobeSystem", "Microsoft-Windows-Deployment") in components
    if not in_audit_mode and (shell is None or shell.find("UserAccounts") is None):
        hint = "add `UserAccounts` to `Microsoft-Windows-Shell-Setup` in the pass oobeSystem"
        yield warning(shell.line if shell else 0, "Windows asks for an account at its first start", hint)
    if shell is not None and shell.find("OOBE", "HideEULAPage") is None:
        yield warning(shell.line, "Windows shows its licence at its first start", "add `OOBE/HideEULAPage`")
