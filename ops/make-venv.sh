#!/bin/sh
# Make the virtual environment that is named, or say in one line why it cannot be made.
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
    # A half-made one would pass for a whole one at the next run.
    [ -n "$was_there" ] || rm -rf "$venv"
    echo "trivet: $(pwd)/$venv cannot be made: $(printf '%s\n' "$said" | tail -n 1)" >&2
    echo "  its folder must be yours and have room; remove $venv if it is there, and run make again" >&2
    exit 1
fi
