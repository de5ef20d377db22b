"""The address of a client, also behind proxies."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

from engine.endpoints.messages import Environ

_ADDRESS = re.compile(
    r"\[(?P<in_brackets>[^\]%]*)(?:%[^\]]*)?\](?::[0-9]+)?|(?P<before_port>[0-9.]+):[0-9]+|(?P<alone>[^%]*)(?:%.*)?"
)
_LONGEST_ADDRESS = 128  # with brackets, a scope and a port


def client_address(environ: Environ, proxies: int) -> str:
    """Return the client's address, as the given number of proxies in front of this service have recorded it."""
    forwarded = environ.get("HTTP_X_FORWARDED_FOR", "").rsplit(",", proxies) if proxies else []
    written = forwarded[-proxies] if len(forwarded) >= proxies > 0 else ""
    return _address(written) or _address(environ.get("REMOTE_ADDR", ""))


def _address(written: str) -> str:
    """Return an address as `_plain` does, from any text; only possible addresses are cached."""
    return _plain(written) if len(written) <= _LONGEST_ADDRESS else ""


@lru_cache(maxsize=4096)
def _plain(written: str) -> str:
    """Return an address without a port, brackets or a scope, which some proxies add; empty if it is not an address."""
    form = _ADDRESS.fullmatch(written.strip())
    try:
        found = ipaddress.ip_address(next(filter(None, form.groups()), "") if form else "")
    except ValueError:
        return ""
    return str(getattr(found, "ipv4_mapped", None) or found)


@lru_cache(maxsize=4096)
def holder(address: str) -> str:
    """Return the holder of an address: an IPv6 client has a whole network of 64 bits, and is counted by it."""
    return str(ipaddress.ip_network(f"{address}/64", strict=False)) if ":" in address else address
