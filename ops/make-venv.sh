#!/bin/sh
# Create the named virtual environment, or print one line with the reason of a failure.
set -u
venv=$1
if ! [ -w . ]; then
    echo "trivet: $(pwd) cannot be written by $(id -un): use a clone of your own, or change the owner of this folder" >&2
    exit 1
fi
python=$(ops/find-python.sh) || exit 1
was_there=
[ -e "$venv" ] && was_there=yes
if ! said=$("$python" -m venv "$venv" 2>&1); then
    # The next run would take an incomplete one for a complete one.
    [ -n "$was_there" ] || rm -rf "$venv"
    echo "trivet: $(pwd)/$venv cannot be created: $(printf '%s\n' "$said" | tail -n 1)" >&2
    echo "  check the folder's owner and the free disk space, remove $venv if it exists, and run make again" >&2
    exit 1
fi
