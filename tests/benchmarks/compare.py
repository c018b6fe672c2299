"""Builds one template with Packer and with vmforge, in turns on one machine, and compares their stages.

All variants are edits of the quickstart's template: the same CD, answers, provisioners and post-processors.
Times are medians over the rounds, in seconds of wall time; CPU seconds count the whole process tree, the
machine's emulator included.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
QUICKSTART = ROOT / "examples/quickstart"

STAGES = [
    "iso",
    "start",
    "boot wait",
    "typing",
    "install to SSH",
    "provisioners",
    "upload",
    "shutdown",
    "convert",
    "checksum",
    "manifest",
    "compress",
    "rest",
]

# A line of Packer's log begins a stage, which lasts until a line that begins another.
PACKER_LINES = [
    (r"Retrieving ISO", "iso"),
    (r"Starting (HTTP server|VM)", "start"),
    (r"Waiting .* for boot", "boot wait"),
    (r"(Connecting to VM via VNC|Typing the boot command)", "typing"),
    (r"(Using ssh communicator|Waiting for SSH)", "install to SSH"),
    (r"(Connected to SSH|Provisioning with)", "provisioners"),
    (r"Uploading ", "upload"),
    (r"Gracefully halting", "shutdown"),
    (r"Converting hard drive", "convert"),
    (r"Running post-processor: .*checksum", "checksum"),
    (r"Running post-processor: .*manifest", "manifest"),
    (r"Running post-processor: .*compress", "compress"),
    (r"Build '.*' finished", "rest"),
]

# The titles of vmforge's steps; the first pattern that matches names the stage.
VMFORGE_TITLES = [
    (r"Retrieving the ISO", "iso"),
    (r"Waiting for the boot prompt", "boot wait"),
    (r"Typing the boot command", "typing"),
    (r"Waiting for (SSH|WinRM)", "install to SSH"),
    (r"Provisioning with file", "upload"),
    (r"Provisioning", "provisioners"),
    (r"Shutting the guest down", "shutdown"),
    (r"(Flattening|Checking) the disk", "convert"),
    (r"Post-processing with checksum", "checksum"),
    (r"Post-processing with manifest", "manifest"),
    (r"Post-processing with compress", "compress"),
    (r"", "start"),
]

Edit = Callable[[str], str]


@dataclass(frozen=True)
class Variant:
    """One way to build: the tool, and what is changed in the template for it."""

    tool: str
    description: str
    edits: Sequence[Edit] = ()


@dataclass
class Run:
    """What one build took, in seconds; `began` is when, on the monotonic clock."""

    began: float
    wall: float
    cpu: float
    stages: dict[str, float] = field(default_factory=dict)


def without(option: str) -> Edit:
    """Leave an option of the source to its default."""
    return lambda text: re.sub(rf"(?m)^  {option} .*\n", "", text)


def with_lines(*lines: str) -> Edit:
    """Add lines to the source."""
    added = "".join(f"  {line}\n" for line in lines)
    return lambda text: re.sub(r'(?m)^(source "qemu" .*\n)', lambda match: match[1] + added, text)


DEFAULT_TYPING = [without("boot_wait"), without("boot_key_interval")]
TUNED = with_lines(
    'boot_key_interval = "20ms"',
    'qemuargs = [["-cpu", "max"], ["-smp", "1"], ["-machine", "type=pc"], ["-accel", "tcg,tb-size=32"]]',
)

WATCHING = with_lines('boot_mode = "adaptive"')

VARIANTS = {
    "packer": Variant("packer", "its defaults for typing", DEFAULT_TYPING),
    "packer-tuned": Variant("packer", "the quickstart, and QEMU tuned by hand (qemuargs)", [TUNED]),
    "packer-template": Variant("packer", "the quickstart as it is"),
    "vmforge": Variant("vmforge", "the quickstart as it is"),
    "vmforge-default": Variant("vmforge", "its defaults for typing", DEFAULT_TYPING),
    "vmforge-adaptive": Variant("vmforge", "Packer's defaults and eyes", [*DEFAULT_TYPING, WATCHING]),
    "vmforge-watching": Variant("vmforge", "the quickstart, with eyes for its boot prompt", [WATCHING]),
}


def edited(text: str, edits: Sequence[Edit]) -> str:
    """The template with all edits made."""
    for edit in edits:
        text = edit(text)
    return text


def with_checksum(iso: Path) -> Path:
    """The CD with the file beside it that the template expects."""
    iso = iso.resolve()
    if not Path(f"{iso}.sha256").exists():
        digest = subprocess.run(["sha256sum", iso.name], cwd=iso.parent, check=True, stdout=subprocess.PIPE)
        Path(f"{iso}.sha256").write_bytes(digest.stdout)
    return iso


def build(variant: Variant, iso: Path, upload: int) -> Run:
    """Build once, in a folder that is gone afterwards; a failure ends the program with the tool's output."""
    with tempfile.TemporaryDirectory(prefix="compare-") as scratch:
        timings = Path(scratch, "timings.json")
        template = copied_template(variant.edits, Path(scratch))
        if upload:
            (template.parent / "files/payload.bin").write_bytes(os.urandom(upload << 20))
        lines, run = run_timed(command(variant.tool, template, iso, timings), scratch)
        found = stages_of_timings(timings) if variant.tool == "vmforge" else stages_of_log(lines)
        run.stages = {stage: found.get(stage, 0.0) for stage in STAGES}
        run.stages["rest"] = run.wall - sum(
            seconds for stage, seconds in run.stages.items() if stage != "rest"
        )
        return run


