#!/usr/bin/env python3
"""A QuickBooks for benchmarks of sending: customers are updated, singly and in batches, and nothing else can be done.

    standin.py < customers        JSON: {"realm_id": …, "customers": [the objects as the simulator shows them]}

The simulator checks all that QuickBooks checks and keeps all that tests want to see, which costs more processor time than sending
does; measured beside it on a small machine is the simulator.  This keeps what sending is about: a requestid (in a batch with the
bId) is answered with what it was answered first, an old SyncToken is refused (5010), an unknown customer too (610), an update is
sparse and shows SyncToken and time anew.  An answer leaves `latency` seconds after its request came.

    GET /control/stats            calls, updates, repetitions, refusals, the most at once; customers by number of updates and by notes
    POST /control/settings        {"latency": seconds}; what was counted is forgotten
"""

import asyncio
import gc
import json
import sys
import time
from collections import Counter
from urllib.parse import parse_qs, urlsplit

MOST_ITEMS = 30


class Company:
    def __init__(self, realm, customers):
        self.realm = realm
        self.customers = {c["Id"]: c for c in customers}
        self.first = {c["Id"]: int(c["SyncToken"]) for c in customers}
        self.replies = {}           # (requestid, bId) -> what was answered
        self.latency = 0.0
        self.forget()

    def forget(self):
        self.counts, self.at_once, self.most, self.updated = Counter(), 0, 0, Counter()

    def update(self, key, entity, body, now):
        """The members of an answer to one update."""
        reply = self.replies.get(key)
        if reply is not None:
            self.counts["repeated"] += 1
            return reply
        customer = self.customers.get(body.get("Id")) if entity == "Customer" else None
        if customer is None:
            reply = fault(610, "Object Not Found")
        elif body.get("SyncToken") != customer["SyncToken"]:
            reply = fault(5010, "Stale Object Error")
        elif body.get("sparse") is not True:
            reply = fault(2170, "only sparse updates are known here")
        else:
            customer.update((k, v) for k, v in body.items() if k not in ("Id", "SyncToken", "sparse"))
            customer["SyncToken"] = str(int(customer["SyncToken"]) + 1)
            customer["MetaData"]["LastUpdatedTime"] = now
            self.updated[customer["Id"]] += 1
            reply = '"Customer":' + dumps(customer)
        if reply.startswith('"Fault"'):
            self.counts["refused"] += 1
        self.replies[key] = reply
        return reply

    def answer(self, path, requestid, body):
        """Status and text of an answer."""
        what = path.removeprefix(f"/v3/company/{self.realm}/")
        if what not in ("batch", "customer"):
            self.counts["others"] += 1
            return 503, "not here"
        asked = json.loads(body)
        now = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
        if what == "batch" and len(asked["BatchItemRequest"]) <= MOST_ITEMS:
            self.counts["batches"] += 1
            items = []
            for item in asked["BatchItemRequest"]:
                entity = next((k for k in item if k not in ("bId", "operation")), None)
                reply = self.update((requestid, item["bId"]), entity, item[entity] if item["operation"] == "update" else {}, now)
                items.append('{"bId":"%s",%s}' % (item["bId"], reply))
            return 200, '{"BatchItemResponse":[%s],"time":"%s"}' % (",".join(items), now)
        self.counts["singles"] += 1
        reply = self.update((requestid, ""), "Customer", asked, now)
        return (400 if reply.startswith('"Fault"') else 200), '{%s,"time":"%s"}' % (reply, now)

    def stats(self):
        return dict(self.counts) | {"most_at_once": self.most, "updated": Counter(self.updated.values()),
                                    "notes": Counter(c.get("Notes", "") for c in self.customers.values())}


# made once: json.dumps() would make an encoder for each call
ENCODER = json.encoder.c_make_encoder(None, None, json.encoder.encode_basestring, None, ":", ",", False, False, True)


def dumps(value):
    return "".join(ENCODER(value, 0))


def fault(code, message):
    return '"Fault":' + dumps({"Error": [{"Message": message, "Detail": message, "code": str(code)}], "type": "ValidationFault"})


class Connection(asyncio.Protocol):
    def __init__(self, company):
        self.company, self.received = company, b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.received += data
        head, there, rest = self.received.partition(b"\r\n\r\n")
        if not there:
            return
        lines = head.decode("latin-1").split("\r\n")
        headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
        length = int(headers.get("content-length", 0))
        if headers.get("expect") and not rest:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if len(rest) >= length:
            self.received = rest[length:]
            self.request(lines[0].split()[1], rest[:length])

    def request(self, target, body):
        company, asked = self.company, urlsplit(target)
        if asked.path == "/control/stats":
            self.send(200, json.dumps(company.stats()), False)
        elif asked.path == "/control/settings":
            company.latency = json.loads(body)["latency"]
            company.forget()
            self.send(200, "{}", False)
        else:
            company.at_once += 1
            company.most = max(company.most, company.at_once)
            due = asyncio.get_running_loop().time() + company.latency
            status, text = company.answer(asked.path, parse_qs(asked.query).get("requestid", [""])[0], body)
            if company.latency:
                asyncio.get_running_loop().call_at(due, self.send, status, text, True)
            else:
                self.send(status, text, True)

    def send(self, status, text, counted):
        self.company.at_once -= counted
        body = text.encode()
        self.transport.write(b"HTTP/1.1 %d OK\r\nContent-Type: application/json\r\nintuit_tid: 1-stand-in\r\nContent-Length: %d\r\n\r\n"
                             % (status, len(body)) + body)


async def main():
    gc.disable()
    given = json.load(sys.stdin)
    company = Company(given["realm_id"], given["customers"])
    server = await asyncio.get_running_loop().create_server(lambda: Connection(company), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
