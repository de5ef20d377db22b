"""Follow the files of a spec: when they have changed and are quiet again, check them, and publish what passes."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from engine.diagnostics import render_diagnostics
from engine.endpoints import show_models
from engine.errors import ServeError
from engine.isolation import LostProcess
from engine.server.checking import CheckResult, SpecSource, Stamp, check_isolated, stamp_files
from engine.server.listening.certificate import Certificate, CertificateFiles
from engine.server.logs import log_step
from engine.server.patience import Patience
from engine.server.supervising.supervisor import Supervisor
from engine.spec import Watched

logger = logging.getLogger("engine")

QUIET_SECONDS = 0.5
# The system tells of changes at once where it can; this is for folders that come and go, and for network drives.
LOOK_SECONDS = 2.0
STEP_SECONDS = 0.05
LONGEST_RETRY_SECONDS = 30.0


class Publisher(Protocol):
    """Serves what is published."""

    def publish(self, snapshot: bytes, models: Sequence[Mapping[str, Any]], modules: str) -> None:
        """Replace the snapshot that is served."""

    def degrade(self, reasons: Sequence[str]) -> None:
        """Say why the files differ from what is served."""


@dataclass(slots=True)
class Renewal:
    """Has a supervisor take the certificate in its files, where that is a new one; `served` is what it was so far."""

    supervisor: Supervisor
    files: CertificateFiles
    served: Certificate

    def renew(self) -> None:
        """Have the certificate in the files served, or say why it is not."""
        try:
            found = self.files.read()
        except ServeError as error:
            message = "certificate not renewed; still serving the previous one: %s"
            logger.error(message, error)  # noqa: TRY400 - no traceback says more
            self.supervisor.keep_certificate(str(error))
            return
        if found.digest != self.served.digest:
            logger.info("now serving the new certificate: %s", found)
        self.served = found
        self.supervisor.renew(found)


class Reloader(threading.Thread):
    """Publishes a new generation after each change of the files that stands every check."""

    def __init__(
        self,
        source: SpecSource,
        publisher: Publisher,
        first: CheckResult,
        *,
        watching: bool,
        renewal: Renewal | None = None,
    ) -> None:
        super().__init__(name="reloader", daemon=True)
        self._source = source
        self._publisher = publisher
        self._stamps: Mapping[Watched, Stamp] = first.stamps
        self._watching = watching
        self._renewal = renewal
        self._asked = threading.Event()
        self._stopped = False

    def reload(self) -> None:
        """Check and publish now, without waiting for a change."""
        self._asked.set()

    def stop(self) -> None:
        """Begin no other check."""
        self._stopped = True
        self._asked.set()

    def run(self) -> None:
        """Wait, check, publish, for ever; whatever fails is logged, and tried again after a while."""
        while not self._stopped:
            try:
                self._wait()
                if not self._stopped:
                    self._follow(self._check())
            except Exception as error:
                logger.exception("watching the files failed; trying again")
                self._publisher.degrade([f"watching the files failed: {type(error).__name__}: {error}"])
                time.sleep(LOOK_SECONDS)
                self._asked.set()

    def _follow(self, outcome: CheckResult) -> None:
        """Publish what has passed, or say why it has not."""
        self._stamps = outcome.stamps
        if outcome.stamps != stamp_files(outcome.stamps):
            logger.info("the files changed during the check; checking again")
            if not self._watching:
                self._asked.set()
        elif outcome.snapshot is not None:
            for said in (*outcome.notes, render_diagnostics(outcome.mistakes)):
                if said:
                    logger.warning("%s", said)
            self._publisher.publish(outcome.snapshot, show_models(outcome.facts), outcome.modules)
        else:
            text = render_diagnostics(outcome.mistakes)
            logger.error("change rejected; still serving the previous version:\n%s", text)
            self._publisher.degrade([str(found) for found in outcome.mistakes if found.severity == "error"])

    def _check(self) -> CheckResult:
        """Check in another process, again and again where that one is killed."""
        patience = Patience(LONGEST_RETRY_SECONDS)
        while True:
            self._stamps = stamp_files(self._stamps)
            is_asked = self._asked.is_set()
            self._asked.clear()
            if is_asked and self._renewal is not None:
                self._renewal.renew()
            try:
                logger.info("checking the changed files")
                return check_isolated(self._source, log_step, self._know)
            except LostProcess as lost:
                logger.error("the change could not be checked: %s", lost)  # noqa: TRY400 - no traceback says more
                self._publisher.degrade([f"the change could not be checked: {lost}"])
                if lost.killed:
                    self._asked.wait(patience.delay(0.0))
                else:
                    self._wait()
                if self._stopped:
                    raise

    def _know(self, stamps: Mapping[Watched, Stamp]) -> None:
        """Note which files a check is about to read, also where that check is lost."""
        self._stamps = stamps

    def _wait(self) -> None:
        """Wait until the files have changed and are quiet again, or until somebody asks."""
        if not self._watching:
            self._asked.wait()
        while not self._asked.is_set() and stamp_files(self._stamps) == self._stamps:
            self._wait_for_news()
        quiet_since, before = time.monotonic(), stamp_files(self._stamps)
        while not self._asked.is_set() and time.monotonic() - quiet_since < QUIET_SECONDS:
            self._asked.wait(STEP_SECONDS)
            now = stamp_files(self._stamps)
            if now != before:
                quiet_since, before = time.monotonic(), now

    def _wait_for_news(self) -> None:
        """Wait until something happens in the files' folders, or a while has passed."""
        import watchfiles  # noqa: PLC0415 - no start should wait for it

        try:
            folders = {folder for file in self._stamps for folder in (file.parent, file.resolve().parent)}
            next(
                watchfiles.watch(
                    *(folder for folder in folders if folder.is_dir()),
                    watch_filter=None,
                    recursive=False,
                    debounce=int(STEP_SECONDS * 1000),
                    step=int(STEP_SECONDS * 1000),
                    rust_timeout=int(LOOK_SECONDS * 1000),
                    yield_on_timeout=True,
                    raise_interrupt=False,
                    stop_event=self._asked,
                ),
                None,
            )
        except (OSError, RuntimeError, ValueError):  # no room for another watch, or a name that is none
            self._asked.wait(LOOK_SECONDS)
