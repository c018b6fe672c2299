"""Runs post-processors of Packer and of vmforge on one disk, in turns on one machine, and compares them.

    python tests/benchmarks/post_processors.py [--rounds N] [--size MIB] [--tasks "NAME;..."]

Both get the same options. The disk holds programs and libraries of this machine, `noise` what no
compression makes smaller. Both tools get it through `artifice`; but Packer's `vagrant` takes disks of its
QEMU builder only, so that Packer starts a machine, which finds nothing to boot and ends. The time is
that of the post-processor alone, in both tools.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("/usr/bin", "/usr/lib")


@dataclass(frozen=True)
class Task:
    """A post-processor: its type, the lines of its block (`OUT` is the folder of results), the file
    that it makes, and what is on the disk."""

    type: str
    lines: Sequence[str]
    result: str
    contents: str = "programs"

    @property
    def needs_machine(self) -> bool:
        """Whether Packer's takes only the disk of a machine."""
        return self.type == "vagrant"


def _compress(extension: str, level: int = 6, contents: str = "programs") -> Task:
    lines = [f'output = "OUT/x.{extension}"', f"compression_level = {level}"]
    return Task("compress", lines, f"x.{extension}", contents)


def _checksum(*kinds: str) -> Task:
    listed = ", ".join(f'"{kind}"' for kind in kinds)
    return Task("checksum", [f"checksum_types = [{listed}]", 'output = "OUT/sums"'], "sums")


TASKS = {
    "vagrant": Task("vagrant", ['output = "OUT/x.box"'], "x.box"),
    "vagrant, level 1": Task("vagrant", ['output = "OUT/x.box"', "compression_level = 1"], "x.box"),
    "vagrant, level 9": Task("vagrant", ['output = "OUT/x.box"', "compression_level = 9"], "x.box"),
    "compress, gz": _compress("gz"),
    "compress, gz, level 1": _compress("gz", 1),
    "compress, gz, level 9": _compress("gz", 9),
    "compress, gz, noise": _compress("gz", contents="noise"),
    "compress, tar.gz": _compress("tar.gz"),
    "compress, zip": _compress("zip"),
    "compress, bgz": _compress("bgz"),
    "compress, lz4": _compress("lz4"),
    "compress, lz4, level 1": _compress("lz4", 1),
    "compress, xz": _compress("xz"),
    "compress, xz, level 1": _compress("xz", 1),
    "checksum, md5": _checksum("md5"),
    "checksum, sha256": _checksum("sha256"),
    "checksum, all six": _checksum("md5", "sha1", "sha224", "sha256", "sha384", "sha512"),
}


@dataclass(frozen=True)
class Run:
    """What one post-processor took and made."""

    seconds: float
    bytes: int


_PACKER_SOURCE = """
source "qemu" "disk" {
  iso_url          = "DISK"
  iso_checksum     = "none"
  disk_image       = true
  skip_compaction  = true
  format           = "qcow2"
  accelerator      = "tcg"
  headless         = true
  communicator     = "none"
  boot_wait        = "1s"
  qemuargs         = [["-boot", "strict=on,reboot-timeout=1"], ["-no-reboot", ""]]
  output_directory = "OUT/disk"
}
"""
_NO_MACHINE = """
source "null" "disk" {
  communicator = "none"
}
"""
_ARTIFICE = '    post-processor "artifice" {\n      files = ["DISK"]\n    }\n'


def template(task: Task, tool: str) -> str:
    """The template of one tool; `DISK` and `OUT` are to be replaced."""
    builds = tool == "packer" and task.needs_machine
    source, first = (_PACKER_SOURCE, "") if builds else (_NO_MACHINE, _ARTIFICE)
    kind = "qemu" if builds else "null"
    lines = "".join(f"      {line}\n" for line in (*task.lines, "keep_input_artifact = true"))
    chain = f'  post-processors {{\n{first}    post-processor "{task.type}" {{\n{lines}    }}\n  }}\n'
    return f'{source}\nbuild {{\n  sources = ["source.{kind}.disk"]\n\n{chain}}}\n'


