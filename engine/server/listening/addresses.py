"""The addresses of a service: the one for its clients and, where there is one, the one for those who run it."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass

from engine.server.listening.certificate import Certificate
from engine.server.listening.listener import Listener


@dataclass(frozen=True, slots=True)
class Door:
    """Where one worker accepts connections, and the certificate that it shows to clients of the service."""

    service: socket.socket
    admin: socket.socket | None = None
    certificate: Certificate | None = None


class Addresses:
    """The listeners of a service, which do the same at the same time; `certificate` is for workers that start."""

    def __init__(
        self, service: Listener, admin: Listener | None = None, certificate: Certificate | None = None
    ) -> None:
        self._service = service
        self._admin = admin
        self._all = [service] if admin is None else [service, admin]
        self.certificate = certificate

    def door(self, place: int) -> Door:
        """Return what a worker that starts now needs to accept at a place."""
        admin = None if self._admin is None else self._admin.of(place)
        return Door(self._service.of(place), admin, self.certificate)

    def aim(self, places: Sequence[int]) -> None:
        """Let each new connection come to any of these places."""
        for one in self._all:
            one.aim(places)

    def turn_away_newcomers(self) -> None:
        """Let nobody new connect, while those who have are still accepted."""
        for one in self._all:
            one.turn_away_newcomers()

    def count_waiting(self, place: int | None = None) -> int:
        """Count the connections that no worker has accepted yet, of one place or of all."""
        return sum(one.count_waiting(place) for one in self._all)

    def close(self) -> None:
        for one in self._all:
            one.close()
