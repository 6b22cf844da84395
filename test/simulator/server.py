"""The HTTP side: connections, routing, and the damage that fault rules do to answers.

HTTP/1.1 with keep-alive, one thread a connection, header and body of an answer
in one send.
"""

from __future__ import annotations

import gzip
import secrets
import select
import socket
import socketserver
import struct
import time
from email.utils import formatdate

import api
import faults as faults_module
from api import Answer, Request
from errors import Fault, GatewayFault, service_fault
from clock import envelope_time
from jsontext import dumps
from oauth import OAuthError

REASONS = {100: "Continue", 200: "OK", 302: "Found", 400: "Bad Request", 401: "Unauthorized",
           403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 413: "Payload Too Large",
           415: "Unsupported Media Type", 429: "Too Many Requests", 500: "Internal Server Error",
           502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}
MAX_BODY = 50_000_000


class Gone(Exception):
    """The connection is over."""


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, sim, control, port: int) -> None:
        self.sim, self.control = sim, control
        super().__init__(("127.0.0.1", port), Handler)

    def handle_error(self, request, client_address) -> None:
        import sys
        import traceback
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            traceback.print_exc()


class Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.sim = self.server.sim
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = self.request.makefile("rb", 65536)
        try:
            while self.one_request():
                pass
        except (Gone, ConnectionError, BrokenPipeError):
            pass
        finally:
            self.reader.close()

    # -- reading ---------------------------------------------------------

    def one_request(self) -> bool:
        line = self.reader.readline(65537)
        if not line:
            return False
        try:
            method, target, version = line.decode("latin-1").split()
            headers = self.read_headers()
            body = self.read_body(headers)
        except ValueError:
            self.send(Answer(400, b"Bad Request", "text/plain"), close=True)
            return False
        path, _, query = target.partition("?")
        close = version == "HTTP/1.0" or headers.get("connection", "").lower() == "close"
        self.gzip = "gzip" in headers.get("accept-encoding", "")
        self.respond(Request(method, path, query, headers, body), close)
        return not close

    def read_headers(self) -> dict:
        headers = {}
        while True:
            line = self.reader.readline(65537)
            if line in (b"\r\n", b"\n"):
                return headers
            if not line:
                raise Gone
            name, sep, value = line.decode("latin-1").partition(":")
            if not sep:
                raise ValueError("header")
            headers[name.strip().lower()] = value.strip()

    def read_body(self, headers: dict) -> bytes:
        if headers.get("expect", "").lower() == "100-continue":
            self.request.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self.read_chunks()
        length = int(headers.get("content-length", "0") or "0")
        if not 0 <= length <= MAX_BODY:
            raise ValueError("length")
        body = self.reader.read(length) if length else b""
        if len(body) < length:
            raise Gone
        return body

    def read_chunks(self) -> bytes:
        parts = []
        while True:
            size = int(self.reader.readline(100).split(b";")[0], 16)
            if not size:
                while self.reader.readline(65537) not in (b"\r\n", b"\n", b""):
                    pass
                return b"".join(parts)
            parts.append(self.reader.read(size))
            self.reader.readline(3)

    # -- routing ---------------------------------------------------------

    def respond(self, request: Request, close: bool) -> None:
        if request.path.startswith("/control/"):
            self.send(self.server.control.handle(request) if self.server.control else not_found(), close)
            return
        api.classify(request)
        sim = self.sim
        with sim.lock:
            for kind in request.kinds:
                sim.limits.stats["requests"][kind] += 1
            realm = sim.oauth.realm_of(request.body) if "token" in request.kinds else request.realm
            rule = sim.faults.pick(request.path + ("?" + request.query if request.query else ""), request.kinds,
                                   request.entities, realm, lambda: request.body.decode("utf-8", "replace")) \
                if sim.faults.rules else None
            if rule:
                sim.limits.stats["faults_injected"][rule.fault] += 1
        if rule is None:
            self.send(serve(sim, request), close)
        elif rule.fault in faults_module.BEFORE:
            self.fail_before(rule, request, close)
        else:
            self.fail_after(rule, request, close)

    def send(self, answer: Answer, close: bool = False) -> None:
        self.request.sendall(self.packed(answer, close))

    def packed(self, answer: Answer, close: bool = False) -> bytes:
        body = answer.body
        if getattr(self, "gzip", False) and self.sim.settings["gzip"] and len(body) > 1400:
            body = gzip.compress(body, 1)
            answer.headers["Content-Encoding"] = "gzip"
        with self.sim.lock:
            self.sim.limits.stats["status"][str(answer.status)] += 1
        return self.head(answer, f"Content-Length: {len(body)}", close) + body

    def head(self, answer: Answer, length: str, close: bool) -> bytes:
        lines = [f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, 'Status')}",
                 "Server: nginx", "Date: " + formatdate(usegmt=True)]
        if answer.content_type:
            lines.append("Content-Type: " + answer.content_type)
        lines += [f"intuit_tid: 1-{int(time.time()):x}-{secrets.token_hex(12)}", "QBO-Version: 1975.122"]
        lines += [f"{k}: {v}" for k, v in answer.headers.items()]
        lines.append(length)
        lines.append("Connection: close" if close else "Connection: keep-alive")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    # -- faults ----------------------------------------------------------

    def fail_before(self, rule, request: Request, close: bool) -> None:
        if rule.fault == "cut_before":
            self.cut()
        if rule.fault == "hang":
            self.hang(rule)
            self.send(serve(self.sim, request), close)
            return
        self.send(injected(self.sim, rule, request), close)

    def fail_after(self, rule, request: Request, close: bool) -> None:
        fault, seconds = rule.fault, rule.spec.get("seconds", 1)
        if fault == "slow":
            self.wait(seconds)
        if fault == "hang_during":
            request.hold = lambda: self.hang(rule, stay=True)
        request.cut_items = fault == "cut_midway"
        try:
            answer = serve(self.sim, request)
        except api.Interrupted:
            self.cut()
        body = answer.body
        if fault in ("cut_after", "cut_midway"):
            self.cut()
        elif fault == "hang_after":
            self.hang(rule)
        elif fault == "endless":
            self.endless(answer)
        elif fault in ("truncated", "cut_headers", "truncated_chunked"):
            self.truncated(fault, answer)
        elif fault == "slow_body":
            self.slow_body(answer, seconds, close)
            return
        elif fault == "empty_body":
            answer.body = b""
        elif fault == "xml":
            answer = Answer(answer.status, b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
                            b'<IntuitResponse xmlns="http://schema.intuit.com/finance/v3"/>',
                            "application/xml;charset=UTF-8")
        elif fault == "wrong_content_type":
            answer.content_type = "text/html;charset=ISO-8859-1"
        elif fault in ("500_after", "502_after", "503_after", "504_after"):
            answer = html(int(fault[:3]))
        elif fault == "code_after":
            answer = refused(self.sim, rule, request)
        elif fault == "fault_on_200_after":
            answer = fault_on_200(self.sim, request)
        else:
            answer.body = faults_module.spoil(fault, body, rule.spec.get("bytes", 0))
        self.send(answer, close)

    def cut(self) -> None:
        """Reset the connection without an answer."""
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.request.close()
        raise Gone

    def hang(self, rule, stay: bool = False) -> None:
        """Hold the request until it is released, its time is over or (unless it stays) the client leaves."""
        end = time.monotonic() + rule.spec.get("seconds", 3600)
        release = rule.release
        while time.monotonic() < end and not release.wait(0.05):
            if not stay:
                self.gone_check()

    def wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(min(0.05, max(0.0, end - time.monotonic())))
            self.gone_check()

    def gone_check(self) -> None:
        readable, _, _ = select.select([self.request], [], [], 0)
        if readable and not self.request.recv(1, socket.MSG_PEEK):
            raise Gone

    def truncated(self, fault: str, answer: Answer) -> None:
        packed = self.packed(answer, close=True)
        start = packed.index(b"\r\n\r\n")
        if fault == "cut_headers":
            self.request.sendall(packed[:9])
        elif fault == "truncated":
            self.request.sendall(packed[:start + 4 + (len(packed) - start - 4) // 2])
        else:
            body = packed[start + 4:]
            self.request.sendall(self.head(answer, "Transfer-Encoding: chunked", True) +
                                 b"%x\r\n%s" % (len(body), body[:len(body) // 2]))
        self.request.shutdown(socket.SHUT_WR)
        raise Gone

    def endless(self, answer: Answer) -> None:
        self.request.sendall(self.head(answer, "Transfer-Encoding: chunked", True))
        first = answer.body[:1] + b'"Extra":"'
        self.request.sendall(b"%x\r\n%s\r\n" % (len(first), first))
        piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        while True:
            self.request.sendall(piece)

    def slow_body(self, answer: Answer, seconds: float, close: bool) -> None:
        packed = self.packed(answer, close)
        step = max(1, len(packed) // 20)
        for at in range(0, len(packed), step):
            self.request.sendall(packed[at:at + step])
            self.wait(seconds / 20)


def not_found() -> Answer:
    return Answer(404, b'{"error":"not found"}', "application/json")


def html(status: int) -> Answer:
    text = REASONS[status].encode()
    return Answer(status, faults_module.HTML % (status, text, status, text), "text/html")


def fault_on_200(sim, request: Request) -> Answer:
    body = service_fault("An application error has occurred while processing your request",
                         "System Failure Error: unexpected", "10000", "", "SystemFault",
                         envelope_time(sim.clock.now()))
    return api.reply(request, 200, dumps(body).encode())


def refused(sim, rule, request: Request) -> Answer:
    """The refusal with the code a rule names."""
    refusal = rule.refusal()
    now = sim.clock.now()
    body = refusal.body(envelope_time(now), sim.settings["fault_elements"]) if isinstance(refusal, Fault) else \
        refusal.body(now)
    return api.reply(request, refusal.status, dumps(body).encode())


def injected(sim, rule, request: Request) -> Answer:
    """The answer of a fault rule that stands in for the service."""
    fault, token = rule.fault, request.headers.get("authorization", "")
    if fault in ("401", "401_revoked", "401_user_removed", "403_3100"):
        why = {"401": "expired", "401_revoked": "revoked", "401_user_removed": "user_removed"}.get(fault, "forbidden")
        refusal = api.access_fault(why, token)
        return api.reply(request, refusal.status, dumps(refusal.body(sim.clock.now())).encode())
    if fault == "code":
        return refused(sim, rule, request)
    if fault in ("invalid_grant", "invalid_client", "invalid_request"):
        text = {"invalid_grant": {"error_description": "Incorrect or invalid refresh token"}}.get(fault, {})
        return Answer(401 if fault == "invalid_client" else 400, dumps({"error": fault} | text).encode())
    if fault.startswith("429"):
        return _throttled(sim, rule, request)
    if fault in ("403_html", "500_html", "502_html", "503_html", "504_html"):
        return html(int(fault[:3]))
    if fault == "404":
        return Answer(404, b"", "")
    if fault == "fault_on_200":
        return fault_on_200(sim, request)
    code = {"500": "10000", "fault_6190": "6190", "fault_10200": "10200"}.get(fault, str(rule.spec.get("code", "6000")))
    status, kind = (500, "SystemFault") if fault == "500" else (400, "ValidationFault")
    refusal = Fault(code, "", rule.spec.get("detail"), status, kind)
    return api.reply(request, status, dumps(refusal.body(envelope_time(sim.clock.now()))).encode())


def _throttled(sim, rule, request: Request) -> Answer:
    if rule.fault in ("429_fault", "429_empty"):
        return api.throttle(request, rule.fault[4:])
    refusal = GatewayFault(429, "SERVICE", "3001", "ThrottleExceeded",
                           "The request limit was reached. Try again later")
    answer = api.reply(request, 429, dumps(refusal.body(sim.clock.now())).encode())
    if rule.fault == "429_retry_after":
        answer.headers["Retry-After"] = str(rule.spec.get("seconds", 5))
    return answer


def serve(sim, request: Request) -> Answer:
    """The answer of the simulator without any damage."""
    kinds = request.kinds
    if request.realm:
        return api.handle(sim, request)
    with sim.lock:
        try:
            if "token" in kinds and request.method == "POST":
                return Answer(200, dumps(sim.oauth.token(request.headers, request.body)).encode())
            if "revoke" in kinds and request.method == "POST":
                sim.oauth.revoke(request.headers, request.body)
                return Answer(200, b"", "")
            if "authorize" in kinds and request.method == "GET":
                status, text = sim.oauth.authorize(request.query)
                if status == 302:
                    return Answer(302, b"", "", {"Location": text})
                return Answer(400, f"<html><body><h1>Sorry</h1><p>{text}</p></body></html>".encode(), "text/html")
            if "discovery" in kinds:
                return Answer(200, dumps(sim.oauth.discovery(sim.base_url)).encode())
        except OAuthError as error:
            return Answer(error.status, dumps(error.body).encode())
    return not_found()
