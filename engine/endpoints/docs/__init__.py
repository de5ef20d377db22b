"""The pages that explain a service to people, made from its spec when somebody asks: plain files, no build step."""

from engine.endpoints.docs.page_files import build_docs
