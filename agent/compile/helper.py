"""Compiles modules for bifrost-agent, which starts it as `EXE -I -S -B -c <this>` and talks to it over stdin and stdout.

Frames, both ways: a 4-byte length and as many bytes; numbers are little-endian. First the helper says who it is:
4 bytes magic number of the byte code, then the cache tag. Then, for each request
    1 byte optimisation level, 4 bytes length of the file name, the file name, the source, both UTF-8
one answer
    1 byte: 0 and the marshalled code object, or 1 and the name of the exception.
compile() runs none of the module's code. The agent limits time and memory, and starts another helper when this one dies.
"""

import marshal
import sys

from _frozen_importlib_external import MAGIC_NUMBER  # what importlib.util.MAGIC_NUMBER is, without that import

requests = sys.stdin.buffer
answers = sys.stdout.buffer


def send(payload):
    answers.write(len(payload).to_bytes(4, "little"))
    answers.write(payload)
    answers.flush()


def compiled(request):
    optimize = request[0]
    name_end = 5 + int.from_bytes(request[1:5], "little")
    text = request[name_end:].decode("utf-8")
    # The rule of the workers: as str, so that coding cookies mean nothing, less one leading byte order mark.
    code = compile(text.removeprefix("\ufeff"), request[5:name_end].decode("utf-8"), "exec", 0, True, optimize)
    return marshal.dumps(code)


send(MAGIC_NUMBER + (sys.implementation.cache_tag or "").encode())
while header := requests.read(4):
    request = requests.read(int.from_bytes(header, "little"))
    try:
        answer = b"\0" + compiled(request)
    except BaseException as failure:  # whatever it is, it is the module's, and the worker will meet it, too
        answer = b"\1" + type(failure).__name__.encode()
    send(answer)
