"""What the platform is asked: nothing that the standard library or an installed distribution has, the rest once."""

import pathlib

from harness import WORKSPACE

DISTRIBUTIONS = ["jinja2", "docutils", "sqlalchemy", "networkx", "pygments", "rich", "requests", "flask", "redis", "dateutil"]
STANDARD = ["asyncio", "email.mime.text", "http.server", "json.tool", "sqlite3", "xml.dom.minidom", "zoneinfo"]


def test_ten_distributions_cost_no_question_about_what_is_installed(node, api):
    api.write("modules/util.py", "", cached=False)
    out = node.script(
        f"""
        import importlib, importlib.util
        sys.path.append({str(pathlib.Path(__file__).parent)!r})
        from store_client import StoreClient
        b.install_virtual_import_hook(complete=False, fallback=StoreClient({api.port}))
        b.begin_execution(roots=["_solutions/s/", ""])
        for name in {DISTRIBUTIONS + STANDARD + ["modules.util"]!r}:
            importlib.import_module(name)
        out["modules"] = len(sys.modules)
        b.remove_virtual_import_hook()
        out["installed"] = []
        for name in {{name.partition(".")[0] for name in sys.modules}} | set(sys.stdlib_module_names):
            try:
                if name != "modules" and importlib.util.find_spec(name):
                    out["installed"].append(name)
            except (ImportError, ValueError):
                pass
        """,
        env={"BIFROST_WORKSPACE": WORKSPACE},
    )
    asked = api.take_questions()
    assert out["modules"] > 500
    tops = {name.partition(".")[0] for _, name in asked}
    assert {"modules"} <= tops and tops & set(out["installed"]) == set()
    assert len(asked) == len(set(asked)), "at most once per name and root"
