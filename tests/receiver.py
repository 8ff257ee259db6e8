"""An HTTP server that takes webhooks and misbehaves as it is told; a process of its own.

python receiver.py NOTES PLAN: prints its port. PLAN names what to do with the first requests, as in 500,cut;
all further ones are taken. Each request that arrives whole is one line of NOTES.
"""

import json
import sys
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, repeat
from pathlib import Path
from threading import Lock


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        body = self.rfile.read(length)
        if len(body) < length:  # whoever sent it was killed
            self.close_connection = True
            return
        with LOCK:
            behaviour = next(PLAN) if self.path == "/hook" else "200"
            headers = {name.lower(): value for name, value in self.headers.items()}
            note = {"path": self.path, "did": behaviour, "headers": headers, "body": body.decode()}
            with NOTES.open("a") as notes:
                notes.write(json.dumps(note) + "\n")
        if behaviour == "cut":
            self.close_connection = True
            self.connection.close()
        elif behaviour == "drip":
            with suppress(OSError):
                for letter in b"HTTP/1.1 200 OK\r\nx: " + b"y" * 1000:
                    self.wfile.write(bytes([letter]))
                    time.sleep(0.1)
        elif behaviour == "large":
            self.send_response(200)
            self.send_header("content-length", str(10**12))
            self.end_headers()
            with suppress(OSError):
                while True:
                    self.wfile.write(b"x" * 65536)
        else:
            self.send_response(int(behaviour))
            for name, value in HEADERS.get(behaviour, {}).items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

    do_GET = do_POST  # noqa: N815 - the name is the library's

    def log_message(self, *_: object) -> None:
        """Say nothing."""


HEADERS = {"429": {"retry-after": "90"}, "302": {"location": "/elsewhere"}}

if __name__ == "__main__":
    NOTES, LOCK = Path(sys.argv[1]), Lock()
    NOTES.touch()
    PLAN = chain(filter(None, sys.argv[2].split(",")), repeat("200"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    print(server.server_address[1], flush=True)
    server.serve_forever()
