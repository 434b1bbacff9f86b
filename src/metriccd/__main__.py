"""`python -m metriccd`."""

import sys

from metriccd.cli import main

if __name__ == "__main__":
    sys.exit(main())
