"""Waits for a build with `requests`, polling every 30 seconds."""

import os
import sys
import time

import requests

session = requests.Session()
session.headers["x-auth-token"] = os.environ["CODEMAGIC_API_KEY"]
while True:
    answer = session.get(f"{os.environ['CODEMAGIC_API_URL']}/builds/{sys.argv[1]}", timeout=60)
    answer.raise_for_status()
    status = answer.json()["data"]["status"]
    if status in ("finished", "failed", "canceled", "timeout", "skipped"):
        print(status)
        break
    time.sleep(30)
