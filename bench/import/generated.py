"""Sources made by rule, the same in every run: tiny modules, a client library of dataclasses, a whole workspace.

Each function returns {path: source}, with paths as in Redis. The shape of the workspace is that of a real one
(docs/redis-contract.md tells what workspaces look like): most files are small, three generated clients hold nearly all
bytes, many directories are namespaces, more than a third of the imports sit inside functions.
"""

import random

TINY_PACKAGES = 20
TINY_PER_PACKAGE = 50

SDK_BYTES = 4_060_000
SDK_CLASSES = 722
OTHER_SDKS = {"modules/inventory_sdk.py": (1_510_000, 270), "modules/accounting_sdk.py": (1_260_000, 225)}

WORKSPACE_FILES = 124
# (share of the small files, bytes): between these points sizes are interpolated.
SIZES = [(0.0, 0), (0.25, 175), (0.5, 2_288), (0.75, 7_270), (0.95, 25_000), (1.0, 60_000)]
LAZY_SHARE = 0.38
NAMESPACES = ["workflows", "workflows/onboarding", "workflows/billing", "workflows/tickets", "workflows/reports",
              "modules", "modules/extensions", "shared", "features", "features/devices", "features/contracts",
              "features/alerts", "features/devices/checks", "features/contracts/terms", "features/alerts/rules"]
PACKAGES = [f"{parent}/{name}" for parent, names in {
    "modules": ["psa", "rmm", "ledger", "mail", "storage", "identity", "chat", "dns"],
    "shared": ["formats", "clients", "models", "policies", "templates", "audit"],
    "features": ["devices/lib", "contracts/lib", "alerts/lib", "imports", "exports", "sync"],
}.items() for name in names]
LAYERS = 5


def tiny_modules():
    """1,020 modules of a constant, a function and a class each, in 20 packages."""
    sources = {}
    for package in range(TINY_PACKAGES):
        sources[f"tiny{package:02}/__init__.py"] = _tiny_module(package, 0)
        for number in range(1, TINY_PER_PACKAGE + 1):
            sources[f"tiny{package:02}/module{number:02}.py"] = _tiny_module(package, number)
    return sources


def _tiny_module(package, number):
    return (f"LIMIT = {package * 100 + number}\n\n\ndef scale(value):\n    return value * LIMIT\n\n\n"
            f"class Reading:\n    unit = 'ms'\n\n    def __init__(self, value):\n        self.value = value\n")


