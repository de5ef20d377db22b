"""Find the route of a request: in a dictionary if it has no parameters, else by Werkzeug's router."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from urllib.parse import quote, urlsplit

from werkzeug.exceptions import BadRequest, HTTPException, RequestURITooLarge
from werkzeug.routing import (
    BaseConverter,
    FloatConverter,
    IntegerConverter,
    Map,
    PathConverter,
    RequestRedirect,
    ValidationError,
)
from werkzeug.utils import redirect

from engine.endpoints import Mounted, Response
from engine.handling.incoming import Environ, Incoming
from engine.spec import LazyRule, Service

MAX_HOSTS = 100
_PLAIN_HOST = re.compile(r"([A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){0,10}(:[0-9]{1,5})?)?")


# Werkzeug's converters, made safe against malicious URLs. A number that Python cannot read matches nothing, instead of
# failing. And a path may contain a line break: otherwise Werkzeug would try every other way to split the URL.
class ReadableIntegerConverter(IntegerConverter):
    """Werkzeug's `int`, for which an integer of thousands of digits matches nothing."""

    def to_python(self, value: str) -> int:
        try:
            number: int = super().to_python(value)
        except ValueError as error:
            raise ValidationError from error
        return number


class FiniteFloatConverter(FloatConverter):
    """Werkzeug's `float`, for which a number beyond float64 matches nothing."""

    def to_python(self, value: str) -> float:
        number: float = super().to_python(value)
        if not math.isfinite(number):
            raise ValidationError
        return number


class WholePathConverter(PathConverter):
    """Werkzeug's `path`, in which a line break is a character like any other."""

    part_isolating = False
    regex = r"[^/](?s:.)*?"


CONVERTERS: Mapping[str, type[BaseConverter]] = {
    "float": FiniteFloatConverter,
    "int": ReadableIntegerConverter,
    "path": WholePathConverter,
}


class Router:
    """Finds the route of each request, below the service's base path and without it.

    `url_map` has a rule for each route, whose endpoint is the route's number.
    """

    def __init__(self, mounted: Sequence[Mounted], service: Service) -> None:
        self._mounted = {str(number): one for number, one in enumerate(mounted)}
        self._base = as_path_info(service.base_path)
        self._longest_url = max(limits.url for limits in (service.limits, *(one.route.limits for one in mounted)))
        self.hosts: set[str] = set()  # Host headers that were found to be plain
        # Without OPTIONS, which is answered for every method of a path.
        self._plain: Mapping[tuple[str, str], tuple[Mounted, str, bool]] = {
            (method, mount + as_path_info(one.route.path)): (one, mount, one.endpoint.is_quick and not one.guard.waits)
            for one in mounted
            if not one.route.parameters
            for method in one.route.methods
            if method != "OPTIONS"
            for mount in {"", self._base}
        }
        self.url_map = Map(
            [
                LazyRule(one.route.path, endpoint=number, methods={*one.route.methods, "OPTIONS"})
                for number, one in self._mounted.items()
            ],
            converters=CONVERTERS,
        )

    def mounted(self, endpoint: str | None) -> Mounted | None:
        """Return the route of a rule's endpoint; None for a rule of other code."""
        return self._mounted.get(endpoint or "")

    def find(self, incoming: Incoming) -> None:
        """Find the route of a request, or why there is none."""
        if self.find_plain(incoming) is not None:
            return
        environ = incoming.environ
        mount, path_info = self.split(environ["PATH_INFO"])
        incoming.mount, incoming.path_info = environ.get("SCRIPT_NAME", "") + mount, path_info
        try:
            self.check(path_info)
            below: Environ = {**environ, "SCRIPT_NAME": incoming.mount, "PATH_INFO": path_info} if mount else environ
            incoming.adapter = self.url_map.bind_to_environ(below, subdomain="")
            rule, incoming.arguments = incoming.adapter.match(return_rule=True)
        except HTTPException as error:
            incoming.unmatched = error.with_traceback(None)  # its frames would keep the request, and so itself
            return
        incoming.rule, incoming.mounted = rule.rule, self.mounted(rule.endpoint)

    def find_plain(self, incoming: Incoming) -> bool | None:
        """Find the route of a request in the dictionary; return whether it is quick, and None if it is not there."""
        environ = incoming.environ
        path_info = environ["PATH_INFO"]
        found = self._plain.get((environ["REQUEST_METHOD"], path_info))
        if found is None or not self._is_plain(environ.get("HTTP_HOST", "")):
            return None
        incoming.mounted, mount, is_quick = found
        incoming.rule = incoming.mounted.route.path
        incoming.path_info = path_info[len(mount) :] if mount else path_info
        return is_quick

    def split(self, path_info: str) -> tuple[str, str]:
        """Split a path into the base path, if it begins with it, and the rest."""
        base = self._base
        if not base or not (path_info == base or path_info.startswith(f"{base}/")):
            return "", path_info
        return base, path_info[len(base) :]

    def check(self, path_info: str) -> None:
        """Raise `HTTPException` for a path that no route allows: looking it up takes time too."""
        if len(path_info) > self._longest_url:
            raise RequestURITooLarge
        if not path_info.isascii() and _is_broken(path_info):
            raise BadRequest("the path is not percent-encoded UTF-8")

    def mounted_at(self, incoming: Incoming) -> dict[str, Mounted | None]:
        """Return the route of each method that the path of a request allows; None for a rule of other code."""
        found: dict[str, Mounted | None] = {}
        adapter = incoming.adapter
        if adapter is not None and incoming.unmatched is None:
            for method in adapter.allowed_methods():
                with suppress(HTTPException):
                    found[method] = self.mounted(adapter.match(method=method)[0])
        return found

    def redirected(self, incoming: Incoming, found: RequestRedirect) -> Response:
        """Make the router's redirect relative (RFC 3986, section 4.2), so that it works behind a proxy with a prefix.

        Such a proxy may have removed the base path.
        """
        target = urlsplit(found.new_url)
        path = target.path if incoming.mount else quote(self._base.encode("latin-1")) + target.path
        if "//" not in incoming.path:  # then only the slash at its end was missing
            path = "./" + path.rpartition("/")[0].rpartition("/")[2] + "/"
        # Otherwise "..", which clients resolve in different ways after an empty segment, would be needed.
        answer = redirect(f"{path}?{target.query}" if target.query else path, found.code)
        kept = ("Content-Type", "Location")
        return Response(found.code, tuple((name, answer.headers[name]) for name in kept), answer.get_data())

    def _is_plain(self, host: str) -> bool:
        """Return whether Werkzeug certainly accepts a Host header; it refuses a few, such as `a..b`."""
        if host in self.hosts:
            return True
        if not _PLAIN_HOST.fullmatch(host):
            return False
        if len(self.hosts) < MAX_HOSTS:
            self.hosts.add(host)
        return True


def as_path_info(path: str) -> str:
    """Write a path as PATH_INFO has it (PEP 3333)."""
    return path.encode().decode("latin-1")


def _is_broken(path: str) -> bool:
    """Whether a path (in the form of PEP 3333) was not UTF-8; some servers replace invalid bytes by U+FFFD."""
    try:
        return "\N{REPLACEMENT CHARACTER}" in path.encode("latin-1").decode()
    except ValueError:
        return True
