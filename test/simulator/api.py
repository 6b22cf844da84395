"""The accounting service: from a request under /v3/company/ to an answer."""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs

import batch
import cdc
import currencies
import documents
import query as query_language
import taxes
import writes
from clock import envelope_time
from entities import BY_PATH
from errors import Fault, GatewayFault
from jsontext import dumps, loads
from limits import READS
from oauth import Denied
from replies import digest_of

JSON = "application/json;charset=UTF-8"


@dataclass
class Request:
    method: str
    path: str
    query: str
    headers: dict
    body: bytes
    realm: str = ""
    kinds: set = field(default_factory=set)
    entities: set = field(default_factory=set)
    busy: bool = False                      # another call with the same requestid still runs
    hold: Callable | None = None            # what a fault rule does while this call runs
    cut_items: bool = False                 # a batch that ends in the middle

    @functools.cached_property
    def parameters(self) -> dict:
        return {k: v[0] for k, v in parse_qs(self.query, keep_blank_values=True).items()} if self.query else {}

    @property
    def request_id(self) -> str:
        return self.parameters.get("requestid", "")


class Interrupted(Exception):
    """A batch stopped in the middle by a fault rule."""


@dataclass
class Answer:
    status: int
    body: bytes
    content_type: str = JSON
    headers: dict = field(default_factory=dict)


_PATH = re.compile(r"/v3/company/([^/]*)/([^/]+)(?:/([^/]+))?(?:/([^/]+))?\Z")


def classify(request: Request) -> None:
    """Kind, entity and company of a request, for limits, counters and faults."""
    found = _PATH.match(request.path)
    if not found:
        request.kinds = {_PLAIN_KINDS.get(request.path, "other")}
        return
    request.realm, resource = found.group(1), found.group(2)
    request.entities = {resource}
    if resource == "query":
        request.kinds = {"query"}
        text = request.body.decode("utf-8", "replace") if request.method == "POST" else \
            request.parameters.get("query", "")
        named = re.search(r"\bfrom\s+(\w+)", text, re.I)
        request.entities = {named.group(1).lower()} if named else set()
    elif resource == "cdc":
        request.kinds = {"cdc"}
        request.entities = {e.strip().lower() for e in request.parameters.get("entities", "").split(",")}
    elif resource == "batch":
        request.kinds = {"write", "batch"}
        request.entities = {path for path, e in BY_PATH.items() if b'"%s"' % e.name.encode() in request.body}
    elif request.method == "POST":
        request.kinds = {"write", "object"}
    else:
        request.kinds = {"read"} | ({resource} if resource in ("companyinfo", "preferences") else set())


_PLAIN_KINDS = {"/oauth2/v1/tokens/bearer": "token", "/v2/oauth2/tokens/revoke": "revoke",
                "/connect/oauth2": "authorize", "/.well-known/openid_configuration": "discovery",
                "/.well-known/openid_sandbox_configuration": "discovery"}


def handle(sim, request: Request) -> Answer:
    """Answer one accounting request; limits and tokens come first."""
    with sim.lock:
        try:
            _let_in(sim, request)
        except GatewayFault as fault:
            return gateway_answer(sim, request, fault)
    key = None
    try:
        with sim.lock:
            if request.request_id and "write" in request.kinds:
                wanted = (request.realm, request.request_id, "batch" in request.kinds)
                request.busy = not sim.replies.begin(wanted)
                key = None if request.busy else wanted
        if request.hold:
            request.hold()
        if sim.settings["latency_ms"]:
            time.sleep(sim.settings["latency_ms"] / 1000)
        with sim.lock:
            return _serve(sim, request)
    finally:
        with sim.lock:
            if key:
                sim.replies.end(key)
            sim.limits.leave(request.realm)


def _let_in(sim, request: Request) -> None:
    token = request.headers.get("authorization", "")
    try:
        sim.oauth.check_access(token, request.realm)
    except Denied as denied:
        raise access_fault(denied.why, token) from None
    try:
        sim.limits.enter(request.realm, "batch" in request.kinds)
    except GatewayFault:
        sim.limits.leave(request.realm)
        raise


