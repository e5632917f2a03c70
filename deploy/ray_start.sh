#!/usr/bin/env bash
# A Ray cluster of machines that you log in to. The first of them is the head, and where `hpo run` is typed:
#   deploy/ray_start.sh --head --port=6379 --include-dashboard=false
# Copy its ~/.ray/auth_token to the others (mode 0600): who has it can run code as you. On each of them, any time:
#   deploy/ray_start.sh --address=HEAD:6379
# A machine leaves with `ray stop`, or just goes: its trials go on elsewhere. More in docs/cluster.md.
set -euo pipefail

export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH="${RAY_AUTH_TOKEN_PATH:-$HOME/.ray/auth_token}" RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO=1
[ -s "$RAY_AUTH_TOKEN_PATH" ] || (umask 077 && mkdir -p "${RAY_AUTH_TOKEN_PATH%/*}" && od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$RAY_AUTH_TOKEN_PATH")
exec ray start --disable-usage-stats "$@"
