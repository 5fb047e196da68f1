"""Starts a job with jenkinsapi, waits for it, and prints its console.

jenkinsapi reads `/api/python`, which the simulator has not got; `/api/json` stands in, with the same content.
"""

import os
import sys

from jenkinsapi.jenkins import Jenkins
from jenkinsapi.jenkinsbase import JenkinsBase
from jenkinsapi.utils.crumb_requester import CrumbRequester


def read_crumb(requester):
    crumb = requester.get_url(os.environ["CIBRIDGE_JENKINS_URL"] + "/crumbIssuer/api/json").json()
    return {crumb["crumbRequestField"]: crumb["crumb"]}


CrumbRequester._get_crumb_data = read_crumb
JenkinsBase.python_api_url = classmethod(lambda cls, url: f"{url.rstrip('/')}/api/json")

server = Jenkins(
    os.environ["CIBRIDGE_JENKINS_URL"], os.environ["JENKINS_USER_ID"], os.environ["JENKINS_API_TOKEN"], lazy=True
)
item = server.get_job(sys.argv[1]).invoke(delay=1)
item.block_until_complete(delay=1)
build = item.get_build()
sys.stdout.write(build.get_console())
sys.exit(0 if build.is_good() else 1)
