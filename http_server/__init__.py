"""A small HTTP server that gives installers their answer files."""

from http_server.handler import Request
from http_server.server import PortsInUse, Server

__all__ = ["PortsInUse", "Request", "Server"]
