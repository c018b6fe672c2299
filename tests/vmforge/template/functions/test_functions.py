"""Functions where the corpus of agreed results does not reach: files, times, patterns, secrets."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vmforge.template.expressions.errors import EvaluationError
from vmforge.template.expressions.values import to_plain
from vmforge.template.functions import all_functions
from vmforge.template.functions.re2 import compile_re2

Evaluate = Callable[..., Any]


def test_every_function_is_declared_with_help() -> None:
    functions = all_functions()
    assert len(functions) >= 95
    for function in functions.values():
        assert function.help.endswith("."), function.name
        assert function.signature.startswith(function.name + "(")
    assert functions["substr"].signature == "substr(text, offset, length)"
    assert functions["bcrypt"].signature == "bcrypt(text, [cost])"
    assert functions["join"].signature == "join(separator, lists...)"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "sub" / "deep").mkdir(parents=True)
    (tmp_path / "hello.txt").write_text("hello ${name}\n")
    (tmp_path / "sub" / "a.sh").write_text("a")
    (tmp_path / "sub" / "deep" / "b.sh").write_text("b")
    (tmp_path / "binary").write_bytes(b"\xff\x00")
    (tmp_path / "list.tpl").write_text("%{ for x in xs ~}\n- ${upper(x)}\n%{ endfor ~}\n")
    (tmp_path / "self.tpl").write_text('${templatefile("self.tpl", {})}')
    (tmp_path / "bad.tpl").write_text("a ${")
    return tmp_path


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('file("hello.txt")', "hello ${name}\n"),
        ('filebase64("binary")', "/wA="),
        ('fileexists("sub/a.sh")', True),
        ('fileexists("sub/x.sh")', False),
        ('fileset(".", "**/*.sh")', ("sub/a.sh", "sub/deep/b.sh")),
        ('fileset("sub", "*.sh")', ("a.sh",)),
        ('fileset(".", "{hello,bye}.t?t")', ("hello.txt",)),
        ('templatefile("hello.txt", { name = "you" })', "hello you\n"),
        ('templatefile("list.tpl", { xs = ["a", "b"] })', "- A\n- B\n"),
        ('dirname("a/b/")', "a/b"),
    ],
)
def test_files(value_of: Evaluate, text: str, value: Any) -> None:
    assert to_plain(value_of(text)) == value


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('file("helo.txt")', "no file `helo.txt`"),
        ('file("binary")', "no UTF-8"),
        ('file("sub")', "cannot be read"),
        ('fileexists("sub")', "is a folder"),
        ('templatefile("hello.txt", {})', "nothing named `name`"),
        ('templatefile("hello.txt", [])', "expected an object"),
        ('templatefile("hello.txt", { "a b" = 1 })', "cannot be the name"),
        ('templatefile("self.tpl", {})', "for itself"),
        ('templatefile("bad.tpl", {})', "not closed"),
    ],
)
def test_file_errors(value_of: Evaluate, text: str, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        value_of(text)


def test_absent_file_hints_at_a_similar_one(value_of: Evaluate, files: Path) -> None:
    with pytest.raises(EvaluationError) as caught:
        value_of('file("helo.txt")')
    assert caught.value.diagnostic.hint == "did you mean `hello.txt`?"


def test_mistake_in_a_template_file_stands_in_that_file(value_of: Evaluate, files: Path) -> None:
    with pytest.raises(EvaluationError) as caught:
        value_of('templatefile("hello.txt", { nam = 1 })')
    place = caught.value.diagnostic.range
    assert place is not None and place.path == str(files / "hello.txt") and place.start.column == 9


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("timestamp()", "2024-05-06T07:08:09Z"),
        ("legacy_isotime()", "2024-05-06T07:08:09Z"),
        ('legacy_isotime("2006-01-02 Mon 03:04PM")', "2024-05-06 Mon 07:08AM"),
        ('legacy_strftime("%Y%m%d")', "20240506"),
        ("formatdate(\"'day' DD, EEE\", timestamp())", "day 06, Mon"),
        ('timeadd("2024-02-28T23:00:00+01:00", "90m")', "2024-02-29T00:30:00+01:00"),
        ('rfc3339_parse("2024-05-06T07:08:09Z").unix', 1714979289),
        ("unix_timestamp_parse(1714979289).rfc3339", "2024-05-06T07:08:09Z"),
        ("unix_timestamp_parse(1714979289).weekday_name", "Monday"),
    ],
)
def test_times(value_of: Evaluate, text: str, value: Any) -> None:
    assert value_of(text) == value


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        (r"a$", "a\n", False),
        (r"(?m)a$", "a\n", True),
        (r"\Aa\z", "a", True),
        (r"^[[:alpha:]_]+$", "ab_", True),
        (r"^\pL+$", "é", True),
        (r"^\d$", "٣", False),
        (r"a(?i)b", "aB", True),
        (r"(a(?i)b)c", "aBC", False),
        (r"(?s).", "\n", True),
        (r"\Qa.b\E", "a.b", True),
        (r"\x{41}", "A", True),
        (r"[&&]", "&", True),
        (r"(?<year>\d+)", "12", True),
    ],
)
def test_patterns_mean_what_they_mean_in_go(pattern: str, text: str, matches: bool) -> None:
    assert (compile_re2(pattern).search(text) is not None) is matches


@pytest.mark.parametrize("pattern", ["(?=a)", "(?<!a)b", r"(a)\1", "a**", "a++", "(", ")", "[a", r"\pX"])
def test_patterns_that_go_refuses_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        compile_re2(pattern)


def test_bcrypt(value_of: Evaluate) -> None:
    bcrypt = pytest.importorskip("bcrypt")
    hashed = value_of('bcrypt("secret", 4)')
    assert hashed.startswith("$2a$04$") and bcrypt.checkpw(b"secret", hashed.encode())


def test_gzip_can_be_unpacked(value_of: Evaluate) -> None:
    text = "line\n" * 1000
    assert gzip.decompress(base64.b64decode(value_of("base64gzip(x)", x=text))).decode() == text


def test_uuids_differ(value_of: Evaluate) -> None:
    first, second = value_of("[uuidv4(), uuidv4()]")
    assert first != second and len(first) == 36


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('format("%05d|%-4s|%+.1f|%q|%%", 42, "a", 2.25, "<")', '00042|a   |+2.2|"\\u003c"|%'),
        ('format("%v %v", 1000000, [1])', "1e+06 [1]"),
        ('formatlist("%s-%s", "a", ["x", "y"])', ("a-x", "a-y")),
        ('length("👩‍👩‍👧 é")', 3),
        ('title("it is-a_b")', "It Is-A_b"),
        ('indent(2, "a\\nb")', "a\n  b"),
        ('jsondecode(jsonencode({ a = [1.5, null, "x"] }))', {"a": (1.5, None, "x")}),
        ('lookup(convert({ a = "1" }, map(string)), "b", 5)', "5"),
        ('coalesce("", null, 3)', "3"),
        ("setunion([1], [2, 1])", (1, 2)),
    ],
)
def test_values(value_of: Evaluate, text: str, value: Any) -> None:
    assert to_plain(value_of(text)) == value


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("tostring(1)", "no function `tostring`", "write `convert(value, string)`"),
        ('format("%d", "x")', "expected a number", ""),
        ('format("%s %s", "x")', "no value for `%s`", ""),
        ('format("%s", 1, 2)', "uses 1 of 2 values", ""),
        ('regex("a(", "x")', "pattern is wrong", ""),
        ('formatdate("YYYYY", timestamp())', "no format verb `YYYYY`", "known are `YYYY` `YY`"),
        ('cidrhost("10.0.0.0", 1)', "no network", "write it as `10.0.0.0/8`"),
        ("range(0, 5000)", "more than 1024", ""),
    ],
)
def test_errors(value_of: Evaluate, text: str, message: str, hint: str) -> None:
    with pytest.raises(EvaluationError, match=message) as caught:
        value_of(text)
    assert caught.value.diagnostic.hint == hint
