#!/usr/bin/env bash
# Debian's Slurm, and the database for its accounting, for the tests' own cluster: no service is started or enabled.
# Needs root. Usage: tests/slurm/install.sh
set -euo pipefail

missing=()
for package in munge slurmctld slurmd slurm-client slurmdbd mariadb-server; do
    dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
((${#missing[@]})) || exit 0

# While this file says "forbidden" (101), packages do not start their daemons.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
