"""A provider of OpenID Connect that gives whatever token its caller asks for, true or not; its own process.

It prints its port. A code is base64 of JSON: the claims, and how they are to be signed.
"""

import base64
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey

RIGHT, OTHER = (RSAKey.generate_key(2048, {"kid": "k1"}) for _ in range(2))
PUBLIC = RIGHT.as_pem(private=False)


def signed(claims: dict, how: str) -> str:
    if how == "none":
        parts = ({"alg": "none"}, claims)
        texts = (base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=").decode() for each in parts)
        return ".".join((*texts, ""))
    if how == "shared":
        return jwt.encode({"alg": "HS256", "kid": "k1"}, claims, OctKey.import_key(PUBLIC))
    return jwt.encode({"alg": "RS256", "kid": "k1"}, claims, OTHER if how == "other" else RIGHT)


class LyingProvider(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        where = f"http://127.0.0.1:{self.server.server_address[1]}"
        places = {f"{name}_endpoint": f"{where}/{name}" for name in ("authorization", "token")} | {
            "issuer": where,
            "jwks_uri": f"{where}/keys",
        }
        keys = KeySet([RIGHT]).as_dict(private=False)
        self.told(keys if self.path == "/keys" else places)

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        asked = json.loads(base64.urlsafe_b64decode(form["code"][0]))
        self.told({"id_token": signed(asked["claims"], asked["how"])} if asked["how"] != "no token" else {})

    def told(self, data: object) -> None:
        body = json.dumps(data).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), LyingProvider)
    print(server.server_address[1], flush=True)
    server.serve_forever()