def access_fault(why: str, token: str) -> GatewayFault:
    """The refusals of an access token. They repeat the token they got, as some services do."""
    token = token[7:]
    if why == "missing":
        return GatewayFault(401, "AUTHENTICATION", "3202", "EmptyField", "Access token is missing")
    if why == "forbidden":
        return GatewayFault(403, "AUTHENTICATION", "3100", "ApplicationAuthorizationFailed", None)
    if why == "user_removed":
        return GatewayFault(401, "AUTHENTICATION", "120", "AuthorizationFailure",
                            f"The user who connected has no access any more. Token: {token}")
    detail = {"expired": "Token expired: ", "revoked": "Token revoked: "}.get(why, "Token invalid: ") + token
    return GatewayFault(401, "AUTHENTICATION", "3200", "AuthenticationFailed", detail)


def _serve(sim, request: Request) -> Answer:
    sim.finish_merges()
    now = sim.clock.now()
    try:
        if sim.companies[request.realm].values["suspended"]:
            raise Fault(6190, "", status=sim.settings["status_6190"])
        if request.busy:
            raise Fault(600, "requestid")
        status, body = _dispatch(sim, request)
        if status == 200:
            sim.limits.metered(request.realm, next(iter(request.kinds & READS - {"companyinfo", "preferences"}), ""))
        return Answer(status, body, "application/pdf") if body.startswith(b"%PDF") else reply(request, status, body)
    except Interrupted:
        raise
    except Fault as fault:
        sim.limits.stats["refused"][fault.code] += 1
        status = sim.settings["status_610"] if fault.code == "610" and request.method == "GET" else fault.status
        return reply(request, status, dumps(fault.body(envelope_time(now), sim.settings["fault_elements"])).encode())
    except Exception as error:      # a hole in the simulator: say so, keep serving
        import traceback
        traceback.print_exc()
        fault = Fault(10000, "", f"System Failure Error: {type(error).__name__}: {error}", 500, "SystemFault")
        return reply(request, 500, dumps(fault.body(envelope_time(now))).encode())


def reply(request: Request, status: int, body: bytes) -> Answer:
    """JSON when it was asked for, else XML."""
    if "application/json" in request.headers.get("accept", "").lower():
        return Answer(status, body)
    from jsontext import to_xml
    return Answer(status, to_xml(loads(body)), "application/xml;charset=UTF-8")


def gateway_answer(sim, request: Request, fault: GatewayFault) -> Answer:
    headers, shape = {}, "gateway"
    if fault.status == 429:
        shape = sim.settings["throttle_body"]
        if sim.settings["retry_after"] is not None:
            headers["Retry-After"] = str(sim.settings["retry_after"])
    answer = throttle(request, shape) if shape != "gateway" else \
        reply(request, fault.status, dumps(fault.body(sim.clock.now())).encode())
    answer.headers.update(headers)
    return answer


def throttle(request: Request, shape: str) -> Answer:
    if shape == "empty":
        return Answer(429, b"", "")
    return reply(request, 429, b'{"Fault":{"Error":[{"Message":"Too Many Requests","code":"429"}]}}')


def _envelope(sim, inner: bytes) -> bytes:
    return b'{%s,"time":"%s"}' % (inner, envelope_time(sim.clock.now()).encode())


