"""Makes the tables of this folder from X's: `python -m vmforge.console.layouts.make_tables`.

Needs libxkbcommon and the data that it reads (Debian's `xkb-data`).
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

# What a table is called -> the layout and variant of X, and the keyboard where it has other keys.
LAYOUTS: Final = {
    "be": ("be", ""),
    "br": ("br", "", "abnt2"),
    "ca": ("ca", ""),
    "ch": ("ch", ""),
    "ch-fr": ("ch", "fr"),
    "cz": ("cz", ""),
    "de": ("de", ""),
    "dk": ("dk", ""),
    "dvorak": ("us", "dvorak"),
    "es": ("es", ""),
    "fi": ("fi", ""),
    "fr": ("fr", ""),
    "gb": ("gb", ""),
    "hu": ("hu", ""),
    "it": ("it", ""),
    "jp": ("jp", "", "jp106"),
    "latam": ("latam", ""),
    "nl": ("nl", ""),
    "no": ("no", ""),
    "pl": ("pl", ""),
    "pt": ("pt", ""),
    "se": ("se", ""),
    "tr": ("tr", ""),
    "us": ("us", ""),
}

# The keys of a keyboard that type characters, by Linux's number (input-event-codes.h), without the keypad.
_CODES: Final = (*range(2, 14), *range(16, 28), *range(30, 42), *range(43, 54), 86, 89, 124)
_LEVELS: Final = 4
_HEAD: Final = (
    "# key, and what it types: alone, with Shift, with AltGr, with both; `dead` and a space make the sign"
)
_OFFSET: Final = 8  # of X's key codes over Linux's
_DEAD: Final = {
    "dead_acute": "\N{ACUTE ACCENT}",
    "dead_cedilla": "\N{CEDILLA}",
    "dead_circumflex": "^",
    "dead_diaeresis": "¨",
    "dead_grave": "`",
    "dead_tilde": "~",
}


class _Names(ctypes.Structure):
    _fields_ = [(name, ctypes.c_char_p) for name in ("rules", "model", "layout", "variant", "options")]


def main() -> None:
    library = _library()
    for name, (layout, variant, *model) in LAYOUTS.items():
        target = Path(__file__).parent / f"{name}.txt"
        lines = list(_table(library, layout, variant, model[0] if model else "pc105"))
        target.write_text("\n".join((_HEAD, *lines)) + "\n", encoding="utf-8")
        sys.stdout.write(f"{target}: {len(lines)} keys\n")


def _library() -> Any:
    library = ctypes.CDLL("libxkbcommon.so.0")
    for function in ("xkb_context_new", "xkb_keymap_new_from_names"):
        getattr(library, function).restype = ctypes.c_void_p
    library.xkb_keysym_to_utf32.restype = ctypes.c_uint32
    return library


def _table(library: Any, layout: str, variant: str, model: str) -> Iterator[str]:
    context = ctypes.c_void_p(library.xkb_context_new(0))
    names = _Names(b"evdev", model.encode(), layout.encode(), variant.encode(), b"")
    keymap = ctypes.c_void_p(library.xkb_keymap_new_from_names(context, ctypes.byref(names), 0))
    if not keymap:
        raise SystemExit(f"no layout {layout}({variant})")
    for code in _CODES:
        levels = [_character(library, keymap, code, level) for level in range(_LEVELS)]
        if any(levels):
            yield " ".join((str(code), *(text or "none" for text in levels)))


def _character(library: Any, keymap: ctypes.c_void_p, code: int, level: int) -> str:
    """What a key types at a level: a character, `dead` and one, or nothing."""
    symbols = ctypes.POINTER(ctypes.c_uint32)()
    count = library.xkb_keymap_key_get_syms_by_level(keymap, code + _OFFSET, 0, level, ctypes.byref(symbols))
    if count != 1:
        return ""
    name = ctypes.create_string_buffer(64)
    library.xkb_keysym_get_name(symbols[0], name, len(name))
    dead = _DEAD.get(name.value.decode())
    if dead:
        return f"dead{dead}"
    character = library.xkb_keysym_to_utf32(symbols[0])
    return chr(character) if character > ord(" ") and character != 0x7F else ""


if __name__ == "__main__":
    main()
