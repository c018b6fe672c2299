"""What a machine shows of itself: gathered while it runs, kept and told when the build fails."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Final

from vmforge.builders.answer_files import AnswerFileServer
from vmforge.builders.diagnosis import Evidence, Sign, Verdict, diagnose
from vmforge.builders.diagnosis.evidence import terminal_lines
from vmforge.builders.diagnosis.report import Kept, Served, render
from vmforge.console.framebuffer import png
from vmforge.console.png import read_png
from vmforge.console.screen import ScreenReader, Source, ocr
from vmforge.console.sight import View
from vmforge.errors import VmforgeError
from vmforge.hypervisor.machine import VirtualMachine
from vmforge.sdk import BuildContext

# Steps before the boot command has been typed: until then the guest is not to go on by itself.
_BEFORE_TYPED: Final = ("Waiting for the boot prompt", "Typing the boot command")
# What an SSH server has brought about, among all that is noted of a try.
_ANSWER: Final = re.compile(r"banner |login |.*(?:key exchange|no algorithm in common)")
_SERIAL_BYTES: Final = 64 * 1024
# So many failures are kept; the oldest make room for new ones.
_FAILURES_KEPT: Final = 10
_MOST_PATHS: Final = 200


@dataclass
class SerialLog:
    """The end of a machine's serial log, since its last start."""

    machine: VirtualMachine
    _start: int = field(default=0, init=False)
    _size: int = field(default=-1, init=False)
    _lines: tuple[str, ...] = field(default=(), init=False)

    def begin_anew(self) -> None:
        """The machine has started again: what it said before does not count any more."""
        path = self.machine.serial_log
        self._start = path.stat().st_size if path is not None and path.exists() else 0
        self._size = -1

    def lines(self) -> tuple[str, ...]:
        """The last lines; empty when there is no log, or it cannot be read."""
        path = self.machine.serial_log
        try:
            size = path.stat().st_size if path is not None else 0
            if path is not None and size != self._size:
                self._start = min(self._start, size)
                with path.open("rb") as log:
                    log.seek(max(self._start, size - _SERIAL_BYTES))
                    self._lines = terminal_lines(log.read(_SERIAL_BYTES).decode(errors="replace"))
                self._size = size
        except OSError:
            return ()
        return self._lines


@dataclass
class Witness:
    """Gathers what is known of the guest."""

    machine: VirtualMachine
    answer_files: AnswerFileServer
    context: BuildContext
    signs: Sequence[Sign]
    reader: ScreenReader
    view: View | None = field(default=None, init=False)
    _was_answered: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.serial = SerialLog(self.machine)

    def begin_anew(self) -> None:
        """The machine has started again: what it said before does not count any more."""
        self.serial.begin_anew()
        self._was_answered = False

    def evidence(self) -> Evidence:
        """All that is known right now, as signs are held against it."""
        text = self.view.text if self.view is not None else None
        return Evidence(
            screen=text.lines if text is not None else (),
            columns=text.columns if text is not None and text.source is not Source.OCR else 0,
            serial=self.serial.lines(),
            http=self._http(),
            ssh=self._ssh(),
            waiting=self.context.live.step not in ("", *_BEFORE_TYPED),
        )

    def explain(self, error: VmforgeError, verdict: Verdict | None = None) -> None:
        """Keep the evidence and add it to the error, with the diagnosis and its next step: but for a failure
        of the machine itself, which has its reason on this host. `verdict` is what ended the
        wait, if one did."""
        if self.view is None:
            self._take_picture()
        if self.view is not None and self.view.text is None:
            self.view = replace(self.view, text=ocr.read(self.view.frame))
        evidence = replace(self.evidence(), qemu=self.machine.qemu_log_tail())
        findings = diagnose(evidence, self.signs) if error is not self.machine.failure else ()
        kept = self._keep(evidence)
        error.detail = render(evidence, findings, self._served(), kept, error.message, verdict)
        if findings:
            error.hint = findings[0].next_step

    def screenshot(self) -> str:
        """Keep a picture of the screen as it is now; says where it is."""
        self._take_picture()
        kept = self._keep(self.evidence())
        return f"the screen is in `{kept.picture}`" if kept.picture else "the machine shows no screen"

    def _take_picture(self) -> None:
        """Of a machine that is not being looked at."""
        try:
            frame = read_png(self.machine.screenshot())
        except (VmforgeError, ValueError):
            return
        self.view = View(frame, self.reader.read(frame))

    def _ssh(self) -> str:
        """The last answer; a server that has answered before is there, even if it does not answer now."""
        latest = self.context.live.latest("SSH") or self.context.live.latest("WinRM")
        if _ANSWER.match(latest):
            self._was_answered = True
        elif latest and self._was_answered:
            return f"{latest} (it has answered before)"
        return latest

    def _http(self) -> tuple[str, ...]:
        requests = self.answer_files.requests
        if not requests and any(True for _ in self.answer_files.offered()):
            return ("nothing was asked for",)
        near = ((request, f" nearest {request.nearest}" if request.nearest else "") for request in requests)
        return tuple(f"{request.path} {request.status}{nearest}" for request, nearest in near)

    def _served(self) -> Served:
        requests = self.answer_files.requests
        fetched = [request.path for request in requests if request.status < 400]
        missing = [request.path for request in requests if request.status >= 400]
        offered = islice(self.answer_files.offered(), _MOST_PATHS)
        return Served(fetched, missing, [path for path in offered if path not in fetched])

    def _keep(self, evidence: Evidence) -> Kept:
        """Write it where it outlives the build; what cannot be written is left out."""
        context = self.context
        folder = context.state_dir / "failures" / f"{context.full_name}-{context.run_uuid[:8]}"
        picture, log = folder / "screen.png", folder / "serial.log"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _make_room(folder.parent)
            if self.view is not None:
                picture.write_bytes(png(self.view.frame))
                screen = context.hide("\n".join((*evidence.screen, "")))
                (folder / "screen.txt").write_text(screen, encoding="utf-8")
            if evidence.serial and self.machine.serial_log is not None:
                said = self.machine.serial_log.read_bytes().decode("utf-8", "replace")
                log.write_text(context.hide(said), encoding="utf-8")
        except OSError:
            pass  # the failure itself is what counts
        return Kept(picture if picture.is_file() else None, log if log.is_file() else None)


def _make_room(failures: Path) -> None:
    by_age = sorted(failures.iterdir(), key=lambda folder: folder.stat().st_mtime, reverse=True)
    for folder in by_age[_FAILURES_KEPT:]:
        shutil.rmtree(folder, ignore_errors=True)
