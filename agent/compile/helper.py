"""Compiles modules for bifrost-agent, which starts it as `EXE -I -S -B -c <this> MOST_BYTES` and talks to it over stdin
and stdout. MOST_BYTES: of code. A few constant expressions can make much of little source.

Frames, both ways: a 4-byte length and as many bytes; numbers are little-endian. First the helper says who it is:
4 bytes magic number of the byte code, then the cache tag. Then, for each request
    1 byte optimisation level, 4 bytes length of the file name, the file name, the source, both UTF-8
one answer
    1 byte: 0 and the marshalled code object; or 1, 4 bytes line (0: none), the exception's name and message, UTF-8.
compile() runs none of the module's code. The agent limits time and memory, and starts another helper when this one
dies.
"""

import marshal
import sys
from _frozen_importlib_external import MAGIC_NUMBER  # what importlib.util.MAGIC_NUMBER is, without that import

requests = sys.stdin.buffer
answers = sys.stdout.buffer
MOST_BYTES = int(sys.argv[1])
MOST_CHARACTERS = 300  # of a message, which may quote the source


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
    marshalled = marshal.dumps(code)
    if len(marshalled) > MOST_BYTES:
        raise OverflowError(f"its code has {len(marshalled)} bytes, and no more than {MOST_BYTES} are shared")
    return marshalled


def description_of(failure):
    line = getattr(failure, "lineno", None)
    if not isinstance(line, int) or not 0 <= line < 1 << 32:
        line = 0
    # str() of a SyntaxError repeats file and line.
    message = str(getattr(failure, "msg", None) or failure)[:MOST_CHARACTERS]
    text = type(failure).__name__ + (": " + message if message else "")
    return line.to_bytes(4, "little") + text.encode("utf-8", "replace")


send(MAGIC_NUMBER + (sys.implementation.cache_tag or "").encode())
while header := requests.read(4):
    request = requests.read(int.from_bytes(header, "little"))
    try:
        answer = b"\0" + compiled(request)
    except BaseException as failure:  # whatever it is, it is the module's, and the worker will meet it, too
        answer = b"\1" + description_of(failure)
    send(answer)
