"""Starts a build with `requests` and prints its id: what people write in Python."""

import os

import requests

answer = requests.post(
    f"{os.environ['CODEMAGIC_API_URL']}/apps/{os.environ['CODEMAGIC_APP_ID']}/builds",
    json={"workflow_id": os.environ["CODEMAGIC_WORKFLOW"], "branch": os.environ["CODEMAGIC_BRANCH"]},
    headers={"x-auth-token": os.environ["CODEMAGIC_API_KEY"]},
    timeout=60,
)
answer.raise_for_status()
print(answer.json()["data"]["id"])
