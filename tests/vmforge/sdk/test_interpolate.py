"""Packer's functions in `{{ }}`, and the surroundings that they read."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from vmforge.sdk.compatibility import PACKER_VERSION
from vmforge.sdk.golayout import format_time
from vmforge.sdk.interpolate import Interpolator, interpolator
from vmforge.sdk.values import Secret

STARTED = datetime(2024, 3, 5, 15, 4, 9, 120_000, tzinfo=UTC)


@pytest.fixture
def engine() -> Interpolator:
    return interpolator(
        started=STARTED,
        template_dir=Path("/templates/demo"),
        build_name="base",
        build_type="qemu",
        variables={"region": "north", "token": Secret("hunter2")},
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{timestamp}}", "1709651049"),
        ("{{isotime}}", "2024-03-05T15:04:09Z"),
        ('{{isotime "20060102-1504"}}', "20240305-1504"),
        ('{{strftime "%Y%m%d"}}', "20240305"),
        ("{{template_dir}} {{build_name}} {{build_type}}", "/templates/demo base qemu"),
        ("{{packer_version}}", PACKER_VERSION),
        ('{{lower "AbC"}} {{upper "AbC"}}', "abc ABC"),
        ('{{split "a-b-c" "-" 2}}', "c"),
        ('{{replace "a" "b" 1 "aaa"}} {{replace_all "a" "b" "aaa"}}', "baa bbb"),
        ('{{isotime "2006-01-02T15:04"|clean_resource_name}}', "2024-03-05T15-04"),
        ("{{user `region`}}/{{user `token`}}", "north/hunter2"),
    ],
)
def test_functions(engine: Interpolator, text: str, expected: str) -> None:
    assert engine.render(text) == expected


def test_uuid_and_pwd(engine: Interpolator) -> None:
    first, second = (uuid.UUID(engine.render("{{uuid}}")) for _ in range(2))
    assert first != second
    assert engine.render("{{pwd}}") == str(Path.cwd())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{user `regoin`}}", "`user`: there is no variable `regoin`; did you mean `region`?"),
        ("{{env `HOME`}}", "`env`: works only in the default of a variable"),
        ("{{vault `a` `b`}}", "`vault`: works only in the default of a variable"),
        ("{{sed `s/a/b/` `x`}}", "`sed`: no longer exists; use `replace` or `replace_all`"),
        ("{{split `a-b` `-` 2}}", "there is no part 2: `a-b` has 2, counted from 0"),
        ("{{clean_resource_nam `a`}}", "did you mean `clean_resource_name`?"),
    ],
)
def test_failures(engine: Interpolator, text: str, expected: str) -> None:
    with pytest.raises(ValueError) as caught:
        engine.render(text)
    assert expected in str(caught.value)


def test_environment_is_read_only_where_it_is_given() -> None:
    engine = interpolator(environment={"WHO": "me"})
    assert engine.render("{{env `WHO`}}|{{env `NOBODY`}}") == "me|"


def test_build_data_wait_for_the_build(engine: Interpolator) -> None:
    before = engine.render("to {{build `Host`}}")
    assert engine.with_build_data({"Host": "10.0.2.15"}).render(before) == "to 10.0.2.15"
    with pytest.raises(ValueError, match="there is no build value `Hosst`; did you mean `Host`"):
        engine.with_build_data({"Host": "h"}).render("{{build `Hosst`}}")


def test_fields_and_functions_are_added_to_a_copy(engine: Interpolator) -> None:
    richer = (
        engine.with_fields({"A": 1, "P": Path("/x")}).with_fields({"A": 2}).with_functions({"two": lambda: 2})
    )
    assert richer.render("{{.A}} {{.P}} {{two}}") == "2 /x 2"
    with pytest.raises(ValueError, match="unknown function"):
        engine.render("{{two}}")


def test_check_needs_no_values() -> None:
    engine = interpolator().with_fields({"Path": "", "Vars": ""})
    engine.check("echo {{user `password`}} | {{.Vars}} sudo -S {{.Path}}")
    with pytest.raises(ValueError, match=r"did you mean `\.Path`"):
        engine.check("{{ .Pathh }}")


INDIA = timezone(timedelta(hours=5, minutes=30), "IST")


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        ("2006-01-02T15:04:05Z07:00", "2024-03-05T15:04:09Z"),
        ("Mon Monday Jan January 1 01 2 02 _2 06 2006", "Tue Tuesday Mar March 3 03 5 05  5 24 2024"),
        ("15 3 03 4 04 5 05 PM pm", "15 3 03 4 04 9 09 PM pm"),
        ("MST Z07:00 Z0700 Z07 -0700 -07:00 -07", "UTC Z Z Z +0000 +00:00 +00"),
        ("05.000 05,000000000 05.999 .99x .997", "09.120 09,120000000 09.12 .12x .997"),
        ("002 __2", "065  65"),
        ("Janx Monkey _2006", "Janx Monkey _2024"),
        ("text", "text"),
    ],
)
def test_go_layouts(layout: str, expected: str) -> None:
    assert format_time(STARTED, layout) == expected


def test_go_layouts_with_another_time_zone() -> None:
    moment = STARTED.replace(tzinfo=INDIA)
    assert format_time(moment, "MST Z07:00 Z0700 -07:00:00 Z070000") == "IST +05:30 +0530 +05:30:00 +053000"
    assert format_time(STARTED.replace(hour=0), "3PM") == "12AM"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a{{ user `boot` }}/b", "ahttp://{{ .HTTPIP }}/b"),
        ('{{user "boot"}}{{.Name}}', "http://{{ .HTTPIP }}{{.Name}}"),
        ("{{ user `quoted` | upper }}", '{{ "a \\"b\\"\\n" | upper }}'),
        ("a {{- user `boot` -}} b", 'a {{- "http://{{ .HTTPIP }}" -}} b'),
        ("{{if eq (user `boot`) .Name}}", '{{if eq ("http://{{ .HTTPIP }}") .Name}}'),
        ("{{`{{user `}} {{/* user `boot` */}}", "{{`{{user `}} {{/* user `boot` */}}"),
        ("{{ .user }} {{ timestamp }} user `boot`", "{{ .user }} {{ timestamp }} user `boot`"),
        ("{{ `boot` | user }}", "{{ `boot` | user }}"),
    ],
)
def test_variables_are_filled_in_and_the_rest_waits(text: str, expected: str) -> None:
    engine = interpolator(variables={"boot": "http://{{ .HTTPIP }}", "quoted": 'a "b"\n'})
    assert engine.fill_in(text) == expected


def test_a_variable_that_cannot_be_filled_in() -> None:
    with pytest.raises(ValueError, match="there is no variable `boto`; did you mean `boot`"):
        interpolator(variables={"boot": ""}).fill_in("{{user `boto`}} {{.HTTPIP}}")
