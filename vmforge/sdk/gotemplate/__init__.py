"""The language of `{{ }}`: Go's text/template (https://pkg.go.dev/text/template), parsed and executed.

Left out are `define`, `template` and `block` (one text is one template here), `call`, and complex
numbers; asking for them is an error that says so.
"""

from vmforge.sdk.gotemplate.checking import check
from vmforge.sdk.gotemplate.errors import TemplateError
from vmforge.sdk.gotemplate.execution import Function, render
from vmforge.sdk.gotemplate.filling import fill_in
from vmforge.sdk.gotemplate.references import fields_of, names_given_to

__all__ = ["Function", "TemplateError", "check", "fields_of", "fill_in", "names_given_to", "render"]
