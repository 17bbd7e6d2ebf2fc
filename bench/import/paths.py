"""Makes importable what benches share with tests (harness) and the demo (measure). Imported before either."""

import pathlib
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path += [str(REPOSITORY / "tests"), str(REPOSITORY / "tools/demo.d")]
