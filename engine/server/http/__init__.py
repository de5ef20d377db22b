"""HTTP in a worker: Granian reads requests and writes answers; what is between the two is here."""

from engine.server.http.capacity import Threads, most_connections, most_threads, usable_cores
from engine.server.http.exchange import Front
from engine.server.http.granian import Size, start_granian, stop_signal
from engine.server.http.watch import Watch
