"""The connections of a process are found, and those that do nothing or do not read are closed."""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from engine.endpoints import Meter
from engine.server.http import sockets
from engine.server.http import watch as watch_module
from engine.server.http.bodies import GRACE_SECONDS, Clock, End
from engine.server.http.sockets import Sockets, _written
from engine.server.http.waits import Waits
from engine.server.http.watch import Watch

PLACES = 16
FILL = b"x" * 65_536


@dataclass
class Bounds:
    response_rate: int = 1024
    connections: int | None = None


@dataclass
class Traffic:
    """What a watch asks of a worker's traffic."""

    limits: Bounds = field(default_factory=Bounds)
    proxies: int = 0
    computing: set[str] = field(default_factory=set)
    reading: dict[str, Any] = field(default_factory=dict)
    writing: dict[str, tuple[int, float]] = field(default_factory=dict)
    waits: Waits = field(default_factory=Waits)
    clock: Clock = field(default_factory=Clock)
    make_room: Callable[[], None] = lambda: None


class Body:
    """A body that is being read."""

    def __init__(self, began: float) -> None:
        self.began = began
        self.ended: list[End] = []
        self.checked = 0

    def check(self, _: float) -> None:
        self.checked += 1

    def stop(self, why: End) -> None:
        self.ended.append(why)


class Service:
    """A listening socket with accepted connections, each a pair of a client's socket and ours."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self.listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.port = self.listener.getsockname()[1]
        self.traffic = Traffic()
        self.meter = Meter()
        self.watch = Watch(self.traffic, self.listener, PLACES, self.meter)

    def connect(self, address: str = "127.0.0.1") -> tuple[socket.socket, socket.socket]:
        client = socket.create_connection(("127.0.0.1", self.port), timeout=10, source_address=(address, 0))
        ours, _ = self.listener.accept()
        return self._stack.enter_context(client), self._stack.enter_context(ours)

    def closed(self) -> dict[str, int]:
        return {reason: count for (event, reason), count in self.meter.numbers().events.items()}


@pytest.fixture
def service() -> Iterator[Service]:
    with contextlib.ExitStack() as stack:
        yield Service(stack)


def name(client: socket.socket) -> str:
    return "{}:{}".format(*client.getsockname())


def is_closed(client: socket.socket) -> bool:
    client.settimeout(0.2)
    try:
        while data := client.recv(1 << 20):
            assert data
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def fill(ours: socket.socket) -> None:
    """Send until the buffers of both sides are full."""
    ours.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            ours.send(FILL)


def test_connections_of_one_port_are_found(service: Service) -> None:
    (first, _), (second, _) = service.connect(), service.connect()
    with socket.create_server(("127.0.0.1", 0)) as other, socket.create_connection(other.getsockname()):
        found = Sockets(service.port).look(1.0)
    assert {name(first), name(second)} == {one.client for one in found}


def test_a_connection_keeps_its_record(service: Service) -> None:
    sockets = Sockets(service.port)
    _, ours = service.connect()
    (first,) = sockets.look(1.0)
    (second,) = sockets.look(2.0)
    assert first is second
    assert (1.0, 1.0) == (second.since, second.idle_since)
    ours.close()
    assert [] == sockets.look(3.0)


def test_a_descriptor_that_another_connection_has_by_now_is_left_alone(service: Service) -> None:
    _, ours = service.connect()
    (found,) = Sockets(service.port).look(1.0)
    other_client, other = service.connect()
    os.dup2(other.fileno(), ours.fileno())
    found.close(at_once=True)
    assert not is_closed(other_client)


def test_connections_of_ipv6_are_known_as_granian_writes_them() -> None:
    with (
        socket.create_server(("::1", 0), family=socket.AF_INET6) as listener,
        socket.create_connection(listener.getsockname()[:2]) as client,
    ):
        ours, _ = listener.accept()
        with ours:
            (found,) = Sockets(listener.getsockname()[1]).look(1.0)
            assert f"[::1]:{client.getsockname()[1]}" == found.client


@pytest.mark.parametrize(
    ("address", "written"),
    [
        (("127.0.0.1", 80), "127.0.0.1:80"),
        (("::1", 80, 0, 0), "[::1]:80"),
        (("fe80::1", 80, 0, 4), "[fe80::1%4]:80"),
        (("fe80::1%eth0", 80, 0, 4), "[fe80::1%4]:80"),
    ],
)
def test_addresses_are_written_as_granian_writes_them(address: tuple[Any, ...], written: str) -> None:
    """Rust's SocketAddrV6 has the scope of a link-local address, as a number."""
    assert written == _written(address)


