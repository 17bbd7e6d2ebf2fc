"""What gets imported: applications of Debian's packages, and generated sources."""

import dataclasses
import pathlib

import generated

DIST_PACKAGES = pathlib.Path("/usr/lib/python3/dist-packages")


@dataclasses.dataclass(frozen=True)
class Workload:
    """`sources`: {path: text}, what is served. `entries`: what a worker imports, in this order, "module" or
    "module:function" with a function that is then called for the imports inside it. `rounds`: share of the rounds asked
    for; the slow ones get fewer."""

    name: str
    title: str
    sources: dict
    entries: list
    rounds: float = 1.0

    @property
    def source_bytes(self):
        return sum(len(text.encode()) for text in self.sources.values())

    @property
    def served(self):
        """The top-level names that come from the place under test, and from nowhere else."""
        return sorted({path.partition("/")[0].removesuffix(".py") for path in self.sources})


# Name: (packages that are served, entries). Packages that need extension modules (greenlet, cryptography) are not
# served, as no variant could; they are imported before the clock starts, like the standard library. markupsafe falls
# back to its pure-Python form, as only .py files are copied.
APPLICATIONS = {
    "sqlalchemy": (
        ["sqlalchemy"],
        ["sqlalchemy", "sqlalchemy.orm", "sqlalchemy.ext.declarative", "sqlalchemy.ext.hybrid",
         "sqlalchemy.ext.asyncio", "sqlalchemy.dialects.postgresql", "sqlalchemy.dialects.mysql",
         "sqlalchemy.dialects.sqlite"],
    ),
    "django": (
        ["django", "asgiref", "sqlparse", "pytz"],
        ["django", "django.conf", "django.core.wsgi", "django.core.handlers.asgi", "django.http", "django.urls",
         "django.shortcuts", "django.template", "django.forms", "django.db.models", "django.views.generic",
         "django.core.management", "django.core.mail", "django.core.cache", "django.contrib.staticfiles.handlers",
         "django.db.migrations.executor", "django.db.backends.sqlite3.base", "django.test"],
    ),
    "flask": (
        ["flask", "werkzeug", "jinja2", "markupsafe", "click", "itsdangerous"],
        ["flask", "flask.views", "flask.cli", "flask.testing", "werkzeug.serving", "werkzeug.middleware.proxy_fix"],
    ),
    "rich": (
        ["rich", "pygments", "markdown_it", "mdurl"],
        ["rich", "rich.console", "rich.table", "rich.progress", "rich.markdown", "rich.syntax", "rich.traceback",
         "rich.logging", "rich.pretty", "rich.prompt", "rich.tree", "rich.live", "rich.layout", "rich.json"],
    ),
    "jinja2": (
        ["jinja2", "markupsafe"],
        ["jinja2", "jinja2.sandbox", "jinja2.nativetypes", "jinja2.ext", "jinja2.meta", "jinja2.bccache"],
    ),
    "botocore": (
        ["botocore", "jmespath", "dateutil", "urllib3", "requests"],
        ["botocore", "botocore.session", "botocore.client", "botocore.endpoint", "botocore.paginate", "botocore.waiter",
         "botocore.signers", "botocore.handlers", "botocore.retries.standard", "botocore.retries.adaptive"],
    ),
    "sympy": (["sympy", "mpmath"], ["sympy"]),
}
# The applications whose geometric mean has a budget.
BUDGETED = ["sqlalchemy", "django", "flask", "rich", "botocore", "sympy"]
NAMES = [*APPLICATIONS, "tiny", "workspace", "sdk"]


def load(name):
    """The workload of this name; LookupError when Debian's package is missing."""
    if name in APPLICATIONS:
        packages, entries = APPLICATIONS[name]
        return Workload(name, f"{name} {_version(name)}".strip(), _installed_sources(packages), entries)
    if name == "tiny":
        sources = generated.tiny_modules()
        title = f"{len(sources):,} tiny modules"
        return Workload(name, title, sources, [generated.module_name(path) for path in sources])
    if name == "workspace":
        sources, entries = generated.workspace()
        title = f"workspace, {len(entries)} workflows"
        return Workload(name, title, sources, entries)
    if name == "sdk":
        sources = {"modules/service_sdk.py": generated.sdk()}
        return Workload(name, "4 MB SDK, one file", sources, ["modules.service_sdk"], rounds=0.5)
    raise LookupError(f"no workload {name!r}; there are: {', '.join(NAMES)}")


def _installed_sources(packages):
    sources = {}
    for package in packages:
        directory = DIST_PACKAGES / package
        files = sorted(directory.rglob("*.py")) if directory.is_dir() else [DIST_PACKAGES / f"{package}.py"]
        for file in files:
            if not file.is_file():
                raise LookupError(f"Debian's {package} is not installed: run tools/install-deps bench")
            path = file.relative_to(DIST_PACKAGES).as_posix()
            if "/tests/" in path:
                continue
            try:
                sources[path] = file.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue  # in another encoding; no entry needs one
    return sources


def _version(name):
    for info in DIST_PACKAGES.glob("*-info"):
        distribution, _, version = info.stem.partition("-")
        if distribution.lower() == name:
            return version
    return ""
