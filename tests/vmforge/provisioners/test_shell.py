"""The `shell` provisioner against a guest whose commands really run, in a folder of this machine."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vmforge.errors import CommandFailed, CommunicatorError, Interrupted, MachineError
from vmforge.provisioners.shell import ShellConfig, ShellProvisioner
from vmforge.sdk import Cancellation, Provisioner
from vmforge.sdk.options import options_of
from vmforge.sdk.testing import FakeCommunicator, FakeMachine, RecordingUi, configure, fake_context


def execute(command: str) -> tuple[int, str]:
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


class Guest:
    """A guest whose file system is this machine's, with `folder` for its scripts."""

    def __init__(self, folder: Path, respond: Callable[[str], tuple[int, str]] = execute) -> None:
        self.folder = folder / "guest"
        self.folder.mkdir()
        self.ui = RecordingUi()
        self.communicator = FakeCommunicator(Path("/"), respond)
        self.scratch = folder

    def run(self, data: dict[str, str] | None = None, **options: Any) -> None:
        component = configure(ShellProvisioner, {"remote_folder": str(self.folder)} | options)
        assert isinstance(component, Provisioner)
        context = fake_context(self.scratch, communicator=self.communicator, ui=self.ui, data=data or {})
        component.provision(context, FakeMachine(self.communicator))

    @property
    def output(self) -> list[str]:
        return self.ui.texts("stdout")

    @property
    def left(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def guest(tmp_path: Path) -> Guest:
    return Guest(tmp_path)


def test_inline_commands_are_one_script(guest: Guest) -> None:
    guest.run(inline=["x=1", "echo $x $0", "echo done"])
    assert guest.output[0].startswith(f"1 {guest.folder}/script_")
    assert guest.output[1] == "done"
    assert guest.left == []


def test_inline_stops_at_the_first_failure(guest: Guest) -> None:
    with pytest.raises(CommandFailed, match="the inline script ended with exit status 1") as caught:
        guest.run(inline=["false", "echo unreached"])
    assert guest.output == []
    assert caught.value.status == 1
    assert "`valid_exit_codes`" in caught.value.hint
    assert guest.left == []


def test_inline_shebang(guest: Guest) -> None:
    guest.run(inline=["false", "echo reached"], inline_shebang="/bin/sh")
    assert guest.output == ["reached"]


def test_scripts_run_in_order(guest: Guest, tmp_path: Path) -> None:
    for name in ("b.sh", "a.sh"):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {name}\n")
    guest.run(scripts=[str(tmp_path / "b.sh"), str(tmp_path / "a.sh")])
    assert guest.output == ["b.sh", "a.sh"]
    assert guest.ui.texts("message") == [f"running `{tmp_path}/b.sh`", f"running `{tmp_path}/a.sh`"]


@pytest.mark.parametrize(("binary", "size"), [(False, 4), (True, 6)])
def test_crlf_becomes_lf_unless_binary(guest: Guest, tmp_path: Path, binary: bool, size: int) -> None:
    (tmp_path / "dos.sh").write_bytes(b"a\r\nb\r\n")
    guest.run(script=str(tmp_path / "dos.sh"), binary=binary, execute_command="wc -c < {{.Path}}")
    assert guest.output == [str(size)]


def test_variables_reach_the_script(guest: Guest) -> None:
    guest.run(
        data={"PackerHTTPAddr": "10.0.2.2:8000"},
        inline=['echo "$A|$B|$C|$PACKER_BUILD_NAME|$PACKER_BUILDER_TYPE|$PACKER_HTTP_ADDR"'],
        environment_vars=["A=it's", "B=x=y", "C=list"],
        env={"C": 'map "quoted" $HOME'},
    )
    assert guest.output == ['it\'s|x=y|map "quoted" $HOME|base|qemu|10.0.2.2:8000']


def test_variables_in_a_file(guest: Guest) -> None:
    guest.run(
        inline=['echo "$A"', f"stat -c %a {guest.folder}/varfile_*"], env={"A": "it's"}, use_env_var_file=True
    )
    assert guest.output == ["it's", "600"]
    command = guest.communicator.commands[0]
    assert "it's" not in command
    assert f". {guest.folder}/varfile_" in command
    assert guest.left == []


def test_env_var_format_and_execute_command(guest: Guest) -> None:
    guest.run(
        data={"User": "builder"},
        inline=["echo $A"],
        env={"A": "1"},
        env_var_format="export %s='%s';",
        execute_command="{{ .Vars }} /bin/sh {{ .Path }}; echo {{ .User | upper }}",
    )
    assert guest.output == ["1", "BUILDER"]
    assert "export A='1';export PACKER_BUILDER_TYPE='qemu';" in guest.communicator.commands[0]


def test_remote_names(guest: Guest) -> None:
    guest.run(inline=["echo $0"], remote_file="mine.sh")
    guest.run(inline=["echo $0"], remote_path=f"{guest.folder}/other.sh")
    assert guest.output == [f"{guest.folder}/mine.sh", f"{guest.folder}/other.sh"]


def test_skip_clean_leaves_the_script(guest: Guest) -> None:
    guest.run(inline=["true"], remote_file="mine.sh", skip_clean=True)
    assert guest.left == ["mine.sh"]


def test_a_script_that_cannot_be_removed_is_a_warning(tmp_path: Path) -> None:
    guest = Guest(tmp_path, lambda command: (1, "") if command.startswith("rm ") else (0, ""))
    guest.run(inline=["true"], remote_file="mine.sh")
    assert guest.ui.texts("warn") == [
        f"temporary file `{guest.folder}/mine.sh` could not be removed and will be in the image"
    ]


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (126, "found but cannot be executed"),
        (127, "a command was not found"),
        (255, "`ssh`"),
        (137, "signal, here 9"),
    ],
)
def test_exit_statuses_are_explained(guest: Guest, status: int, hint: str) -> None:
    with pytest.raises(CommandFailed) as caught:
        guest.run(inline=[f"exit {status}"])
    assert hint in caught.value.hint
    assert caught.value.status == status