def test_who_has_done_nothing_for_longest_gives_up_a_place(service: Service) -> None:
    """Two of sixteen places are kept free; who is being answered or is sending a body keeps theirs."""
    watch, traffic = service.watch, service.traffic
    clients = [service.connect()[0] for _ in range(4)]
    watch._tick(1.0)
    clients += [service.connect()[0] for _ in range(PLACES - 4)]
    traffic.computing = {name(clients[0])}
    traffic.reading = {name(clients[1]): Body(0.0)}
    assert watch._tick(2.0)
    assert [False, False, True, True] == [is_closed(client) for client in clients[:4]]
    assert [False] * (PLACES - 4) == [is_closed(client) for client in clients[4:]]
    assert {"crowded": 2} == service.closed()


def test_who_has_just_come_is_not_closed_before_it_can_ask(service: Service) -> None:
    clients = [service.connect()[0] for _ in range(PLACES)]
    service.watch._tick(1.0)
    assert [False] * PLACES == [is_closed(client) for client in clients]


def test_slow_bodies_give_up_their_places_after_idle_connections(service: Service) -> None:
    clients = [service.connect()[0] for _ in range(PLACES)]
    bodies = {name(client): Body(float(number)) for number, client in enumerate(clients)}
    service.traffic.reading = bodies
    service.watch._tick(100.0)
    ended = [body.ended for body in bodies.values()]
    assert [[End.CROWDED]] * 2 + [[]] * (PLACES - 2) == ended
    assert [1] * PLACES == [body.checked for body in bodies.values()]


