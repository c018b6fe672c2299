"""The option strings of QEMU's command line: `user,id=n0,hostfwd=tcp::1-:2`."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PART = re.compile(r"(?:[^,]|,,)+")


@dataclass
class Options:
    """The options of one argument, in order; a name may come several times (`hostfwd`).

    `take` uses options up, and `rest` is what nobody took, as text for QEMU.
    """

    pairs: list[tuple[str, str]]

    @classmethod
    def parse(cls, text: str, *, implied: str) -> Options:
        """Read an option string; a first part without `=` is the value of the option `implied`. A
        doubled comma is a comma; a part without `=` further on is a flag, `name` for `name=on`."""
        pairs = []
        for index, part in enumerate(_PART.findall(text)):
            name, equals, value = part.replace(",,", ",").partition("=")
            if equals:
                pairs.append((name, value))
            else:
                pairs.append((implied, name) if index == 0 else (name, "on"))
        return cls(pairs)

    def get(self, name: str) -> str:
        """The last value of an option, which is the one that counts; empty when it is not given."""
        return next((value for key, value in reversed(self.pairs) if key == name), "")

    def take(self, name: str) -> str:
        """The same, using it up."""
        return (self.take_all(name) or [""])[-1]

    def take_all(self, name: str) -> list[str]:
        """All values of an option, using them up."""
        taken = [value for key, value in self.pairs if key == name]
        self.pairs = [pair for pair in self.pairs if pair[0] != name]
        return taken

    def rest(self) -> str:
        """What is left, as an option string."""
        return ",".join(f"{name}={value.replace(',', ',,')}" for name, value in self.pairs)