def copied_template(edits: Sequence[Edit], scratch: Path) -> Path:
    """The quickstart's template with some edits, in a folder of its own with all that it needs."""
    folder = scratch / "template"
    shutil.copytree(QUICKSTART, folder)
    file = folder / "quickstart.pkr.hcl"
    file.write_text(edited(file.read_text(), edits))
    return file


def command(tool: str, template: Path, iso: Path, timings: Path) -> list[str]:
    """Builds a copied template with a tool; `timings` is what vmforge writes its steps' times to."""
    words = ["packer", "build", "-color=false"]
    if tool == "vmforge":
        words = [str(Path(sys.executable).with_name("vmforge")), "build", "-color=false"]
        words += ["--timings", str(timings)]
    words += ["-var", f"iso={iso}", "-var", "accelerator=tcg"]
    return [*words, "-var", f"output={template.parents[1] / 'output'}", str(template)]


def run_timed(
    command: Sequence[str], folder: str, environment: Mapping[str, str] | None = None
) -> tuple[list[tuple[float, str]], Run]:
    """The lines that a command prints, each with the seconds since its start, and what it took. No build
    begins from another one's layers, unless the environment names a common folder for them."""
    environment = {**os.environ, "VMFORGE_CACHE_DIR": f"{folder}/layers", **(environment or {})}
    environment |= {"CHECKPOINT_DISABLE": "1", "PACKER_CACHE_DIR": f"{folder}/cache", "PYTHONPATH": str(ROOT)}
    used = _children_cpu()
    started = time.monotonic()
    lines: list[tuple[float, str]] = []
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        lines.extend((time.monotonic() - started, line) for line in process.stdout)
    if process.returncode:
        sys.exit("".join(line for _, line in lines) + f"error: `{' '.join(command)}` failed")
    return lines, Run(started, time.monotonic() - started, _children_cpu() - used)


def _children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def stages_of_log(lines: Sequence[tuple[float, str]]) -> dict[str, float]:
    stages: dict[str, float] = {}
    current, since = "", 0.0
    for at, line in lines:
        stage = next((stage for pattern, stage in PACKER_LINES if re.search(pattern, line)), None)
        if stage and stage != current:
            stages[current] = stages.get(current, 0.0) + at - since
            current, since = stage, at
    return stages


def stages_of_timings(file: Path) -> dict[str, float]:
    stages: dict[str, float] = {}
    for step in json.loads(file.read_text()):
        stage = next(stage for pattern, stage in VMFORGE_TITLES if re.search(pattern, step["title"]))
        stages[stage] = stages.get(stage, 0.0) + step["seconds"]
    return stages


def table(runs: dict[str, list[Run]]) -> str:
    """A Markdown table of the medians, and the ratio of vmforge to each of Packer's variants."""
    names = list(runs)
    head = "| stage | " + " | ".join(names) + " |"
    lines = [head, "|---|" + "---:|" * len(names)]
    for stage in STAGES:
        cells = [statistics.median(run.stages[stage] for run in runs[name]) for name in names]
        lines.append(f"| {stage} | " + " | ".join(f"{cell:.2f}" for cell in cells) + " |")
    walls = {name: statistics.median(run.wall for run in runs[name]) for name in names}
    cpus = {name: statistics.median(run.cpu for run in runs[name]) for name in names}
    lines.append("| **wall** | " + " | ".join(f"**{walls[name]:.1f}**" for name in names) + " |")
    lines.append("| CPU | " + " | ".join(f"{cpus[name]:.1f}" for name in names) + " |")
    ratios = [
        f"{ours} / {theirs}: wall time {walls[ours] / walls[theirs]:.2f}, CPU {cpus[ours] / cpus[theirs]:.2f}"
        for ours in names
        for theirs in names
        if VARIANTS[ours].tool == "vmforge" and VARIANTS[theirs].tool == "packer"
    ]
    return "\n".join(
        [*lines, "", *(f"* {name}: {VARIANTS[name].description}" for name in names), "", *ratios]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--iso", type=Path, required=True, help="the test guest's CD")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--variants", default="packer,packer-tuned,vmforge", help=f"of: {', '.join(VARIANTS)}"
    )
    parser.add_argument(
        "--upload", type=int, default=0, metavar="MIB", help="size of a further file to upload"
    )
    parser.add_argument("--json", type=Path, help="write every run's times here")
    arguments = parser.parse_args()
    iso = with_checksum(arguments.iso)
    runs: dict[str, list[Run]] = {name: [] for name in arguments.variants.split(",")}
    for number in range(1, arguments.rounds + 1):
        for name, done in runs.items():
            load = os.getloadavg()[0]
            done.append(build(VARIANTS[name], iso, arguments.upload))
            print(f"round {number}: {name}: {done[-1].wall:.1f} s (load before: {load:.1f})", file=sys.stderr)
    print(table(runs))
    if arguments.json:
        written = {name: [vars(run) for run in done] for name, done in runs.items()}
        arguments.json.write_text(json.dumps(written, indent=2) + "\n")


if __name__ == "__main__":
    main()