def test_who_does_not_read_is_closed_in_time(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    (still, ours), (reader, theirs) = service.connect(), service.connect()
    fill(ours)
    fill(theirs)
    service.watch._tick(1.0)
    reader.settimeout(10)
    while not has_room(theirs):
        assert reader.recv(1 << 20)
    fill(theirs)
    with caplog.at_level(logging.WARNING):
        service.watch._tick(1.0 + GRACE_SECONDS + 0.1)
    assert {"not_reading": 1} == service.closed()
    assert is_closed(still)
    assert not is_closed(reader)
    expected = "closed 1 connections that read their responses too slowly or not at all (limits.response_rate)"
    assert [expected] == [record.message for record in caplog.records]


def has_room(ours: socket.socket) -> bool:
    """Whether our side can send again."""
    with contextlib.suppress(BlockingIOError):
        return ours.send(b"x") == 1
    return False


def test_any_speed_of_reading_can_be_allowed(service: Service) -> None:
    service.traffic.limits.response_rate = 0
    client, ours = service.connect()
    fill(ours)
    for now in (1.0, 100.0, 200.0):
        service.watch._tick(now)
    assert {} == service.closed()
    assert client


def test_where_memory_is_short_who_has_stopped_reading_is_closed_at_once(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer is in memory until its client has read it, or has gone."""
    (client, ours), (reader, theirs) = service.connect(), service.connect()
    fill(ours)
    clock = iter((1.0, 1.5, 1.0 + watch_module.STALL_SECONDS + 0.1))
    monkeypatch.setattr(service.traffic.clock, "now", lambda: next(clock))
    writing = service.traffic.writing = dict.fromkeys((name(client), name(reader), "127.0.0.1:1"), (1, 0.5))
    service.traffic.make_room()
    assert {name(client), name(reader)} == {*writing}
    theirs.sendall(b"x")
    assert b"x" == reader.recv(1)
    service.traffic.make_room()
    assert ({name(client)}, {}) == ({*writing}, service.closed())
    service.traffic.make_room()
    assert {"not_reading": 1} == service.closed()


def test_one_address_has_so_many_connections(service: Service) -> None:
    service.traffic.limits.connections = 2
    ours = [service.connect()[0] for _ in range(2)]
    service.watch._tick(1.0)
    ours += [service.connect()[0] for _ in range(2)]
    other = service.connect("127.0.0.2")[0]
    service.watch._tick(2.0)
    assert [False, False, True, True] == [is_closed(client) for client in ours]
    assert not is_closed(other)
    assert {"per_address": 2} == service.closed()


def test_behind_proxies_an_address_has_any_number_of_connections(service: Service) -> None:
    service.traffic.limits.connections, service.traffic.proxies = 1, 1
    clients = [service.connect()[0] for _ in range(3)]
    service.watch._tick(1.0)
    assert [False] * 3 == [is_closed(client) for client in clients]


def test_without_a_free_descriptor_who_has_done_nothing_for_longest_gives_up_theirs(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clients = [service.connect()[0]]
    service.watch._tick(1.0)
    clients.append(service.connect()[0])
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(watch_module.Spare, "is_short", lambda _: True)
        assert service.watch._tick(2.0)
    assert [True, False] == [is_closed(client) for client in clients]
    expected = "no file descriptor is free for another connection; raise the limit of open files (ulimit -n)"
    assert expected == caplog.records[0].message
    assert not service.watch._tick(3.0)


def test_a_connection_without_a_request_is_closed_in_time(service: Service) -> None:
    (idle, _), (busy, _) = service.connect(), service.connect()
    service.traffic.computing = {name(busy)}
    service.watch._tick(1.0)
    service.watch._tick(1.0 + watch_module.IDLE_SECONDS)
    assert {} == service.closed()
    service.watch._tick(1.1 + watch_module.IDLE_SECONDS)
    assert (True, False, {"idle": 1}) == (is_closed(idle), is_closed(busy), service.closed())


def test_a_descriptor_in_reserve_is_given_up_where_no_other_is_free(service: Service) -> None:
    spare = watch_module.Spare(service.listener)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(int(file.name) for file in Path("/proc/self/fd").iterdir()), hard))
    taken: list[int] = []
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.dup(service.listener.fileno()))
        assert spare.is_short()
        taken.append(os.dup(service.listener.fileno()))
        assert spare.is_short()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in taken:
            os.close(descriptor)
    assert not spare.is_short()


def test_a_listener_that_was_closed_at_a_stop_does_not_count_as_short_of_descriptors() -> None:
    with socket.socket() as listener:
        spare = watch_module.Spare(listener)
    assert not spare.is_short()


def test_what_was_short_is_said_although_it_is_over_and_something_was_said_just_before(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    service.traffic.limits.connections = 1
    service.connect(), service.connect()
    expected = "no file descriptor is free for another connection; raise the limit of open files (ulimit -n)"
    with caplog.at_level(logging.WARNING):
        service.watch._tick(1.0)
        with monkeypatch.context() as patch:
            patch.setattr(watch_module.Spare, "is_short", lambda _: True)
            service.watch._tick(2.0)
        service.watch._tick(3.0)
        assert expected not in caplog.messages
        service.watch._tick(1.0 + watch_module.TELL_SECONDS)
        service.watch._tick(1.0 + 2 * watch_module.TELL_SECONDS)
    assert 1 == caplog.messages.count(expected)


def test_what_was_closed_is_said_now_and_then(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    service.traffic.limits.connections = 1
    with caplog.at_level(logging.WARNING):
        for now in (1.0, 2.0, 3.0, 12.0):
            service.connect()
            service.connect()
            service.watch._tick(now)
    said = [int(record.message.split()[1]) for record in caplog.records]
    assert 2 == len(said)
    assert sum(service.closed().values()) == sum(said)


@pytest.mark.parametrize(
    ("address", "written"),
    [
        (("127.0.0.1", 80), "127.0.0.1:80"),
        (("::1", 80, 0, 0), "[::1]:80"),
        (("fe80::1%lo", 80, 0, 1), "[fe80::1%1]:80"),
        (("::ffff:127.0.0.1", 80, 0, 0), "[::ffff:127.0.0.1]:80"),
    ],
)
def test_an_address_is_written_as_granian_does(address: tuple[str, int], written: str) -> None:
    """Otherwise a client whose request is computed would pass for one that does nothing."""
    assert written == sockets._written(address)
