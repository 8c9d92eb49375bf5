import sys
from pathlib import Path

# The scripts of deploy/native find each other by their folder, as they do when one of them is run.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "native"))
