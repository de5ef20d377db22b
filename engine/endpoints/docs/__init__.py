"""The pages that explain a service to people, made from its spec when somebody asks: plain files, no build step."""

from engine.endpoints.docs.build import build_docs
