"""The simulator as the server of all measurements, and the table of what else is installed."""

import json
import os
import shutil
import ssl
import subprocess
import sys
import time
import urllib.request

BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem")
PACKAGES = ("requests==2.34.2", "python-jenkins==1.8.3", "jenkinsapi==0.3.23", "codemagic-agent-tools==1.3.1")


class Simulator:
    """A simulated Codemagic with its storage, and a Jenkins, over TLS on loopback."""

    def __init__(self, program, folder, speed=1):
        name = os.path.join(folder, f"simulator-{time.monotonic_ns()}")
        ready = f"{name}.json"
        command = [program, "--tls", "--speed", str(speed), "--jenkins-port", "0", "--ready-file", ready,
                   "--exit-on-stdin-close"]
        # It ends with this process, however that ends.
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        while not os.path.exists(ready):
            if self.process.poll() is not None:
                raise RuntimeError("the simulator does not start")
            time.sleep(0.01)
        with open(ready) as file:
            self.ready = json.load(file)
        self.trust = ssl.create_default_context(cafile=self.ready["ca_file"])
        self.bundle = f"{name}.pem"
        self.system_roots = write_bundle(self.bundle, self.ready["ca_file"])

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def environment(self, roots=None):
        """What cibridge, curl and Python need to talk to it; `roots` is a PEM file of trusted certificates."""
        roots = roots or self.ready["ca_file"]
        return {
            "CODEMAGIC_API_KEY": self.ready["key"],
            "CODEMAGIC_API_URL": self.ready["v3"],
            "CODEMAGIC_LEGACY_API_URL": self.ready["legacy"],
            "CODEMAGIC_APP_ID": self.ready["app_id"],
            "CODEMAGIC_WORKFLOW": "ios-release",
            "CODEMAGIC_BRANCH": "main",
            "CIBRIDGE_JENKINS_URL": self.ready["jenkins"],
            "JENKINS_USER_ID": self.ready["jenkins_user"],
            "JENKINS_API_TOKEN": self.ready["jenkins_token"],
            "SSL_CERT_FILE": roots,
            "CURL_CA_BUNDLE": roots,
            "REQUESTS_CA_BUNDLE": roots,
        }

    def ask(self, url, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, headers={"x-auth-token": self.ready["key"]}, data=data)
        with urllib.request.urlopen(request, context=self.trust) as answer:
            return json.load(answer)

    def control(self, path, body=None):
        return self.ask(f"{self.ready['api']}/_sim/{path}", body)

    def start_build(self):
        body = {"workflow_id": "ios-release", "branch": "main"}
        return self.ask(f"{self.ready['v3']}/apps/{self.ready['app_id']}/builds", body)["data"]["id"]

    def finished_build(self, files, size):
        """A build that left `files` files of `size` bytes: its id and the links to them."""
        artifacts = [{"name": f"file-{n}.bin", "size": size, "seed": n + 1, "md5": ""} for n in range(files)]
        self.control("plan", {"artifacts": artifacts, "times": 1})
        build = self.start_build()
        self.control("advance", {"build": build, "to": "end"})
        found = self.ask(f"{self.ready['v3']}/builds/{build}")["data"]["artifacts"]
        return build, [artifact["short_lived_download_url"] for artifact in found]


def write_bundle(path, ca_file):
    """The system's roots with the simulator's beside them: where trust comes from on a real machine. Tells whether
    there are any."""
    system = next((bundle for bundle in BUNDLES if os.path.exists(bundle)), None)
    with open(path, "wb") as out:
        for source in filter(None, (system, ca_file)):
            with open(source, "rb") as file:
                out.write(file.read())
    return system is not None


def tools(folder):
    """Installs the Python packages below `folder`, once. Gives its interpreter, or None with the reason on stderr."""
    python = os.path.join(folder, "venv", "bin", "python3")
    if not os.path.exists(os.path.join(folder, "venv", "done")):
        print("installing: " + " ".join(PACKAGES), file=sys.stderr)
        try:
            subprocess.run([sys.executable, "-m", "venv", os.path.join(folder, "venv")], check=True)
            subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"no Python packages: {error}", file=sys.stderr)
            return None
        open(os.path.join(folder, "venv", "done"), "w").close()
    return python


def missing():
    """Debian packages of the programs that are not here; their rows say so."""
    packages = {"curl": "curl", "jq": "jq", "aria2c": "aria2", "wget": "wget", "valgrind": "valgrind", "time": "time",
                "ip": "iproute2"}
    return [package for program, package in packages.items() if shutil.which(program) is None]
