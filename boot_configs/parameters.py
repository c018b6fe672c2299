"""Typed parameters: what a user may say about an installation, and what is wrong with what was said.

Values come from HCL or JSON (strings, numbers, bools, lists, maps) and become what answer-file templates use.
Types are weak, as everywhere in templates: `"true"` is a bool where one is wanted, one string a list of one.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from boot_configs.password_hashes import HASH

_UNITS: Final = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


class ParameterType(StrEnum):
    """The types, by the name that `parameters.toml` and `family.toml` use, and what templates get."""

    STRING = "string"  # one line of text
    TEXT = "text"  # any text
    WORD = "word"  # letters, digits and `_ . : + @ , / -`: what no format has to quote
    USER = "user"  # the name of a Unix account
    PASSWORD = "password"  # one line of text, secret
    HASH = "hash"  # a password as crypt's hash, secret
    KEYS = "keys"  # a list of public SSH keys
    BOOL = "bool"
    INTEGER = "integer"  # not negative
    SIZE = "size"  # "512M", "8G", bytes -> `Extent`
    DURATION = "duration"  # "30m" -> the same text
    CHOICE = "choice"
    LIST = "list"  # a list of strings, each one line
    HOSTNAME = "hostname"
    DOMAIN = "domain"
    LOCALE = "locale"
    TIMEZONE = "timezone"
    DISK = "disk"  # "/dev/vda" or "auto"
    URL = "url"  # http or https -> `Url`
    NETWORK = "network"  # "dhcp" or a map -> `Network`


SECRET_TYPES: Final = frozenset({ParameterType.PASSWORD, ParameterType.HASH})


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a system. `default` is as a user would write it; a string in it may be a template."""

    name: str
    type: ParameterType
    help: str
    default: object = None
    choices: tuple[str, ...] = ()

    @property
    def secret(self) -> bool:
        """Whether its value must not be shown."""
        return self.type in SECRET_TYPES


