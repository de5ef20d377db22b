"""Tensors ↔ columns: values in bytes or JSON → predictions by columns → values again; knows no HTTP."""
