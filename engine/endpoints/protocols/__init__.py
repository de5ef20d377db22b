"""Requests in the wire protocols of other servers, answered by the models of the spec; used only where it names one."""
