"""Measures live layers on the quickstart, with a fourth provisioner that changes from build to build.

Every round has a cache of its own: a clean build fills it, a build with another last provisioner goes on
from it. Times are medians over the rounds, in seconds of wall time.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from compare import (
    QUICKSTART,
    STAGES,
    Run,
    edited,
    run_timed,
    stages_of_log,
    stages_of_timings,
    with_checksum,
)

CLEAN, REBUILD, PACKER, VARIANTS, PACKER_VARIANTS = (
    "clean",
    "rebuild",
    "packer",
    "four variants",
    "packer, four variants",
)
NAMES = ("v1", "v2", "v3", "v4")

LAST_PROVISIONER = """
  provisioner "shell" {
    inline = ["echo ${var.last} | sudo tee /etc/last"]
  }
"""


@dataclass
class LayerCost:
    """What a layer costs: seconds in which it was cut, bytes on the disk."""

    step: str
    seconds: float
    bytes: int


@dataclass
class Measured:
    """All rounds, by what was built; and the layers of the clean builds."""

    runs: dict[str, list[Run]] = field(default_factory=dict)
    layers: list[list[LayerCost]] = field(default_factory=list)

    def median(self, name: str) -> float:
        return statistics.median(run.wall for run in self.runs[name])


def add_last_provisioner(text: str) -> str:
    """A fourth provisioner, which says what the variable `last` holds."""
    before, first = text.split("  # What happens to the finished disk", 1)
    variable = 'variable "last" {\n  type    = string\n  default = "first"\n}\n\n'
    return (
        variable
        + before.rstrip()
        + "\n"
        + LAST_PROVISIONER
        + "\n  # What happens to the finished disk"
        + first
    )


def four_variants(text: str) -> str:
    """Four sources in place of one, which differ in the last provisioner and in where the image is."""
    found = re.search(r'(?ms)^source "qemu" "quickstart" \{.*?^\}\n', text)
    assert found is not None, "the quickstart has another shape"
    sources = [
        found[0]
        .replace('"quickstart" {', f'"{name}" {{')
        .replace("= var.output", f'= "${{var.output}}-{name}"')
        for name in NAMES
    ]
    listed = ", ".join(f'"source.qemu.{name}"' for name in NAMES)
    text = text.replace(found[0], "\n".join(sources)).replace('["source.qemu.quickstart"]', f"[{listed}]")
    head, build = text.split("\nbuild {", 1)
    build = build.replace("${var.output}/", "${var.output}-${source.name}/")
    return head + "\nbuild {" + build.replace("${var.last}", "${source.name}")


@dataclass(frozen=True)
class Workshop:
    """A folder with the templates, and the cache of one round."""

    folder: Path
    iso: Path

    def __post_init__(self) -> None:
        for name, edits in (("one", [add_last_provisioner]), ("four", [add_last_provisioner, four_variants])):
            shutil.copytree(QUICKSTART, self.folder / name)
            file = self.folder / name / "quickstart.pkr.hcl"
            file.write_text(edited(file.read_text(), edits))

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    def forget(self) -> None:
        """Begin a new round: no layers, no images."""
        for path in (self.cache, *self.folder.glob("output*")):
            shutil.rmtree(path, ignore_errors=True)

    def vmforge(self, template: str, last: str) -> tuple[Run, list[str]]:
        timings = self.folder / "timings.json"
        command = [str(Path(sys.executable).with_name("vmforge")), "build", "-force", "-color=false"]
        command += ["--timings", str(timings), "-var", f"last={last}", *self._arguments(template)]
        lines, run = run_timed(command, str(self.folder), {"VMFORGE_CACHE_DIR": str(self.cache)})
        return _with_stages(run, stages_of_timings(timings)), [line for _, line in lines]

    def packer(self, template: str) -> Run:
        for path in self.folder.glob("output*"):
            shutil.rmtree(path)
        lines, run = run_timed(
            ["packer", "build", "-color=false", *self._arguments(template)], str(self.folder)
        )
        return _with_stages(run, stages_of_log(lines))

    def _arguments(self, template: str) -> list[str]:
        values = {"iso": self.iso, "accelerator": "tcg", "output": self.folder / "output"}
        flags = [text for name, value in values.items() for text in ("-var", f"{name}={value}")]
        return [*flags, str(self.folder / template / "quickstart.pkr.hcl")]

    def costs(self, lines: Sequence[str]) -> list[LayerCost]:
        """The layers that a build with these lines of output has made, the first one first."""
        seconds = [
            float(found[1]) for line in lines if (found := re.search(r"kept as a layer in ([\d.]+) s", line))
        ]
        records = [
            json.loads(path.read_text()) | {"folder": path.parent}
            for path in self.cache.glob("layers/*/layer.json")
        ]
        records.sort(key=lambda record: record["created"])
        return [
            LayerCost(
                record["step"], taken, sum(path.stat().st_blocks * 512 for path in record["folder"].iterdir())
            )
            for record, taken in zip(records, seconds, strict=True)
        ]


def _with_stages(run: Run, found: dict[str, float]) -> Run:
    run.stages = {stage: found.get(stage, 0.0) for stage in STAGES}
    run.stages["rest"] = run.wall - sum(seconds for stage, seconds in run.stages.items() if stage != "rest")
    return run


def measure(workshop: Workshop, rounds: int, *, variants: bool, packer: bool) -> Measured:
    """Build everything, in turns, `rounds` times."""
    measured = Measured()

    def note(number: int, name: str, run: Run, load: float) -> None:
        measured.runs.setdefault(name, []).append(run)
        print(f"round {number}: {name}: {run.wall:.1f} s (load before: {load:.1f})", file=sys.stderr)

    for number in range(1, rounds + 1):
        workshop.forget()
        load = os.getloadavg()[0]
        run, lines = workshop.vmforge("one", "first")
        note(number, CLEAN, run, load)
        measured.layers.append(workshop.costs(lines))
        if variants:
            workshop.forget()
        load = os.getloadavg()[0]
        run, _ = workshop.vmforge("four" if variants else "one", "second")
        note(number, VARIANTS if variants else REBUILD, run, load)
        if packer:
            load = os.getloadavg()[0]
            run = workshop.packer("four" if variants else "one")
            note(number, PACKER_VARIANTS if variants else PACKER, run, load)
    return measured


def table(measured: Measured) -> str:
    """A Markdown table of the medians; the stages of builds in parallel say nothing, and are left out."""
    names = list(measured.runs)
    lines = ["| stage | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
    for stage in () if VARIANTS in names else STAGES:
        cells = [statistics.median(run.stages[stage] for run in measured.runs[name]) for name in names]
        lines.append(f"| {stage} | " + " | ".join(f"{cell:.2f}" for cell in cells) + " |")
    walls = [f"**{measured.median(name):.1f}**" for name in names]
    return "\n".join([*lines, "| **wall** | " + " | ".join(walls) + " |"])


def layer_table(measured: Measured) -> str:
    """What the layers of a clean build cost. The guest stands still for less than the time to cut one."""
    lines = ["| layer after | cut in (s) | on the disk (MiB) |", "|---|---:|---:|"]
    for costs in zip(*measured.layers, strict=True):
        seconds = statistics.median(cost.seconds for cost in costs)
        size = statistics.median(cost.bytes for cost in costs) / 1024**2
        lines.append(f"| {costs[0].step} | {seconds:.1f} | {size:.1f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--iso", type=Path, required=True, help="the test guest's CD")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--variants", action="store_true", help="four variants in parallel, against one clean build"
    )
    parser.add_argument("--no-packer", action="store_true", help="leave Packer out, though it is installed")
    parser.add_argument("--json", type=Path, help="write every run's times here")
    arguments = parser.parse_args()
    packer = not arguments.no_packer and shutil.which("packer") is not None
    with tempfile.TemporaryDirectory(prefix="layers-") as folder:
        workshop = Workshop(Path(folder), with_checksum(arguments.iso))
        measured = measure(workshop, arguments.rounds, variants=arguments.variants, packer=packer)
    if arguments.json:
        written = {name: [vars(run) for run in runs] for name, runs in measured.runs.items()}
        arguments.json.write_text(json.dumps(written, indent=2) + "\n")
    print(table(measured), layer_table(measured), sep="\n\n", end="\n\n")
    clean = measured.median(CLEAN)
    if arguments.variants:
        print(f"{measured.median(VARIANTS) / clean:.1f}x")
        return
    if packer:
        print(f"packer / rebuild: {measured.median(PACKER) / measured.median(REBUILD):.1f}x")
    print(f"{clean / measured.median(REBUILD):.1f}x")


if __name__ == "__main__":
    main()
