"""How many threads and connections a worker has where the system limits them."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from engine.server.http import capacity

LIMITED = """
import resource
from engine.server.http import most_connections
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
print(most_connections(), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def connections(soft: int, hard: int) -> list[int]:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED.format(soft=soft, hard=hard)], capture_output=True, text=True, check=True
    )
    return [*map(int, done.stdout.split())]


def test_connections_leave_descriptors_for_everything_else() -> None:
    assert [1024, 4096] == connections(4096, 4096)
    assert [256 - 64, 256] == connections(256, 256)


def test_a_soft_limit_is_raised_as_far_as_it_may_be() -> None:
    assert [1024, 1024 + 64] == connections(256, 4096)
    assert [512 - 64, 512] == connections(256, 512)


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A control group within another, as /sys/fs/cgroup has them, with this process in the inner one."""
    home = tmp_path / "sys" / "fs" / "cgroup"
    (home / "outer" / "inner").mkdir(parents=True)
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "self" / "cgroup").write_text("0::/outer/inner\n")
    monkeypatch.setattr(capacity, "ROOT", tmp_path)
    return home


def limit(group: Path, most: str, current: int) -> None:
    (group / "pids.max").write_text(f"{most}\n")
    (group / "pids.current").write_text(f"{current}\n")


def test_threads_are_shared_by_the_workers_of_a_control_group(groups: Path) -> None:
    limit(groups / "outer", "1000", 100)
    limit(groups / "outer" / "inner", "max", 50)
    assert 450 - 32 == capacity.most_threads(2)
    limit(groups / "outer" / "inner", "150", 50)
    assert 50 - 32 == capacity.most_threads(2)


def test_a_few_threads_there_always_are(groups: Path) -> None:
    limit(groups / "outer", "20", 19)
    assert 4 == capacity.most_threads(4)


def test_without_a_limit_there_are_as_many_as_are_of_use(groups: Path) -> None:
    assert groups.exists()
    assert 512 == capacity.most_threads(2)


def test_processes_of_a_user_share_its_limit(groups: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each thread counts (setrlimit(2)); it holds for nobody who is root."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (200, 200))
    monkeypatch.setattr(capacity, "_threads_of", lambda _: iter([30, 50]))
    monkeypatch.setattr(capacity.os, "geteuid", lambda: 1000)
    assert 60 - 32 == capacity.most_threads(2)
    monkeypatch.setattr(capacity.os, "geteuid", lambda: 0)
    assert 512 == capacity.most_threads(2)
    assert groups.exists()


@pytest.mark.parametrize(
    ("outer", "inner", "cores"),
    [("max 100000", "max 100000", 8), ("max 100000", "250000 100000", 3), ("50000 100000", "max 100000", 1)],
)
def test_cores_are_those_of_the_quota_of_a_control_group(
    groups: Path, outer: str, inner: str, cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capacity.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    (groups / "outer" / "cpu.max").write_text(f"{outer}\n")
    (groups / "outer" / "inner" / "cpu.max").write_text(f"{inner}\n")
    assert cores == capacity.usable_cores()


@pytest.mark.parametrize(("quota", "cores"), [("-1", 8), ("150000", 2), ("1600000", 8)])
def test_cores_are_those_of_the_quota_of_a_control_group_of_version_1(
    groups: Path, quota: str, cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capacity.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    (groups.parents[2] / "proc" / "self" / "cgroup").write_text("3:cpu,cpuacct:/inner\n1:name=systemd:/inner\n")
    group = groups / "cpu,cpuacct" / "inner"
    group.mkdir(parents=True)
    (group / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (group / "cpu.cfs_period_us").write_text("100000\n")
    assert cores == capacity.usable_cores()
