"""What runs and writes the pages are modules of scripts, not a package: their folders are put on the path."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "scripts" / "show"), str(ROOT / "scripts")]
