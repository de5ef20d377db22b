"""Python modules beside models.yaml that a model file refers to: found, recorded, pinned and imported."""

from engine.models.modules.files import Opens, hash_file, hash_modules, read_unchanged, require_pinned
from engine.models.modules.namespace import Modules
from engine.models.modules.start import leave_start_folder

__all__ = ["Modules", "Opens", "hash_file", "hash_modules", "leave_start_folder", "read_unchanged", "require_pinned"]
