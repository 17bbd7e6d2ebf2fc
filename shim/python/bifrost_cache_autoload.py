"""Installs the hook when it is imported; bifrost_cache_autoload.pth does that when BIFROST_AUTOLOAD=1.

An interpreter must start whatever is wrong with the cache, so trouble becomes one line on stderr: outside the package,
since that may be what cannot be imported (as in a sub-interpreter).
"""


def _install() -> None:
    try:
        from bifrost_cache import install_virtual_import_hook

        install_virtual_import_hook()
    except Exception as error:
        import sys

        if sys.stderr is not None:
            print(f"bifrost_cache: not installed at start-up: {error}", file=sys.stderr)


_install()
