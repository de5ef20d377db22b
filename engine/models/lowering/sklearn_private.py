"""Access to private parts of scikit-learn: all of it is here, and the parts are listed in docs/decisions.md.

A version that lacks one is not refused: the model is served by scikit-learn itself, and its report says why.
"""

from __future__ import annotations

from typing import Any

import sklearn

from engine.models.lowering.result import NotLowered


def private_part(owner: Any, name: str) -> Any:
    """Read a private attribute of an estimator, or of a module; raise `NotLowered` if it no longer exists."""
    try:
        return getattr(owner, name)
    except AttributeError:
        whose = getattr(owner, "__name__", type(owner).__name__)
        raise NotLowered(
            f"scikit-learn {sklearn.__version__} no longer has a private part that engine uses ({whose}.{name}); "
            f'install "scikit-learn<{sklearn.__version__}"'
        ) from None
