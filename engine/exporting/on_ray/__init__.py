"""A checked spec → the files with which Ray Serve, and KubeRay around it, run the service."""

from engine.exporting.on_ray.ray_files import KNOWN_FILES, ray_files
from engine.exporting.on_ray.ray_settings import RayChoices, RaySettings, choose_ray
