"""An authority and what it vouches for, made by openssl for one test and good for a day."""

import pathlib
import subprocess


class Authority:
    def __init__(self, directory, name="authority"):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.key, self.certificate = self.directory / f"{name}.key", self.directory / f"{name}.pem"
        self._openssl("req", "-x509", *self._new_key(self.key), "-out", self.certificate, "-days", "1", "-subj", f"/CN={name}")

    def issue(self, name, alternative_names):
        """(certificate, key) for `alternative_names`, as in "IP:127.0.0.1,DNS:localhost"."""
        key, request, certificate = (self.directory / f"{name}.{end}" for end in ("key", "csr", "pem"))
        self._openssl("req", *self._new_key(key), "-out", request, "-subj", f"/CN={name}")
        extensions = self.directory / f"{name}.ext"
        extensions.write_text(f"subjectAltName={alternative_names}\n")
        self._openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial",
                      "-out", certificate, "-days", "1", "-extfile", extensions)
        return certificate, key

    @staticmethod
    def _new_key(path):
        return "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", path

    @staticmethod
    def _openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
