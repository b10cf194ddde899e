"""How long the server takes to answer, and what it uses while it has nothing to do."""

from __future__ import annotations

import server_start

if __name__ == "__main__":
    server_start.measure("dalsegno")
