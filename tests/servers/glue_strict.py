"""moto's Glue (and STS) as a server, as strict as AWS where Iceberg needs it.

- UpdateTable with a stale VersionId fails with ConcurrentModificationException; moto takes any.
- GetTables and GetDatabases answer in pages of at most GLUE_PAGE_ITEMS (100, as in AWS); moto gives all at once.
- A caller gets UnrecognizedClientException unless its access key is GLUE_ACCESS_KEY, without a session's token, or that of a
  session that SeaweedFS's STS gave, with that session's token. The signature is not checked; S3 checks it for the same keys.

`python glue_strict.py` listens on a free port of 127.0.0.1, prints `ready <port>`, and ends when standard input closes.
"""

import base64
import hashlib
import hmac
import json
import logging
import os
import pathlib
import re
import sys
import threading
import time

from moto.core.responses import ActionResult
from moto.glue.exceptions import GlueClientError
from moto.glue.responses import GlueResponse
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

ACCESS_KEY = os.environ["GLUE_ACCESS_KEY"]
PAGE_ITEMS = int(os.environ.get("GLUE_PAGE_ITEMS", "100"))
STS = json.loads(pathlib.Path(__file__).with_name("weed-iam.json").read_text())["sts"]


class ConcurrentModification(GlueClientError):
    def __init__(self):
        super().__init__("ConcurrentModificationException", "Update table failed due to concurrent modifications.")


def checked(update_table):
    """Compares and updates under one lock: two writers with the same VersionId must not both win."""
    lock = threading.Lock()

    def replacement(self):
        wanted = self.parameters.get("VersionId")
        with lock:
            if wanted is not None:
                names = self.parameters["DatabaseName"], self.parameters["TableInput"]["Name"]
                found = self.glue_backend.get_table(*names).as_dict().get("VersionId")
                if str(wanted) != str(found):
                    raise ConcurrentModification
            return update_table(self)

    return replacement


def paged(list_all, key):
    def replacement(self):
        items = list_all(self).result[key]
        count = min(int(self.parameters.get("MaxResults") or PAGE_ITEMS), PAGE_ITEMS)
        token = self.parameters.get("NextToken")
        start = int(base64.b64decode(token)) if token else 0
        page = {key: items[start : start + count]}
        if start + count < len(items):
            page["NextToken"] = base64.b64encode(str(start + count).encode()).decode()
        return ActionResult(page)

    return replacement


def is_known(access_key, token):
    return access_key == ACCESS_KEY if token is None else access_key == session_key(token)


def session_key(token):
    """The access key of a session of SeaweedFS's STS, whose token is a JWT. None if it is forged or has ended."""
    try:
        signed, signature = token.rsplit(".", 1)
        expected = hmac.digest(base64.b64decode(STS["signingKey"]), signed.encode(), "sha256")
        claims = json.loads(from_base64(signed.split(".")[1]))
        if not hmac.compare_digest(from_base64(signature), expected) or claims["exp"] < time.time():
            return None
        return "ASIA" + hashlib.sha256(f"access-key:{claims['sid']}".encode()).hexdigest()[:16]
    except (ValueError, KeyError, IndexError):
        return None


def from_base64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def key_checked(application):
    """Refuses Glue's operations for foreign keys before moto sees them."""
    message = "The security token included in the request is invalid."
    refusal = json.dumps({"__type": "UnrecognizedClientException", "message": message}).encode()

    def replacement(environment, start_response):
        of_glue = environment.get("HTTP_X_AMZ_TARGET", "").startswith("AWSGlue.")
        credential = re.search(r"Credential=([^/,]+)/", environment.get("HTTP_AUTHORIZATION", ""))
        token = environment.get("HTTP_X_AMZ_SECURITY_TOKEN")
        if of_glue and not is_known(credential and credential[1], token):
            headers = [("Content-Type", "application/x-amz-json-1.1"), ("Content-Length", str(len(refusal)))]
            start_response("400 Bad Request", headers)
            return [refusal]
        return application(environment, start_response)

    return replacement


def end_with_stdin():
    sys.stdin.buffer.read()
    os._exit(0)


def main():
    GlueResponse.update_table = checked(GlueResponse.update_table)
    GlueResponse.get_tables = paged(GlueResponse.get_tables, "TableList")
    GlueResponse.get_databases = paged(GlueResponse.get_databases, "DatabaseList")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    WSGIRequestHandler.protocol_version = "HTTP/1.1"
    application = key_checked(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, application, threaded=True)
    threading.Thread(target=end_with_stdin, daemon=True).start()
    print(f"ready {server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
