"""Text to `Template`: the template language of Packer, from files to evaluated blocks."""

from vmforge.template.data_blocks import DataValues
from vmforge.template.loader import load, parse_only
from vmforge.template.model import (
    BuildBlock,
    DataBlock,
    Evaluated,
    LegacyOutline,
    LocalValue,
    PostProcessorBlock,
    ProvisionerBlock,
    RequiredPlugin,
    RuntimeScope,
    SourceBlock,
    SourceUse,
    Template,
    VariableInputs,
    VariableValue,
)
from vmforge.template.printing import format_value, quote

__all__ = [
    "BuildBlock",
    "DataBlock",
    "DataValues",
    "Evaluated",
    "LegacyOutline",
    "LocalValue",
    "PostProcessorBlock",
    "ProvisionerBlock",
    "RequiredPlugin",
    "RuntimeScope",
    "SourceBlock",
    "SourceUse",
    "Template",
    "VariableInputs",
    "VariableValue",
    "format_value",
    "load",
    "parse_only",
    "quote",
]
