#!/bin/sh
# Make .venv with all that the project and its tests need. Does nothing when it is already as pyproject.toml asks.
#   PYTHON=/path/to/python tools/setup.sh    takes that interpreter (3.11 or newer)
set -eu
cd "$(dirname "$0")/.."

say() { echo "set-up: $*" >&2; }

# A name on the path may be a shim without an interpreter behind it, and a system Python may lack venv: ask each.
fits() { "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

python=""
tried=${PYTHON:-python3 python3.13 python3.12 python3.11 python3.14}
for name in $tried; do
    if fits "$name"; then python=$name && break; fi
done
if [ -z "$python" ]; then
    say "no Python of 3.11 or newer with venv was found; tried: $tried"
    say "install one (on Debian: python3 and python3-venv), or name it: make PYTHON=/path/to/python test"
    exit 1
fi

stamp=.venv/stamp
wanted=$(cat pyproject.toml tools/setup.sh | cksum)
if [ -x .venv/bin/python ] && [ "$(cat $stamp 2>/dev/null)" = "$wanted" ]; then
    touch $stamp
    exit 0
fi

if ! fits .venv/bin/python; then
    say "making .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
fi
pip() { .venv/bin/python -m pip --disable-pip-version-check --quiet "$@"; }

# On Linux the default torch brings gigabytes of CUDA. Listing versions costs no download, and a CPU build says so.
if ! .venv/bin/python -c 'import torch' >/dev/null 2>&1; then
    offered=$(.venv/bin/python -m pip index versions torch 2>/dev/null | tr -d ' ' | tr ':,' '\n\n') || offered=""
    cpu=$(echo "$offered" | grep -m 1 '^[0-9.]*+cpu$' || true)
    if [ -n "$cpu" ]; then
        say "taking the CPU build of torch that is on offer here, $cpu"
        pip install "torch==$cpu"
    elif [ "$(uname -s)" = Linux ]; then
        say "no CPU build of torch is on offer here; the default one may bring gigabytes of CUDA libraries"
        say "to avoid it, stop and name a place that has a CPU build in PIP_FIND_LINKS or PIP_EXTRA_INDEX_URL"
    fi
fi

say "installing foretell and the tools of its tests (minutes, the first time)"
pip install --editable '.[dev]'
echo "$wanted" > $stamp
