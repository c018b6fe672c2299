"""What each kind's check finds in texts with one mistake, and that it finds nothing in right ones."""

from __future__ import annotations

import shutil

import pytest

from vmforge.builders.answer_checks import AnswerKind, Finding, check
from vmforge.builders.answer_checks.cloud_config import rejections
from vmforge.builders.answer_checks.documents import Document, read_yaml

PRESEED = """\
# a whole one
d-i passwd/root-login boolean false
d-i passwd/username string me
d-i passwd/user-password-crypted password *
d-i partman-auto/method string regular
d-i partman/confirm boolean true
d-i partman/confirm_nooverwrite boolean true
d-i preseed/late_command string \\
 in-target true; \\
 in-target false
"""
KICKSTART = """\
lang en_US.UTF-8
keyboard us
timezone UTC --utc
rootpw --lock
user --name=me --lock
clearpart --all --initlabel
autopart
reboot
%packages
@core
%end
%post
echo done
%end
"""
AUTOINSTALL = """\
#cloud-config
autoinstall:
  version: 1
  identity:
    hostname: web
    username: me
    password: "$6$x$y"
  ssh:
    install-server: true
  late-commands:
    - echo done
"""
CLOUD_CONFIG = """\
#cloud-config
users:
  - default
  - name: me
    sudo: ALL=(ALL) NOPASSWD:ALL
write_files:
  - path: /etc/motd
    permissions: "0644"
    content: hello
"""
AUTOYAST = """\
<?xml version="1.0"?>
<!DOCTYPE profile>
<profile xmlns="http://www.suse.com/1.0/yast2ns" xmlns:config="http://www.suse.com/1.0/configns">
  <general>
    <mode>
      <confirm config:type="boolean">false</confirm>
    </mode>
  </general>
  <software>
    <products config:type="list">
      <product>Leap</product>
    </products>
  </software>
  <users config:type="list">
    <user>
      <username>me</username>
      <encrypted config:type="boolean">true</encrypted>
      <user_password>$6$x$y</user_password>
    </user>
  </users>
</profile>
"""
AGAMA = """\
{
  "product": {"id": "SLES"},
  "user": {
    "fullName": "Me",
    "userName": "me",
    "password": "x"
  },
  "scripts": {
    "post": [
      {"name": "one", "content": "#!/bin/bash\\necho"}
    ]
  }
}
"""
UNATTEND = """\
<?xml version="1.0" encoding="utf-8"?>
<unattend xmlns="urn:schemas-microsoft-com:unattend" xmlns:wcm="http://schemas.microsoft.com/WMIConfig/2002/State">
  <settings pass="windowsPE">
    <component name="Microsoft-Windows-International-Core-WinPE" processorArchitecture="amd64"
        publicKeyToken="31bf3856ad364e35" language="neutral" versionScope="nonSxS">
      <UILanguage>en-US</UILanguage>
    </component>
    <component name="Microsoft-Windows-Setup" processorArchitecture="amd64"
        publicKeyToken="31bf3856ad364e35" language="neutral" versionScope="nonSxS">
      <DiskConfiguration/>
      <ImageInstall><OSImage/></ImageInstall>
      <UserData><AcceptEula>true</AcceptEula></UserData>
    </component>
  </settings>
  <settings pass="oobeSystem">
    <component name="Microsoft-Windows-Shell-Setup" processorArchitecture="amd64"
        publicKeyToken="31bf3856ad364e35" language="neutral" versionScope="nonSxS">
      <OOBE><HideEULAPage>true</HideEULAPage></OOBE>
      <FirstLogonCommands>
        <SynchronousCommand wcm:action="add">
          <Order>1</Order>
          <CommandLine>cmd /c echo</CommandLine>
        </SynchronousCommand>
      </FirstLogonCommands>
      <UserAccounts/>
    </component>
  </settings>
</unattend>
"""
ALPINE = """\
KEYMAPOPTS="us us"
HOSTNAMEOPTS="web"
INTERFACESOPTS="auto lo
iface lo inet loopback
"
TIMEZONEOPTS="UTC"
PROXYOPTS="none"
APKREPOSOPTS="-1"
USEROPTS="-a -u me"
SSHDOPTS="openssh"
NTPOPTS="chrony"
DISKOPTS="-m sys /dev/vda"
"""
BSDINSTALL = """\
DISTRIBUTIONS="kernel.txz base.txz"
PARTITIONS=DEFAULT

#!/bin/sh
sysrc sshd_enable=YES
"""
OPENBSD = """\
System hostname = web
Password for root account = *************
Setup a user = me
Password for user me = *************
Location of sets = cd0
Directory does not contain SHA256.sig. Continue without verification = yes
"""
ARCHINSTALL = """\
{
  "hostname": "web",
  "disk_config": {"config_type": "default_layout"},
  "kernels": ["linux"]
}
"""
SHELL = "#!/bin/sh\nif true; then\n  echo\nfi\n"

