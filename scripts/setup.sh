#!/bin/sh
# Fetches what the tests need beyond Go: Debian's mosquitto and its clients, a C
# compiler for the race detector, and the npm packages of test/interop/js. What
# cannot be fetched is named as "skipped: …"; the tests name it again where it
# would have been used. It starts and stops no service.
set -u
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin

has() { command -v "$1" >/dev/null 2>&1; }

want=""
has mosquitto || want="$want mosquitto"
has mosquitto_pub || want="$want mosquitto-clients"
has gcc || want="$want gcc libc6-dev"

if [ -n "$want" ] && has apt-get; then
	as_root=""
	[ "$(id -u)" = 0 ] || as_root="sudo -n"
	if [ -z "$as_root" ] || sudo -n true 2>/dev/null; then
		log=$(mktemp)
		# shellcheck disable=SC2086 # word splitting is meant
		if ! { $as_root apt-get update -q && DEBIAN_FRONTEND=noninteractive \
			$as_root apt-get install -q -y --no-install-recommends $want; } >"$log" 2>&1 </dev/null; then
			tail -n 5 "$log"
		fi
		rm -f "$log"
	fi
fi
has mosquitto || echo "skipped: mosquitto could not be installed (the suites' check on another broker)"
has mosquitto_pub || echo "skipped: mosquitto-clients could not be installed (interop with mosquitto_pub and mosquitto_sub)"
has gcc || echo "skipped: no C compiler, so no race detector"

if has node && has npm; then
	if ! (cd test/interop/js && npm ci --no-audit --no-fund --loglevel=error); then
		echo "skipped: npm ci failed (interop with mqtt.js)"
	fi
else
	echo "skipped: Node is not installed (interop with mqtt.js)"
fi
exit 0
