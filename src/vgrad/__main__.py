"""`python -m vgrad`: the command line."""

import sys

from vgrad.cli import main

sys.exit(main())