RIGHT = {
    AnswerKind.PRESEED: PRESEED,
    AnswerKind.KICKSTART: KICKSTART,
    AnswerKind.AUTOINSTALL: AUTOINSTALL,
    AnswerKind.CLOUD_CONFIG: CLOUD_CONFIG,
    AnswerKind.AUTOYAST: AUTOYAST,
    AnswerKind.AGAMA: AGAMA,
    AnswerKind.UNATTEND: UNATTEND,
    AnswerKind.ALPINE: ALPINE,
    AnswerKind.BSDINSTALL: BSDINSTALL,
    AnswerKind.OPENBSD: OPENBSD,
    AnswerKind.ARCHINSTALL: ARCHINSTALL,
    AnswerKind.SHELL: SHELL,
}

# Kind, what is replaced by what, the line of the finding, a part of its message, a part of its hint.
Mistake = tuple[AnswerKind, str, str, int, str, str]
MISTAKES: list[Mistake] = [
    (AnswerKind.PRESEED, "boolean false", "bolean false", 2, "no type `bolean`", "`boolean`"),
    (AnswerKind.PRESEED, "passwd/username", "passwd/user-name", 3, "no question", "`passwd/username`"),
    (AnswerKind.PRESEED, "d-i passwd/username string me\n", "", 0, "name of the user", "passwd/username"),
    (AnswerKind.PRESEED, "true; \\\n", "true; \\ \n", 9, "spaces follow the backslash", "remove"),
    (AnswerKind.PRESEED, "string regular", "string  regular", 5, "begins with a space", "one space"),
    (AnswerKind.PRESEED, "string regular", "string lvm", 5, "partman-lvm/confirm", "answer"),
    (AnswerKind.PRESEED, "false\nd-i", "false\nd-i nothing\nd-i", 3, "no answer", "owner question"),
    (AnswerKind.PRESEED, "# a whole one\n", "# a whole one\r\n", 1, "carriage return", "Unix line ends"),
    (AnswerKind.KICKSTART, "lang en", "langg en", 1, "Unknown command: langg", "`lang`"),
    (AnswerKind.KICKSTART, "--utc", "--universal", 3, "unrecognized arguments: --universal", ""),
    (AnswerKind.KICKSTART, "autopart\n", "", 0, "how the disk is laid out", "autopart"),
    (AnswerKind.KICKSTART, "reboot\n", "", 0, "waits for Enter", "poweroff"),
    (AnswerKind.KICKSTART, "@core\n%end\n", "@core\n", 9, "is not ended", "`%end` before line 11"),
    (AnswerKind.AUTOINSTALL, "  identity:", "  identiy:", 4, "no `autoinstall.identiy`", "`identity`"),
    (AnswerKind.AUTOINSTALL, "    username: me\n", "", 4, "lacks `username`", ""),
    (AnswerKind.AUTOINSTALL, '"$6$x$y"', "secret", 7, "not of the form", "openssl passwd"),
    (AnswerKind.AUTOINSTALL, "version: 1", "version: 2", 3, "must be `1`", ""),
    (AnswerKind.AUTOINSTALL, "- echo done", "- echo: done", 11, "must be", "into quotes"),
    (AnswerKind.AUTOINSTALL, "  ssh:\n    install-server: true\n", "", 2, "no SSH server", "install-server"),
    (AnswerKind.AUTOINSTALL, "#cloud-config\n", "# mine\n", 1, "would not read the file", "#cloud-config"),
    (AnswerKind.AUTOINSTALL, "  version: 1", "\tversion: 1", 3, "no YAML", "tabs"),
    (AnswerKind.AUTOINSTALL, "version: 1\n", "version: 1\n  version: 1\n", 4, "given twice", "keep one"),
    (AnswerKind.CLOUD_CONFIG, "write_files", "write_file", 6, "no `write_file`", "`write_files`"),
    (AnswerKind.CLOUD_CONFIG, '"0644"', "0644", 8, "must be a string", "quotes"),
    (AnswerKind.CLOUD_CONFIG, "    sudo:", "    sudoers:", 5, "no `users[1].sudoers`", ""),
    (AnswerKind.AUTOYAST, "<software>", "<software", 10, "no XML", ""),
    (AnswerKind.AUTOYAST, "<username>me", "<username>me & you", 16, "no XML", "&amp;"),
    (AnswerKind.AUTOYAST, "  <general>", "  <generel/>\n  <general>", 4, "no section `generel`", "`general`"),
    (AnswerKind.AUTOYAST, '<users config:type="list">', "<users>", 14, "is a list", "config:type"),
    (AnswerKind.AUTOYAST, '"boolean">false', '"boolean">no', 6, "may be `true` or `false`", ""),
    (AnswerKind.AUTOYAST, '"boolean">false', '"boolean">true', 6, "waits for somebody", "confirm"),
    (AnswerKind.AUTOYAST, "$6$x$y", "secret", 18, "is no hash", "openssl"),
    (AnswerKind.AGAMA, '"SLES"},', '"SLES"}', 3, "no JSON", "comma"),
    (AnswerKind.AGAMA, "fullName", "fullname", 4, "no `user.fullname`", "`fullName`"),
    (AnswerKind.AGAMA, '  "product": {"id": "SLES"},\n', "", 0, "which product", "product"),
    (AnswerKind.AGAMA, "#!/bin/bash\\n", "", 10, "does not begin with `#!`", "#!/bin/bash"),
    (AnswerKind.UNATTEND, 'pass="windowsPE"', 'pass="WindowsPE"', 3, "no pass `WindowsPE`", "windowsPE"),
    (AnswerKind.UNATTEND, "Core-WinPE", "Core", 4, "is not read in the pass windowsPE", "oobeSystem"),
    (AnswerKind.UNATTEND, "Windows-Shell-Setup", "Windows-ShellSetup", 16, "no component", "Shell-Setup"),
    (AnswerKind.UNATTEND, '31bf3856ad364e35" language="neutral" versionScope="nonSxS">\n      <OOBE',
     '31bf3856" language="neutral" versionScope="nonSxS">\n      <OOBE', 16, "`publicKeyToken`", ""),
    (AnswerKind.UNATTEND, "<AcceptEula>true", "<AcceptEula>yes", 12, "may be `true`", ""),
    (AnswerKind.UNATTEND, ' wcm:action="add"', "", 20, "not added", 'wcm:action="add"'),
    (AnswerKind.UNATTEND, "<Order>1</Order>\n", "", 20, "lacks `Order`", ""),
    (AnswerKind.UNATTEND, "<UserAccounts/>", "", 16, "asks for an account", "UserAccounts"),
    (AnswerKind.UNATTEND, "cmd /c echo", "x" * 1025, 22, "1025 characters", "script"),
    (AnswerKind.ALPINE, "TIMEZONEOPTS", "TIMEZONEOPT", 6, "no variable `TIMEZONEOPT`", "`TIMEZONEOPTS`"),
    (AnswerKind.ALPINE, 'SSHDOPTS="openssh"\n', "", 0, "asks for the SSH server", "`SSHDOPTS`"),
    (AnswerKind.ALPINE, "-m sys /dev/vda", "-m sys", 12, "names no disk", "/dev/vda"),
    (AnswerKind.BSDINSTALL, "PARTITIONS=DEFAULT", "PARTITION=DEFAULT", 2, "no variable", "`PARTITIONS`"),
    (AnswerKind.BSDINSTALL, "PARTITIONS=DEFAULT", "ZFSBOOT_DISKS=ada0", 2, "asks before", "nonInteractive"),
    (AnswerKind.BSDINSTALL, "kernel.txz ", "", 1, "lack `kernel.txz`", "add"),
    (AnswerKind.BSDINSTALL, "#!/bin/sh", "", 0, "no script", "#!/bin/sh"),
    (AnswerKind.OPENBSD, "System hostname =", "System name of host =", 1, "asks nothing like", ""),
    (AnswerKind.OPENBSD, "Setup a user = me", "Setup a user: me", 3, "no `question = answer`", "equals"),
    (AnswerKind.OPENBSD, "Password for root account", "Terminal type", 0, "password of root", "Password"),
    (AnswerKind.OPENBSD, "Directory does not contain SHA256.sig. Continue without verification = yes\n", "",
     5, "no signatures", "yes"),
    (AnswerKind.ARCHINSTALL, "hostname", "hostnam", 2, "no `hostnam`", "`hostname`"),
    (AnswerKind.ARCHINSTALL, "default_layout", "default", 3, "`default_layout`", ""),
    (AnswerKind.ARCHINSTALL, '"hostname"', '"harddrives"', 2, "does not read `harddrives`", "`disk_config`"),
]  # fmt: skip

