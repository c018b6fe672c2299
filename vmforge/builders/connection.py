"""The open connection to a guest; it is a contract of the sdk."""

from vmforge.sdk.connection import Connection

__all__ = ["Connection"]
