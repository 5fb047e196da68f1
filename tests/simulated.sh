# Starts the Codemagic simulator on loopback, thirty times as fast as real, and sets the variables that lead to it.
# Sourced by demo.sh and play.sh; SIMULATOR names the program. The simulator ends with the shell.
work=$(mktemp -d)
"$SIMULATOR" --tls --speed 30 --ready-file "$work/ready.json" > "$work/simulator.log" 2>&1 &
simulator=$!
trap 'kill "$simulator" 2>/dev/null || true; rm -rf "$work"' EXIT INT TERM
while [ ! -s "$work/ready.json" ]; do
  kill -0 "$simulator" 2>/dev/null || { cat "$work/simulator.log" >&2; exit 1; }
done
ready() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$work/ready.json"; }

export CODEMAGIC_API_URL CODEMAGIC_LEGACY_API_URL SSL_CERT_FILE CODEMAGIC_API_KEY
CODEMAGIC_API_URL=$(ready v3)
CODEMAGIC_LEGACY_API_URL=$(ready legacy)
SSL_CERT_FILE=$(ready ca_file)
CODEMAGIC_API_KEY=$(ready key)
export CODEMAGIC_APP_ID CODEMAGIC_WORKFLOW=ios-release CODEMAGIC_BRANCH=main
CODEMAGIC_APP_ID=$(ready app_id)
echo "The simulator plays Codemagic at $CODEMAGIC_API_URL, thirty times as fast as real."
