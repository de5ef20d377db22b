"""The address of a client, from a request's environ (PEP 3333): behind proxies, or only if it connects directly."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

from engine.endpoints.messages import Environ

_ADDRESS = re.compile(
    r"\[(?P<in_brackets>[^\]%]*)(?:%[^\]]*)?\](?::[0-9]+)?|(?P<before_port>[0-9.]+):[0-9]+|(?P<alone>[^%]*)(?:%.*)?"
)
_LONGEST_ADDRESS = 128  # with brackets, a scope and a port
# Under any other name, a web page could send requests by making its own name resolve to this machine (DNS rebinding).
_PLAIN_HOST = re.compile(
    r"(|localhost|[0-9]{1,3}(\.[0-9]{1,3}){3}|\[[0-9a-f:.]+(%[0-9a-z._~%-]+)?\])(:[0-9]{1,5})?", re.IGNORECASE
)
# Headers that proxies and content delivery networks add: the peer passes on the request of another client.
_PROXY_HEADERS = frozenset(
    "HTTP_" + name.upper().replace("-", "_")
    for name in (
        "CDN-Loop CF-Connecting-IP CF-Ray Client-IP Fastly-Client-IP Forwarded Proxy-Client-IP True-Client-IP Via "
        "WL-Proxy-Client-IP X-Amz-Cf-Id X-Appengine-User-IP X-Azure-ClientIP X-Azure-SocketIP X-Client-IP "
        "X-Cluster-Client-IP X-Coming-From X-Envoy-External-Address X-Original-Forwarded-For X-Original-Host "
        "X-ProxyUser-Ip X-Real-IP X-Remote-Addr X-Remote-IP"
    ).split()
)


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
def holder_of_address(address: str) -> str:
    """Return the holder of an address: an IPv6 client has a whole network of 64 bits, and is counted by it."""
    return str(ipaddress.ip_network(f"{address}/64", strict=False)) if ":" in address else address


def direct_client(environ: Environ) -> str:
    """Return the client's address; empty if the request may come from another client or was caused by a web page."""
    is_forwarded = any(name in _PROXY_HEADERS or name.startswith("HTTP_X_FORWARDED") for name in environ)
    if is_forwarded or not _PLAIN_HOST.fullmatch(environ.get("HTTP_HOST", "")):
        return ""
    return str(environ.get("REMOTE_ADDR", ""))
