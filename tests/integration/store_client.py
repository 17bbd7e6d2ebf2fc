"""What a platform writes to let bifrost_cache ask its API: an installed module to the workers of these tests.

The connection is closed after each question: nothing of it is left open in a process that others are forked from.
"""

import http.client
import json
import urllib.parse

from bifrost_cache.fallback import Module, Namespace, Package


class StoreClient:
    timeout = 20.0

    def __init__(self, port):
        self.port = port

    def resolve(self, name, scope):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
        try:
            connection.request("GET", "/modules?" + urllib.parse.urlencode({"name": name, "root": scope.root}))
            reply = connection.getresponse()
            body = reply.read()
        finally:
            connection.close()
        if reply.status != 200:
            raise ConnectionError(f"the platform answers {reply.status}")
        answer = json.loads(body)
        if answer["kind"] == "namespace":
            return Namespace()
        if answer["kind"] == "absent":
            return None
        kind = Package if answer["kind"] == "package" else Module
        return kind(answer["content"], path=answer["path"], hash=answer["hash"])
