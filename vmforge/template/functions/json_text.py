"""JSON as Go's encoder writes it: keys in order, `<`, `>` and `&` escaped, numbers in full."""

from __future__ import annotations

import json
from fractions import Fraction

from vmforge.template.expressions.values import Value, elements, entries, sorted_entries
from vmforge.template.functions.declaration import FunctionError
from vmforge.template.hcl.numbers import format_number

_ESCAPES = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def encode_json(value: Value) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).translate(_ESCAPES)
    if isinstance(value, (int, Fraction)):
        return format_number(value)
    items, table = elements(value), entries(value)
    if items is not None:
        return "[" + ",".join(encode_json(item) for item in items) + "]"
    if table is not None:
        fields = (f"{encode_json(name)}:{encode_json(item)}" for name, item in sorted_entries(table))
        return "{" + ",".join(fields) + "}"
    raise FunctionError("the value is not known yet")
