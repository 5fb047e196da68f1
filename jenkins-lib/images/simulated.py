"""The simulator on loopback, for the length of a picture."""

import json
import os
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent


def tool(variable, name):
    """A program of this repository: the one that the variable names, or the newest that was built."""
    if os.environ.get(variable):
        return str(Path(os.environ[variable]).resolve())
    built = list((HERE.parent.parent / "target").glob(f"**/release/{name}")) + list((HERE.parent.parent / "target").glob(f"debug/{name}"))
    return str(max(built, key=lambda path: path.stat().st_mtime).resolve())


@contextmanager
def codemagic(plan, speed=1):
    """A simulated Codemagic that builds as the plan says; gives the variables that lead to it."""
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready.json"
        config = Path(folder) / "config.json"
        config.write_text(json.dumps({"plans": [json.loads((HERE / plan).read_text())]}))
        command = [tool("SIMULATOR", "cibridge-simulator"), "--speed", str(speed), "--config", str(config), "--ready-file", str(ready)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            while not ready.exists():
                if process.poll() is not None:
                    raise RuntimeError("the simulator ended")
                time.sleep(0.02)
            address = json.loads(ready.read_text())
            yield {
                "CODEMAGIC_API_URL": address["v3"],
                "CODEMAGIC_LEGACY_API_URL": address["legacy"],
                "CODEMAGIC_API_KEY": address["key"],
                "CODEMAGIC_APP_ID": address["app_id"],
                "CODEMAGIC_WORKFLOW": "ios-release",
                "CODEMAGIC_BRANCH": "main",
            }
        finally:
            process.terminate()
            process.wait()
