"""Makes importable what this bench shares with bench/import and the tests. Import it first: own modules go before theirs."""

import pathlib
import sys

_REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path += [str(_REPOSITORY / "bench/import"), str(_REPOSITORY / "tests"), str(_REPOSITORY / "tools/demo.d")]
