"""Closes the connections of clients that read too slowly and, where places are short, of those that do nothing."""

from __future__ import annotations

import errno
import logging
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Sequence

from engine.endpoints import Meter
from engine.server.http.bodies import GRACE_SECONDS, End
from engine.server.http.sockets import Connection, Sockets
from engine.server.http.traffic import Traffic

logger = logging.getLogger("engine")

CALM_SECONDS, BUSY_SECONDS = 1.0, 0.1
# How late a look may be before the delay counts as a pause of this process, which no client is to blame for.
LATE_SECONDS = 1.0
TELL_SECONDS = 10.0
# How long a connection may wait for its next request.
IDLE_SECONDS = 30.0
# The share of the places that is kept free for newcomers, health checks among them.
RESERVE = 8
# How long a client may have read nothing, where places or memory are short.
STALL_SECONDS = 1.0

# The reasons that are told, and not only counted.
_WHY = {
    "crowded": "were idle when others needed their place",
    "not_reading": "read their responses too slowly or not at all (limits.response_rate)",
    "per_address": "exceeded the limit for one address (limits.connections)",
}


class Watch:
    """Looks after the connections of one worker, of which there are `places`."""

    def __init__(self, traffic: Traffic, listener: socket.socket, places: int, meter: Meter) -> None:
        self._traffic = traffic
        self._places = places
        self._meter = meter
        self._sockets = Sockets(listener.getsockname()[1])
        self._spare = Spare(listener)
        self._closed: Counter[str] = Counter()  # since it was last told, as is the next
        self._was_short = False
        self._told = -TELL_SECONDS
        self._made_room = -BUSY_SECONDS
        self._looking = threading.Lock()
        traffic.make_room, traffic.connection = self.make_room, self.connection

    def start(self) -> None:
        """Look from now on, in a thread of its own, for as long as the process lives."""
        threading.Thread(target=self._run, name="watch", daemon=True).start()

    def make_room(self) -> None:
        """See which large answers are read by now, and close those that nobody reads; every now and then is enough."""
        with self._looking:
            now = self._traffic.clock.now()
            if now - self._made_room >= BUSY_SECONDS:
                self._made_room = now
                self._close(_stalled(self._look(now), now), "not_reading")

    def connection(self, client: str) -> Connection | None:
        """Return the connection of a client, if the system tells of it."""
        with self._looking:
            return self._sockets.find(client, self._traffic.clock.now())

    def _run(self) -> None:
        busy = False
        while True:
            seconds = BUSY_SECONDS if busy else CALM_SECONDS
            time.sleep(seconds)
            try:
                busy = self._tick(self._traffic.clock.tick(seconds + LATE_SECONDS))
            except Exception:
                logger.exception("watching the connections failed; trying again")

    def _tick(self, now: float) -> bool:
        """Look after all connections; tell whether there are so many that the next look is soon."""
        for reading in list(self._traffic.reading.values()):
            reading.check(now)
        with self._looking:
            connections = self._look(now)
            self._end_waits(connections)
            self._close(self._unread(connections, now), "not_reading")
            self._hold_addresses(connections)
            self._close([one for one in connections if now - one.idle_since > IDLE_SECONDS], "idle")
            is_short = self._spare.is_short()
            self._keep_places(connections, now, len(connections) if is_short else self._places)
        self._was_short |= is_short
        self._tell(now)
        return is_short or len(connections) > self._places // 2

    def _look(self, now: float) -> list[Connection]:
        """Return the connections, and note which of them do nothing."""
        traffic, connections = self._traffic, self._sockets.look(now)
        for one in connections:
            if one.is_sending or one.client in traffic.computing or one.client in traffic.reading:
                one.idle_since = now
            if not one.is_sending:
                one.judged, one.judged_acked = now, one.acked
        by_client = {one.client: one for one in connections}
        for client, (_, since) in list(traffic.writing.items()):
            writer = by_client.get(client)
            if writer is None or (writer.moved > since and not writer.is_sending):
                traffic.writing.pop(client, None)
        return connections

    def _unread(self, connections: Sequence[Connection], now: float) -> list[Connection]:
        """Return the connections whose clients have read too little in the time that they had."""
        unread = []
        for one in connections:
            seconds = now - one.judged
            if one.is_sending and seconds > GRACE_SECONDS:
                if one.acked - one.judged_acked < self._traffic.limits.response_rate * seconds:
                    unread.append(one)
                one.judged, one.judged_acked = now, one.acked
        return unread

    def _end_waits(self, connections: Sequence[Connection]) -> None:
        """End the waits of clients that have gone; Granian does not notice where further requests are unread."""
        waits = self._traffic.waits.of_clients()
        for one in connections if waits else ():
            if one.has_left and one.client in waits:
                one.close()  # so that the requests behind this one are not answered either
                waits[one.client].leave()

    def _hold_addresses(self, connections: Sequence[Connection]) -> None:
        """Close the newest connections of an address that has more than it may have."""
        most = self._traffic.limits.connections
        if most is None or self._traffic.proxies:
            return
        count: Counter[str] = Counter()
        for one in sorted(connections, key=lambda one: one.since):
            count[one.address] += 1
            if count[one.address] > most:
                self._close([one], "per_address")

    def _keep_places(self, connections: Sequence[Connection], now: float, places: int) -> None:
        """Close the connections that have done nothing for the longest time, until enough places are free."""
        short = len(connections) - (places - max(1, places // RESERVE))
        if short <= 0:
            return
        traffic = self._traffic
        idle = [one for one in connections if one.idle_since < now]
        idle.sort(key=lambda one: one.idle_since)
        self._close(idle[:short], "crowded")
        short -= len(idle)
        for reading in sorted(traffic.reading.values(), key=lambda one: one.began)[: max(0, short)]:
            reading.stop(End.CROWDED)
            short -= 1
        self._close(_stalled(connections, now)[: max(0, short)], "not_reading")

    def _close(self, connections: Sequence[Connection], reason: str) -> None:
        for one in connections:
            one.close(at_once=one.is_sending)
            self._meter.count("connections_closed", reason)
            if reason in _WHY:
                self._closed[reason] += 1

    def _tell(self, now: float) -> None:
        """Say what was short and what was closed since the last time, but not too often."""
        if not (self._closed or self._was_short) or now - self._told < TELL_SECONDS:
            return
        closed, self._closed = self._closed, Counter()
        was_short, self._was_short = self._was_short, False
        self._told = now
        if was_short:
            logger.warning(
                "no file descriptor is free for another connection; raise the limit of open files (ulimit -n)"
            )
        for reason, number in closed.items():
            logger.warning("closed %d connections that %s", number, _WHY[reason])


class Spare:
    """A descriptor in reserve, which is given up where no other is free.

    Granian asks the kernel for the next connection again and again while no file descriptor is free for it, which takes
    a good part of a core. With one free, and nobody in the queue, it waits.
    """

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._descriptor: int | None = None
        self.is_short()  # from the start: before the first look, all others may be gone

    def is_short(self) -> bool:
        """Tell whether no file descriptor is free, and give up the one in reserve if so."""
        try:
            if self._descriptor is None:
                self._descriptor = os.dup(self._listener.fileno())
            os.close(os.dup(self._listener.fileno()))
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):  # Granian has stopped, and closed the listener
                return False
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None
            return True
        return False


def _stalled(connections: Sequence[Connection], now: float) -> list[Connection]:
    """Return the connections whose clients have stopped reading, those first that have for the longest time."""
    found = [one for one in connections if one.is_sending and now - max(one.moved, one.since) > STALL_SECONDS]
    return sorted(found, key=lambda one: one.moved)