def run(task: Task, tool: str, disk: Path) -> Run:
    """Run the post-processor once, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="post-processors-", dir=disk.parent) as folder:
        file = Path(folder, "t.pkr.hcl")
        file.write_text(template(task, tool).replace("DISK", str(disk)).replace("OUT", folder))
        seconds = _packer(file) if tool == "packer" else _vmforge(file)
        return Run(seconds, Path(folder, task.result).stat().st_size)


def _packer(file: Path) -> float:
    """The time between the two lines of its log."""
    started, ended = 0.0, 0.0
    for at, line in _lines(["packer", "build", "-color=false", str(file)], file.parent):
        if "Running post-processor: " in line and "artifice" not in line:
            started = at
        if re.search("Build '.*' finished", line):
            ended = at
    assert 0 < started < ended
    return ended - started


def _vmforge(file: Path) -> float:
    timings = file.with_name("timings.json")
    _lines([sys.executable, "-m", "vmforge", "build", "--timings", str(timings), str(file)], file.parent)
    titles = {step["title"]: step["seconds"] for step in json.loads(timings.read_text())}
    return float(
        next(
            titles[title]
            for title in titles
            if title.startswith("Post-processing with ") and "artifice" not in title
        )
    )


def _lines(command: Sequence[str], folder: Path) -> list[tuple[float, str]]:
    """The lines that a command prints, each with the time that it came at."""
    environment = {
        **os.environ,
        "CHECKPOINT_DISABLE": "1",
        "PACKER_CACHE_DIR": str(folder / "cache"),
        "PYTHONPATH": str(ROOT),
    }
    lines = []
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        lines += [(time.monotonic(), line) for line in process.stdout]
    if process.returncode:
        sys.exit("".join(line for _, line in lines) + f"error: `{' '.join(command)}` failed")
    return lines


def make_disk(folder: Path, mebibytes: int) -> Path:
    """A disk with that many MiB of programs, in an image of twice the size."""
    raw, disk = folder / "disk.raw", folder / "disk.qcow2"
    with (
        raw.open("wb") as file,
        subprocess.Popen(
            ["tar", "-c", "--sort=name", *SOURCES], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as tar,
    ):
        assert tar.stdout is not None
        for _ in range(mebibytes):
            file.write(tar.stdout.read(1 << 20))
        tar.kill()
        file.truncate(mebibytes << 21)
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", raw, disk], check=True)
    raw.unlink()
    return disk


def make_noise(folder: Path, mebibytes: int) -> Path:
    """A file of random bytes."""
    path = folder / "noise"
    with path.open("wb") as file:
        for _ in range(mebibytes):
            file.write(os.urandom(1 << 20))
    return path


CONTENTS = {"programs": make_disk, "noise": make_noise}


def table(runs: dict[str, dict[str, list[Run]]]) -> str:
    """A Markdown table of the medians and of vmforge's parts of Packer's."""
    lines = ["| post-processor | packer s | vmforge s | time | packer MB | vmforge MB | size |"]
    lines.append("|---|" + "---:|" * 6)
    for name, tools in runs.items():
        seconds = {tool: statistics.median(run.seconds for run in done) for tool, done in tools.items()}
        sizes = {tool: done[-1].bytes / 1e6 for tool, done in tools.items()}
        lines.append(
            f"| {name} | {seconds['packer']:.2f} | {seconds['vmforge']:.2f} "
            f"| **{seconds['vmforge'] / seconds['packer']:.2f}** "
            f"| {sizes['packer']:.1f} | {sizes['vmforge']:.1f} | {sizes['vmforge'] / sizes['packer']:.3f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=512, metavar="MIB", help="data on the disk")
    parser.add_argument("--tasks", default=";".join(TASKS), help=f"of, with ; between: {'; '.join(TASKS)}")
    arguments = parser.parse_args()
    if shutil.which("packer") is None:
        sys.exit("error: packer is not installed; try: apt-get install packer")
    runs: dict[str, dict[str, list[Run]]] = {}
    with tempfile.TemporaryDirectory(prefix="post-processors-") as folder:
        chosen = [TASKS[name] for name in arguments.tasks.split(";")]
        disks = {
            contents: CONTENTS[contents](Path(folder), arguments.size)
            for contents in dict.fromkeys(task.contents for task in chosen)
        }
        for number in range(1, arguments.rounds + 1):
            for name in arguments.tasks.split(";"):
                for tool in ("packer", "vmforge"):
                    load = os.getloadavg()[0]
                    done = run(TASKS[name], tool, disks[TASKS[name].contents])
                    runs.setdefault(name, {}).setdefault(tool, []).append(done)
                    shown = f"{name}: {tool}: {done.seconds:.2f} s, {done.bytes / 1e6:.1f} MB"
                    print(f"round {number}: {shown} (load before: {load:.1f})", file=sys.stderr)
    print(table(runs))


if __name__ == "__main__":
    main()
