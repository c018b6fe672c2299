"""A small HTTP server that gives installers their answer files."""

from http_server.handler import Request
from http_server.listener import Listener, PortsInUse, listen
from http_server.server import Server

__all__ = ["Listener", "PortsInUse", "Request", "Server", "listen"]
