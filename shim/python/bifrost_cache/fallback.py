"""For platforms whose Redis does not hold every module: what `fallback.resolve` is asked, and what it answers.

    from bifrost_cache.fallback import Module, Namespace, Package

    class Store:
        timeout = 2.0  # seconds per question; 5 if left out

        def resolve(self, name, scope):
            reply = api.get(f"/modules/{name}", root=scope.root)
            ...
            return Module(reply.text, path=reply.path, hash=reply.sha256)

    install_virtual_import_hook(complete=False, fallback=Store())

resolve(name, scope) is asked for an import name such as "modules.util" in one root of the execution's scope, when
neither the mirror nor Redis has a file for it: once per name, root and execution, in a thread of its own, never for a
top-level name that the standard library or an installed package has, and never for what its own client imports. It
returns Module, Package, Namespace, or None for "not there". What it raises becomes the cause of an ImportError; a
failure is never taken for "not there".
"""

__all__ = ["Module", "Namespace", "Package", "Scope"]


TYPE_CHECKING = False  # importing typing costs workers more than this module
if TYPE_CHECKING:
    from typing import Protocol

    class Resolver(Protocol):
        def resolve(self, name: str, scope: "Scope") -> "Module | Package | Namespace | None": ...


class Scope:
    """One root of an execution's scope.

    `root`: the storage prefix with its slash, "_solutions/42/"; "" for the modules shared by all.
    """

    __slots__ = ("root",)

    def __init__(self, root: str) -> None:
        self.root = root

    @property
    def solution_id(self) -> str | None:
        """Whose modules they are; None: they are shared by all."""
        parts = self.root.split("/")
        return parts[1] if parts[0] == "_solutions" and len(parts) > 1 and parts[1] else None

    def __eq__(self, other: object) -> bool:
        return self.root == other.root if isinstance(other, Scope) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.root)

    def __repr__(self) -> str:
        return f"Scope({self.root!r})"


class _File:
    __slots__ = ("hash", "path", "source")

    def __init__(self, source: str | bytes, path: str | None = None, hash: str = "") -> None:
        self.source = source
        self.path = path
        self.hash = hash

    def __repr__(self) -> str:
        return f"{type(self).__name__}(path={self.path!r}, hash={self.hash!r}, {len(self.source)} long)"


class Module(_File):
    """A module: `a/b.py` for the name a.b.

    Args:
        source: Text, or UTF-8 bytes.
        path: Where it is stored, root included. If given, it is compared with where the name lies in that scope, and
            another scope's module is refused.
        hash: The writer's token, `__content_hash__`.

    Since:
        0.1.0
    """

    __slots__ = ()


class Package(_File):
    """A package: `a/b/__init__.py` for the name a.b. As Module otherwise."""

    __slots__ = ()


class Namespace:
    """A directory that holds modules and no `__init__.py`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Namespace()"
