"""JSON as a tree with places: what legacy templates and the JSON syntax of HCL are read from."""

from vmforge.template.json.parser import parse_json

__all__ = ["parse_json"]
