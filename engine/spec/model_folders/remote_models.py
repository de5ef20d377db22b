"""Addresses of models in registries and stores, which are no paths: the command that fetches each."""

from __future__ import annotations

import re
import shlex

_MLFLOW = re.compile(r"(?:models|runs|mlflow-artifacts|s3|gs|wasbs|abfss|dbfs|hdfs):/")
_HUB = re.compile(r"(?:hf://|https://(?:huggingface\.co|hf\.co)/)(?:models/)?([\w.-]+/[\w.-]+)")
_FOLDER = "my_model"


def how_to_fetch(name: str) -> str:
    """Say how to fetch a model whose address stands in place of a file; empty if the name is no address."""
    if (found := _HUB.match(name)) is not None:
        command = ["hf", "download", found[1], "--local-dir", _FOLDER]
    elif _MLFLOW.match(name):
        command = ["mlflow", "artifacts", "download", "--artifact-uri", name, "--dst-path", _FOLDER]
    else:
        return ""
    return f"is an address, and nothing is downloaded; fetch the folder, and name that: {shlex.join(command)}"
