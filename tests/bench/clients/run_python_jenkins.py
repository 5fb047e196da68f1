"""Starts a job with python-jenkins, waits for it, and prints its console."""

import os
import sys
import time

import jenkins

name = sys.argv[1]
server = jenkins.Jenkins(
    os.environ["CIBRIDGE_JENKINS_URL"], os.environ["JENKINS_USER_ID"], os.environ["JENKINS_API_TOKEN"]
)
item = server.build_job(name)
while "executable" not in (state := server.get_queue_item(item)) or not state["executable"]:
    time.sleep(1)
number = state["executable"]["number"]
while (build := server.get_build_info(name, number))["building"]:
    time.sleep(1)
sys.stdout.write(server.get_build_console_output(name, number))
sys.exit(0 if build["result"] == "SUCCESS" else 1)
