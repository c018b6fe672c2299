"""The mastering's modules stand beside its program, which Python finds them by; the tests find them here."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