def test_valid_exit_codes(guest: Guest, tmp_path: Path) -> None:
    guest.run(inline=["exit 3"], valid_exit_codes=[0, 3])
    (tmp_path / "s.sh").write_text("#!/bin/sh\n")
    with pytest.raises(CommandFailed, match=r"s\.sh` ended with exit status 0, not with 3"):
        guest.run(script=str(tmp_path / "s.sh"), valid_exit_codes=[3])


def rebooting(command: str) -> tuple[int, str]:
    if "rm " in command:
        return execute(command)
    raise CommunicatorError("the guest closed the connection")


@pytest.mark.parametrize("options", [{"expect_disconnect": True}, {"valid_exit_codes": [0, 2300218]}])
def test_an_expected_disconnect_waits_for_the_guest(tmp_path: Path, options: dict[str, Any]) -> None:
    guest = Guest(tmp_path, rebooting)
    guest.run(inline=["reboot"], **options)
    assert guest.communicator.reconnects == 1
    assert guest.left == []


def test_an_unexpected_disconnect_fails(tmp_path: Path) -> None:
    guest = Guest(tmp_path, rebooting)
    with pytest.raises(
        CommunicatorError, match="the inline script lost its connection: the guest closed"
    ) as caught:
        guest.run(inline=["reboot"])
    assert caught.value.hint == "if the script restarts the guest, set `expect_disconnect = true`"


@pytest.mark.parametrize("skip_clean", [False, True])
def test_a_guest_that_shuts_down_for_good(tmp_path: Path, skip_clean: bool) -> None:
    class Gone(FakeCommunicator):
        def reconnect(self, timeout: float) -> None:
            raise MachineError("the machine is off")

    guest = Guest(tmp_path)
    guest.communicator = Gone(Path("/"), rebooting)
    if skip_clean:
        guest.run(inline=["poweroff"], expect_disconnect=True, skip_clean=True)
        assert (
            guest.ui.texts("message")[-1]
            == "the guest does not answer any more (the machine is off); going on"
        )
    else:
        with pytest.raises(MachineError, match="the machine is off"):
            guest.run(inline=["poweroff"], expect_disconnect=True)


class Away(FakeCommunicator):
    """A guest that refuses the first uploads."""

    def __init__(self) -> None:
        super().__init__(Path("/"), execute)
        self.left = ["the connection broke", "no answer"]

    def upload(self, source: Any, destination: str, *, mode: int | None = None) -> None:
        if self.left:
            raise CommunicatorError(self.left.pop(0))
        super().upload(source, destination, mode=mode)


def test_an_upload_is_tried_again_while_the_guest_restarts(guest: Guest) -> None:
    guest.communicator = Away()
    guest.run(inline=["echo up"])
    assert guest.output == ["up"]
    assert guest.communicator.reconnects == 2


def test_start_retry_timeout_ends_the_tries(guest: Guest) -> None:
    guest.communicator = Away()
    with pytest.raises(CommunicatorError, match="the connection broke"):
        guest.run(inline=["echo up"], start_retry_timeout="0s")
    assert guest.communicator.reconnects == 0


def test_a_refusal_that_stays_is_not_tried_for_minutes(guest: Guest) -> None:
    with pytest.raises(CommunicatorError, match="no such folder in the guest"):
        guest.run(inline=["true"], remote_folder="/nowhere/at/all")
    assert guest.communicator.reconnects == 2


