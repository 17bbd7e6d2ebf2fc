"""test_importlib.test_api: import_module, reload, find_spec and what a loaded module's namespace holds."""

import sys

from test.test_importlib import test_api, test_util

NOT_OURS = {"test_reload_modules": "about modules of the standard library"}
_NAMES = "compares the whole namespace: __cached__ is absent here, __content_hash__ and __storage_path__ are added"
DIFFERS = {"test_reload_location_changed": _NAMES}
if sys.version_info < (3, 13):
    DIFFERS["test_reload_namespace_changed"] = _NAMES


class ImportModule(test_api.Frozen_ImportModuleTests):
    pass


class Reload(test_api.Frozen_ReloadTests):
    pass


class FindSpec(test_util.Frozen_FindSpecTests):
    pass
