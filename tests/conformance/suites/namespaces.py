"""test_importlib's namespace packages: the portions are directories of the workspace."""

import os
import pathlib
import shutil

from test.test_importlib import test_namespace_pkgs as original

ROOT = os.path.join(os.environ["BIFROST_WORKSPACE"], "portions")
shutil.copytree(
    pathlib.Path(original.__file__).with_name("namespace_pkgs"), ROOT, ignore=shutil.ignore_patterns("__pycache__")
)

DIFFERS = {
    "test_non_namespace_package_takes_precedence": "looks for a word in the loader's text, which here holds the path"
}

# Classes with portions in zip archives are not ours.
for name, case in list(vars(original).items()):
    base = original.NamespacePackageTest
    if isinstance(case, type) and issubclass(case, base) and case is not base and "Zip" not in name:
        globals()[f"Mirrored{name}"] = type(f"Mirrored{name}", (case,), {"root": ROOT, "__module__": __name__})
del case, base
