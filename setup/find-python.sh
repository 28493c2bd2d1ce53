#!/bin/sh
# Print the path of a Python 3.12 that can create virtual environments; if there is none, list what was tried and exit 2.
# Every candidate is run, because its name proves nothing: a `python3.12` on the PATH can be a pyenv shim that fails
# although pyenv has the version, and Debian's python3 can lack ensurepip.
#
# DAF_PYTHON_PLACES replaces the list of usual folders (the tests use it).

set -u

places=${DAF_PYTHON_PLACES-"/usr/bin /usr/local/bin /opt/homebrew/bin /opt/homebrew/opt/python@3.12/bin /usr/local/opt/python@3.12/bin /opt/local/bin /Library/Frameworks/Python.framework/Versions/3.12/bin"}
home=${HOME:-/nonexistent}
tried=""

# Old Pythons can run this too, to report their version. An interpreter inside a virtual environment prints the
# one it was created from, which survives when the environment is removed.
check='
import sys
if sys.version_info[:2] != (3, 12):
    sys.exit("is Python %d.%d" % sys.version_info[:2])
missing = []
for name in ("venv", "ensurepip", "ssl", "sqlite3"):
    try:
        __import__(name)
    except ImportError:
        missing.append(name)
if missing:
    sys.exit("is Python 3.12 without the module " + ", ".join(missing))
inside = sys.prefix != sys.base_prefix
print((inside and getattr(sys, "_base_executable", None)) or sys.executable)
'

# try NAME COMMAND: if COMMAND is a usable interpreter, print its path and end the search.
try() {
    if ! command -v "$2" >/dev/null 2>&1; then
        tried="$tried
  $1: no $2"
        return 1
    fi
    # Output and errors are captured together: the path on success; on failure, the first line is the reason.
    if answer=$("$2" -c "$check" 2>&1 </dev/null); then
        # A wrapper may print something first; the path is the last line.
        path=$(printf '%s\n' "$answer" | sed -n '$p')
        if [ -x "$path" ]; then
            printf '%s\n' "$path"
            exit 0
        fi
    fi
    reason=$(printf '%s\n' "$answer" | sed -n '/./{p;q;}')
    tried="$tried
  $1: $2 ${reason:-fails}"
    return 1
}

if [ -n "${PYTHON:-}" ]; then
    try '$PYTHON' "$PYTHON" || echo "PYTHON=$PYTHON is not a usable Python 3.12; trying others." >&2
fi

try 'the PATH' python3.12
try 'the PATH' python3

found=""
for root in "${PYENV_ROOT:-}" "$home/.pyenv"; do
    [ -n "$root" ] || continue
    for candidate in "$root"/versions/3.12*/bin/python; do
        [ -x "$candidate" ] || continue
        found=yes
        try pyenv "$candidate"
    done
done
[ -n "$found" ] || tried="$tried
  pyenv: no 3.12 under ${PYENV_ROOT:-$home/.pyenv}/versions"

uv=$(command -v uv 2>/dev/null || echo "$home/.local/bin/uv")
if [ -x "$uv" ]; then
    candidate=$("$uv" python find --no-project 3.12 2>/dev/null </dev/null)
    if [ -n "$candidate" ]; then
        try uv "$candidate"
    else
        tried="$tried
  uv: 'uv python find 3.12' found none"
    fi
else
    tried="$tried
  uv: not found"
fi

conda=$(command -v conda 2>/dev/null || echo "${CONDA_EXE:-}")
if [ -n "${CONDA_PREFIX:-}" ]; then
    try 'the active conda environment' "$CONDA_PREFIX/bin/python"
fi
if [ -n "$conda" ]; then
    base=$("$conda" info --base 2>/dev/null </dev/null)
    for candidate in "$base/bin/python" "$base"/envs/*/bin/python; do
        [ -x "$candidate" ] && try conda "$candidate"
    done
elif [ -z "${CONDA_PREFIX:-}" ]; then
    tried="$tried
  conda: not found"
fi

for place in $places; do
    candidate=$place/python3.12
    [ -x "$candidate" ] && try 'usual folders' "$candidate"
done

cat >&2 <<MESSAGE
DAF needs Python 3.12 (the CoGames engine is built for no other version), but none was found. Tried:$tried

Install it in one of these ways, then run the same command again:
  pyenv:   pyenv install 3.12
  uv:      uv python install 3.12
  conda:   conda env create -f environment.yml && conda activate daf, then make run VENV=
  Debian, Ubuntu:  apt install python3.12 python3.12-venv   (where the release has it)
  macOS:   brew install python@3.12
Or give its path: make run PYTHON=/path/to/python3.12
MESSAGE
exit 2
