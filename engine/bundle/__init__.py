"""A bundle: a service in one file, its models compiled. Made where it was checked, and served elsewhere."""

from engine.bundle.manifest import is_bundle
from engine.bundle.pack import Packed, pack_bundle
from engine.bundle.unpack import unpack_bundle