def _dispatch(sim, request: Request) -> tuple[int, bytes]:
    found = _PATH.match(request.path)
    _, resource, id, rest = found.groups()
    company = sim.companies[request.realm]
    if request.method not in ("GET", "POST"):
        raise Fault(500, "", f"Operation is not supported: {request.method}", 405)
    if resource in ("query", "cdc"):
        if id or (resource == "cdc" and request.method != "GET"):
            raise Fault(500, "", "Operation is not supported")
        return 200, (_query if resource == "query" else _cdc)(sim, company, request)
    if request.method == "POST" and "requestid" in request.parameters:
        check_request_id(request.request_id, 36 if resource == "batch" else 50)
    if resource == "batch" and not id and request.method == "POST":
        return 200, _envelope(sim, batch.run(sim, company, request, _body(request)))
    if (resource, id, rest, request.method) == ("taxservice", "taxcode", None, "POST"):
        return _tax_service(sim, company, request)
    entity = BY_PATH.get(resource)
    if entity and (rest, request.method) == ("send", "POST"):
        return _send(sim, company, entity, id, request)
    if entity and (rest, request.method) == ("pdf", "GET"):
        return 200, _pdf(company, entity, id, request)
    if entity is None or rest:
        raise Fault(500, "", f"Operation is not supported: no resource {resource}")
    if request.method == "GET":
        return 200, _rate(sim, company, entity, request) if entity.key else \
            _read(sim, company, entity, id, enhanced(request))
    if id:
        raise Fault(500, "", "Operation is not supported: POST with an id in the path")
    return _write(sim, company, entity, request)


_REQUEST_ID = re.compile(r"[!-~]+\Z")


def check_request_id(text: str, longest: int) -> None:
    if not 1 <= len(text) <= longest or not _REQUEST_ID.match(text):
        raise Fault(2130, "requestid", f"The request id must have 1 to {longest} characters.")


def _query(sim, company, request: Request) -> bytes:
    text = request.parameters.get("query", "")
    if request.method == "POST":
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind != "application/text":
            raise Fault(1050, "", f"Invalid content type : {kind}", 415)
        try:
            text = request.body.decode()
        except UnicodeDecodeError:
            raise malformed_utf8() from None
    if not text.strip():
        raise Fault(4000, "", "QueryParserError: the query is empty", 200, "SystemFault")
    return _envelope(sim, b'"QueryResponse":' + run_query(sim, company, text, enhanced(request))[0])


def run_query(sim, company, text: str, enhanced: bool = False) -> tuple[bytes, int]:
    """The QueryResponse object and its number of rows."""
    zone = company.single("CompanyInfo").get("DefaultTimeZone", "UTC")
    parsed = query_language.parse(text, sim.clock.now(), zone)
    return query_language.run(company, parsed, sim.settings, sim.clock.now(), enhanced)


def _cdc(sim, company, request: Request) -> bytes:
    asked = request.parameters
    names = cdc.entities_of(asked.get("entities", ""))
    since = cdc.since_of(asked.get("changedSince", ""), sim.clock.now())
    return _envelope(sim, b'"CDCResponse":' + cdc.run(company, names, since, sim.settings, sim.clock.now()))


def enhanced(request: Request) -> bool:
    return "enhancedAllCustomFields" in request.parameters.get("include", "").split(",")


def _read(sim, company, entity, id: str | None, enhanced: bool) -> bytes:
    if entity.singleton:
        wanted = company.realm if entity.name == "CompanyInfo" else None
        if id != wanted:
            raise Fault(610, "Id") if id else Fault(500, "", "Operation is not supported: an id is missing")
        record = next(iter(company.tables[entity.name].records.values()))
    else:
        if not id:
            raise Fault(500, "", "Operation is not supported: an id is missing")
        record = company.record(entity.name, id)
        if record is None and (not id.isdigit() or len(id) > 19):
            raise Fault(2030, "Id", f"Id should be a valid number. Supplied value:{id[:60]}")
        if record is None or (not record.active and sim.settings["inactive_read"] == "610"):
            raise writes.not_found(company, entity, id)
    return _envelope(sim, b'"%s":%s' % (entity.name.encode(), record.text(enhanced)))


