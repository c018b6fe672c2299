"""Serial and parallel ports, as the options `serial` and `parallel` write them."""

from __future__ import annotations

_KINDS = "`FILE:`, `DEVICE:`, `PIPE:`, `AUTO:` and `NONE`"


def serial_port(text: str) -> dict[str, str]:
    """The entries of a VMX file for `TYPE:argument,...`; none for an empty text. Raises ValueError."""
    kind, arguments = _split(text)
    if kind in ("", "NONE"):
        return {}
    entries = {"serial0.present": "TRUE"}
    if kind == "FILE" and len(arguments) in (1, 2):
        entries |= {"serial0.fileType": "file", "serial0.fileName": arguments[0]}
    elif kind == "DEVICE" and len(arguments) <= 2:
        device = arguments[0] if arguments and arguments[0] else "auto detect"
        entries |= {"serial0.fileType": "device", "serial0.fileName": device}
    elif kind == "PIPE" and len(arguments) in (3, 4):
        path, endpoint, host = arguments[:3]
        _one_of("endpoint", endpoint, ("client", "server"))
        _one_of("host", host, ("app", "vm"))
        entries |= {"serial0.fileType": "pipe", "serial0.fileName": path, "serial0.pipe.endPoint": endpoint}
        entries["serial0.tryNoRxLoss"] = "TRUE" if host == "app" else "FALSE"
        arguments = arguments[2:]
    elif kind == "AUTO" and len(arguments) <= 1:
        entries |= {
            "serial0.fileType": "device",
            "serial0.fileName": "auto detect",
            "serial0.autodetect": "TRUE",
        }
        arguments = ["", *arguments]
    else:
        raise ValueError(f"`{text}` is no serial port; there are {_KINDS}")
    gives_way = arguments[1] if len(arguments) > 1 and arguments[1] else "FALSE"
    return entries | {"serial0.yieldOnMsrRead": gives_way.upper()}


def parallel_port(text: str) -> dict[str, str]:
    """The same for a parallel port. Raises ValueError."""
    kind, arguments = _split(text)
    if kind in ("", "NONE"):
        return {}
    entries = {"parallel0.present": "TRUE"}
    if kind in ("FILE", "DEVICE") and len(arguments) == 1 and arguments[0]:
        return entries | {"parallel0.fileType": kind.lower(), "parallel0.fileName": arguments[0]}
    if kind == "AUTO" and len(arguments) <= 1:
        direction = arguments[0].lower() if arguments else "uni"
        _one_of("direction", direction, ("bi", "uni"))
        both = "TRUE" if direction == "bi" else "FALSE"
        automatic = {"parallel0.fileType": "device", "parallel0.fileName": "auto detect"}
        return entries | automatic | {"parallel0.bidirectional": both}
    raise ValueError(f"`{text}` is no parallel port; there are `FILE:`, `DEVICE:`, `AUTO:` and `NONE`")


def _split(text: str) -> tuple[str, list[str]]:
    kind, _, rest = text.partition(":")
    return kind.strip().upper(), [part.strip() for part in rest.split(",")] if rest else []


def _one_of(name: str, word: str, choices: tuple[str, ...]) -> None:
    if word not in choices:
        raise ValueError(f"{name} `{word}` is none of " + ", ".join(f"`{choice}`" for choice in choices))
