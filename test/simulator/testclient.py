"""A client for tests: starts a simulator and calls it.

    sim = Sim("--customers", "100")
    sim.rows("SELECT * FROM Customer"); sim.act("void", entity="Invoice", id="12"); sim.stop()
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import subprocess
import sys
from decimal import Decimal
from urllib.parse import quote, urlencode, urlsplit

HERE = os.path.dirname(os.path.abspath(__file__))


class Sim:
    """A running simulator and a client of it."""

    def __init__(self, *options: str, control: bool = True, limits: bool = False) -> None:
        command = [sys.executable, HERE, *options] + ["--control"] * control + ["--no-limits"] * (not limits)
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        self.info = json.loads(self.process.stdout.readline())
        self.base = self.info["base_url"]
        self.port = urlsplit(self.base).port
        self.realm = self.info["companies"][0]["realm_id"]
        self.refresh_token = self.info["companies"][0]["refresh_token"]
        self.token = ""

    def stop(self, how=signal.SIGTERM) -> None:
        if self.process.returncode is not None:
            return
        self.process.send_signal(how)
        self.process.wait(5)
        self.process.stdout.close()

    def raw(self, method: str, path: str, body=None, headers=None, timeout: float = 10):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def basic(self) -> dict:
        pair = f"{self.info['client_id']}:{self.info['client_secret']}"
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}

    def tokens(self, headers=None, **form):
        status, _, body = self.raw("POST", "/oauth2/v1/tokens/bearer", urlencode(form),
                                   (headers or self.basic()) | {"Content-Type": "application/x-www-form-urlencoded"})
        return status, json.loads(body)

    def refresh(self, token=None):
        status, answer = self.tokens(grant_type="refresh_token", refresh_token=token or self.refresh_token)
        if status == 200:
            self.token, self.refresh_token = answer["access_token"], answer["refresh_token"]
        return status, answer

    def headers(self) -> dict:
        if not self.token:
            self.refresh()
        return {"Authorization": "Bearer " + self.token, "Accept": "application/json"}

    def get(self, path: str, **more):
        status, _, body = self.raw("GET", f"/v3/company/{self.realm}/{path}", None, self.headers(), **more)
        return status, json.loads(body, parse_float=Decimal)

    def post(self, path: str, obj):
        body = obj if isinstance(obj, (str, bytes)) else json.dumps(obj)
        status, _, body = self.raw("POST", f"/v3/company/{self.realm}/{path}", body,
                                   self.headers() | {"Content-Type": "application/json"})
        return status, json.loads(body, parse_float=Decimal)

    def query(self, text: str):
        return self.get("query?query=" + quote(text))

    def rows(self, text: str) -> list:
        entity = text.split(" FROM ")[1].split()[0]
        return self.query(text)[1]["QueryResponse"].get(entity, [])

    def cdc(self, entities: str, since: str):
        return self.get(f"cdc?entities={entities}&changedSince={quote(since)}")

    def control(self, method: str, path: str, obj=None):
        status, _, body = self.raw(method, "/control/" + path, json.dumps(obj) if obj is not None else None)
        answer = json.loads(body, parse_float=Decimal)
        if status != 200:
            raise AssertionError(f"{path}: {answer}")
        return answer

    def act(self, act: str, **more):
        return self.control("POST", "act", {"act": act} | more)

    def fault(self, fault: str, kind: str = "any", **more):
        return self.control("POST", "faults", {"match": {"kind": kind}, "fault": fault, "times": 1} | more)
