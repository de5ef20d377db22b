"""The Open Inference Protocol v2 over HTTP, which Triton, KServe and MLServer speak, with its binary tensors.

https://github.com/kserve/open-inference-protocol
"""
