"""Provisioners for Windows: PowerShell and batch scripts, restarts and updates."""

from vmforge.provisioners.windows.batch import WindowsShellProvisioner
from vmforge.provisioners.windows.powershell import PowerShellProvisioner
from vmforge.provisioners.windows.restart import WindowsRestartProvisioner
from vmforge.provisioners.windows.update import WindowsUpdateProvisioner

__all__ = [
    "PowerShellProvisioner",
    "WindowsRestartProvisioner",
    "WindowsShellProvisioner",
    "WindowsUpdateProvisioner",
]
