"""``python -m flambeau``: the command line."""

import sys

from flambeau.cli.main import main

sys.exit(main())
