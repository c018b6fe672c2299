"""Brings legacy JSON templates up to date: replaces what Packer renamed or removed over the years."""

from vmforge.template.fixes.fixer import Change, Fixer
from vmforge.template.fixes.registry import FIXERS
from vmforge.template.fixes.repair import FixedTemplate, fix_document, fix_template

__all__ = ["FIXERS", "Change", "FixedTemplate", "Fixer", "fix_document", "fix_template"]
