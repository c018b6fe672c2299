"""Measures the template language: parsing, and `validate` as a whole process beside Packer's.

The templates are made: variables, local values with `for` expressions, sources, `dynamic` blocks, heredocs,
provisioners. `validate` of the smaller one runs with Packer and with vmforge in turns, after a run of each
that is not counted; vmforge's modules are compiled, as they are where it is installed.

    python tests/benchmarks/language.py [--rounds N] [--vmforge PATH]
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# lines, and the milliseconds that parsing them may take
BOUNDS = {300: 5.0, 2000: 20.0}

HEAD = """\
# A template of {lines} lines.
variable "iso" {{
  type    = string
  default = "{iso}"
}}

variable "user" {{
  type    = string
  default = "builder"
}}

"""

SECTION = """\
variable "disks_{n}" {{
  type        = list(string)
  default     = ["10G", "20G", "40G"]
  description = "The sizes of the further disks of machine {n}." # in the order of the bus
}}

locals {{
  name_{n}   = "machine-{n}-${{var.user}}"
  sizes_{n}  = [for i, size in var.disks_{n} : "${{i}}=${{lower(size)}}" if size != "40G"]
  labels_{n} = {{ for size in var.disks_{n} : "disk-${{size}}" => upper("${{size}}iB") }}
  script_{n} = <<-EOT
    #!/bin/sh
    # written for ${{local.name_{n}}}
    %{{ for size in local.sizes_{n} ~}}
    echo "disk ${{size}}"
    %{{ endfor ~}}
  EOT
}}

source "qemu" "m{n}" {{
  iso_url              = "file://${{var.iso}}"
  iso_checksum         = "sha256:{digest}"
  output_directory     = "{output}/m{n}"
  vm_name              = local.name_{n}
  memory               = 512 * 2
  cpus                 = {n} > 3 ? 2 : 1
  disk_size            = "8G"
  disk_additional_size = var.disks_{n}
  format               = "qcow2"
  headless             = true
  ssh_username         = var.user
  ssh_password         = "secret-{n}"
  ssh_timeout          = "20m"
  shutdown_command     = "echo ${{var.user}} | sudo -S shutdown -P now"
  boot_wait            = "5s"
  boot_command = [
    "<esc><wait>",
    "auto url=http://{{{{ .HTTPIP }}}}:{{{{ .HTTPPort }}}}/preseed-${{local.name_{n}}}.cfg<enter>",
  ]
}}

build {{
  name    = "b{n}"
  sources = ["source.qemu.m{n}"]

  provisioner "shell" {{
    environment_vars = ["NAME=${{local.name_{n}}}", "LEVEL={n}"]
    execute_command  = "chmod +x {{{{ .Path }}}}; {{{{ .Vars }}}} sudo -E sh '{{{{ .Path }}}}'"
    inline           = ["echo ${{join(",", local.sizes_{n})}}", "uname -a"]
  }}

  dynamic "provisioner" {{
    for_each = local.labels_{n}
    iterator = disk
    labels   = ["shell"]
    content {{
      inline = ["mkfs -L ${{disk.key}} /dev/disk/by-label/${{disk.value}}"]
    }}
  }}

  provisioner "shell" {{
    inline = [local.script_{n}, <<EOT
cat > /etc/motd <<'MOTD'
Machine {n}, made on ${{source.type}} by ${{var.user}}
MOTD
EOT
    ]
  }}

  post-processor "checksum" {{
    checksum_types = ["sha256"]
    output         = "m{n}.{{{{ .ChecksumType }}}}"
  }}
}}

"""


FILLING = """\
variable "more_{n}" {{
  type    = number
  default = {n}
}}
"""


def template(lines: int, folder: Path) -> str:
    """A template of so many lines, for an ISO in the folder."""
    iso = folder / "benchmark.iso"
    iso.write_bytes(b"no real ISO: nothing boots it")
    digest = hashlib.sha256(iso.read_bytes()).hexdigest()
    text = HEAD.format(lines=lines, iso=iso)
    values = {"digest": digest, "output": folder / "output"}
    for part in (SECTION, FILLING, "# comment {n}\n"):
        number = 0
        while text.count("\n") + part.count("\n") <= lines:
            number += 1
            text += part.format(n=number, **values)
    return text


def parse_times(text: str, rounds: int) -> list[float]:
    """The milliseconds that each parse took."""
    from vmforge.template.hcl import SourceText, parse_file

    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        _, findings = parse_file(SourceText("benchmark.pkr.hcl", text))
        times.append((time.perf_counter() - started) * 1000)
        assert not findings, findings[0]
    return times


def process_times(commands: Mapping[str, Sequence[str]], folder: Path, rounds: int) -> dict[str, list[float]]:
    """The milliseconds of wall time of each run; the commands take turns."""
    environment = {**os.environ, "CHECKPOINT_DISABLE": "1", "PACKER_CACHE_DIR": str(folder / "cache")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment.setdefault("PYTHONPYCACHEPREFIX", str(folder / "compiled"))
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            started = time.perf_counter()
            done = subprocess.run(
                command, cwd=folder, env=environment, capture_output=True, text=True, check=False
            )
            if done.returncode:
                sys.exit(f"error: `{' '.join(command)}` failed:\n{done.stdout}{done.stderr}")
            if number:
                times[name].append((time.perf_counter() - started) * 1000)
    return times


def print_parsing(folder: Path, rounds: int) -> None:
    print("| parse | best | median | bound |\n|---|---:|---:|---:|")
    for lines, bound in BOUNDS.items():
        times = parse_times(template(lines, folder), rounds)
        best, median = min(times), statistics.median(times)
        print(f"| {lines:,} lines | {best:.1f} ms | {median:.1f} ms | {bound:.0f} ms |")


def print_validating(folder: Path, rounds: int, vmforge: str) -> None:
    file = folder / "benchmark.pkr.hcl"
    file.write_text(template(min(BOUNDS), folder))
    commands = {"packer": ["packer", "validate", file.name], "vmforge": [vmforge, "validate", file.name]}
    times = process_times(commands, folder, rounds)
    print("\n| validate, 300 lines | best | median |\n|---|---:|---:|")
    for name, taken in times.items():
        print(f"| {name} | {min(taken):.0f} ms | {statistics.median(taken):.0f} ms |")
    ratio = statistics.median(times["vmforge"]) / statistics.median(times["packer"])
    print(f"\nvmforge / packer: {ratio:.2f} (goal: at most 1)")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20, help="runs of each command")
    parser.add_argument(
        "--vmforge", default=str(Path(sys.executable).with_name("vmforge")), help="the command to measure"
    )
    arguments = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory(prefix="language-") as scratch:
        print_parsing(Path(scratch), arguments.rounds * 10)
        if shutil.which("packer") is None:
            sys.exit("error: `packer` is not installed; try: apt-get install packer")
        print_validating(Path(scratch), arguments.rounds, arguments.vmforge)


if __name__ == "__main__":
    main()
