"""Puts values into the text of a template in place of calls of one function."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from vmforge.sdk.gotemplate.lexer import Kind, Token, tokenize, unquote


def fill_in(text: str, function: str, value: Callable[[str], str]) -> str:
    """The template with each call of `function` with one written text (``user `x` ``) replaced by its value.

    Where the call is all of an action, the value becomes a part of the template, its own `{{ }}` included;
    elsewhere it becomes a string. Raises `TemplateError` for wrong tokens, and what `value` raises.
    """
    if "{{" not in text or function not in text:
        return text
    tokens = list(tokenize(text))
    parts, end = [], 0
    for index, token in enumerate(tokens):
        call = _call_at(tokens, index, function)
        if call is None:
            continue
        whole = _whole_action(text, tokens, index, index + 3)
        filled = value(call)
        start, stop = whole or (token.position, tokens[index + 3].position)
        parts += [text[end:start], filled if whole else json.dumps(filled, ensure_ascii=False)]
        end = stop
    return "".join(parts) + text[end:]


def _call_at(tokens: Sequence[Token], index: int, function: str) -> str | None:
    """The argument of the call that starts at a token, if one does."""
    match [(token.kind, token.text) for token in tokens[index : index + 3]]:
        case [(Kind.WORD, name), (Kind.SPACE, _), (Kind.STRING, argument)] if name == function:
            return unquote(argument)
    return None


def _whole_action(text: str, tokens: Sequence[Token], first: int, after: int) -> tuple[int, int] | None:
    """Where the action starts and ends whose only contents are the tokens from `first` up to `after`; None
    where there is more in it, or a trim marker, which is for the engine to heed."""
    before = first - (tokens[first - 1].kind is Kind.SPACE)
    after += tokens[after].kind is Kind.SPACE
    opening, closing = tokens[before - 1], tokens[after]
    trims = text.startswith("{{-", opening.position) or closing.text != "}}"
    if opening.kind is not Kind.OPEN_ACTION or closing.kind is not Kind.CLOSE_ACTION or trims:
        return None
    return opening.position, closing.position + 2
