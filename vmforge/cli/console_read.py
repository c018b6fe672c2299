"""`vmforge console-read`: the text on a picture of a screen, as vmforge reads it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vmforge.cli.terminal import Terminal
from vmforge.errors import UsageError, VmforgeError

if TYPE_CHECKING:
    from vmforge.console.screen import ScreenText

NAME = "console-read"


def command(
    context: typer.Context,
    picture: Annotated[
        str, typer.Argument(metavar="PICTURE", help="A PNG file; `-` for standard input.", show_default=False)
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Also the cursor, the size, and how the text was read.")
    ] = False,
    use_ocr: Annotated[
        bool, typer.Option("--ocr/--no-ocr", help="Give graphics to `tesseract`, if it is installed.")
    ] = True,
) -> int:
    """Print the text on a picture of a machine's screen.

    What is no known character is shown as U+FFFD. Exits with 1 when there is no text.
    """
    from vmforge.console.png import read_png
    from vmforge.console.screen import ScreenReader, ocr

    shown: Terminal = context.obj
    try:
        frame = read_png(sys.stdin.buffer.read() if picture == "-" else Path(picture).read_bytes())
    except OSError as error:
        raise UsageError(f"cannot read `{picture}`: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"`{picture}` is {error}", hint="give a PNG of the whole screen") from error
    text = ScreenReader(use_ocr=use_ocr).read(frame)
    if text is None:
        hint = "`apt install tesseract-ocr` reads graphics" if use_ocr and not ocr.is_installed() else ""
        raise VmforgeError(f"no text is known on `{picture}` ({frame.width}x{frame.height})", hint=hint)
    shown.print(json.dumps(_summary(text), indent=2, ensure_ascii=False) if as_json else text.text)
    return 0


def _summary(text: ScreenText) -> dict[str, object]:
    return {
        "source": text.source.value,
        "columns": text.columns,
        "rows": len(text.lines),
        "cursor": text.cursor and {"row": text.cursor[0], "column": text.cursor[1]},
        "unknown": text.unknown,
        "lines": text.lines,
    }
