"""Makes the toy plugins importable, as an installed distribution would be."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).with_name("toys")))