def _rate(sim, company, entity, request: Request) -> bytes:
    """GET /exchangerate?sourcecurrencycode=EUR&asofdate=2026-11-22: the rate of that day, today's without a day."""
    if _PATH.match(request.path).group(3):
        raise Fault(500, "", f"Operation is not supported: read {entity.name} by id")
    asked = {name.lower(): value for name, value in request.parameters.items()}
    found = currencies.read(company, asked.get("sourcecurrencycode", ""), asked.get("asofdate", ""), sim.clock.now())
    return _envelope(sim, b'"%s":%s' % (entity.name.encode(), found.data))


def malformed_utf8() -> Fault:
    return Fault(500, "", "Operation is not supported: com.sun.org.apache.xerces.internal.impl.io."
                 "MalformedByteSequenceException: Invalid byte of UTF-8 sequence.", 500, "SystemFault")


def _body(request: Request) -> dict:
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/json":
        raise Fault(1050, "", f"Invalid content type : {kind}", 415)
    try:
        body = loads(request.body.decode())
    except UnicodeDecodeError:
        raise malformed_utf8() from None
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise Fault(2010, "", f"Property Name:{str(error)[:200]}") from None
    if not isinstance(body, dict):
        raise Fault(2010, "", "Property Name:Can not deserialize: an object is expected")
    return body


def _write(sim, company, entity, request: Request) -> tuple[int, bytes]:
    asked = request.parameters
    key, digest = None, ""
    if request.request_id:
        key = (company.realm, request.request_id, "")
        digest = digest_of(request.path.encode(), asked.get("operation", "").encode(), request.body)
        if reply := sim.replies.find(key, digest):
            return reply.status, reply.body
    body = _body(request)
    include = {i for i in asked.get("include", "").split(",") if i}
    try:
        operation = writes.operation_of(asked.get("operation", ""), include, body, entity)
        return 200, one_write(sim, company, entity, operation, body, include, key, digest,
                              lambda data: _envelope(sim, data))
    except Fault as fault:
        if not key:
            raise
        sim.limits.stats["refused"][fault.code] += 1
        said = dumps(fault.body(envelope_time(sim.clock.now()), sim.settings["fault_elements"])).encode()
        sim.replies.refusal(key, digest, fault, said)
        return fault.status, said


def _send(sim, company, entity, id: str, request: Request) -> tuple[int, bytes]:
    """POST /invoice/301/send: an empty body of its own type."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/octet-stream" or request.body:
        raise Fault(1050, "", f"Invalid content type : {kind}", 415)
    change = sim.change(company, "api")
    documents.email(change, entity, id, request.parameters.get("sendTo", ""))
    return 200, sim.commit(change, "email", entity.name, id,
                           lambda records: _envelope(sim, b'"%s":%s' % (entity.name.encode(), records[0][1].data)))


def _pdf(company, entity, id: str, request: Request) -> bytes:
    if "application/pdf" not in request.headers.get("accept", "").lower():
        raise Fault(500, "", "Operation is not supported: pdf as JSON")
    if company.record(entity.name, id) is None:
        raise writes.not_found(company, entity, id)
    return documents.pdf(entity, company.record(entity.name, id))


def _tax_service(sim, company, request: Request) -> tuple[int, bytes]:
    """POST /taxservice/taxcode: the answer has no envelope."""
    change = sim.change(company, "api")
    made = taxes.new_code(change, _body(request))
    sim.commit(change, "create", "TaxCode", made["TaxCodeId"])
    return 200, dumps(made).encode()


def one_write(sim, company, entity, operation: str, body: dict, include: set, key, digest: str, wrap) -> bytes:
    """Do one write and keep it; wrap() makes the answer of '"Entity":{…}'."""
    change = sim.change(company, "api")
    obj = writes.perform(change, entity, operation, body, include)
    id = entity.id_of(obj)

    def answer(records) -> bytes:
        data = next((r.text("enhancedAllCustomFields" in include) for e, r in records if r.id == id and e == entity.name), None)
        return wrap(b'"%s":%s' % (entity.name.encode(), data if data is not None else dumps(obj).encode()))

    return sim.commit(change, operation, entity.name, id, answer, key, digest)
