"""Writes legacy JSON templates as HCL2 that means the same.

`documents` lays a template out, `bodies` writes what stands in its blocks, `texts` turns strings with
`{{ }}` into strings of HCL with the help of `expressions` and `engine_text`, `tokens` spells them.
"""

from vmforge.template.upgrade.documents import PluginRequirement, Upgraded, upgrade

__all__ = ["PluginRequirement", "Upgraded", "upgrade"]
