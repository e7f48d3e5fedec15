"""`python -m ops`, which `bin/trivet` runs."""

import sys

if __name__ == "__main__":
    # The imports take a moment, in which Ctrl-C comes as easily as later.
    try:
        from ops.cli import main

        main()
    except KeyboardInterrupt:
        sys.exit(130)
