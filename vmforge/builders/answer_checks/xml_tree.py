"""XML as a tree whose elements know their lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

from vmforge.builders.answer_checks.finding import Finding


@dataclass(slots=True)
class Element:
    """An element; names are without their prefix, with the namespace beside them. Attributes are told as
    `namespace name`, or by their name alone where they have none."""

    name: str
    namespace: str
    line: int
    attributes: Mapping[str, str]
    children: list[Element] = field(default_factory=list)
    content: str = ""

    @property
    def text(self) -> str:
        return self.content.strip()

    def find(self, *path: str) -> Element | None:
        """The first element below this one at the path of names."""
        found: Element | None = self
        for name in path:
            found = next((child for child in found.children if child.name == name), None) if found else None
        return found

    def all(self, name: str) -> Iterator[Element]:
        """The elements of this name right below this one."""
        return (child for child in self.children if child.name == name)

    def everything(self) -> Iterator[Element]:
        """This element and all below it."""
        yield self
        for child in self.children:
            yield from child.everything()


def read_xml(text: str) -> Element | Finding:
    """The root of a document, or the mistake that no parser gets past. No entity is read from a file."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    # the text is decoded already, whatever encoding its declaration names
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    open_elements: list[Element] = []
    roots: list[Element] = []

    def begin(name: str, attributes: Mapping[str, str]) -> None:
        namespace, _, local = name.rpartition(" ")
        element = Element(local, namespace, parser.CurrentLineNumber, attributes)
        (open_elements[-1].children if open_elements else roots).append(element)
        open_elements.append(element)

    def end(_: str) -> None:
        open_elements.pop()

    def add(content: str) -> None:
        if open_elements:
            open_elements[-1].content += content

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = begin, end, add
    try:
        parser.Parse(text.removeprefix("\ufeff").encode("utf-8"), True)
    except expat.ExpatError as error:
        hint = "write `&amp;` and `&lt;` for `&` and `<` in texts" if error.code in (4, 11) else ""
        return Finding(error.lineno, f"this is no XML: {expat.errors.messages[error.code]}", hint)
    return roots[0]
