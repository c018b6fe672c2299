"""How builds ended: a line as each ends, then the table of results, for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vmforge.cli.terminal import Terminal
from vmforge.diagnostics import DiagnosticError
from vmforge.errors import Interrupted, VmforgeError
from vmforge.sdk.values import format_bytes, format_seconds

if TYPE_CHECKING:
    from vmforge.pipeline.build import BuildResult
    from vmforge.sdk.artifact import Artifact

# Steps that are over in no time, in seconds, only make the table longer.
_WORTH_A_LINE = 0.05


def show_end(shown: Terminal, result: BuildResult) -> None:
    """One build has ended. Why it failed is said when all have."""
    ui = shown.ui(result.name)
    took = format_seconds(result.seconds)
    if result.error is None:
        ui.say(f"Finished after {took}")
    elif isinstance(result.error, Interrupted):
        ui.error(f"Interrupted after {took}; everything was released")
    else:
        step = (
            f" while {result.failed_step[:1].lower()}{result.failed_step[1:]}" if result.failed_step else ""
        )
        ui.error(f"Failed after {took}{step}")
    for line in result.kept:
        ui.message(f"kept: {line}")


def show_summary(shown: Terminal, results: Sequence[BuildResult]) -> None:
    """All builds have ended: stages, artifacts, failures."""
    failed = [result for result in results if result.error is not None]
    for result in results:
        if not shown.machine_readable:
            _show_times(shown, result)
        _machine_result(shown, result)
    made = [(result, artifact) for result in results for artifact in result.artifacts]
    if made:
        shown.print("\n==> Builds finished. The artifacts of successful builds are:")
    for result, artifact in made:
        shown.print(f"--> {result.name}: {artifact}{_size(artifact)}")
    if not made and not failed:
        shown.print("\n==> Builds finished but no artifacts were created.")
    if failed and shown.machine_readable:
        shown.machine("", "error-count", str(len(failed)))
    for result in failed:
        assert result.error is not None
        if not isinstance(result.error, Interrupted):
            _show_failure(shown, result.name, result.error)


def _show_times(shown: Terminal, result: BuildResult) -> None:
    times = [step for step in result.times if step.seconds >= _WORTH_A_LINE]
    if not times:
        return
    shown.print(f"\n{result.name}:")
    width = max(len(step.title) for step in times)
    for step in times:
        shown.print(f"  {step.title.ljust(width)}  {step.seconds:7.1f} s")
    shown.print(f"  {'all'.ljust(width)}  {result.seconds:7.1f} s")


def _size(artifact: Artifact) -> str:
    on_disk = sum(_bytes_on_disk(path) for path in artifact.files)
    return f" ({format_bytes(on_disk)})" if artifact.files else ""


def _bytes_on_disk(path: Path) -> int:
    """What a file occupies: less than its length when it is sparse."""
    try:
        status = path.stat()
    except OSError:
        return 0
    return min(status.st_size, status.st_blocks * 512)


def _machine_result(shown: Terminal, result: BuildResult) -> None:
    if result.error is not None:
        shown.machine(result.name, "error", result.error.message)
        return
    shown.machine(result.name, "artifact-count", str(len(result.artifacts)))
    for index, artifact in enumerate(result.artifacts):
        number = str(index)
        shown.machine(result.name, "artifact", number, "builder-id", artifact.builder_id)
        shown.machine(result.name, "artifact", number, "id", artifact.id)
        shown.machine(result.name, "artifact", number, "string", str(artifact))
        shown.machine(result.name, "artifact", number, "files-count", str(len(artifact.files)))
        for position, path in enumerate(artifact.files):
            shown.machine(result.name, "artifact", number, "file", str(position), str(path))
        shown.machine(result.name, "artifact", number, "end")


def _show_failure(shown: Terminal, name: str, error: VmforgeError) -> None:
    if isinstance(error, DiagnosticError):
        shown.failure(error)
        return
    failure = VmforgeError(f"build `{name}` failed: {error.message}", hint=error.hint)
    failure.detail = error.detail
    shown.failure(failure)
