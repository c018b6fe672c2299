"""YAML and JSON texts as values of which every part knows its line. The door to PyYAML in this package."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmforge.builders.answer_checks.finding import Finding

if TYPE_CHECKING:
    import yaml

# Where a value stands: the keys and indexes that lead to it.
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed text. `value` is made of dicts, lists and scalars; `lines` tells the line of each key and
    item. `doubled` are keys that are given twice, of which a parser keeps one."""

    value: object
    lines: Mapping[Path, int]
    doubled: tuple[Path, ...] = ()

    def line(self, path: Path) -> int:
        """The line of what stands at `path`, or of what would hold it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def repeated(self) -> Iterator[Finding]:
        """Findings about keys that are given twice."""
        for path in self.doubled:
            message = f"`{spelt(path)}` is given twice; only the last one holds"
            yield Finding(self.line(path), message, "keep one of them", warning=True)


def spelt(path: Path) -> str:
    """A path as a person writes it: `users[0].name`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read_yaml(text: str) -> Document | Finding:
    """The document, or the mistake that no parser gets past."""
    import yaml

    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        value = yaml.load(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = " ".join(filter(None, (error.context, error.problem)))
        hint = "indent with spaces, never with tabs" if "'\\t'" in message else ""
        return Finding(mark.line + 1 if mark else 0, f"this is no YAML: {message}", hint)
    except (yaml.YAMLError, ValueError) as error:
        return Finding(0, f"this is no YAML: {' '.join(str(error).split())}")
    lines: dict[Path, int] = {}
    doubled: list[Path] = []
    if tree is not None:
        _walk(tree, (), lines, doubled)
    return Document(value, lines, tuple(doubled))


def read_json(text: str) -> Document | Finding:
    """The same for JSON."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        hint = "JSON has neither comments nor a comma before a closing bracket"
        return Finding(error.lineno, f"this is no JSON: {error.msg[:1].lower()}{error.msg[1:]}", hint)
    # Each JSON text is YAML too, once its indentation is made of spaces. No JSON string holds a tab as it is.
    positions = read_yaml(text.replace("\t", " "))
    return (
        Document(value, positions.lines, positions.doubled)
        if isinstance(positions, Document)
        else Document(value, {})
    )


def _walk(
    node: yaml.Node, path: Path, lines: dict[Path, int], doubled: list[Path], above: tuple[int, ...] = ()
) -> None:
    import yaml

    lines.setdefault(path, node.start_mark.line + 1)
    if id(node) in above:
        return  # an alias for what it stands in
    inside = (*above, id(node))
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, (*path, index), lines, doubled, inside)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*path, str(key.value))
            if inner in lines:
                doubled.append(inner)
            lines[inner] = key.start_mark.line + 1
            _walk(value, inner, lines, doubled, inside)
