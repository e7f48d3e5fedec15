#!/bin/sh
# Print the first Python 3.11 to 3.13 that can create a venv: PYTHON if it is set, else one on PATH.
set -u
fits='import sys, ensurepip, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'
seen=
for python in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if "$python" -c "$fits" >/dev/null 2>&1; then
        command -v "$python"
        exit 0
    fi
    version=$("$python" --version 2>/dev/null) && seen="$seen, $python is $version"
done
{
    echo "trivet: Python 3.11 to 3.13 with venv is needed and was not found${seen:-, nor any other python3}."
    echo "  Debian, Ubuntu:  apt-get install python3 python3-venv"
    echo "  macOS:           brew install python@3.13"
    echo "  anywhere:        uv python install 3.13"
    echo "or name one: make PYTHON=/path/to/python3.13 ..."
} >&2
exit 1
