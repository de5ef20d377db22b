"""serve: the app → processes that listen. The only folder that imports Granian."""

from engine.server.serve import serve

__all__ = ["serve"]
