"""The other side of `gwcore.runtime.observability.service`: a datagram socket as a service manager listens on, for tests."""

from __future__ import annotations

import socket


class ServiceManager:
    """Listens on `address`: a path, or with `@` in front a name in the abstract namespace."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address[0] == "@" else address)
        self._socket.setblocking(False)

    def heard(self) -> list[dict[str, str]]:
        """Each message since the last call, in order, by the names of its lines."""
        found: list[dict[str, str]] = []
        while True:
            try:
                data = self._socket.recv(4096)
            except BlockingIOError:
                return found
            found.append(dict(line.split("=", 1) for line in data.decode().split("\n")))

    def names(self) -> set[str]:
        """All names since the last call."""
        return {name for message in self.heard() for name in message}

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()
