"""The native syntax of HCL2: text to a syntax tree that knows where everything stands."""

from vmforge.template.hcl.parser import parse_expression, parse_file
from vmforge.template.hcl.source import SourceText
from vmforge.template.hcl.template_parser import parse_template

__all__ = ["SourceText", "parse_expression", "parse_file", "parse_template"]
