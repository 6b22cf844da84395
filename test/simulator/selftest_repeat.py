"""Self-test, second part: requestid, batches, limits of batches, and the faults a writer meets."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import tempfile
import threading
import unittest

from errors import TEXTS
from selftest_base import Shared, code, sale, until
from testclient import Sim

LOST = (http.client.HTTPException, ConnectionError)


def creates(*names: str, **fields) -> list[dict]:
    return [{"bId": str(n), "operation": "create", "Customer": {"DisplayName": name} | fields}
            for n, name in enumerate(names)]


class Writer(Shared):
    def settings(self, **values):
        before = self.sim.control("GET", "settings")
        self.sim.control("POST", "settings", values)
        self.addCleanup(self.sim.control, "POST", "settings", {k: before[k] for k in values})

    def batch(self, items: list, request: str = "") -> dict:
        """The answers by bId."""
        status, answer = self.sim.post("batch" + (f"?requestid={request}" if request else ""), {"BatchItemRequest": items})
        self.assertEqual(status, 200, answer)
        self.assertEqual({i["bId"] for i in items}, {i["bId"] for i in answer["BatchItemResponse"]})
        return {i["bId"]: i for i in answer["BatchItemResponse"]}

    def count(self, entity: str = "Customer") -> int:
        return self.sim.control("GET", "store")[entity]["count"]

    def repeats(self) -> dict:
        return self.sim.control("GET", "stats")["requestid"]


class RequestIdTest(Writer):
    """EXT-1, EXT-2"""

    def test_same_answer(self):
        path, headers = f"/v3/company/{self.sim.realm}/customer?requestid=same", self.sim.headers() | {
            "Content-Type": "application/json"}
        body = json.dumps({"DisplayName": "Une fois"})
        first, before = self.sim.raw("POST", path, body, headers)[2], self.count()
        self.assertEqual(self.sim.raw("POST", path, body, headers)[2], first)
        self.assertEqual(self.count(), before)
        id = json.loads(first)["Customer"]["Id"]
        self.sim.act("edit", entity="Customer", id=id, set={"Notes": "changé depuis"})
        self.assertEqual(self.sim.raw("POST", path, body, headers)[2], first)
        self.assertEqual(self.read("customer", id)["SyncToken"], "1")

    def test_other_body(self):
        first = self.accepted(self.sim.post("customer?requestid=abc", {"DisplayName": "Premier corps"}))
        differing = self.repeats().get("replayed_other_body", 0)
        again = self.accepted(self.sim.post("customer?requestid=abc", {"DisplayName": "Autre corps"}))
        self.assertEqual(first, again)
        self.assertEqual(self.accepted(self.sim.post("item?requestid=abc", {"Name": "Autre chose"})), first)
        self.assertEqual(self.repeats()["replayed_other_body"], differing + 2)

    def test_after_deletion(self):
        who = self.customer("Supprimée ensuite")["Id"]
        body = {"CustomerRef": {"value": who}, "Line": [sale(5)]}
        made = self.accepted(self.sim.post("invoice?requestid=gone", body))
        delete = {"Id": made["Id"], "SyncToken": "0"}
        self.accepted(self.sim.post("invoice?operation=delete&requestid=kill", delete))
        self.assertEqual(self.accepted(self.sim.post("invoice?requestid=gone", body)), made)
        self.assertEqual(self.accepted(self.sim.post("invoice?operation=delete&requestid=kill", delete))["status"], "Deleted")
        self.refused("610", self.sim.get("invoice/" + made["Id"]))

    def test_form(self):
        for id in ("x" * 51, "", "a%20b", "%C3%A9"):
            self.refused("2130", self.sim.post("customer?requestid=" + id, {"DisplayName": "Forme"}))
        self.refused("2130", self.sim.post("batch?requestid=" + "x" * 37, {"BatchItemRequest": creates("Forme")}))
        self.accepted(self.sim.post("customer?requestid=" + "x" * 50, {"DisplayName": "Forme"}))

    def test_per_company(self):
        sim = Sim("--company", "A", "--company", "B")
        self.addCleanup(sim.stop)
        ids = []
        for company in sim.info["companies"]:
            sim.realm, sim.token, sim.refresh_token = company["realm_id"], "", company["refresh_token"]
            ids.append(sim.post("customer?requestid=both", {"DisplayName": "Chez " + company["name"]})[1]["Customer"]["DisplayName"])
        self.assertEqual(ids, ["Chez A", "Chez B"])

    def test_how_long(self):
        self.settings(requestid_life=3600)
        self.accepted(self.sim.post("customer?requestid=old", {"DisplayName": "Retenue"}))
        self.sim.control("POST", "clock", {"advance": 3590})
        self.accepted(self.sim.post("customer?requestid=old", {"DisplayName": "Retenue"}))
        self.sim.control("POST", "clock", {"advance": 20})
        self.sim.refresh()
        self.refused("6240", self.sim.post("customer?requestid=old", {"DisplayName": "Retenue"}))

    def test_refused_original(self):
        self.refused("6240", self.sim.post("customer?requestid=no", {"DisplayName": "Émilie Tremblay"}))
        self.refused("6240", self.sim.post("customer?requestid=no", {"DisplayName": "Nom libre"}))
        self.settings(requestid_failed="execute")
        self.refused("6240", self.sim.post("customer?requestid=nope", {"DisplayName": "Émilie Tremblay"}))
        self.accepted(self.sim.post("customer?requestid=nope", {"DisplayName": "Nom libre"}))
        self.settings(requestid_failed="replay")
        self.sim.act("company_value", set={"suspended": True})
        self.refused("6190", self.sim.post("customer?requestid=later", {"DisplayName": "Plus tard"}))
        self.sim.act("company_value", set={"suspended": False})
        self.accepted(self.sim.post("customer?requestid=later", {"DisplayName": "Plus tard"}))

    def hold(self, path: str, body: dict) -> threading.Thread:
        """A call that hangs inside QuickBooks; its answer goes to self.held."""
        self.held = []
        hits = self.sim.control("GET", "stats")["faults_injected"].get("hang_during", 0)
        self.sim.fault("hang_during", "write", seconds=30)
        thread = threading.Thread(target=lambda: self.held.append(self.sim.post(path, body)))
        thread.start()
        until(lambda: self.sim.control("GET", "stats")["faults_injected"].get("hang_during", 0) == hits + 1)
        return thread

    def test_still_running(self):
        body = {"DisplayName": "En cours"}
        thread = self.hold("customer?requestid=slow", body)
        self.refused("600", self.sim.post("customer?requestid=slow", body))
        self.sim.control("POST", "release", {})
        thread.join(5)
        self.assertEqual(self.sim.post("customer?requestid=slow", body)[1], self.held[0][1])
        items = {"BatchItemRequest": creates("En lot")}
        thread = self.hold("batch?requestid=slow", items)
        self.refused("600", self.sim.post("batch?requestid=slow", items))
        self.sim.control("POST", "release", {})
        thread.join(5)
        self.assertEqual(self.held[0][0], 200)

    def test_waits_for_the_first(self):
        self.settings(requestid_running="wait")
        body, second = {"DisplayName": "Attente"}, []
        thread = self.hold("customer?requestid=queue", body)
        other = threading.Thread(target=lambda: second.append(self.sim.post("customer?requestid=queue", body)))
        other.start()
        until(lambda: self.sim.control("GET", "stats")["running"][self.sim.realm] == 2)
        self.sim.control("POST", "release", {})
        thread.join(5), other.join(5)
        self.assertEqual(second, self.held)

    def test_client_leaves(self):
        """The work goes on when nobody waits for its answer any more."""
        self.sim.fault("hang_during", "write")
        body = json.dumps({"DisplayName": "Partie trop tôt"})
        with self.assertRaises(TimeoutError):
            self.sim.raw("POST", f"/v3/company/{self.sim.realm}/customer?requestid=left", body, self.sim.headers() | {
                "Content-Type": "application/json"}, timeout=0.3)
        self.refused("600", self.sim.post("customer?requestid=left", body))
        self.sim.control("DELETE", "faults")
        until(lambda: self.sim.rows("SELECT * FROM Customer WHERE DisplayName = 'Partie trop tôt'"))
        self.accepted(self.sim.post("customer?requestid=left", body))

    def test_killed(self):
        with tempfile.TemporaryDirectory() as folder:
            options = ("--data", os.path.join(folder, "state.db"))
            sim = Sim(*options)
            self.addCleanup(sim.stop)
            items = {"BatchItemRequest": creates("Tué 1", "Émilie Tremblay", "Tué 2")}
            one, several = sim.post("customer?requestid=k", {"DisplayName": "Tué"}), sim.post("batch?requestid=k", items)
            refused = sim.post("customer?requestid=r", {"DisplayName": "Tué"})
            sim.control("POST", "settings", {"batch_order": "kept"})
            bill = sim.post("invoice", {"CustomerRef": {"value": "1"}, "Line": [sale(5)]})[1]["Invoice"]["Id"]
            sim.post("batch", {"BatchItemRequest": [
                {"bId": "1", "operation": "update", "Invoice": {"Id": bill, "SyncToken": "0", "sparse": True, "PrivateNote": "x"}},
                {"bId": "2", "operation": "delete", "Invoice": {"Id": bill, "SyncToken": "1"}},
                {"bId": "3", "operation": "create", "Customer": {"DisplayName": "Dernière"}}]})
            before = [sim.control("GET", path) for path in ("store?entity=Invoice", "store?entity=Customer", "ledger",
                                                            f"versions?entity=Invoice&id={bill}")]
            sim.stop(signal.SIGKILL)
            again = Sim(*options, "--port", str(sim.port))
            self.addCleanup(again.stop)
            self.assertEqual([again.control("GET", path) for path in (
                "store?entity=Invoice", "store?entity=Customer", "ledger", f"versions?entity=Invoice&id={bill}")], before)
            before = again.control("GET", "store")
            self.assertEqual(again.post("customer?requestid=k", {}), one)
            self.assertEqual(again.post("customer?requestid=r", {}), refused)
            sort = lambda answer: sorted(answer[1]["BatchItemResponse"], key=lambda i: i["bId"])
            self.assertEqual(sort(again.post("batch?requestid=k", items)), sort(several))
            self.assertEqual(again.control("GET", "store"), before)
            entry = again.control("GET", "ledger")["entries"][-1]
            versions = again.control("GET", f"versions?entity=Customer&id={entry['id']}")["versions"]
            self.assertEqual(versions[0]["object"]["SyncToken"], entry["sync_token"])


class BatchTest(Writer):
    def test_mixed(self):
        made = self.customer("À modifier")
        bill = self.invoice(made["Id"], sale(8))
        found = self.batch([
            {"bId": "a", "operation": "create", "Customer": {"DisplayName": "Émilie Tremblay"}},
            {"bId": "b", "operation": "create", "Customer": {"DisplayName": "Du lot"}},
            {"bId": "c", "operation": "update", "Customer": {"Id": made["Id"], "SyncToken": "0", "sparse": True, "Notes": "x"}},
            {"bId": "d", "operation": "delete", "Invoice": {"Id": bill["Id"], "SyncToken": "0"}},
            {"bId": "e", "Query": "select * from Term maxresults 2"},
            {"bId": "f", "operation": "update", "Customer": {"Id": "1", "SyncToken": "99", "sparse": True}},
            {"bId": "g", "operation": "create", "Invoice": {"CustomerRef": {"value": made["Id"]}, "Line": [sale(3)]}},
            {"bId": "h", "operation": "create", "Customer": {"DisplayName": "x", "Colour": "red"}},
            {"bId": "i", "operation": "upsert", "Customer": {"DisplayName": "x"}},
            {"bId": "j", "operation": "create"},
            {"bId": "k", "Query": "select nothing"},
            {"bId": "l", "operation": "delete", "Customer": {"Id": made["Id"], "SyncToken": "1"}}])
        codes = {k: code(v) for k, v in found.items() if "Fault" in v}
        self.assertEqual(codes, {"a": "6240", "f": "5010", "h": "2010", "i": "2170", "j": "2020", "k": "4000", "l": "500"})
        self.assertEqual(found["a"]["Fault"]["type"], "ValidationFault")
        self.assertEqual(found["b"]["Customer"]["SyncToken"], "0")
        self.assertEqual(found["c"]["Customer"]["SyncToken"], "1")
        self.assertEqual(found["d"]["Invoice"], {"status": "Deleted", "domain": "QBO", "Id": bill["Id"]})
        self.assertEqual(len(found["e"]["QueryResponse"]["Term"]), 2)
        self.assertTrue(found["g"]["Invoice"]["DocNumber"])

    def test_envelope(self):
        post = lambda body: self.sim.post("batch", body)
        self.refused("2020", post({}))
        self.refused("2020", post({"BatchItemRequest": []}))
        self.refused("2010", post({"BatchItemRequest": {}}))
        self.refused("2010", post({"BatchItemRequests": []}))
        self.refused("2020", post({"BatchItemRequest": [{"operation": "create", "Customer": {}}]}))
        self.refused("2600", post({"BatchItemRequest": creates("Un") + creates("Deux")}))
        self.refused("2010", post({"BatchItemRequest": [{"bId": "1", "operation": "create", "Nothing": {}}]}))
        self.refused("1040", post({"BatchItemRequest": creates(*[f"Trop {n}" for n in range(31)])}))
        self.refused("500", self.sim.get("batch"))
        self.assertEqual(self.sim.rows("SELECT * FROM Customer WHERE DisplayName LIKE 'Trop%'"), [])
        self.batch(creates(*[f"Assez {n}" for n in range(30)]))

    def test_order(self):
        items = creates(*[f"Ordre {n}" for n in range(30)])
        answers = self.sim.post("batch", {"BatchItemRequest": items})[1]["BatchItemResponse"]
        answered = [i["bId"] for i in answers]
        executed = [i["bId"] for i in sorted(answers, key=lambda i: int(i["Customer"]["Id"]))]
        asked = [i["bId"] for i in items]
        self.assertNotIn(asked, (answered, executed))
        self.settings(batch_order="kept")
        items = creates(*[f"Ordre gardé {n}" for n in range(30)])
        answers = self.sim.post("batch", {"BatchItemRequest": items})[1]["BatchItemResponse"]
        self.assertEqual([i["bId"] for i in answers], asked)

    def test_requestid(self):
        """The pair of requestid and bId is what counts."""
        self.assertEqual(code(self.sim.post("batch?requestid=p", {"BatchItemRequest": [
            {"bId": "12345678901", "operation": "create", "Customer": {"DisplayName": "Long bId"}}]})[1]), "2130")
        first = self.batch(creates("Paire 0", "Émilie Tremblay", "Paire 2"), "pair")
        before = self.count()
        self.assertEqual(self.batch(creates("Paire 0", "Émilie Tremblay", "Paire 2"), "pair"), first)
        self.assertEqual(self.count(), before)
        more = self.batch(creates("Paire 0", "Émilie Tremblay", "Paire 2", "Paire 3"), "pair")
        self.assertEqual({k: more[k] for k in first}, first)
        self.assertEqual(self.count(), before + 1)
        self.assertIn("Customer", self.batch(creates("Paire 0 bis"), "other")["0"])
        gone = self.invoice("1", sale(1))
        delete = [{"bId": "d", "operation": "delete", "Invoice": {"Id": gone["Id"], "SyncToken": "0"}}]
        self.assertEqual(self.batch(delete, "del"), self.batch(delete, "del"))

    def test_interrupted(self):
        """Half of the items took effect when the connection broke; the repeat does the other half."""
        names = [f"Coupé {n}" for n in range(10)]
        before = self.count()
        self.sim.fault("cut_midway", "batch")
        with self.assertRaises(LOST):
            self.batch(creates(*names), "cut")
        self.assertEqual(self.count(), before + 5)
        found = self.batch(creates(*names), "cut")
        self.assertEqual({i["Customer"]["DisplayName"] for i in found.values()}, set(names))
        self.assertEqual(self.count(), before + 10)
        self.sim.fault("cut_after", "batch")
        with self.assertRaises(LOST):
            self.batch(creates("Sans réponse"), "cut2")
        self.assertEqual(self.count(), before + 11)
        self.batch(creates("Sans réponse"), "cut2")
        self.assertEqual(self.count(), before + 11)

    def test_options_data(self):
        item = lambda n, token: [{"bId": n, "operation": "update", "optionsData": "void", "Payment":
                                  {"Id": paid["Id"], "SyncToken": token, "sparse": True}}]
        paid = self.accepted(self.pay("1", 20))
        self.assertEqual(code(self.batch(item("1", "0"))["1"]), "2010")
        self.settings(batch_options_data="honour")
        self.assertEqual(self.batch(item("2", "0"))["2"]["Payment"]["TotalAmt"], 0)

    def test_reads(self):
        queries = [{"bId": str(n), "Query": "select * from Invoice maxresults 1"} for n in range(3)]
        metered = lambda: self.sim.control("GET", "stats")["metered"].get(self.sim.realm, 0)
        before = metered()
        self.batch(queries)
        self.assertEqual(metered(), before + 3)
        self.settings(batch_metered="call")
        self.batch(queries)
        self.assertEqual(metered(), before + 4)
        self.batch(creates("Non compté"))
        self.assertEqual(metered(), before + 4)
        sim = Sim("--customers", "1200")
        self.addCleanup(sim.stop)
        found = sim.post("batch", {"BatchItemRequest": [{"bId": str(n), "Query": "select * from Customer maxresults 600"}
                                                        for n in range(2)]})[1]["BatchItemResponse"]
        self.assertEqual(sorted("Fault" in i for i in found), [False, True])

    def test_ledger(self):
        last = self.sim.control("GET", "ledger")["last"]
        found = self.batch(creates("Registre 1", "Émilie Tremblay", "Registre 2"), "book")
        entries = self.sim.control("GET", f"ledger?after={last}")["entries"]
        self.assertEqual({(e["bid"], e["id"]) for e in entries},
                         {(b, found[b]["Customer"]["Id"]) for b in ("0", "2")})
        self.assertEqual({(e["requestid"], e["operation"], e["source"]) for e in entries}, {("book", "create", "api")})
        made = found["0"]["Customer"]
        self.sim.act("edit", entity="Customer", id=made["Id"], set={"Notes": "par une personne"})
        versions = self.sim.control("GET", f"versions?entity=Customer&id={made['Id']}")["versions"]
        self.assertEqual([(v["source"], v["object"]["SyncToken"], v["object"].get("Notes")) for v in versions],
                         [("api", "0", None), ("ui", "1", "par une personne")])
        self.assertEqual(versions[0]["object"], made)
        entry = next(e for e in entries if e["bid"] == "0")
        self.assertEqual(entry["last_updated"], made["MetaData"]["LastUpdatedTime"])


class RefusalTest(Writer):
    """Every documented code, for the next write, the n-th, or one that matches."""

    def test_every_code(self):
        self.sim.headers()
        for number in TEXTS:
            self.sim.fault("code", "write", code=number)
            status, answer = self.sim.post("customer", {"DisplayName": "Code " + number})
            fault = answer.get("Fault") or answer["fault"]
            error = (fault.get("Error") or fault.get("error"))[0]
            self.assertEqual(error["code"], number)
            self.assertGreaterEqual(status, 400)
            self.assertTrue(error.get("Message") or number in error["message"])
        self.assertEqual(self.sim.rows("SELECT * FROM Customer WHERE DisplayName LIKE 'Code %'"), [])
        for number, status in (("3200", 401), ("3100", 403), ("3001", 429), ("10000", 500), ("150", 503), ("6240", 400)):
            self.sim.fault("code", "write", code=number)
            self.assertEqual(self.sim.post("customer", {"DisplayName": "x"})[0], status)

    def test_code_list_is_complete(self):
        """The list covers what the documentation's table names (checked against a copy of its codes)."""
        self.assertTrue({"100", "610", "1040", "2020", "2050", "2210", "5010", "6140", "6240", "6540", "10200"} <= set(TEXTS))
        self.assertTrue(all(re.fullmatch(r"\d{3,5}", number) and text[0] for number, text in TEXTS.items()))

    def test_matching(self):
        add = lambda **rule: self.sim.control("POST", "faults", rule)["rules"][0]["id"]
        add(match={"kind": "object", "entity": "Customer", "body": "Cible"}, fault="code", code="6000",
            detail="Business Validation Error: texte", element="Notes")
        status, answer = self.sim.post("customer", {"DisplayName": "La Cible"})
        self.assertEqual((status, answer["Fault"]["Error"][0]["Detail"], answer["Fault"]["Error"][0]["element"]),
                         (400, "Business Validation Error: texte", "Notes"))
        found = self.batch(creates("Passe", "Une Cible en lot"))
        self.assertEqual([("Fault" in found[b]) for b in "01"], [False, True])
        self.sim.control("DELETE", "faults")
        add(match={"kind": "item"}, fault="code", code="3001", every=2)
        found = self.batch(creates("Étranglé 1", "Étranglé 2", "Étranglé 3", "Étranglé 4"), "choke")
        self.assertEqual(sorted(code(v) for v in found.values() if "Fault" in v), ["3001", "3001"])
        self.assertEqual(self.sim.post("customer", {"DisplayName": "Hors du lot"})[0], 200)
        self.sim.control("DELETE", "faults")
        found = self.batch(creates("Étranglé 1", "Étranglé 2", "Étranglé 3", "Étranglé 4"), "choke")
        self.assertFalse(any("Fault" in v for v in found.values()))
        for rule in ({"match": {"kind": "item"}, "fault": "cut_after"}, {"fault": "code"},
                     {"fault": "500", "match": {"verb": "x"}}):
            with self.assertRaises(AssertionError):
                add(**rule)

    def test_after_the_work(self):
        for fault, more, status in (("500_after", {}, 500), ("502_after", {}, 502), ("503_after", {}, 503),
                                    ("504_after", {}, 504), ("code_after", {"code": "10000"}, 500)):
            before = self.count()
            self.sim.fault(fault, "write", **more)
            path, headers = f"/v3/company/{self.sim.realm}/customer?requestid=w{fault}", self.sim.headers() | {
                "Content-Type": "application/json"}
            body = json.dumps({"DisplayName": "Fait quand même " + fault})
            self.assertEqual(self.sim.raw("POST", path, body, headers)[0], status)
            self.assertEqual(self.count(), before + 1)
            self.assertEqual(self.sim.raw("POST", path, body, headers)[0], 200)
            self.assertEqual(self.count(), before + 1)
        self.sim.fault("code_after", "object", code="10000")
        before = self.count()
        self.assertEqual(code(self.batch(creates("Fait dans le lot"), "inlot")["0"]), "10000")
        self.assertEqual(self.batch(creates("Fait dans le lot"), "inlot")["0"]["Customer"]["DisplayName"], "Fait dans le lot")
        self.assertEqual(self.count(), before + 1)


