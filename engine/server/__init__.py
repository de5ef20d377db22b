"""serve: a checked spec → processes that listen, follow its changes and drain. The only folder that imports Granian."""

from engine.server.checking import SpecSource
from engine.server.http import usable_cores
from engine.server.listening.certificate import CertificateFiles
from engine.server.logs import Logs, log_step
from engine.server.service import ServeOptions, first_check, is_loopback, require_addresses, serve
from engine.server.signals import Signals
