#!/bin/sh
# `make bench`: one start against the `sh` + `curl` block that it replaces, in the same run and with the same roots.
# CIBRIDGE and SIMULATOR name the two programs. Prints medians over RUNS pairs and their ratios; asserts nothing.
set -eu
RUNS=${RUNS:-40}
command -v curl >/dev/null || { echo "missing: curl, e.g. apt-get install curl" >&2; exit 1; }
command -v python3 >/dev/null || { echo "missing: python3" >&2; exit 1; }
work=$(mktemp -d)
"$SIMULATOR" --tls --ready-file "$work/ready.json" > "$work/simulator.log" 2>&1 &
simulator=$!
trap 'kill "$simulator" 2>/dev/null || true; rm -rf "$work"' EXIT INT TERM
while [ ! -s "$work/ready.json" ]; do
  kill -0 "$simulator" 2>/dev/null || { cat "$work/simulator.log" >&2; exit 1; }
done
CIBRIDGE=$CIBRIDGE RUNS=$RUNS WORK=$work python3 - <<'PY'
import json, os, resource, statistics, subprocess, time

work, runs = os.environ["WORK"], int(os.environ["RUNS"])
ready = json.load(open(f"{work}/ready.json"))
system = next((p for p in ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt") if os.path.exists(p)), None)
bundle = f"{work}/bundle.pem"
with open(bundle, "w") as out:
    out.write((open(system).read() if system else "") + open(ready["ca_file"]).read())
env = {"PATH": os.environ["PATH"], "CODEMAGIC_API_KEY": ready["key"], "CODEMAGIC_API_URL": ready["v3"],
       "CODEMAGIC_LEGACY_API_URL": ready["legacy"], "CODEMAGIC_APP_ID": ready["app_id"],
       "CODEMAGIC_WORKFLOW": "ios-release", "CODEMAGIC_BRANCH": "main"}
block = '''curl -sS -o "$WORK/body" -w "%{http_code}" --cacert "$ROOTS" -X POST -H "Content-Type: application/json" \
  -H "x-auth-token: $CODEMAGIC_API_KEY" \
  -d "{\\"workflow_id\\": \\"$CODEMAGIC_WORKFLOW\\", \\"branch\\": \\"$CODEMAGIC_BRANCH\\"}" \
  "$CODEMAGIC_API_URL/apps/$CODEMAGIC_APP_ID/builds"'''

def once(command, extra):
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, env={**env, **extra}, capture_output=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    return wall, (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)

for name, roots in (("system roots", bundle), ("one root", ready["ca_file"])):
    pairs = []
    for n in range(runs + 3):
        ours = once([os.environ["CIBRIDGE"], "codemagic", "trigger"], {"SSL_CERT_FILE": roots})
        theirs = once(["sh", "-c", block], {"ROOTS": roots, "WORK": work})
        if n >= 3:
            pairs.append((ours, theirs))
    for index, figure in enumerate(("wall", "cpu")):
        ours = statistics.median(pair[0][index] for pair in pairs)
        theirs = statistics.median(pair[1][index] for pair in pairs)
        ratio = statistics.median(pair[0][index] / pair[1][index] for pair in pairs if pair[1][index])
        print(f"start, {name}, {figure}: cibridge {ours * 1000:.1f} ms, sh + curl {theirs * 1000:.1f} ms, ratio {ratio:.2f}")
print(f"size: {os.path.getsize(os.environ['CIBRIDGE'])} bytes")
PY
