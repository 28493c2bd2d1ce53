#!/bin/sh
# Make the virtual environment $1 hold exactly requirements.lock and this project; do nothing if it already does.
# If $1 is empty, check the active environment instead (for example conda's) and add only the project to it.
# `.daf-stamp` in the environment records what it was built from and is written last. `.daf-installing` exists while
# an installation runs. If it is found, the last installation was interrupted or failed; since packages may be
# half-written, the environment is then rebuilt.

set -eu
cd "$(dirname "$0")/.."
venv=$1

say() { printf '%s\n' "$*" >&2; }

digest() {
    if command -v sha256sum >/dev/null 2>&1; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d ' ' -f 1
}

if [ -z "$venv" ]; then
    python=python
    command -v python >/dev/null 2>&1 || { say "VENV= uses the active environment, but that has no python."; exit 2; }
    python setup/check_active.py || exit 2
    if ! python -c 'import importlib.metadata as m; m.version("daf")' 2>/dev/null; then
        python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
    fi
    exit 0
fi

case $venv in /*) ;; *) venv=./$venv ;; esac
stamp=$venv/.daf-stamp
marker=$venv/.daf-installing

# The stamp includes the folder: programs in a virtual environment contain its absolute path.
wanted="requirements.lock $(digest requirements.lock)
pyproject.toml $(digest pyproject.toml)
folder $(pwd -P)"

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && [ -x "$venv/bin/python" ]; then
    exit 0
fi

fresh=yes
if [ -f "$marker" ]; then
    say "The last installation into $venv did not finish; starting over."
    rm -rf "$venv"
elif [ -f "$stamp" ]; then
    if grep -qxF "folder $(pwd -P)" "$stamp" && "$venv/bin/python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 12))' 2>/dev/null; then
        fresh=
    else
        say "$venv was made elsewhere, or its Python is gone; rebuilding it."
        rm -rf "$venv"
    fi
elif [ -e "$venv" ] && [ -n "$(ls -A "$venv" 2>/dev/null)" ]; then
    say "$venv exists, but 'make setup' did not make it, so it is left alone."
    say "Remove it, choose another with VENV=folder, or use an activated environment with VENV= (empty)."
    exit 2
fi

if [ -n "$fresh" ]; then
    python=$(sh setup/find-python.sh)
    mkdir -p "$venv"
    free=$(df -Pk "$venv" | awk 'NR == 2 { printf "%d", $4 * 1024 / 1e9 }')
    if [ "${free:-99}" -lt 9 ]; then
        rmdir "$venv" 2>/dev/null || true
        say "${venv#./} needs 9 GB of disk, and $free GB are free here."
        say "Free some, or put it on another disk: make run VENV=/other/disk/daf-venv"
        exit 2
    fi
    say "Setting up ${venv#./} with $python (first time: about 4 minutes, 9 GB)…"
    : >"$marker"
    "$python" -m venv "$venv"
else
    say "Updating ${venv#./}: requirements.lock or pyproject.toml changed…"
    : >"$marker"
fi
rm -f "$stamp"

log=$venv/install.log
status=$venv/.daf-status
rm -f "$status"
# pip is silent for minutes while it unpacks: say how far it is.
gigabytes() { du -sk "$venv" 2>/dev/null | awk '{ printf "%.1f", $1 * 1024 / 1e9 }'; }
if [ -n "$fresh" ]; then
    while sleep 10 >/dev/null 2>&1; do
        installed=$(gigabytes)
        if [ "$installed" = 0.0 ]; then say "  downloading"; else say "  $installed GB of about 9 installed"; fi
    done &
    watch=$!
    trap 'kill "$watch" 2>/dev/null || true' EXIT
    trap 'exit 130' INT TERM
fi
# A pipe keeps only the last exit code, so pip's goes through a file. The lock is complete, so nothing is resolved:
# asked to, an older pip looks at releases newer than the pins, and refuses them for want of a hash.
{
    code=0
    "$venv/bin/python" -m pip install --disable-pip-version-check --progress-bar off --no-deps --require-hashes -r requirements.lock 2>&1 || code=$?
    echo "$code" >"$status"
} | tee "$log" | awk '
    # "  Downloading torch-2.9.0-….whl (899.8 MB)": only large downloads are shown.
    /^ *(Downloading|Using cached) / && match($0, /\([0-9.]+ MB\)/) {
        if (substr($0, RSTART + 1, RLENGTH - 5) + 0 >= 100) {
            name = $0; sub(/^ *(Downloading|Using cached) /, "", name); sub(/-(cp|py)[0-9].*/, "", name)
            printf "  fetching %s %s\n", name, substr($0, RSTART, RLENGTH); fflush()
        }
    }
    /^Installing collected packages/ { printf "  installing %d packages\n", NF - 3; fflush() }
' >&2

[ -z "$fresh" ] || kill "$watch" 2>/dev/null || true
if [ "$(cat "$status" 2>/dev/null)" != 0 ]; then
    say ""
    say "The installation failed. The last lines of $log:"
    tail -n 15 "$log" >&2
    say ""
    say "Check that you have a connection to the package index, 9 GB of free disk, and Linux with glibc 2.34 or newer"
    say "(x86_64, aarch64) or macOS on Apple silicon: mettagrid has wheels for no other system."
    cp "$log" "${TMPDIR:-/tmp}/daf-install.log" 2>/dev/null || true
    exit 1
fi

# The build backend is in the lock, so nothing is downloaded here.
# It warns about ways to build that are not ours; what it says matters only if it fails.
"$venv/bin/python" -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e . >>"$log" 2>&1 || {
    tail -n 15 "$log" >&2
    exit 1
}

printf '%s\n' "$wanted" >"$stamp.new"
mv -f "$stamp.new" "$stamp"
rm -f "$marker" "$status"
say "  done: ${venv#./}"
