"""What the `{{ }}` language renders, and how it fails. The expected texts were compared with Go's."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vmforge.sdk.gotemplate import TemplateError, check, render

DATA = {
    "Name": "base",
    "Port": 8080,
    "Off": False,
    "Empty": "",
    "List": ["a", "b", "c"],
    "Map": {"x": {"y": 1}, "a": "first"},
}


def rendered(text: str) -> str:
    return render(text, DATA, {"upper": lambda text: text.upper()})


def failure(text: str) -> str:
    with pytest.raises(TemplateError) as caught:
        rendered(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no action, } { or }}", "no action, } { or }}"),
        ("{{.Name}}:{{ .Port }}", "base:8080"),
        ("{{ .Map.x.y }} {{ $.Map.a }} {{ (index .Map `x`).y }}", "1 first 1"),
        ("{{ .List }} {{ .Map }} {{ .Off }}", "[a b c] map[a:first x:map[y:1]] false"),
        ("a {{- 1 -}} b", "a1b"),
        ("{{ 3 -}}   c\n", "3c\n"),
        ("{{-3}} {{- 3}}", "-33"),
        ("{{/* c */}}x{{- /* d */ -}} y", "xy"),
        ("{{\n.Name\n|\nupper\n}}", "BASE"),
    ],
)
def test_actions(text: str, expected: str) -> None:
    assert rendered(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "{{ 0644 }} {{ 0x1F }} {{ 1e3 }} {{ 1.50 }} {{ 'a' }} {{ 1_000 }} {{ -3 }}",
            "420 31 1000 1.5 97 1000 -3",
        ),
        ("{{ .5 }} {{ 1. }} {{ 0b11 }} {{ 0o17 }}", "0.5 1 3 15"),
        (
            "{{ 100000.0 }} {{ 1234567.0 }} {{ 1e20 }} {{ 0.0001 }} {{ 0.00001 }}",
            "100000 1.234567e+06 1e+20 0.0001 1e-05",
        ),
        (
            r"{{ `raw\n` }} {{ " + r'"tab\tx" }} {{ "\u00e9" }} {{ "\x41\101" }} {{ "\"" }}',
            'raw\\n tab\tx é AA "',
        ),
        ('{{ "}}" }} {{ `{{` }}', "}} {{"),
    ],
)
def test_literals(text: str, expected: str) -> None:
    assert rendered(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ if .Name }}y{{ else }}n{{ end }}{{ if .Empty }}y{{ else }}n{{ end }}", "yn"),
        ("{{ if .Off }}a{{ else if eq .Port 8080 }}b{{ else }}c{{ end }}", "b"),
        ("{{ with .Map.x }}{{ .y }}{{ end }}{{ with .Empty }}x{{ else }}none{{ end }}", "1none"),
        ("{{ with .Empty }}x{{ else with .Name }}{{ . }}{{ end }}", "base"),
        ("{{ with $w := `z` }}{{ $w }}{{ end }}", "z"),
        ("{{ range .List }}{{ . }}{{ end }}", "abc"),
        ("{{ range $i, $e := .List }}{{ $i }}{{ $e }}{{ end }}", "0a1b2c"),
        ("{{ range $k, $v := .Map }}{{ $k }} {{ end }}", "a x "),
        ("{{ range .Empty | printf `%s` | split }}x{{ else }}none{{ end }}", "none"),
        ("{{ range .List }}{{ if eq . `b` }}{{ continue }}{{ end }}{{ . }}{{ end }}", "ac"),
        ("{{ range .List }}{{ if eq . `b` }}{{ break }}{{ end }}{{ . }}{{ end }}", "a"),
        ('{{ $x := "q" }}{{ $x }}{{ if true }}{{ $x = "r" }}{{ end }}{{ $x }}', "qr"),
        ("{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ $x }}{{ end }}{{ $x }}", "21"),
    ],
)
def test_control_flow(text: str, expected: str) -> None:
    assert render(text, DATA, {"split": lambda text: text.split()}) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{{ print 1 2 "a" "b" 3 true }}|{{ println "a" 1 }}|{{ print nil }}', "1 2ab3 true|a 1\n|<nil>"),
        ('{{ len "é" }} {{ len .List }} {{ index "abc" 1 }} {{ index .List 2 }}', "2 3 98 c"),
        ('{{ slice "abcdef" 1 3 }} {{ slice .List 1 }}', "bc [b c]"),
        ('{{ or 0 "x" }} {{ and 1 2 }} {{ and 1 0 2 }} {{ not 0 }} {{ not "a" }}', "x 2 0 true false"),
        ("{{ or true .Nowhere }} {{ and false .Nowhere }}", "true false"),
        ('{{ eq 1 1 }} {{ eq "a" "b" "a" }} {{ ne 1 2 }}', "true true true"),
        (
            '{{ lt 1 2 }} {{ le 2 2 }} {{ gt "b" "a" }} {{ ge 1 2 }} {{ lt 1.5 2.5 }}',
            "true true true false true",
        ),
        ('{{ urlquery "ssh-rsa A+b/c= me@host ~_-." }}', "ssh-rsa+A%2Bb%2Fc%3D+me%40host+~_-."),
        ("""{{ html "<a href='x'>&" }}""", "&lt;a href=&#39;x&#39;&gt;&amp;"),
        ('{{ "a" | printf "%s-%s" "b" | upper }}', "B-A"),
        ('{{ (printf "%d" 3) | printf "%s!" }}', "3!"),
    ],
)
def test_builtin_functions(text: str, expected: str) -> None:
    assert rendered(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"%d|%5d|%-5d|%05d|%+d|% d" 1 2 3 4 5 6', "1|    2|3    |00004|+5| 6"),
        ('"%x|%X|%#x|%o|%b|%c|%x" 255 255 255 8 5 65 "hi"', "ff|FF|0xff|10|101|A|6869"),
        ('"%s|%-4s|%4s|%.1s|%q|%v" "a" "b" "c" "de" "f\\"g" "h"', 'a|b   |   c|d|"f\\"g"|h'),
        (
            '"%t|%v|%e|%g|%.2f|%8.3f|%08.3f" true false 1.5 1e21 3.14159 2.5 -2.5',
            "true|false|1.500000e+00|1e+21|3.14|   2.500|-002.500",
        ),
        ('"%*d|%d%%|%T %T %T %T" 5 3 9 1 1.5 "a" true', "    3|9%|int float64 string bool"),
    ],
)
def test_printf(text: str, expected: str) -> None:
    assert rendered(f"{{{{ printf {text} }}}}") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{", "the action is not closed: expected `}}` in `{{` (line 1, column 3)"),
        ("a\n{{ .Name", "the action is not closed: expected `}}` in `{{ .Name` (line 2, column 3)"),
        ("{{/* c", "the comment is not closed: expected `*/}}` in `{{/* c` (line 1, column 1)"),
        ('{{ "a }}', 'the string is not closed: expected another " in `{{ "a }}` (line 1, column 4)'),
        ("{{}}", "expected a value or a function, not `}}` in `{{}}` (line 1, column 3)"),
        ("{{ if }}", "expected a value or a function, not `}}` in `{{ if }}` (line 1, column 7)"),
        (
            "{{ if true }}",
            "the `if` is not closed: expected `{{ end }}` in `{{ if true }}` (line 1, column 4)",
        ),
        ("{{ end }}", "`end` without an `if`, `range` or `with` before it in `{{ end }}` (line 1, column 4)"),
        ("{{ break }}", "`break` outside of a `range` in `{{ break }}` (line 1, column 4)"),
        ("{{ define `x` }}", "`define` is not supported: one text is one template here"),
        (
            "{{ $y }}",
            "variable `$y` is not declared in `{{ $y }}` (line 1, column 4); write `$y := ...` first",
        ),
        ("{{ if true }}{{ $z := 1 }}{{ end }}{{ $z }}", "variable `$z` is not declared"),
        (
            "{{ uper .Name }}",
            "unknown function `uper` in `{{ uper .Name }}` (line 1, column 4); did you mean `upper`?",
        ),
        ("{{ 1 2 }}", "only a function takes arguments: expected a function's name first"),
        ("{{ nil }}", "`nil` is no value to show"),
        ("{{ 'ab' }}", "'ab' is not one character; strings stand in double quotes or backquotes"),
        ('{{ "\\q" }}', "`\\q` is no escape; write `\\\\` for a backslash, or quote with backquotes"),
    ],
)
def test_wrong_syntax_is_named_with_its_place(text: str, expected: str) -> None:
    assert expected in failure(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "{{ .Nam }}",
            "unknown field `.Nam` in `{{ .Nam }}` (line 1, column 4); did you mean `.Name`? "
            "known are `.Empty`, `.List`, `.Map`, `.Name`, `.Off`, `.Port`",
        ),
        ("{{ .Name.First }}", "`.First` of a string, which has no fields"),
        ("{{ upper }}", "`upper`: needs 1 argument, not 0"),
        ("{{ printf }}", "`printf`: needs at least 1 argument, not 0"),
        ('{{ eq 1 "a" }}', "`eq`: a whole number cannot be compared with a string"),
        ("{{ lt true false }}", "`lt`: a truth value has no order"),
        ("{{ index .List 3 }}", "`index`: index 3 is out of range: there are 3"),
        ("{{ len 3 }}", "`len`: a whole number has no length"),
        ("{{ range .Name }}{{ end }}", "`range` needs a list or a map, not a string"),
        ('{{ printf "%d" "x" }}', "`printf`: `%d` needs a whole number, not a string"),
        ('{{ printf "%s" }}', "`printf`: no argument for `%s`"),
        ('{{ printf "%s" "a" "b" }}', "`printf`: the format uses 1 of 2 arguments"),
        ('{{ printf "%z" 1 }}', "`printf`: `%z` is none of the verbs"),
    ],
)
def test_what_cannot_be_evaluated_is_named(text: str, expected: str) -> None:
    assert expected in failure(text)


def test_arguments_are_checked_against_annotations() -> None:
    def repeat(text: str, times: int = 1) -> str:
        return text * times

    assert render('{{ repeat "ab" 2 }}{{ repeat "c" }}', {}, {"repeat": repeat}) == "ababc"
    with pytest.raises(TemplateError, match="`repeat`: argument 2 must be a whole number, not a string"):
        render('{{ repeat "a" "2" }}', {}, {"repeat": repeat})
    with pytest.raises(TemplateError, match="`repeat`: needs 1 to 2 arguments, not 3"):
        render('{{ repeat "a" 2 3 }}', {}, {"repeat": repeat})


@pytest.mark.parametrize(
    "text",
    [
        "{{ if .Foo }}{{ end }}",
        "{{ if false }}{{ .Foo }}{{ end }}",
        "{{ printf `%s` (print .Foo) }}",
        "{{ with .Name }}{{ else }}{{ .Foo }}{{ end }}",
        "{{ $.Foo }}",
    ],
)
def test_check_finds_unknown_fields_without_data(text: str) -> None:
    with pytest.raises(TemplateError, match=r"unknown field `\.Foo`"):
        check(text, {"Name"}, set())


def test_check_leaves_what_only_values_decide() -> None:
    check("{{ range .Name }}{{ .Inner }}{{ end }}{{ len .Name }}", {"Name"}, set())


PIECES = [
    "{{",
    "}}",
    "{{-",
    "-}}",
    " ",
    ".Name",
    ".",
    "$x",
    ":=",
    "|",
    "(",
    ")",
    ",",
    "if",
    "else",
    "end",
    "range",
]
PIECES += [
    "with",
    "printf",
    "print",
    "index",
    "len",
    "eq",
    "and",
    '"%d"',
    "`a`",
    "'a'",
    "1",
    "0x",
    "1e999",
    "/*",
    "*/",
]


@given(
    st.one_of(
        st.text(), st.lists(st.sampled_from(PIECES)).map("".join), st.text().map(lambda t: f"{{{{ {t} }}}}")
    )
)
@example("{{" + "(" * 2000)
@example("{{if 1}}" * 2000)
@example('{{ printf "%999999999d" 1 }}')
@example("{{ 1e999 | printf `%d` }}")
@example('{{ "\ud800" | urlquery }}')
@example("{{ " + "9" * 5000 + " }}")
def test_any_text_renders_or_raises_value_error(text: str) -> None:
    try:
        rendered(text)
    except ValueError:
        pass
