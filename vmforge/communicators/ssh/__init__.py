"""SSH: waits for a guest to let the user in, runs commands there, and moves files; paramiko's only door.

Importing this package loads neither paramiko nor `cryptography`, so that `vmforge validate` stays
quick; `connector.py` loads the rest when a build starts.
"""

from vmforge.communicators.ssh.config import FileTransfer, SshConfig, TemporaryKeyType
from vmforge.communicators.ssh.connector import SshConnector

__all__ = ["FileTransfer", "SshConfig", "SshConnector", "TemporaryKeyType"]
