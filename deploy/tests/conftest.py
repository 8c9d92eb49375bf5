import sys
from pathlib import Path

# The scripts of deploy/native find each other by their folder, as they do when one of them is run.
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "deploy" / "native")]
