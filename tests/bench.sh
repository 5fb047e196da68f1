#!/bin/sh
# `make bench`: one start against the `sh` + `curl` block that it replaces, and downloads against `curl`, in the same run
# and with the same roots. CIBRIDGE and SIMULATOR name the two programs. Prints medians over RUNS pairs (DOWNLOADS pairs
# of downloads of LARGE bytes) and their ratios; asserts nothing.
set -eu
RUNS=${RUNS:-40}
DOWNLOADS=${DOWNLOADS:-5}
LARGE=${LARGE:-268435456}
command -v curl >/dev/null || { echo "missing: curl, e.g. apt-get install curl" >&2; exit 1; }
command -v python3 >/dev/null || { echo "missing: python3" >&2; exit 1; }
work=$(mktemp -d)
"$SIMULATOR" --tls --ready-file "$work/ready.json" > "$work/simulator.log" 2>&1 &
simulator=$!
trap 'kill "$simulator" 2>/dev/null || true; rm -rf "$work"' EXIT INT TERM
while [ ! -s "$work/ready.json" ]; do
  kill -0 "$simulator" 2>/dev/null || { cat "$work/simulator.log" >&2; exit 1; }
done
export CIBRIDGE RUNS DOWNLOADS LARGE WORK="$work"
python3 - <<'PY'
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

python3 - <<'PY'
import hashlib, json, os, resource, shutil, ssl, statistics, subprocess, time, urllib.request

work, pairs, large = os.environ["WORK"], int(os.environ["DOWNLOADS"]), int(os.environ["LARGE"])
ready = json.load(open(f"{work}/ready.json"))
trust = ssl.create_default_context(cafile=ready["ca_file"])
out = f"{work}/out"
env = {"PATH": os.environ["PATH"], "CODEMAGIC_API_KEY": ready["key"], "CODEMAGIC_API_URL": ready["v3"], "OUT": out,
       "CODEMAGIC_LEGACY_API_URL": ready["legacy"], "SSL_CERT_FILE": ready["ca_file"], "ROOTS": ready["ca_file"]}

def ask(url, body=None):
    request = urllib.request.Request(url, headers={"x-auth-token": ready["key"]}, data=body and json.dumps(body).encode())
    return json.load(urllib.request.urlopen(request, context=trust))

def built(artifacts):
    """The id of a build that left these, and their links."""
    ask(ready["legacy"] + "/_sim/plan", {"artifacts": artifacts, "times": 1})
    start = {"workflow_id": "ios-release", "branch": "main"}
    build = ask(f"{ready['v3']}/apps/{ready['app_id']}/builds", start)["data"]["id"]
    ask(ready["legacy"] + "/_sim/advance", {"build": build, "to": "end"})
    found = ask(f"{ready['v3']}/builds/{build}")["data"]["artifacts"]
    return build, [artifact["short_lived_download_url"] for artifact in found]

def peak(process):
    """The largest resident memory in kB that the program and the programs it starts are seen to have."""
    most = 0
    while process.poll() is None:
        try:
            kids = open(f"/proc/{process.pid}/task/{process.pid}/children").read().split()
            for pid in [process.pid, *kids]:
                status = open(f"/proc/{pid}/status").read()
                most = max(most, *(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0)
        except (OSError, ValueError):
            pass
        time.sleep(0.01)
    return most

def once(command):
    shutil.rmtree(out, ignore_errors=True)
    os.mkdir(out)
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)

def compare(name, ours, others):
    rounds = [[once(command) for command in [ours, *others.values()]] for _ in range(pairs + 1)][1:]
    for n, other in enumerate(others, 1):
        for index, figure in enumerate(("wall", "cpu")):
            mine, theirs = (statistics.median(row[at][index] for row in rounds) for at in (0, n))
            ratio = statistics.median(row[0][index] / row[n][index] for row in rounds)
            # On a busy machine the best runs are those that nothing else disturbed.
            best = min(row[0][index] for row in rounds) / min(row[n][index] for row in rounds)
            print(f"{name}, {figure}: cibridge {mine:.2f} s, {other} {theirs:.2f} s, ratio {ratio:.2f}, best {best:.2f}", flush=True)

def memory(name, **commands):
    for program, command in commands.items():
        shutil.rmtree(out, ignore_errors=True)
        os.mkdir(out)
        most = peak(subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        print(f"{name}, peak memory: {program} {most / 1000:.1f} MB", flush=True)

def fetch(build):
    return [os.environ["CIBRIDGE"], "codemagic", "artifacts", build, "--dir", out]

def one(link, then=""):
    return ["sh", "-c", 'curl -sSfL --cacert "$ROOTS" -o "$OUT/big.bin" "$1"' + then, "sh", link]

# Without a stated MD5 sum, as v3 alone tells of artifacts; with one, as the legacy API adds it.
plain, [link] = built([{"name": "big.bin", "size": large, "seed": 7, "md5": ""}])
subprocess.run(one(link), env={**env, "OUT": work}, check=True)
with open(f"{work}/big.bin", "rb") as file:
    md5 = hashlib.file_digest(file, "md5").hexdigest()
os.remove(f"{work}/big.bin")
summed, _ = built([{"name": "big.bin", "size": large, "seed": 7, "md5": md5}])
size = f"{large / 1e6:.0f} MB"
compare(f"{size} with SHA-256", fetch(plain), {"curl": one(link), "curl + sha256sum": one(link, ' && sha256sum "$OUT/big.bin"')})
compare(f"{size} with SHA-256 and MD5", fetch(summed), {"curl": one(link), "curl + sha256sum + md5sum": one(link, ' && sha256sum "$OUT/big.bin" && md5sum "$OUT/big.bin"')})
memory(size, cibridge=fetch(summed), curl=one(link))

small, links = built([{"name": f"file-{n}.bin", "size": 100_000, "seed": n} for n in range(50)])
calls = 'for link in "$@"; do curl -sSfL --cacert "$ROOTS" -o "$OUT/$((n = ${n:-0} + 1)).bin" "$link" || exit 1; done'
compare("50 files of 100 kB", fetch(small), {"50 curl calls": ["sh", "-c", calls, "sh", *links]})
memory("50 files", cibridge=fetch(small))
PY
