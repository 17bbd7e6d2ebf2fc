"""A workspace of sixty modules that import each other in every way, and random edits of it.

Modules register functions and classes with decorators, patch each other, discover plugins, try names that are not
there. Every edit leaves a workspace whose modules can all be imported.
"""

import random

PACKAGES = 5
MODULES = 50
PLUGINS = 3
OPTIONAL = 4

REGISTRY = """
PLUGINS = []
CLASSES = {}
COUNT = 0

def register(function):
    global COUNT
    COUNT += 1
    PLUGINS.append(function)
    return function

class Base:
    known = []
    def __init_subclass__(cls):
        Base.known.append(cls)
        CLASSES[cls.__qualname__] = cls
"""
DISCOVERY = """
import importlib, pkgutil
import plugins
FOUND = sorted(module.name for module in pkgutil.iter_modules(plugins.__path__))
LOADED = [importlib.import_module("plugins." + name) for name in FOUND]
"""


class Workspace:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.numbers = {n: 0 for n in range(MODULES)}
        self.edges = {n: self._edges(n) for n in range(MODULES)}
        self.plugins = set(range(PLUGINS))
        self.optional = set()
        self.packages = set()  # modules that are stored as packages
        self.edits = 0

    @staticmethod
    def name(n):
        return f"pkg{n % PACKAGES}.m{n}"

    def _edges(self, n):
        """(form, module) of what module n imports: earlier ones in any form, later ones in forms that cycles allow."""
        edges = []
        for _ in range(self.random.randrange(1, 4)):
            earlier = n > 0 and self.random.random() < 0.8
            other = self.random.randrange(n) if earlier else self.random.randrange(MODULES)
            forms = FORMS if other < n else LATE_FORMS
            edges.append((self.random.choice(sorted(forms)), other))
        return edges

    def files(self):
        """{path: source}"""
        files = {"reg.py": REGISTRY, "discovery.py": DISCOVERY, "plugins/__init__.py": "", "entry.py": self._entry()}
        for package in range(PACKAGES):
            if package:
                files[f"pkg{package}/__init__.py"] = f"PACKAGE = {package}\nfrom reg import register\n"
        for n in range(MODULES):
            stem = self.name(n).replace(".", "/")
            files[stem + ("/__init__.py" if n in self.packages else ".py")] = self._module(n)
        for n in self.plugins:
            files[f"plugins/p{n}.py"] = f"from reg import register\n@register\ndef plugin{n}():\n    return {n}\n"
        for n in self.optional:
            files[f"opt{n}.py"] = f"VALUE = 'optional {n}'\n"
        return files

    def _entry(self):
        imports = "".join(f"import {self.name(n)}\n" for n in range(0, MODULES, 7))
        return imports + "import discovery\n"

    def _module(self, n):
        # Imports may lead back here, so everything that others want of this module is defined before.
        lines = ["import reg", f"N = {self.numbers[n]}", f"@reg.register\ndef f{n}():\n    return {self.numbers[n]}",
                 f"class C{n}(reg.Base):\n    value = N"]
        for form, other in self.edges[n]:
            lines.append({**FORMS, **LATE_FORMS}[form].format(name=self.name(other), short=f"m{other}", n=other, of=n,
                                                              package=f"pkg{other % PACKAGES}"))
        if n % 6 == 0:
            optional = n // 6 % OPTIONAL
            lines.append(f"try:\n    from opt{optional} import VALUE as optional\nexcept ImportError:\n    optional = None")
        return "\n".join(lines) + "\n"

    def edit(self):
        """One random edit. Returns ({path: source}, [deleted paths])."""
        before = self.files()
        self.edits += 1
        self.random.choice([self._number, self._number, self._import, self._plugin, self._option, self._package])()
        after = self.files()
        changed = {path: text for path, text in after.items() if before.get(path) != text}
        return changed, [path for path in before if path not in after]

    def _number(self):
        self.numbers[self.random.randrange(MODULES)] = self.edits

    def _import(self):
        n = self.random.randrange(MODULES)
        self.edges[n] = self._edges(n)

    def _plugin(self):
        self.plugins ^= {self.random.randrange(PLUGINS + 3)}

    def _option(self):
        self.optional ^= {self.random.randrange(OPTIONAL)}

    def _package(self):
        self.packages ^= {self.random.randrange(MODULES)}


FORMS = {
    "from": "from {name} import N as n{n}, f{n}, C{n}",
    "star": "from {name} import *",
    "subclass": "from {name} import C{n} as Parent\nclass Child{of}_{n}(Parent):\n    pass",
    "relative": "from {package} import {short} as r{n}",
    "patch": "import {name} as patched{n}\npatched{n}.patched_by = getattr(patched{n}, 'patched_by', ()) + ({of},)",
    "by name": "import importlib\nlib{n} = importlib.import_module('{name}')",
    "dunder": "d{n} = __import__('{name}', fromlist=['N'])",
}
LATE_FORMS = {
    "import": "import {name}",
    "lazy": "def lazy{n}():\n    import {name} as other\n    return other.N",
    "guarded": "try:\n    import {name}\nexcept ImportError:\n    pass",
}
