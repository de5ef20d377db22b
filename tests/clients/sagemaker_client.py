"""What boto3's client of SageMaker gets from a service; the only argument is its URL, and the answers are JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ROWS = [[5.9, 3.0, 5.1, 1.8], [7.9, 2.8, 4.0, 1.3]]
LINES = "".join(",".join(map(str, row)) + "\n" for row in ROWS)
HEADER = "sepal_length,sepal_width,petal_length,petal_width\n"


def ask(url: str) -> dict[str, Any]:
    client = boto3.client(
        "sagemaker-runtime",
        endpoint_url=url,
        region_name="eu-west-1",
        aws_access_key_id="unused",
        aws_secret_access_key="unused",
        config=Config(retries={"total_max_attempts": 1}),
    )

    def invoke(body: str, **keys: str) -> list[Any]:
        answer = client.invoke_endpoint(EndpointName="species", Body=body, **keys)
        return [answer["ContentType"], answer["Body"].read().decode()]

    def refusal(body: str, **keys: str) -> list[Any]:
        try:
            return invoke(body, **keys)
        except ClientError as error:
            return [error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"].get("Message")]

    return {
        "csv": invoke(LINES, ContentType="text/csv", Accept="text/csv"),
        "csv with header": invoke(HEADER + LINES, ContentType="text/csv", Accept="text/csv"),
        "csv, json out": invoke(LINES, ContentType="text/csv"),
        "list": invoke(json.dumps(ROWS), ContentType="application/json"),
        "no type": invoke(json.dumps({"instances": ROWS})),
        "json, csv out": invoke(json.dumps({"instances": ROWS}), ContentType="application/json", Accept="text/csv"),
        "refused": refusal("9,1,1,1\n", ContentType="text/csv"),
        "type": refusal("x", ContentType="application/x-npy"),
    }


if __name__ == "__main__":
    print(json.dumps(ask(sys.argv[1])))