def large_workspace(lines):
    """About `lines` lines of ordinary functions and classes, 250 to a module, 100 modules to a package."""
    sources = {}
    for number in range(lines // 250):
        package = f"large{number // 100:03}"
        sources.setdefault(f"{package}/__init__.py", "")
        sources[f"{package}/module{number % 100:02}.py"] = "".join(
            _ordinary_function(number, part) if part % 2 else _ordinary_class(number, part) for part in range(25))
    return sources


def _ordinary_function(number, part):
    return (f"def collect_{number}_{part}(items, limit={part}):\n    found = {{}}\n    for item in items:\n"
            f"        if item.value > limit and item.name not in found:\n            found[item.name] = item.value + {number}\n"
            f"    if not found:\n        raise LookupError('nothing above ' + str(limit))\n"
            f"    return sorted(found.items())[:limit]\n\n\n")


def _ordinary_class(number, part):
    return (f"class Record{number}_{part}:\n    kind = 'record {part}'\n\n    def __init__(self, name, value):\n"
            f"        self.name = name\n        self.value = value\n\n    def __repr__(self):\n"
            f"        return f'{{self.kind}}: {{self.name}}={{self.value}}'\n\n")


def sdk(total_bytes=SDK_BYTES, classes=SDK_CLASSES):
    """The source of a generated API client: dataclasses with many optional fields, and conversions from and to JSON."""
    chunks = [
        '"""Client generated from an API description."""\n\n'
        "from __future__ import annotations\n\nfrom dataclasses import dataclass, field\n"
        "from typing import Any, Dict, List, Optional\n\n",
        # As such generators write it: it answers every name.
        "\ndef __getattr__(name):\n    return _Endpoint(name)\n",
        "\n\nclass _Endpoint:\n    def __init__(self, name):\n        self.name = name\n",
    ]
    written = sum(map(len, chunks))
    for number in range(classes):
        chunk = _sdk_class(number, (total_bytes - written) // (classes - number))
        chunks.append(chunk)
        written += len(chunk)
    return "".join(chunks)


def _sdk_class(number, target_bytes):
    name = f"Resource{number:03}"
    head = f'\n\n@dataclass\nclass {name}:\n    """One record of the resource {number} as the API returns it."""\n\n'
    readers = f"\n    @classmethod\n    def from_dict(cls, data: Dict[str, Any]) -> {name}:\n        return cls(\n"
    writers = "\n    def to_dict(self) -> Dict[str, Any]:\n        result: Dict[str, Any] = {}\n"
    footer = "        return result\n"
    fields, reads, writes = [], [], []
    kinds = ["int", "str", "bool", "float", "List[str]", "Dict[str, Any]"]
    size = len(head) + len(readers) + len(writers) + len(footer) + len("        )\n")
    while size < target_bytes or not fields:
        index = len(fields)
        field = f"attribute_{number:03}_{index:02}"
        kind = kinds[(number + index) % len(kinds)]
        default = "field(default_factory=list)" if kind == "List[str]" else "None"
        lines = (f"    {field}: Optional[{kind}] = {default}\n", f"            {field}=data.get('{field}'),\n",
                 f"        if self.{field} is not None:\n            result['{field}'] = self.{field}\n")
        for part, line in zip((fields, reads, writes), lines, strict=True):
            part.append(line)
            size += len(line)
    return "".join([head, *fields, readers, *reads, "        )\n", writers, *writes, footer])


def workspace(seed=6):
    """({path: source} of 124 files, the workflows that reach no generated client)."""
    rng = random.Random(seed)
    small = WORKSPACE_FILES - 1 - len(OTHER_SDKS)
    sizes = sorted(_size_at(index / (small - 1)) for index in range(small))
    init_files = [f"{package}/__init__.py" for package in PACKAGES]
    rest = sizes[len(init_files):]
    rng.shuffle(rest)
    libraries, workflows = _file_names(rng, small - len(init_files))

    sources = {"modules/service_sdk.py": sdk()}
    sources.update({path: sdk(*shape) for path, shape in OTHER_SDKS.items()})
    sources.update({path: "#" * size for path, size in zip(init_files, sizes, strict=False)})
    layers = [libraries[layer::LAYERS] for layer in range(LAYERS)]
    for layer, paths in enumerate(layers):
        for path in paths:
            below = layers[layer - 1] if layer else []
            sources[path] = _module(rng, path, rest.pop(), rng.sample(below, min(len(below), rng.choice((0, 1, 1, 2)))))
    giants = list(sources)[: 1 + len(OTHER_SDKS)]
    entries = []
    for index, path in enumerate(workflows):
        # Half of the workflows need one module without further needs, a few a whole chain.
        needs = rng.sample(layers[0] if index % 2 else layers[rng.randrange(LAYERS)], 1)
        if index % 5 == 0:
            needs.append(giants[index // 5 % len(giants)])
        else:
            entries.append(module_name(path) + ":run")
        sources[path] = _module(rng, path, rest.pop(), needs, absent=index % 9 == 4)
    return sources, entries


def _size_at(share):
    for (low, low_bytes), (high, high_bytes) in zip(SIZES, SIZES[1:], strict=False):
        if share <= high:
            return int(low_bytes + (high_bytes - low_bytes) * (share - low) / (high - low))
    raise ValueError(share)


def _file_names(rng, count):
    """(library files, workflow files), over all directories."""
    homes = [home for home in NAMESPACES + PACKAGES if not home.startswith("workflows")]
    offices = [home for home in NAMESPACES if home.startswith("workflows")]
    libraries = [f"{homes[index % len(homes)]}/part{index:02}.py" for index in range(count // 2)]
    workflows = [f"{offices[index % len(offices)]}/flow{index:02}.py" for index in range(count - len(libraries))]
    rng.shuffle(libraries)
    return libraries, workflows


def _module(rng, path, size, needs, absent=False):
    """A module of about `size` bytes that imports `needs`, partly inside run()."""
    top, lazy = [], []
    for need in needs:
        name = module_name(need)
        parent, _, last = name.rpartition(".")
        is_client = need.endswith("_sdk.py")
        if is_client or rng.random() < LAZY_SHARE:
            lazy.append(f"    from {parent} import {last}\n")
        else:
            top.append(f"from {parent} import {last}\n")
        if not is_client:
            lazy.append(f"    {last}.run()\n")
    if absent:
        lazy.append("    try:\n        from modules.extensions import retired\n"
                    "    except ImportError:\n        retired = None\n")
    lines = [f'"""Part of the workspace: {path}."""\n', *top, "\n\ndef run():\n", *lazy, "    return SETTINGS\n",
             "\n\nSETTINGS = {'retries': 3, 'page_size': 100}\n"]
    written = sum(map(len, lines))
    for number in range(size):
        if written >= size:
            break
        lines.append(_function(number))
        written += len(lines[-1])
    return "".join(lines)


def _function(number):
    return (f"\n\ndef collect_{number:03}(client, tenant, since=None, limit={50 + number}):\n"
            f'    """Rows of step {number}, newest first; an empty list when the tenant has none."""\n'
            "    rows = []\n    for row in client.list(tenant, since=since):\n"
            "        if row.get('deleted') or row['tenant'] != tenant:\n            continue\n"
            f"        cost = row.get('cost', 0) * 1.2\n"
            f"        rows.append({{'id': row['id'], 'name': row.get('name', ''), 'step': {number}, 'cost': cost}})\n"
            "        if len(rows) >= limit:\n            break\n"
            "    return sorted(rows, key=lambda row: row['id'], reverse=True)\n")


def module_name(path):
    """The import name of a path: a/b.py and a/b/__init__.py are both a.b."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
