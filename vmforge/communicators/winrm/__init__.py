"""WinRM: waits for a Windows guest to let the user in, runs commands, moves files; pypsrp's only door.

Importing this package loads neither pypsrp nor requests, so that `vmforge validate` stays quick;
`connector.py` loads the rest when a build starts.
"""

from vmforge.communicators.winrm.config import WinRmConfig
from vmforge.communicators.winrm.connector import WinRmConnector

__all__ = ["WinRmConfig", "WinRmConnector"]
