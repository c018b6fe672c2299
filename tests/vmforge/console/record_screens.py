"""Record the screens of real machines: `python tests/vmforge/console/record_screens.py [MACHINE...]`.

Each screen is a pair below tests/golden/screens: NAME.png, and NAME.txt with the text that is on it. In text
modes the text is the guest's own memory; in graphics modes it is what the reader says, to be checked by eye
(in debian-fb-language, letters of other scripts that look like Latin ones were put right by hand).
Needs QEMU, xorriso, grub-pc-bin, ovmf; build/tiny.iso (tests/guest/master.py); for the machines named after
Debian an ISO of its installer, which DEBIAN_ISO in the environment names.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT))

from vmforge.console.framebuffer import Framebuffer, png  # noqa: E402
from vmforge.console.screen import ScreenReader, ScreenText, memory  # noqa: E402

GOLDEN = ROOT / "tests/golden/screens"
TINY = ROOT / "build/tiny.iso"
TEXT_MODE = (720, 400)
KEYS = {
    " ": "spc", "-": "minus", "=": "equal", "[": "bracket_left", "]": "bracket_right", "\\": "backslash",
    ";": "semicolon", "'": "apostrophe", "`": "grave_accent", ",": "comma", ".": "dot", "/": "slash",
}  # fmt: skip
SHIFTED = dict(zip('~!@#$%^&*()_+{}|:"<>?', "`1234567890-=[]\\;',./", strict=True))


class Machine:
    """A QEMU with a keyboard and a screen."""

    def __init__(self, *arguments: str) -> None:
        self._folder = tempfile.TemporaryDirectory()
        path = f"{self._folder.name}/qmp"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            command = ["qemu-system-x86_64", "-nodefaults", "-vga", "std", "-display", "none"]
            command += ["-accel", "tcg", "-cpu", "max", "-m", "512", "-qmp", f"unix:{path}"]
            self._process = subprocess.Popen([*command, *arguments])
            self._qmp = listener.accept()[0].makefile("rwb")
        self._qmp.readline()
        self._call("qmp_capabilities")
        self._reader = ScreenReader()

    def __enter__(self) -> Machine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            text = self._reader.read(self.picture())
            print("the screen was:", text.text if text else "(graphics)", sep="\n")
            Path("build/screen.png").write_bytes(png(self.picture()))
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()

    def type(self, text: str) -> None:
        for character in text:
            plain = SHIFTED.get(character, character.lower())
            self.press(*(["shift"] if plain != character else []), KEYS.get(plain, plain))

    def press(self, *names: str, times: int = 1) -> None:
        """Press keys together, by QEMU's names of them."""
        for _ in range(times):
            self._call("send-key", keys=[{"type": "qcode", "data": name} for name in names])
            time.sleep(0.15)

    def wait_for(self, pattern: str, limit: float = 240.0) -> None:
        """Wait until a regular expression is on the screen."""
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            text = self._reader.read(self.picture())
            if text is not None and text.search(pattern):
                return
            time.sleep(0.3)
        raise TimeoutError(pattern)

    def picture(self) -> Framebuffer:
        file = Path(self._folder.name, "screen.ppm")
        self._call("screendump", filename=str(file))
        _, size, _, rgb = file.read_bytes().split(b"\n", 3)
        width, height = map(int, size.split())
        pixels = bytearray(width * height * 4)
        pixels[0::4], pixels[1::4], pixels[2::4] = rgb[2::3], rgb[1::3], rgb[0::3]
        return Framebuffer(width, height, bytes(pixels))

    def save(self, name: str) -> None:
        """Record the screen once its text stands still, with the cursor (it may blink) if there is one."""
        before: object = None
        tries = 0
        while True:
            picture = self.picture()
            text = self._reader.read(picture)
            shown = text.text if text is not None else picture
            tries += 1
            if shown == before and (tries > 12 or text is None or text.cursor):
                break
            before = shown
            time.sleep(0.7)
        true = self._truth(picture, text)
        (GOLDEN / f"{name}.png").write_bytes(png(picture))
        (GOLDEN / f"{name}.txt").write_text(f"{true}\n", encoding="utf-8")
        verdict = "as read" if text is not None and text.text == true else "DIFFERS"
        print(f"{name}: {picture.width}x{picture.height}, {verdict}")

    def _truth(self, picture: Framebuffer, text: ScreenText | None) -> str:
        if text is None:
            return "(no text)"
        if (picture.width, picture.height) != TEXT_MODE:
            return text.text
        file = Path(self._folder.name, "memory")
        self._call("pmemsave", val=0xB8000, size=0x8000, filename=str(file))
        start = memory.locate(file.read_bytes(), text)
        assert start is not None, f"not in memory:\n{text.text}"
        return memory.decode(file.read_bytes(), start).text

    def _call(self, command: str, **arguments: object) -> None:
        self._qmp.write(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        self._qmp.flush()
        while True:
            answer = json.loads(self._qmp.readline())
            if "error" in answer:
                raise RuntimeError(str(answer))
            if "return" in answer:
                return


def seabios() -> None:
    with Machine() as machine:
        machine.wait_for("No bootable device")
        machine.save("seabios")


def isolinux() -> None:
    with Machine("-cdrom", str(TINY)) as machine:
        machine.wait_for("boot:")
        machine.save("isolinux-prompt")
        machine.type('install ks=http://10.0.2.2:8000/{a,b}~tiny.cfg?x=1&y=%20 "Quoted|Line" #end')
        machine.save("isolinux-typed")
        machine.press("backspace", times=75)
        machine.type("install shell")
        machine.press("ret")
        machine.wait_for("# ")
        machine.save("linux-shell")
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ abcdefghijklmnopqrstuvwxyz 0123456789"
        machine.type(f"dmesg | tail -n 30; echo '{letters}'")
        machine.press("ret")
        machine.save("linux-kernel-log")
        styled = r"\033[7mreverse\033[0m \033[31mred\033[0m \033[44mblue paper\033[0m"
        machine.type(f"clear; printf '{styled}'")
        machine.press("ret")
        machine.save("linux-colours")


def login() -> None:
    with tempfile.TemporaryDirectory() as folder:
        disk = f"{folder}/disk.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "1G"], check=True)
        drive = ["-drive", f"file={disk},if=virtio,cache=unsafe"]
        with Machine("-cdrom", str(TINY), *drive) as machine:
            machine.wait_for("boot:")
            machine.press("ret")
            machine.wait_for(r"(?i)user.*[:?]")
            machine.save("tiny-question")
            for answer in ("alice", "secret-Word", "", "", ""):
                machine.type(answer)
                machine.press("ret")
                time.sleep(1.0)
            machine.wait_for("login:")
            machine.save("login")


GRUB_TEXT = """set timeout=-1
menuentry 'Debian GNU/Linux' { linux /boot/vmlinuz root=UUID=0a1b2c3d-4e5f-6789 ro quiet "$extra" ; }
menuentry 'Advanced options for Debian GNU/Linux' { true ; }
menuentry 'UEFI Firmware Settings' { fwsetup ; }
"""
GRUB_GRAPHICS = (
    "loadfont unicode\nset gfxmode=1024x768\ninsmod all_video\nterminal_output gfxterm\n" + GRUB_TEXT
)


def _grub(name: str, configuration: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "root/boot/grub")
        place.mkdir(parents=True)
        (place / "grub.cfg").write_text(configuration)
        iso = f"{folder}/grub.iso"
        command = ["grub-mkrescue", "-d", "/usr/lib/grub/i386-pc", "--fonts=unicode", "-o", iso]
        subprocess.run([*command, f"{folder}/root"], check=True, stderr=subprocess.DEVNULL)
        with Machine("-cdrom", iso) as machine:
            machine.wait_for("UEFI Firmware")
            machine.save(f"{name}-menu")
            machine.type("e")
            machine.wait_for("setparams")
            machine.press("down", times=2)
            machine.press("end")
            machine.type(" console=ttyS0,115200n8")
            machine.save(f"{name}-editor")
            machine.press("esc")
            machine.wait_for("UEFI Firmware")
            machine.type("c")
            machine.wait_for("grub>")
            machine.type("ls (cd)/boot; echo {A..Z} ~!@%^*+=?")
            machine.press("ret")
            machine.save(f"{name}-prompt")


def grub() -> None:
    _grub("grub", GRUB_TEXT)


def grub_graphics() -> None:
    _grub("grub-1024x768", GRUB_GRAPHICS)


def efi() -> None:
    """EDK II's firmware with nothing to boot: its shell, then its setup."""
    with tempfile.TemporaryDirectory() as folder:
        variables = shutil.copy("/usr/share/OVMF/OVMF_VARS_4M.fd", folder)
        code = "if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd"
        drives = ("-drive", code, "-drive", f"if=pflash,format=raw,file={variables}")
        with Machine("-machine", "q35", *drives) as machine:
            machine.wait_for("Shell>")
            machine.type("map -r")
            machine.press("ret")
            machine.save("efi-shell")
            machine.type("exit")
            machine.press("ret")
            machine.wait_for("Boot Manager")
            machine.save("efi-setup")


def debian() -> None:
    iso = os.environ["DEBIAN_ISO"]
    with Machine("-cdrom", iso, "-m", "1024", "-nic", "none") as machine:
        time.sleep(8.0)  # its menu is drawn over a picture
        machine.save("debian-menu")
        machine.press("esc")
        machine.wait_for("boot:")
        machine.type("install priority=low locale?=en_US vga=normal fb=false")
        machine.save("debian-boot-line")


def _installer(boot_line: str, name: str, *arguments: str, languages: bool = True) -> None:
    """The Debian installer, started by a line at its prompt."""
    with Machine("-cdrom", os.environ["DEBIAN_ISO"], "-m", "1024", *arguments) as machine:
        time.sleep(8.0)
        machine.press("esc")
        machine.wait_for("boot:")
        machine.type(boot_line)
        machine.press("ret")
        machine.wait_for("Select a language|Choose the language", 400)
        if languages:
            machine.save(f"{name}-language")
        machine.press("ret")
        machine.wait_for("(?i)location")
        machine.save(f"{name}-location")
        machine.press("alt", "f2")
        time.sleep(2.0)
        machine.press("ret")
        machine.wait_for("#")
        machine.type("cat /proc/cmdline; ls -l /lib /bin | head -n 60")
        machine.press("ret")
        machine.save(f"{name}-shell")
        machine.press("alt", "f4")
        time.sleep(2.0)
        machine.save(f"{name}-log")


def debian_text() -> None:
    _installer("install nomodeset vga=normal fb=false", "debian-text")


def debian_graphics() -> None:
    _installer("install", "debian-fb")


def debian_800x600() -> None:
    _installer(
        "install", "debian-800x600", "-vga", "none", "-device", "VGA,xres=800,yres=600", languages=False
    )


MACHINES: dict[str, Callable[[], None]] = {
    "seabios": seabios,
    "isolinux": isolinux,
    "login": login,
    "grub": grub,
    "grub-graphics": grub_graphics,
    "efi": efi,
    "debian": debian,
    "debian-text": debian_text,
    "debian-graphics": debian_graphics,
    "debian-800x600": debian_800x600,
}


def main(names: list[str]) -> None:
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for name in names or MACHINES:
        MACHINES[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
