"""A checked spec → the files that Kubernetes, Helm, Compose and KServe read."""

from engine.exporting.choose import Choices, choose, name_of, require_name, require_v2, version_of
from engine.exporting.compose import compose_file
from engine.exporting.kserve import kserve_files
from engine.exporting.kubernetes import known_files, kubernetes_files
from engine.exporting.on_ray import KNOWN_FILES as RAY_FILES
from engine.exporting.on_ray import RayChoices, RaySettings, choose_ray, ray_files
from engine.exporting.settings import Settings
from engine.exporting.variables import Variable
from engine.exporting.written_files import Written, write_files
