"""How to install each operating system unattended: its answers, what to type, and what its kernel is told."""

from boot_configs.loader import UnknownName, load, names
from boot_configs.model import BootConfig, IsoSigns
from boot_configs.parameters import Network, Parameter, ParameterProblem, ParameterProblems, ParameterType
from boot_configs.rendering import Delivery, Firmware, KernelBoot, Rendered, RenderedFile
from boot_configs.starters import starter

__all__ = [
    "BootConfig",
    "Delivery",
    "Firmware",
    "IsoSigns",
    "KernelBoot",
    "Network",
    "Parameter",
    "ParameterProblem",
    "ParameterProblems",
    "ParameterType",
    "Rendered",
    "RenderedFile",
    "UnknownName",
    "load",
    "names",
    "starter",
]