# The same for mistakes that a program of the host finds.
FOUND_BY_PROGRAMS: list[Mistake] = [
    (AnswerKind.PRESEED, "false\nd-i", "false\nnothing\nd-i", 3, "debconf cannot read", "owner question"),
    (AnswerKind.SHELL, "fi\n", "", 4, "cannot read the script", ""),
    (
        AnswerKind.BSDINSTALL,
        "sysrc sshd_enable=YES",
        "sysrc 'sshd_enable=YES",
        5,
        "cannot read the script",
        "",
    ),
    (AnswerKind.ALPINE, '"openssh"', '"openssh', 0, "cannot read the script", ""),
    (AnswerKind.AGAMA, "echo", "if true", 10, "cannot read the script", ""),
]


@pytest.mark.parametrize("kind", RIGHT)
def test_nothing_is_said_of_a_right_one(kind: AnswerKind) -> None:
    assert check(kind, RIGHT[kind], programs=True) == []


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: f"{mistake[0]}: {mistake[4]}")
def test_a_mistake_is_found(mistake: Mistake) -> None:
    _expect(mistake, programs=False)


@pytest.mark.parametrize("mistake", FOUND_BY_PROGRAMS, ids=lambda mistake: f"{mistake[0]}: {mistake[4]}")
@pytest.mark.skipif(shutil.which("debconf-set-selections") is None, reason="this host is no Debian")
def test_a_program_finds_a_mistake(mistake: Mistake) -> None:
    found = _expect(mistake, programs=True)
    assert not found.warning


