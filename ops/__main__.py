"""`python -m ops`, which `bin/trivet` runs."""

from ops.cli import main

if __name__ == "__main__":
    main()
