"""The delimiters and filters of templates, and how a whole config becomes texts."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import jinja2
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from boot_configs import Delivery, Firmware, ParameterProblems, load
from boot_configs.rendering import Renderer
from vmforge.console.boot_command import Press, parse_boot_command
from vmforge.sdk.interpolate import interpolator

TEXT = Renderer((), {})

LINES = st.text(st.characters(min_codepoint=32, exclude_characters="\x7f\x85\u2028\u2029", codec="utf-8"))


def rendered(template: str, value: object) -> str:
    return TEXT.text(template, value=value)


def test_what_vmforge_fills_in_is_left_alone() -> None:
    text = "cat <<END [[ -e x ]] {{ .HTTPIP }} {% raw %} <%= value %><%# a remark %>"
    assert rendered(text, 1) == "cat <<END [[ -e x ]] {{ .HTTPIP }} {% raw %} 1"


def test_a_statement_alone_on_its_line_leaves_no_line() -> None:
    assert rendered("a\n  <% if value %>\nb\n  <% endif %>\nc\n", True) == "a\nb\nc\n"


def test_a_name_that_is_not_there_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        TEXT.text("<%= valeu %>", value=1)


@settings(deadline=None)
@given(LINES)
def test_yaml_and_json_read_back_what_was_written(text: str) -> None:
    assert yaml.safe_load(rendered("x: <%= value | yaml %>", text)) == {"x": text}
    assert json.loads(rendered("[<%= value | json %>]", text)) == [text]


@settings(deadline=None)
@given(LINES)
def test_a_shell_reads_one_word(text: str) -> None:
    assert shlex.split(rendered("echo <%= value | sh %>", text)) == ["echo", text]


@settings(deadline=None)
@given(LINES)
def test_a_text_is_typed_as_it_is(text: str) -> None:
    command = interpolator().render(rendered("<%= value | typed %>", text))
    actions = parse_boot_command(command).actions
    assert "".join(action.key.name for action in actions if isinstance(action, Press)) == text


@pytest.mark.parametrize(
    ("template", "value", "expected"),
    [
        ("<%= value | grub %>", 'a;b & "c" $d', 'a\\;b \\& \\"c\\" \\$d'),
        ("<%= value | base64 %>", "ä", "w6Q="),
        ("<%= value | utf16_base64 %>", "ab", "YQBiAA=="),
        ("<%= value | preseed %>", "a b \\", "a b \\ "),
    ],
)
def test_a_filter(template: str, value: str, expected: str) -> None:
    assert rendered(template, value) == expected


def test_a_preseed_value_is_one_line() -> None:
    with pytest.raises(ValueError, match="one line"):
        rendered("<%= value | preseed %>", "a\nb")


def test_xml_is_escaped_by_the_file_s_name(tmp_path: Path) -> None:
    for name in ("a.xml.j2", "a.cfg.j2"):
        (tmp_path / name).write_text("<%= value %>")
    renderer = Renderer((tmp_path,), {"value": '<a & "b">'})
    assert renderer.file("a.xml.j2") == "&lt;a &amp; &#34;b&#34;&gt;"
    assert renderer.file("a.cfg.j2") == '<a & "b">'


def test_wrong_parameters_are_not_rendered() -> None:
    with pytest.raises(ParameterProblems, match="no parameter `hostnam`"):
        load("debian-12").render({"hostnam": "x"})


def test_a_password_is_hashed_with_a_new_salt_each_time() -> None:
    config = load("debian-12")
    texts = {config.render({"password": "secret"}).answer_files[0].text for _ in range(2)}
    assert len(texts) == 2
    assert all("secret" not in text and "passwd/user-password-crypted password $6$" in text for text in texts)
    assert config.render({"password": "secret"}).secrets == {"secret"}


def test_equal_parameters_make_equal_texts_without_a_salt() -> None:
    config = load("debian-12")
    assert config.render({"password": "a"}, salt="") == config.render({"password": "a"}, salt="")


def test_the_firmware_decides_about_partitions() -> None:
    config = load("debian-12")
    uefi = config.render({}, firmware=Firmware.UEFI).answer_files[0].text
    assert "method{ efi }" in uefi and "biosgrub" not in uefi
    assert "biosgrub" in config.render({}).answer_files[0].text


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"upgrade": False}, ["apt-setup/services-select multiselect security"]),
        ({"mirror": "http://m/debian", "upgrade": False}, ["apt-setup/services-select multiselect "]),
        (
            {"security_mirror": "http://m:81/deb/debian-security"},
            [
                "apt-setup/services-select multiselect security, updates",
                "apt-setup/security_host string m:81/deb",
            ],
        ),
        (
            {"security_mirror": "https://m/debian-security"},
            [
                "apt-setup/services-select multiselect updates",
                "apt-setup/local0/repository string https://m/debian-security bookworm-security main",
            ],
        ),
    ],
)
def test_where_security_updates_come_from(params: dict[str, object], expected: list[str]) -> None:
    lines = load("debian-12").render(params).answer_files[0].text.splitlines()
    for line in expected:
        assert f"d-i {line}" in lines


def test_a_disc_has_names_and_no_paths() -> None:
    rendered = load("ubuntu-24.04").render({"delivery": "cd"})
    assert (rendered.delivery, rendered.label) == (Delivery.CD, "CIDATA")
    assert [file.path for file in rendered.answer_files] == ["user-data", "meta-data", "vendor-data"]
    assert rendered.kernel is not None and "ds=" not in rendered.kernel.cmdline


def test_autoinstall_is_yaml_whatever_is_in_it() -> None:
    params = {
        "full_name": 'A "b": {c}',
        "late_commands": ["echo 'x: y' # z"],
        "authorized_keys": ["ssh-rsa AA= a:b"],
    }
    text = load("ubuntu-24.04").render(params).answer_files[0].text
    fields = {"SSHPublicKey": "ssh-ed25519 AA= build", "PackageProxy": ""}
    data = yaml.safe_load(interpolator().with_fields(fields).render(text))["autoinstall"]
    assert data["identity"]["realname"] == 'A "b": {c}'
    assert data["ssh"]["authorized-keys"] == ["ssh-ed25519 AA= build", "ssh-rsa AA= a:b"]
    assert "proxy" not in data
    assert "\necho 'x: y' # z\n" in data["late-commands"][0]
