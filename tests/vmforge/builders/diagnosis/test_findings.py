"""Screens and logs as installers show them, and what the table of signs makes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmforge.builders.diagnosis import Evidence, diagnose, read_signs

SIGNS = tuple(read_signs({"VMFORGE_SIGNS": "/nonexistent"}).signs.values())


def dialog(title: str, *lines: str, buttons: str = "<Go Back>    <Continue>") -> tuple[str, ...]:
    """A dialog as debian-installer draws it."""
    width = 62
    body = [f"  │ {line:<{width - 2}} │" for line in ("", *lines, "", f"    {buttons}", "")]
    top = f"┤ {title} ├"
    return (f"  ┌{top:─^{width}}┐", *body, f"  └{'─' * width}┘")


CASES: dict[str, tuple[Evidence, str]] = {
    "preseed 404": (
        Evidence(
            screen=dialog(
                "[!!] Download debconf preconfiguration file",
                "Failed to retrieve the preconfiguration file",
                "The file needed for preconfiguration could not be",
                "retrieved from http://10.0.2.2:8000/presed.cfg. The",
                "installation will proceed in non-automated mode.",
            )
        ),
        "preseed-not-fetched",
    ),
    "preseed broken": (
        Evidence(
            screen=dialog(
                "[!!] Download debconf preconfiguration file",
                "Failed to process the preconfiguration file",
                "The installer failed to process the preconfiguration",
                "file from http://10.0.2.2:8000/p. The file may be corrupt.",
            )
        ),
        "preseed-broken",
    ),
    "debian without lease": (
        Evidence(screen=dialog("[!!] Configure the network", "Network autoconfiguration failed")),
        "debian-no-network",
    ),
    "debian mirror, wrapped": (
        Evidence(
            screen=dialog(
                "[!] Configure the package manager",
                "Bad archive mirror",
                "An error has been detected while trying to use the",
                "specified Debian archive mirror.",
            )
        ),
        "mirror",
    ),
    "debian without a mirror": (
        Evidence(
            screen=dialog(
                "[!!] Choose a mirror of the Debian archive",
                "Architecture not supported",
                "The specified Debian archive mirror does not seem to",
                "support your architecture. Please try a different mirror.",
            )
        ),
        "mirror",
    ),
    "debian without a password": (
        Evidence(
            screen=dialog(
                "[!!] Set up users and passwords",
                "Make sure to select a strong password that cannot be guessed.",
                "",
                "Choose a password for the new user:",
                "",
                "____________________________________________________________",
            )
        ),
        "debian-account",
    ),
    "debian without the disk of the answer file": (
        Evidence(
            screen=dialog(
                "[!!] Partition disks",
                "The installer can guide you through partitioning a disk",
                "Partitioning method:",
                "      Guided - use entire disk",
                buttons="<Go Back>",
            )
        ),
        "debian-partitioning",
    ),
    "debian with a small disk": (
        Evidence(
            screen=dialog(
                "[!!] Partition disks",
                "Failed to partition the selected disk",
                "This probably happened because the selected disk or",
                "free space is too small to be automatically partitioned.",
                buttons="<Continue>",
            )
        ),
        "debian-disk-too-small",
    ),
    "debian with a bad command": (
        Evidence(
            screen=dialog(
                "[!!] Finish the installation",
                "Failed to run preseeded command",
                'Execution of preseeded command "in-target adduser x',
                'y" failed with exit code 1.',
                buttons="<Continue>",
            )
        ),
        "debian-command-failed",
    ),
    "debian without its packages": (
        Evidence(screen=dialog("[!!] Install the base system", "Base system installation error")),
        "debian-packages-failed",
    ),
    "debian with a failed step": (
        Evidence(
            screen=dialog(
                "[!!] Select and install software",
                "Installation step failed",
                "An installation step failed. You can try to run the",
                "failing item again from the menu, or skip it and choose",
                "something else. The failing step is: Select and install",
                "software",
                buttons="<Continue>",
            )
        ),
        "debian-step-failed",
    ),
    "debian without disk": (
        Evidence(screen=dialog("[!!] Detect disks", "No disk drive was detected. If you know")),
        "debian-no-disk",
    ),
    "debian with another disk": (
        Evidence(
            screen=dialog(
                "[!!] Install the GRUB boot loader",
                "Unable to install GRUB in /dev/sda",
                "Executing 'grub-install /dev/sda' failed.",
                "This is a fatal error.",
            )
        ),
        "debian-wrong-disk",
    ),
    "debian asks": (
        Evidence(screen=dialog("[!!] Select a language", "Choose the language to be used.", "C  English")),
        "debian-question",
    ),
    "anaconda asks": (
        Evidence(
            screen=(
                "Installation",
                "5) [!] Installation Destination          6) [x] Network configuration",
                "Please make a selection from the above ['b' to begin installation, 'q' to quit,",
                " 'r' to refresh]:",
            )
        ),
        "anaconda-question",
    ),
    "kickstart 404": (
        Evidence(screen=("dracut: anaconda: Failed to fetch kickstart from http://10.0.2.2:1/ks.cfg",)),
        "kickstart-not-fetched",
    ),
    "autoinstall without its word": (
        Evidence(screen=("Continue with autoinstall? (yes|no)",)),
        "subiquity-confirm",
    ),
    "seabios": (
        Evidence(
            screen=("Booting from Hard Disk...", "Boot failed: not a bootable disk", "No bootable device.")
        ),
        "no-bootable-device",
    ),
    "ovmf": (
        Evidence(screen=("UEFI Interactive Shell v2.2", "EDK II", "Shell> ")),
        "efi-shell",
    ),
    "isolinux": (
        Evidence(screen=("Could not find kernel image: instal", "boot: ")),
        "kernel-not-found",
    ),
    "grub": (
        Evidence(screen=("error: file `/install.amd/vmlinux' not found.", "Press any key to continue...")),
        "grub-error",
    ),
    "panic on the serial line": (
        Evidence(
            serial=(
                "[    1.2] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100",
                "[    1.3] ---[ end Kernel panic - not syncing: Attempted to kill init! ]---",
            )
        ),
        "kernel-panic",
    ),
    "no boot option on the serial line": (
        Evidence(serial=("BdsDxe: No bootable option or device was found.",)),
        "no-bootable-device",
    ),
    "no root": (
        Evidence(
            screen=("[ 1.0] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",)
        ),
        "root-not-found",
    ),
    "emergency": (
        Evidence(screen=("You are in emergency mode. After logging in, type", "(or press Control-D):")),
        "emergency-mode",
    ),
    "wrong password": (
        Evidence(
            screen=("Debian GNU/Linux 12 base tty1", "", "base login: "),
            ssh="login of `forge` refused: tried the password, the server takes `password`",
        ),
        "login-refused",
    ),
    "no sshd": (
        Evidence(
            screen=("Debian GNU/Linux 12 base tty1", "", "base login:"),
            ssh="connection closed at once, nothing listens in the guest yet",
        ),
        "no-ssh-server",
    ),
    "a network that is not there": (
        Evidence(screen=("base login:",), ssh="connected, but no SSH banner yet"),
        "login-prompt-without-ssh",
    ),
    "an SSH server that has gone": (
        Evidence(screen=("base login:",), ssh="connection refused (it has answered before)"),
        "login-prompt-without-ssh",
    ),
    "typo": (Evidence(http=("/tinny.cfg 404 nearest /tiny.cfg",)), "answer-file-misspelt"),
    "missing": (Evidence(http=("/ks.cfg 200", "/late.sh 404")), "answer-file-missing"),
    "never asked": (Evidence(http=("nothing was asked for",)), "answer-files-unasked"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_best_finding(name: str) -> None:
    evidence, expected = CASES[name]
    findings = diagnose(evidence, SIGNS)
    assert [finding.sign.id for finding in findings][:1] == [expected]
    assert "{" not in findings[0].title
    assert findings[0].title[-1:] not in (" ", ":")


HEALTHY = {
    "vendor-data is optional": Evidence(http=("/user-data 200", "/meta-data 200", "/vendor-data 404")),
    "a busy installer": Evidence(
        screen=("┌┤ Installing the base system ├┐", "│            33%             │"),
        ssh="connection closed at once, nothing listens in the guest yet",
    ),
    "a login prompt that was logged in at": Evidence(
        screen=("base login: root", "Password:"), ssh="connection refused"
    ),
    "before anything was typed": Evidence(
        screen=("ISOLINUX 6.04", "boot: "), http=("nothing was asked for",), waiting=False
    ),
    "one disk after another": Evidence(
        screen=("Booting from Hard Disk...", "Boot failed: not a bootable disk", "Booting from DVD/CD...")
    ),
    "nothing at all": Evidence(),
}


# What is seen on each of the recorded screens, the console's and those of failures.
RECORDED = {
    "screens/debian-text-language": "debian-question",
    "screens/debian-text-location": "debian-question",
    "screens/debian-fb-language": "debian-question",
    "screens/debian-fb-location": "debian-question",
    "screens/debian-800x600-location": "debian-question",
    "screens/debian-boot-line": "boot-prompt",
    "screens/isolinux-prompt": "boot-prompt",
    "screens/grub-prompt": "boot-prompt",
    "screens/grub-1024x768-prompt": "boot-prompt",
    "screens/grub-menu": "boot-menu",
    "screens/grub-editor": "boot-menu",
    "screens/grub-1024x768-menu": "boot-menu",
    "screens/grub-1024x768-editor": "boot-menu",
    "screens/efi-setup": "efi-setup",
    "screens/efi-shell": "efi-shell",
    "screens/seabios": "no-bootable-device",
    "diagnosis/screens/debian-account": "debian-account",
    "diagnosis/screens/debian-mirror": "mirror",
    "diagnosis/screens/debian-wrong-disk": "debian-wrong-disk",
    "diagnosis/screens/no-bootable-device": "no-bootable-device",
    "diagnosis/screens/root-not-found": "root-not-found",
}
GOLDEN = Path(__file__).parents[3] / "golden"


@pytest.mark.parametrize(
    "path",
    [*GOLDEN.glob("screens/*.txt"), *GOLDEN.glob("diagnosis/screens/*.txt")],
    ids=lambda path: path.stem,
)
def test_recorded_screens(path: Path) -> None:
    evidence = Evidence(screen=tuple(path.read_text(encoding="utf-8").splitlines()))
    best = next((finding.sign.id for finding in diagnose(evidence, SIGNS)), None)
    assert best == RECORDED.get(str(path.relative_to(GOLDEN).with_suffix("")))


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_guests_show_no_sign(name: str) -> None:
    assert diagnose(HEALTHY[name], SIGNS) == ()


def test_an_anchored_expression_is_about_lines() -> None:
    evidence = Evidence(screen=("boot: install ks=http://10.0.2.2/a", "Loading /boot/vmlinuz... ok"))
    assert diagnose(evidence, SIGNS) == ()


def test_only_what_is_sure_ends_a_wait() -> None:
    """What a healthy machine shows for a while, too, is told at the end only."""
    uncertain = {sign.id for sign in SIGNS if not sign.certain}
    assert {
        "login-prompt-without-ssh",
        "boot-prompt",
        "answer-files-unasked",
        "answer-file-missing",
    } <= uncertain


@pytest.mark.parametrize(
    ("name", "title"),
    [
        (
            "debian with a bad command",
            "a command of the answer file failed with status 1: in-target adduser x y",
        ),
        ("debian without its packages", "the Debian installer could not install Base system"),
        (
            "debian with a failed step",
            "a step of the Debian installer failed: Select and install software",
        ),
        (
            "no root",
            "the kernel found no root file system: VFS: Unable to mount root fs on unknown-block(0,0)",
        ),
    ],
)
def test_a_title_says_what_the_screen_says(name: str, title: str) -> None:
    assert next(finding.title for finding in diagnose(CASES[name][0], SIGNS)) == title


def test_what_the_screen_has_wrapped_is_one_line() -> None:
    lines = (GOLDEN / "diagnosis/screens/root-not-found.txt").read_text(encoding="utf-8").splitlines()
    (found,) = diagnose(Evidence(screen=tuple(lines), columns=80), SIGNS)
    assert found.title.endswith("Unable to mount root fs on unknown-block(0,0)")


def test_a_panic_for_want_of_a_root_is_one_finding() -> None:
    assert len(diagnose(CASES["no root"][0], SIGNS)) == 1


def test_findings_that_lead_to_the_same_step_are_one() -> None:
    evidence, _ = CASES["wrong password"]
    assert [finding.sign.id for finding in diagnose(evidence, SIGNS)] == ["login-refused"]


def test_a_templates_braces_stay() -> None:
    (finding, *_) = diagnose(CASES["preseed 404"][0], SIGNS)
    assert "`{{ .HTTPIP }}:{{ .HTTPPort }}`" in finding.next_step
