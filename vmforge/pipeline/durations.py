"""How long the steps of a build took when they last succeeded: what the live line compares with."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vmforge.sdk.steps import StepTime


@dataclass(frozen=True)
class Durations:
    """A small file in the state folder. It is a convenience: where it cannot be read or written there is
    nothing to compare with, and that is all."""

    path: Path

    @classmethod
    def of(cls, state_dir: Path, template_dir: Path, build: str) -> Durations:
        """Those of one build of the template in a folder."""
        key = hashlib.sha256(f"{template_dir.absolute()}\0{build}".encode()).hexdigest()[:32]
        return cls(state_dir / "durations" / f"{key}.json")

    def read(self) -> dict[str, float]:
        """Seconds by the steps' titles."""
        try:
            known = json.loads(self.path.read_text(encoding="utf-8"))
            return {str(title): float(seconds) for title, seconds in known.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def keep(self, times: Sequence[StepTime]) -> None:
        """Note these; steps that did not run keep what they had."""
        known = self.read() | {step.title: round(step.seconds, 1) for step in times}
        staged = self.path.with_suffix(f".{os.getpid()}.part")
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            staged.write_text(json.dumps(known), encoding="utf-8")
            staged.replace(self.path)
