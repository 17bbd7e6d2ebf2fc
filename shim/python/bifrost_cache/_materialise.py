"""Writes the modules of the workspace to a directory, for tools that want files: coverage, debuggers, editors.

Nothing outside that directory is ever written. What Redis or a mirror calls a path has been refused long before unless
it lies below any root (common/base/module_path.hpp); what is on the disk is not believed: every part of a path is
opened from the directory above it, and a link is not followed.
"""

import contextlib
import errno
import os
import posixpath
import secrets
import stat

from . import _shim

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# A FIFO must not hang us.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# After these no other file can be written, either.
_HOPELESS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}

_FILE_OF = {"module": ".py", "package": "/__init__.py", "namespace": ""}


def materialise(directory, roots, on_skipped):
    """Writes what can be imported below `roots`, paths in the workspace, to the same places below `directory`.

    Returns (files, written). Files that hold the right bytes are left alone, and so is everything else that is there.
    `on_skipped(path, why)` hears of what could not be read or written. OSError: `directory` cannot be written at all.
    """
    workspace = _shim.effective_settings()["workspace"]
    os.makedirs(directory, exist_ok=True)
    files = written = 0
    with _opened(directory, _DIRECTORY) as target:
        for path, content in _sources(roots, lambda path, why: on_skipped(path.removeprefix(workspace + "/"), why)):
            files += 1
            parts = path.removeprefix(workspace + "/").split("/")
            try:
                written += _write(target, parts, content)
            except OSError as error:
                if error.errno in _HOPELESS:
                    raise
                on_skipped("/".join(parts), error.strerror)
    return files, written


def _sources(roots, on_skipped):
    """(path in the workspace, bytes) of every module that the present view can import."""
    pending = list(roots)
    while pending:
        directory = pending.pop()
        try:
            children = _shim.list_directory(directory)
        except OSError as error:
            on_skipped(directory, str(error))
            continue
        for name, kind in children:
            place = posixpath.join(directory, name)
            if kind != "module":
                pending.append(place)
            try:
                source = _source(directory, name)
            except (ImportError, OSError) as error:
                on_skipped(place + _FILE_OF[kind], str(error))
                continue
            if source is not None:
                yield source


def _source(directory, name):
    # By directory: names of files need not be names in Python.
    spec = _shim.get_virtual_finder().find_spec(name, [directory])
    if spec is None or not spec.has_location:
        return None
    return spec.origin, spec.loader.get_data(spec.origin)


@contextlib.contextmanager
def _opened(name, flags, **where):
    fd = os.open(name, flags, **where)
    try:
        yield fd
    finally:
        os.close(fd)


def _write(target, parts, content):
    """Whether the file had to be written."""
    with contextlib.ExitStack() as opened:
        directory = target
        for depth, part in enumerate(parts[:-1], 1):
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, dir_fd=directory)
            try:
                directory = opened.enter_context(_opened(part, _DIRECTORY | os.O_NOFOLLOW, dir_fd=directory))
            except OSError as error:
                if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                    raise
                where = "/".join(parts[:depth])
                raise OSError(error.errno, f"{where!a} is not a directory, and links are not followed") from error
        if _holds(directory, parts[-1], content):
            return False
        _replace(directory, parts[-1], content)
        return True


def _holds(directory, name, content):
    try:
        with _opened(name, _FILE, dir_fd=directory) as fd:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode) or status.st_size != len(content):
                return False
            with open(fd, "rb", closefd=False) as stream:
                return stream.read() == content
    except FileNotFoundError:
        return False
    except OSError as error:
        # A link or a socket: a file takes its place.
        if error.errno in (errno.ELOOP, errno.ENXIO):
            return False
        raise


def _replace(directory, name, content):
    # A debugger that reads at this moment sees the old file or the new one.
    temporary = f".{secrets.token_hex(8)}.materialise"
    fd = os.open(temporary, _NEW_FILE, 0o644, dir_fd=directory)
    try:
        with open(fd, "wb") as stream:
            stream.write(content)
            os.fchmod(stream.fileno(), 0o644)
        os.replace(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=directory)
        raise
