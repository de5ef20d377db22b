"""Where the references of an HTML template stand, and whether escaping their values protects there."""

from engine.spec.checking.html_contexts.attributes import HtmlDanger
from engine.spec.checking.html_contexts.markup import find_dangers
