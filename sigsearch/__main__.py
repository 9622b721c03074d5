"""``python -m sigsearch``: the command line."""

import sys

from sigsearch.cli import main

sys.exit(main())