@dataclass(frozen=True, slots=True)
class Extent:
    """A size in bytes; writes itself in bytes."""

    bytes: int

    @property
    def mib(self) -> int:
        """In MiB, rounded up."""
        return -(-self.bytes // 2**20)

    @property
    def gib(self) -> int:
        """In GiB, rounded up."""
        return -(-self.bytes // 2**30)

    def __bool__(self) -> bool:
        return self.bytes > 0

    def __str__(self) -> str:
        return str(self.bytes)


@dataclass(frozen=True, slots=True)
class Url:
    """An http or https URL, and its parts as installers ask for them; writes itself with no slash at its end.

    `host` has the port, if one is given; `directory` begins with a slash.
    """

    text: str
    scheme: str
    host: str
    directory: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Network:
    """How the machine gets its address. With `dhcp` the rest is empty."""

    dhcp: bool = True
    address: str = ""
    prefix: int = 0
    netmask: str = ""
    gateway: str = ""
    dns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ParameterProblem:
    """Something wrong with a parameter: `name` is the one to point at."""

    name: str
    summary: str
    hint: str = ""


class ParameterProblems(ValueError):
    """The parameters do not make sense; `problems` says all that is wrong with them."""

    def __init__(self, problems: Iterable[ParameterProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(problem.summary for problem in self.problems))


def decode(
    parameters: Mapping[str, Parameter], given: Mapping[str, object], title: str
) -> tuple[dict[str, object], list[ParameterProblem]]:
    """The values of all parameters by name, with defaults for what is not given (or null), and what is wrong.
    `title` is the system's, for messages."""
    problems = [_unknown(name, parameters, title) for name in given if name not in parameters]
    values: dict[str, object] = {}
    for name, parameter in parameters.items():
        value = given.get(name)
        value = parameter.default if value is None else value
        try:
            values[name] = _absent(parameter.type) if value is None else _DECODERS[parameter.type](value)
            if parameter.choices and values[name] not in (*parameter.choices, ""):
                raise ValueError(_none_of(str(value), parameter.choices))
        except ValueError as error:
            problems.append(ParameterProblem(name, f"`boot_params`: `{name}`: {error}"))
    return values, problems


def suggestion(name: str, known: Iterable[str]) -> str:
    """`did you mean ...?` for a name that is nearly one of those known; else nothing."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean `{near[0]}`?" if near else ""


def _unknown(name: str, parameters: Mapping[str, Parameter], title: str) -> ParameterProblem:
    listed = ", ".join(f"`{known}`" for known in sorted(parameters))
    hint = suggestion(name, parameters) or f"it knows {listed}"
    return ParameterProblem(name, f"`boot_params`: {title} has no parameter `{name}`", hint)


def _none_of(value: str, choices: Sequence[str]) -> str:
    listed = ", ".join(f"`{choice}`" for choice in choices)
    near = suggestion(value, choices)
    return f"`{value}` is none of {listed}" + (f"; {near}" if near else "")


def _absent(of: ParameterType) -> object:
    """What templates get for a parameter that has no value: something that is false."""
    return {
        ParameterType.KEYS: (),
        ParameterType.LIST: (),
        ParameterType.BOOL: False,
        ParameterType.INTEGER: 0,
        ParameterType.SIZE: Extent(0),
        ParameterType.NETWORK: Network(),
    }.get(of, "")


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, (str, int)):
        raise ValueError(f"expected a string, not {_kind(value)}")
    return str(value)


def _line(value: object) -> str:
    text = _text(value)
    if any(character < " " or character == "\x7f" for character in text):
        raise ValueError("expected one line without control characters")
    return text


def _matching(pattern: str, what: str, most: int = 255) -> Callable[[object], str]:
    compiled = re.compile(pattern)

    def read(value: object) -> str:
        text = _text(value)
        if len(text) > most or not compiled.fullmatch(text):
            raise ValueError(f"`{text}` is not {what}")
        return text

    return read


def _secret_line(value: object) -> str:
    """As `_line`, but a message never shows the value."""
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        raise ValueError("expected a string")
    return _line(value)


def _hash(value: object) -> str:
    text = _secret_line(value)
    if not HASH.fullmatch(text):
        raise ValueError("that is no hash of crypt's, as in `$6$salt$...`")
    return text


def _bool(value: object) -> bool:
    known = {"true": True, "1": True, "false": False, "0": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, (str, int)) and str(value).lower() in known:
        return known[str(value).lower()]
    raise ValueError(f"expected `true` or `false`, not {_kind(value)}")


def _integer(value: object) -> int:
    text = _text(value)
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,18}", text):
        raise ValueError(f"expected a whole number, not `{text}`")
    return int(text)


def _size(value: object) -> Extent:
    text = _text(value)
    found = re.fullmatch(r"([0-9]{1,12})\s*([kmgt]?)(i?b)?", text.strip(), re.IGNORECASE)
    if not found:
        raise ValueError(f"`{text}` is not a size, as in `512M` or `8G`")
    return Extent(int(found[1]) * _UNITS[found[2].lower()])


def _lines(value: object) -> tuple[str, ...]:
    items = value if isinstance(value, (list, tuple)) else [value]
    return tuple(_line(item) for item in items)


_KEY: Final = re.compile(
    r"((restrict|command=|from=|no-|permitopen=)\S* )?(ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/]+=*( .*)?"
)


def _keys(value: object) -> tuple[str, ...]:
    keys = tuple(line.strip() for line in _lines(_split_lines(value)) if line.strip())
    for key in keys:
        if "PRIVATE KEY" in key:
            raise ValueError("that is a private key; the public one is in the file with `.pub`")
        if not _KEY.fullmatch(key):
            raise ValueError(f"`{key[:40]}` is not a public SSH key, as in `ssh-ed25519 AAAA...`")
    return keys


def _split_lines(value: object) -> list[object]:
    """A file of keys counts as the list of its lines."""
    items = value if isinstance(value, (list, tuple)) else [value]
    return [line for item in items for line in (item.splitlines() if isinstance(item, str) else [item])]


def _disk(value: object) -> str:
    text = _text(value)
    if text != "auto" and not re.fullmatch(r"(/dev/)?[A-Za-z0-9/._:-]+", text):
        raise ValueError(f"`{text}` is not a disk, as in `/dev/vda`, and not `auto`")
    return text


def _url(value: object) -> Url | str:
    text = _text(value).rstrip("/")
    if not text:
        return ""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"[\s'\"<>\\]", text):
        raise ValueError(f"`{text}` is not a URL, as in `http://mirror.example.org/debian`")
    return Url(text, parts.scheme, parts.netloc, parts.path or "/")


def _network(value: object) -> Network:
    if value == "dhcp":
        return Network()
    if not isinstance(value, Mapping):
        raise ValueError('expected `dhcp`, or `{ address = "192.0.2.5/24", gateway = ..., dns = [...] }`')
    for name in value:
        if name not in ("address", "gateway", "dns"):
            raise ValueError(f"`{name}` is none of `address`, `gateway`, `dns`")
    if "/" not in str(value.get("address", "")):
        raise ValueError('`address` needs the length of its network, as in `"192.0.2.5/24"`')
    try:
        address = ipaddress.ip_interface(str(value["address"]))
        gateway = str(ipaddress.ip_address(str(value["gateway"]))) if value.get("gateway") else ""
        servers = tuple(str(ipaddress.ip_address(one)) for one in _lines(value.get("dns") or ()))
    except ValueError as error:
        raise ValueError(str(error).replace("'", "`")) from None
    return Network(
        False, str(address.ip), address.network.prefixlen, str(address.network.netmask), gateway, servers
    )


def _kind(value: object) -> str:
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= 40 else "a long string"
    if isinstance(value, Mapping):
        return "a map"
    return "a list" if isinstance(value, (list, tuple)) else str(value)


_LABEL: Final = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"

_DECODERS: Final[Mapping[ParameterType, Callable[[object], object]]] = {
    ParameterType.STRING: _line,
    ParameterType.TEXT: _text,
    ParameterType.WORD: _matching(r"[A-Za-z0-9_.:+@,/-]*", "a plain word"),
    ParameterType.USER: _matching(r"[a-z_][a-z0-9_-]*", "a user's name, as in `builder`", 32),
    ParameterType.PASSWORD: _secret_line,
    ParameterType.HASH: _hash,
    ParameterType.KEYS: _keys,
    ParameterType.BOOL: _bool,
    ParameterType.INTEGER: _integer,
    ParameterType.SIZE: _size,
    ParameterType.DURATION: _matching(r"([0-9]+(\.[0-9]+)?(ms|s|m|h))+", "a duration, as in `30m`"),
    ParameterType.CHOICE: _text,
    ParameterType.LIST: _lines,
    ParameterType.HOSTNAME: _matching(_LABEL, "a host's name, as in `web-1`", 63),
    ParameterType.DOMAIN: _matching(rf"({_LABEL}(\.{_LABEL})*)?", "a domain, as in `example.org`"),
    ParameterType.LOCALE: _matching(
        r"[a-z]{2,3}_[A-Z]{2}(\.[A-Za-z0-9-]+)?(@[a-z]+)?|C\.UTF-8", "a locale, as in `de_DE.UTF-8`"
    ),
    ParameterType.TIMEZONE: _matching(
        r"[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*", "a time zone, as in `Europe/Berlin`"
    ),
    ParameterType.DISK: _disk,
    ParameterType.URL: _url,
    ParameterType.NETWORK: _network,
}
