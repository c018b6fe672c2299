"""What the user wants of layers, from the command line and from the template."""

from __future__ import annotations

from dataclasses import dataclass

from vmforge.sdk.layers import LayerPolicy


@dataclass(frozen=True, slots=True)
class LayerWishes:
    """The flags of `vmforge build`. `policy` None leaves it to the template; with `rebuild` no layer is
    begun from, though new ones are made, unless `make` is off; steps are named as `-explain` lists them, or
    by their number."""

    policy: LayerPolicy | None = None
    rebuild: bool = False
    begin_at: str = ""
    until: str = ""
    make: bool = True

    @property
    def names_a_step_with(self) -> str:
        """The flag that names a step; empty when none does."""
        return "-from-layer" if self.begin_at else "-until" if self.until else ""
