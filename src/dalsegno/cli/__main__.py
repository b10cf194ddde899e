"""`python -m dalsegno.cli` is `dalsegno`."""

from __future__ import annotations

import sys

from dalsegno.cli import main

if __name__ == "__main__":
    sys.exit(main())