class ManyAtOnceTest(Writer):
    """EXT-1: ten writers repeat what they lost until it is answered, while people work and QuickBooks fails."""

    def persist(self, path: str, body: dict, tries: int = 60) -> dict:
        for _ in range(tries):
            try:
                status, answer = self.sim.post(path, body)
            except (*LOST, ValueError):         # nothing, or the page of a load balancer
                continue
            if status == 200:
                return answer
            if code(answer) != "600":
                raise AssertionError(answer)
        raise AssertionError("never answered")

    def write(self, number: int) -> None:
        try:
            for n in range(6):
                name = f"Foule {number}-{n}"
                items = [{"bId": str(i), "operation": "create", "Customer": {"DisplayName": f"{name}-{i}"}} for i in range(10)]
                answers = self.persist(f"batch?requestid={number}-{n}", {"BatchItemRequest": items})["BatchItemResponse"]
                self.made += [(i["Customer"]["Id"], i["Customer"]["DisplayName"]) for i in answers]
                one = self.persist(f"customer?requestid=one-{number}-{n}", {"DisplayName": name})["Customer"]
                self.made.append((one["Id"], one["DisplayName"]))
        except Exception as error:
            self.failed.append(error)

    def test_exactly_once(self):
        self.sim.headers()
        self.made, self.failed = [], []
        for fault, after in (("cut_after", 0), ("cut_midway", 1), ("503_after", 2), ("502_html", 3), ("cut_before", 4)):
            self.sim.control("POST", "faults", {"match": {"kind": "write"}, "fault": fault, "every": 7, "after": after})
        threads = [threading.Thread(target=self.write, args=(n,)) for n in range(10)]
        [t.start() for t in threads]
        self.sim.control("POST", "random", {"seed": 3, "n": 60, "only": ["edit_customer", "inactivate", "reactivate", "merge"]})
        [t.join(60) for t in threads]
        self.sim.control("DELETE", "faults")
        self.assertEqual((self.failed, len(self.made), len(set(self.made))), ([], 660, 660))
        entries = self.sim.control("GET", "ledger")["entries"]
        created = [e["id"] for e in entries if e["source"] == "api" and e["operation"] == "create"]
        self.assertEqual(sorted(created), sorted(id for id, _ in self.made))
        self.assertEqual(self.repeats().get("replayed_other_body", 0), 0)
        self.assertGreater(self.repeats()["replayed"], 0)


class BatchLimitTest(unittest.TestCase):
    def test_batches_per_minute(self):
        sim = Sim("--limit-window", "600", limits=True)
        self.addCleanup(sim.stop)
        sim.refresh()
        sim.control("POST", "settings", {"requests_per_second": 1000})
        query = {"BatchItemRequest": [{"bId": "1", "Query": "select * from Term"}]}
        statuses = [sim.post("batch", query)[0] for _ in range(42)]
        self.assertEqual(statuses, [200] * 40 + [429] * 2)
        self.assertEqual(sim.get("preferences")[0], 200)
        stats = sim.control("GET", "stats")
        self.assertEqual((stats["worst_batch_minute"][sim.realm], stats["worst_minute"][sim.realm]), (42, 43))
        self.assertEqual(stats["batch_items"][sim.realm], 40)
        sim.control("POST", "settings", {"batches_per_minute": 120})
        self.assertEqual(sim.post("batch", query)[0], 200)