def test_pause_after_ends_on_cancellation(guest: Guest) -> None:
    component = configure(
        ShellProvisioner, {"inline": ["true"], "remote_folder": str(guest.folder), "pause_after": "1h"}
    )
    assert isinstance(component, Provisioner)
    cancellation = Cancellation()

    def respond(command: str) -> tuple[int, str]:
        if command.startswith("rm "):
            cancellation.cancel()
        return 0, ""

    communicator = FakeCommunicator(Path("/"), respond)
    context = fake_context(guest.scratch, communicator=communicator, ui=guest.ui, cancellation=cancellation)
    with pytest.raises(Interrupted):
        component.provision(context, FakeMachine(communicator))
    assert guest.ui.texts("message") == ["pausing 1h after the scripts"]


def test_a_second_run_starts_afresh(tmp_path: Path) -> None:
    guest = Guest(tmp_path)
    component = configure(ShellProvisioner, {"inline": ["echo $0"], "remote_folder": str(guest.folder)})
    assert isinstance(component, Provisioner)
    context = fake_context(tmp_path, communicator=guest.communicator, ui=guest.ui)
    for _ in range(2):
        component.provision(context, FakeMachine(guest.communicator))
    assert len(guest.output) == 2
    assert guest.left == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "there is nothing to run"),
        (
            {"inline": ["a"], "script": "/bin/sh"},
            "`inline` and `script` are set, but only one of them can be",
        ),
        ({"script": "/nowhere.sh"}, "script `/nowhere.sh` does not exist"),
        ({"scripts": ["/bin/sh", "/tmp"]}, "script `/tmp` is a folder, not a script"),
        ({"inline": ["a"], "environment_vars": ["A"]}, "`A` is not a variable: expected `NAME=VALUE`"),
        ({"inline": ["a"], "environment_vars": ["=b"]}, "`` is not a variable"),
        ({"inline": ["a"], "env": {"a=b": "c"}}, "`a=b` cannot be the name of a variable"),
        ({"inline": ["a"], "env_var_format": "%s"}, "`%s` must hold `%s` twice"),
        ({"inline": ["a"], "execute_command": "{{ .Pth }}"}, "did you mean `.Path`?"),
        ({"inline": ["a"], "execute_command": "{{ .Path"}, "the action is not closed"),
        ({"inline": ["a"], "remote_file": "a", "remote_path": "/b"}, "`remote_file` has no effect"),
    ],
)
def test_wrong_options(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError) as caught:
        configure(ShellProvisioner, options)
    assert expected in str(caught.value)


def test_all_problems_are_found_at_once() -> None:
    with pytest.raises(ValueError) as caught:
        configure(ShellProvisioner, {"script": "/no.sh", "environment_vars": ["x"], "execute_command": "{{"})
    assert len(str(caught.value).splitlines()) == 3


def test_scripts_are_input_files() -> None:
    component = configure(ShellProvisioner, {"scripts": ["/bin/sh", "/bin/ls"]})
    assert isinstance(component, Provisioner)
    assert component.input_files() == (Path("/bin/sh"), Path("/bin/ls"))


def test_times_do_not_belong_to_a_layer() -> None:
    table = options_of(ShellConfig)
    assert [name for name, option in table.items() if not option.info.affects_image] == [
        "start_retry_timeout",
        "pause_after",
    ]


_PROXIES = ['echo "$http_proxy|$https_proxy|$no_proxy"']


def test_a_script_is_told_of_the_package_cache(guest: Guest) -> None:
    guest.run({"PackageProxy": "http://10.0.2.2:4000"}, inline=_PROXIES)
    proxy = "http://10.0.2.2:4000"
    # what this machine serves to the guest is asked for directly
    assert guest.output == [f"{proxy}|{proxy}|localhost,127.0.0.1,::1,10.0.2.2"]


def test_without_a_package_cache_a_script_is_told_of_no_proxy(guest: Guest) -> None:
    guest.run({"PackageProxy": ""}, inline=['env | grep -c _proxy= || echo "none"'])
    assert guest.output[-1] == "none"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"environment_vars": ["http_proxy="]}, "||"),
        ({"env": {"HTTPS_PROXY": "http://own:1", "https_proxy": "http://own:1"}}, "|http://own:1|"),
    ],
)
def test_a_script_with_a_proxy_of_its_own_is_told_of_no_other(
    guest: Guest, options: dict[str, Any], expected: str
) -> None:
    guest.run({"PackageProxy": "http://10.0.2.2:4000"}, inline=_PROXIES, **options)
    assert guest.output == [expected]
