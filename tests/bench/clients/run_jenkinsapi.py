"""Starts a job with jenkinsapi, waits for it, and prints its console."""

import os
import sys

from jenkinsapi.jenkins import Jenkins

server = Jenkins(
    os.environ["CIBRIDGE_JENKINS_URL"], os.environ["JENKINS_USER_ID"], os.environ["JENKINS_API_TOKEN"], lazy=True
)
item = server.get_job(sys.argv[1]).invoke(delay=1)
item.block_until_complete(delay=1)
build = item.get_build()
sys.stdout.write(build.get_console())
sys.exit(0 if build.is_good() else 1)
