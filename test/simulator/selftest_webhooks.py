"""Self-test of the webhooks: what is told, in which form, and what happens when nobody takes it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.server
import json
import threading

from selftest_base import Shared, until


class Receiver:
    """Takes deliveries on a port of its own; answers the next ones with the statuses in `answers`, then with 200."""

    def __init__(self) -> None:
        self.got: list[tuple[str, bytes]] = []
        self.answers: list[int] = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((self.headers["intuit-signature"], body))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Webhooks(Shared):
    options = ("--company", "Acme", "--company", "Bolt")

    def setUp(self):
        self.receiver = Receiver()
        self.configure(url=self.receiver.url, gather=0.05, retries=[0.1], format="cloudevents", loss=0, duplicates=0,
                       disorder=False, withhold=True, inactive_as="Update", entities=None)

    def tearDown(self):
        self.configure(url=None)
        self.receiver.server.shutdown()

    def configure(self, **settings):
        return self.sim.control("POST", "webhooks", settings)

    def told(self, n: int) -> list:
        """All events, once there are n of them and nothing is under way."""
        until(lambda: sum(len(self.events(body)) for _, body in self.receiver.got) >= n)
        until(lambda: self.sim.control("GET", "webhooks")["waiting"] == 0)
        return [event for _, body in self.receiver.got for event in self.events(body)]

    @staticmethod
    def events(body: bytes) -> list:
        value = json.loads(body)
        if isinstance(value, list):
            return value
        return [dict(e, realmId=n["realmId"]) for n in value["eventNotifications"] for e in n["dataChangeEvent"]["entities"]]

    def test_formats_and_words(self):
        new = self.sim.act("create", entity="Customer", object={"DisplayName": "Sitôt dit"})["Id"]
        lost = self.sim.act("create", entity="Customer", object={"DisplayName": "Sitôt fait"})["Id"]
        self.sim.act("edit", entity="Customer", id=new, set={"Notes": "x"})
        self.sim.act("merge", entity="Customer", id=lost, into=new)
        bill = self.sim.act("create", entity="Invoice", object={"CustomerRef": {"value": new}, "Line": [
            {"Amount": 10, "DetailType": "SalesItemLineDetail", "SalesItemLineDetail": {"ItemRef": {"value": "1"}}}]})["Id"]
        self.sim.act("email", id=bill)
        paid = self.sim.act("pay", id=bill)["Id"]
        self.sim.act("delete", entity="Payment", id=paid)
        self.sim.act("void", entity="Invoice", id=bill)
        told = self.told(9)
        self.assertEqual([e["type"] for e in told], [f"qbo.{t}.v1" for t in (
            "customer.created", "customer.created", "customer.updated", "customer.merged", "invoice.created",
            "invoice.emailed", "payment.created", "payment.deleted", "invoice.void")])
        self.assertEqual([e["intuitentityid"] for e in told], [new, lost, new, new, bill, bill, paid, paid, bill])
        self.assertEqual(told[3]["data"], {"deletedid": lost})
        for signature, body in self.receiver.got:
            key = self.sim.control("GET", "webhooks")["verifier"].encode()
            self.assertEqual(signature, base64.b64encode(hmac.new(key, body, hashlib.sha256).digest()).decode())

    def test_classic_of_two_companies(self):
        self.configure(format="classic", gather=0.5, inactive_as="Delete")
        realms = [c["realm_id"] for c in self.sim.info["companies"]]
        self.sim.act("edit", entity="Customer", id="1", set={"Notes": "a"})
        self.sim.act("inactivate", entity="Customer", id="2", realm=realms[1])
        told = self.told(2)
        self.assertEqual([(e["realmId"], e["name"], e["id"], e["operation"]) for e in told],
                         [(realms[0], "Customer", "1", "Update"), (realms[1], "Customer", "2", "Delete")])
        self.assertEqual(len(self.receiver.got), 1)

    def test_repeats_and_withholds(self):
        self.configure(gather=0)
        self.receiver.answers = [500, 401]
        self.sim.act("edit", entity="Customer", id="1", set={"Notes": "b"})
        until(lambda: len(self.receiver.got) >= 1)
        self.sim.act("edit", entity="Customer", id="3", set={"Notes": "b"})
        told = self.told(4)
        self.assertEqual([e["intuitentityid"] for e in told], ["1", "1", "1", "3"])
        self.assertEqual(len({body for _, body in self.receiver.got[:3]}), 1)

    def test_loss_and_duplicates(self):
        self.configure(loss=1)
        self.sim.act("edit", entity="Customer", id="1", set={"Notes": "c"})
        self.configure(loss=0, duplicates=1, entities=["Customer"])
        self.sim.act("edit", entity="Item", id="1", set={"Description": "c"})
        self.sim.act("edit", entity="Customer", id="3", set={"Notes": "c"})
        self.assertEqual({e["intuitentityid"] for e in self.told(4)}, {"3"})
