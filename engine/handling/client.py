"""Whether a request comes directly from its client, and from where."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

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


def direct_client(environ: Mapping[str, Any]) -> str:
    """Return the client's address; empty if the request may come from another client or was caused by a web page."""
    is_forwarded = any(name in _PROXY_HEADERS or name.startswith("HTTP_X_FORWARDED") for name in environ)
    if is_forwarded or not _PLAIN_HOST.fullmatch(environ.get("HTTP_HOST", "")):
        return ""
    return str(environ.get("REMOTE_ADDR", ""))
