"""Where a service listens: its addresses, their sockets, and the certificate that it shows there."""
