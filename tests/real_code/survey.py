"""What a distribution's modules look like after importing each of them: a JSON report of this process.

    survey.py mirror|disk ROOT REPORT MODULE...

ROOT is where the modules' files are: the workspace, or a directory on disk. Files are named relative to it, so that
reports of both kinds can be compared.
"""

import hashlib
import importlib
import inspect
import json
import os
import re
import sys
import types

FUNCTIONS_SHOWN = int(os.environ.get("SURVEY_FUNCTIONS", "12"))  # a module's, looked at through inspect
CLASSES_SHOWN = int(os.environ.get("SURVEY_CLASSES", "2"))  # inspect parses the whole file for each


def digest(value):
    return hashlib.sha256(repr(value).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def shape(code, root):
    """Everything about a code object that does not depend on where its file lies."""
    constants = []
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            constants.append(shape(constant, root))
        elif isinstance(constant, frozenset):
            constants.append(sorted(map(repr, constant)))
        else:
            constants.append(repr(constant))
    return (
        code.co_name,
        os.path.relpath(code.co_filename, root),
        code.co_firstlineno,
        list(code.co_positions()),
        code.co_code,
        code.co_names,
        code.co_varnames,
        constants,
    )


def own(kind, module):
    """What this module defined of a kind, by qualified name. By real type: objects that stand for others lie."""
    values = [v for v in list(vars(module).values()) if issubclass(type(v), kind) and v.__module__ == module.__name__]
    return {value.__qualname__: value for value in values}


def own_functions(module):
    """Functions and methods."""
    found = own(types.FunctionType, module)
    for cls in own(type, module).values():
        for member in list(vars(cls).values()):
            if type(member) is types.FunctionType and member.__module__ == module.__name__:
                found[member.__qualname__] = member
    return found


def source_of(thing):
    try:
        lines, first = inspect.getsourcelines(thing)
    except (OSError, TypeError, IndexError) as error:
        return type(error).__name__
    return first, digest(lines)


def look_at(module, root):
    spec = module.__spec__
    functions = own_functions(module)
    classes = own(type, module)
    code = spec.loader.get_code(spec.name)
    return {
        "file": os.path.relpath(module.__file__, root) if getattr(module, "__file__", None) else None,
        "package": module.__package__,
        "path": [os.path.relpath(p, root) for p in getattr(module, "__path__", ())],
        "names": sorted(name for name in vars(module) if not name.startswith("_")),
        "source": digest(inspect.getsource(module)) if spec.loader.get_source(spec.name) else "",
        "code": digest(shape(code, root)) if code else None,
        "ran": digest([shape(f.__code__, root) for _, f in sorted(functions.items()) if in_root(f, root)]),
        "functions": {n: source_of(functions[n]) for n in sorted(functions)[:FUNCTIONS_SHOWN]},
        "classes": {n: source_of(classes[n]) for n in sorted(classes)[:CLASSES_SHOWN]},
    }


def in_root(function, root):
    """Not made by exec, whose text has no file."""
    return function.__code__.co_filename.startswith(root)


def explain(error):
    """What the importer sees of an error; the mirror's explanation of a missing module is an addition of its own."""
    text = re.sub(r" \(not in the mirror at generation \d+, nor in Redis then[^)]*\)", "", str(error))
    text = text.replace(sys.argv[2], "ROOT")
    return {"error": type(error).__name__, "text": text, "name": getattr(error, "name", None)}


def set_up_django():
    """Without settings most of Django does not import. Its translations are files of another kind."""
    from django.conf import settings

    contrib = ("admin", "auth", "contenttypes", "flatpages", "messages", "redirects", "sessions", "sitemaps", "sites")
    apps = [f"django.contrib.{app}" for app in contrib]
    settings.configure(INSTALLED_APPS=apps, SITE_ID=1, USE_I18N=False, SECRET_KEY="s")
    import django

    django.setup()


def main():
    kind, root, report, *names = sys.argv[1:]
    if kind == "mirror":
        import bifrost_cache

        bifrost_cache.install_virtual_import_hook()
        bifrost_cache.begin_execution(timeout=20)
    else:
        sys.path.insert(0, root)
    modules = {}
    if "django" in names:
        set_up_django()
    for name in names:
        try:
            module = importlib.import_module(name)
        except BaseException as error:
            modules[name] = explain(error)
        else:
            is_module = issubclass(type(module), types.ModuleType)
            modules[name] = look_at(module, root) if is_module else {"replaced_by": repr(type(module))}
    sources = {}
    if kind == "mirror":
        sources = {name: module.source for name, module in bifrost_cache.loaded().items()}
    with open(report, "w") as stream:
        json.dump({"modules": modules, "sources": sources}, stream)


if __name__ == "__main__":
    main()