def _expect(mistake: Mistake, *, programs: bool) -> Finding:
    kind, right, wrong, line, message, hint = mistake
    text = RIGHT[kind]
    assert right in text
    found = check(kind, text.replace(right, wrong, 1), programs=programs)
    fitting = [one for one in found if message in one.message and hint in one.hint]
    assert fitting, found
    if line:
        assert fitting[0].line == line
    return fitting[0]


def test_a_parser_rejects_and_our_own_rules_warn() -> None:
    assert [one.warning for one in check(AnswerKind.AGAMA, "{,}")] == [False]
    assert all(one.warning for one in check(AnswerKind.AGAMA, "{}"))


def test_a_password_is_in_no_message() -> None:
    text = PRESEED.replace("d-i passwd/username string me", "secret-word")
    assert "secret-word" not in repr(check(AnswerKind.PRESEED, text, programs=True))


def test_a_password_that_is_in_the_wrong_place_of_a_kickstart_is_in_no_message() -> None:
    text = KICKSTART.replace("rootpw --lock", "rootpw --plaintxt my secret")
    (found,) = check(AnswerKind.KICKSTART, text, "RHEL9")
    assert "--plaintxt" in found.message
    assert "secret" not in found.message


def test_a_version_decides_what_a_kickstart_may_say() -> None:
    text = KICKSTART.replace("@core", "@core").replace("%packages", "%packages --exclude-weakdeps")
    assert check(AnswerKind.KICKSTART, text, "RHEL9") == []
    assert [one.line for one in check(AnswerKind.KICKSTART, text, "RHEL8") if not one.warning] == [9]
    assert check(AnswerKind.KICKSTART, text) == []


def test_a_version_that_is_newer_than_the_validator_is_measured_by_its_newest() -> None:
    assert check(AnswerKind.KICKSTART, KICKSTART, "F99") == []


def test_answers_may_be_in_another_file() -> None:
    text = KICKSTART.replace("autopart\n", "%include /tmp/disk.cfg\n")
    assert check(AnswerKind.KICKSTART, text) == []
    part = "d-i partman-auto/method string regular\n"
    assert not [one for one in check(AnswerKind.PRESEED, part) if "user" in one.message]


def test_older_versions_of_alpine_ask_for_no_user() -> None:
    text = ALPINE.replace('USEROPTS="-a -u me"\n', "")
    assert check(AnswerKind.ALPINE, text, "3.15") == []
    assert [one.hint for one in check(AnswerKind.ALPINE, text, "3.22")] == [
        "set `USEROPTS`, to `none` if there is none"
    ]


def test_a_finding_is_told_with_its_place() -> None:
    assert Finding(3, "this is wrong").text("http/ks.cfg") == "http/ks.cfg:3: this is wrong"
    assert Finding(0, "this is missing").text("/ks.cfg") == "/ks.cfg: this is missing"


def test_what_cloud_init_says_is_told_at_its_line_and_without_values() -> None:
    text = "#cloud-config\nusers:\n  - name: me\n    passwd: secret\nwrite_files:\n  - pth: /x\n"
    document = read_yaml(text)
    assert isinstance(document, Document)
    # version 22.4.2, as it stands
    unexpected = "Additional properties are not allowed ('pth' was unexpected)"
    said = (
        "Error:\nCloud config schema errors: users.0: {'name': 'me', 'passwd': 'secret'} is not valid "
        "under any of the given schemas, write_files.0: 'path' is a required property, "
        f"write_files.0: {unexpected}\n"
    )
    found = list(rejections(said, document))
    assert [(one.line, one.message, one.warning) for one in found] == [
        (3, "cloud-init rejects `users[0]`", False),
        (6, "cloud-init rejects `write_files[0]`: 'path' is a required property", False),
        (6, f"cloud-init rejects `write_files[0]`: {unexpected}", False),
    ]
    assert list(rejections("Valid cloud-config: answers\n", document)) == []
