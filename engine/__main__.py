"""``python -m engine`` is the command ``actnas``."""

import sys

from engine.cli import main

sys.exit(main())
