"""The names of all environment variables that Trivet's processes and commands read.

Every process warns of a variable that no process reads, and no process imports the settings of another. So
`make variables` collects the names from all settings into names.txt, which every process passes to `read`.
"""

from pathlib import Path

from runtime.misspelled_variables import KnownVariables

LIST = Path(__file__).with_name("names.txt")
"""One name per line. A `*` at the end stands for any ending."""

KNOWN_VARIABLES = KnownVariables.parse(LIST.read_text(encoding="utf-8"))
