"""The store of a cluster's head (Ray's GCS), in which Ray Serve keeps its own state: values by keys of ours.

The only module that uses this private part of Ray.
"""

from __future__ import annotations

from ray.experimental import internal_kv as kv

_NAMESPACE = b"endpoint-engine"


def read_value(key: str) -> bytes | None:
    """Return the value of a key, None without one."""
    value: bytes | None = kv._internal_kv_get(key.encode(), namespace=_NAMESPACE)  # noqa: SLF001
    return value


def write_value(key: str, value: bytes) -> None:
    """Give a key a value, in place of any other."""
    kv._internal_kv_put(key.encode(), value, namespace=_NAMESPACE)  # noqa: SLF001


def add_value(key: str, value: bytes) -> bool:
    """Give a key a value if it has none; return whether it had none."""
    return not kv._internal_kv_put(key.encode(), value, overwrite=False, namespace=_NAMESPACE)  # noqa: SLF001


def delete_value(key: str) -> None:
    """Delete a key, if it is there."""
    kv._internal_kv_del(key.encode(), namespace=_NAMESPACE)  # noqa: SLF001


def list_keys(prefix: str) -> list[str]:
    """Return the keys that begin so."""
    return [key.decode() for key in kv._internal_kv_list(prefix.encode(), namespace=_NAMESPACE)]  # noqa: SLF001
