#!/usr/bin/env python3
"""Stands in for AWS's program of that name: forwards a port, without the protocol of Systems Manager. Its
command line is the real one's: session, region, `StartSession`, profile, request, endpoint."""

import json
import socket
import sys
import threading
from urllib.parse import urlsplit


def pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    for one in (source, target):
        try:
            one.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def main() -> None:
    session, _region, command, _profile, request, _endpoint = sys.argv[1:]
    assert command == "StartSession"
    parameters = json.loads(request)["Parameters"]
    where = urlsplit(json.loads(session)["StreamUrl"])
    listener = socket.create_server(("127.0.0.1", int(parameters["localPortNumber"][0])))
    while True:
        client, _ = listener.accept()
        guest = socket.create_connection((where.hostname, int(parameters["portNumber"][0])))
        threading.Thread(target=pump, args=(client, guest), daemon=True).start()
        threading.Thread(target=pump, args=(guest, client), daemon=True).start()


main()
