"""Python modules beside models.yaml that a model file refers to: found, recorded, pinned and imported."""

from engine.models.files.modules.module_errors import is_script, missing_attribute, missing_name, raised_at
from engine.models.files.modules.module_files import Opens, hash_file, hash_modules, read_unchanged, require_pinned
from engine.models.files.modules.namespace import Modules
from engine.models.files.modules.start import leave_start_folder
