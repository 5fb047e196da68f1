"""`codemagic-api start` of codemagic-agent-tools 1.3.1, which has no setting for another address."""

import os
import sys

import codemagic_api

codemagic_api.BASE = os.environ["CODEMAGIC_API_URL"]
codemagic_api.LEGACY = os.environ["CODEMAGIC_LEGACY_API_URL"]
sys.argv = ["codemagic-api", "start", "--app", os.environ["CODEMAGIC_APP_ID"],
            "--workflow", os.environ["CODEMAGIC_WORKFLOW"], "--branch", os.environ["CODEMAGIC_BRANCH"]]
sys.exit(codemagic_api.main())
