"""Self-test of the simulator: python3 test/simulator/selftest.py

Starts simulators on free ports and checks the main behaviours from outside.
Further parts are in selftest_*.py. The last line is "N passed, N failed".
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import socket
import sys
import tempfile
import threading
import time
import unittest
from decimal import Decimal
from urllib.parse import parse_qs, quote, urlencode, urlsplit

sys.dont_write_bytecode = True

from selftest_base import Shared, code, sale, until         # noqa: E402
from testclient import Sim                                  # noqa: E402


class OAuthTest(Shared):
    def authorize(self, **more):
        asked = {"client_id": self.sim.info["client_id"], "response_type": "code", "state": "a b",
                 "scope": "com.intuit.quickbooks.accounting openid", "redirect_uri": "https://app.test/cb"} | more
        status, headers, body = self.sim.raw("GET", "/connect/oauth2?" + urlencode(asked))
        return status, {k: v[0] for k, v in parse_qs(urlsplit(headers.get("Location", "")).query).items()}

    def test_code_flow(self):
        status, back = self.authorize()
        self.assertEqual((status, back["state"], back["realmId"]), (302, "a b", self.sim.realm))
        form = {"grant_type": "authorization_code", "code": back["code"]}
        self.assertEqual(self.sim.tokens(**form, redirect_uri="https://other.test/")[1]["error"], "invalid_grant")
        _, back = self.authorize()
        form = {"grant_type": "authorization_code", "code": back["code"], "redirect_uri": "https://app.test/cb"}
        status, answer = self.sim.tokens(**form)
        self.assertEqual((status, answer["expires_in"], answer["x_refresh_token_expires_in"]), (200, 3600, 8726400))
        self.assertEqual(self.sim.tokens(**form)[1]["error"], "invalid_grant")
        self.sim.refresh(answer["refresh_token"])
        self.assertEqual(self.authorize(scope="com.example.nothing")[1]["error"], "invalid_scope")
        self.assertEqual(self.authorize(client_id="x")[0], 400)

    def test_rotation_and_grace(self):
        self.sim.refresh(self.sim.control("POST", "grant", {})["refresh_token"])
        first = self.sim.refresh_token
        self.sim.refresh()
        self.assertEqual(self.sim.refresh_token, first)
        self.sim.control("POST", "clock", {"advance": 86401})
        self.sim.refresh()
        second = self.sim.refresh_token
        self.assertNotEqual(second, first)
        self.assertEqual(self.sim.tokens(grant_type="refresh_token", refresh_token=first)[1]["error"], "invalid_grant")
        self.sim.control("POST", "settings", {"rotate_after": 0, "refresh_grace": 60})
        self.sim.refresh()
        self.assertNotEqual(self.sim.refresh_token, second)
        status, answer = self.sim.refresh(second)
        self.assertEqual(status, 200)
        self.sim.control("POST", "settings", {"rotate_after": 86400, "refresh_grace": 0})
        self.sim.control("POST", "clock", {"advance": 102 * 86400})
        self.assertEqual(self.sim.refresh()[1]["error"], "invalid_grant")
        self.sim.control("POST", "clock", {"offset": 0})

    def test_clients_and_tokens(self):
        self.sim.refresh(self.sim.control("POST", "grant", {})["refresh_token"])
        wrong = {"Authorization": "Basic " + base64.b64encode(b"a:b").decode()}
        self.assertEqual(self.sim.tokens(wrong, grant_type="refresh_token", refresh_token="x")[0:2],
                         (401, {"error": "invalid_client"}))
        status, answer = self.sim.get("companyinfo/" + self.sim.realm)
        self.assertEqual(status, 200)
        self.sim.act("expire_tokens")
        status, answer = self.sim.get("companyinfo/" + self.sim.realm)
        self.assertEqual((status, answer["fault"]["error"][0]["code"]), (401, "3200"))
        self.assertIn(self.sim.token, answer["fault"]["error"][0]["detail"])
        self.sim.refresh()
        status, _, body = self.sim.raw("GET", "/v3/company/9130000000000999/companyinfo/1", None, self.sim.headers())
        self.assertEqual((status, json.loads(body)["fault"]["error"][0]["code"]), (403, "3100"))
        json_body = json.dumps({"token": self.sim.refresh_token})
        self.assertEqual(self.sim.raw("POST", "/v2/oauth2/tokens/revoke", "token=x", self.sim.basic())[0], 400)
        self.assertEqual(self.sim.raw("POST", "/v2/oauth2/tokens/revoke", json_body,
                                      self.sim.basic() | {"Content-Type": "application/json"})[0], 200)
        self.assertEqual(self.sim.get("companyinfo/" + self.sim.realm)[0], 401)
        self.assertEqual(self.sim.refresh()[1]["error"], "invalid_grant")

    def test_disconnect(self):
        for answer, status in (("401", 401), ("403", 403)):
            self.sim.refresh(self.sim.control("POST", "grant", {})["refresh_token"])
            self.sim.act("disconnect", answer=answer)
            self.assertEqual(self.sim.get("preferences")[0], status)
            self.assertEqual(self.sim.refresh()[1]["error"], "invalid_grant")

    def test_discovery(self):
        status, _, body = self.sim.raw("GET", "/.well-known/openid_configuration")
        self.assertEqual(json.loads(body)["token_endpoint"], self.sim.base + "/oauth2/v1/tokens/bearer")
        self.assertEqual(self.sim.raw("GET", "/op/v1/jwks")[0], 404)


class QueryTest(Shared):
    options = ("--customers", "2500", "--invoices", "300")

    def test_grammar_refusals(self):
        for text, expected in (
                ("select * from Customer where A = 'x'", "4001"), ("select * from Nothing", "4000"),
                ("select from Customer", "4000"), ("select * from Customer where Balance > 100", "4000"),
                ("select * from Customer where Id > '1'", "4001"), ("select * from Customer startposition 0", "4001"),
                ("select * from Customer maxresults 1001", "4001"), ("select * from Customer where Notes = 'x'", "4001"),
                ("select * from Customer where DisplayName = 'a' or DisplayName = 'b'", "4000"),
                ("select * from Customer where DisplayName = 'O''Hara'", "4000"),
                ("select * from Customer where DisplayName != 'x'", "4000"), ("select * from Customer;", "4000"),
                ("select * from Invoice where TxnDate >= '2026-13-01'", "4001"),
                ("select * from Invoice orderby TotalAmt", "4001"), ("delete from Customer", "4000"),
                ("select * from Customer where PrimaryEmailAddr.Address = 'x'", "4001")):
            self.refused(expected, self.sim.query(text))
        status, answer = self.sim.query("")
        self.assertEqual((status, answer["Fault"]["type"]), (200, "SystemFault"))

    def test_filters(self):
        rows = self.sim.rows("SELECT * FROM Customer WHERE DisplayName = 'L\\'Atelier d\\'O\\'Brien'")
        self.assertEqual([r["Id"] for r in rows], ["2"])
        rows = self.sim.rows("SELECT * FROM Customer WHERE DisplayName LIKE '%tremblay%' AND Active = true")
        self.assertIn("1", [r["Id"] for r in rows])
        rows = self.sim.rows("SELECT * FROM Customer WHERE PrimaryEmailAddr = 'emilie.tremblay@exemple.test'")
        self.assertEqual([r["Id"] for r in rows], ["1", "23"])
        rows = self.sim.rows("SELECT * FROM Invoice WHERE CustomerRef IN ('1', '2') ORDER BY DocNumber DESC")
        self.assertEqual([r["CustomerRef"]["value"] for r in rows], ["1", "2", "1"])
        rows = self.sim.rows("SELECT * FROM Invoice WHERE Balance > '87000.5' AND DueDate >= '2020-01-01'")
        self.assertEqual(len(rows), 1)
        self.assertEqual(self.sim.query("SELECT * FROM Customer WHERE Id = '999999'")[1]["QueryResponse"], {})
        self.assertIn("Customer", self.sim.query("select * from customer")[1]["QueryResponse"])
        rows = self.sim.rows("SELECT Id, DisplayName FROM Customer WHERE Id = '1'")
        self.assertEqual(rows[0]["DisplayName"], "Émilie Tremblay")

    def test_active(self):
        count = lambda where: self.sim.query("SELECT COUNT(*) FROM Customer " + where)[1]["QueryResponse"]["totalCount"]
        everything = count("WHERE Active IN (true, false)")
        self.assertEqual(everything, 2500)
        self.assertEqual(count("") + count("WHERE Active = false"), everything)
        row = self.sim.rows("SELECT * FROM Customer WHERE Id = '21' AND Active = false")[0]
        self.assertEqual(row["DisplayName"], "Jardinerie Perdue (deleted)")

    def test_paging(self):
        seen, start = [], 1
        text = "SELECT * FROM Customer WHERE Active IN (true,false) ORDERBY MetaData.CreateTime STARTPOSITION {} MAXRESULTS 1000"
        while rows := self.sim.rows(text.format(start)):
            seen += [r["Id"] for r in rows]
            start += 1000
        self.assertEqual((len(seen), len(set(seen))), (2500, 2500))
        self.sim.control("POST", "settings", {"shuffle_ties": True})
        self.assertNotEqual([r["Id"] for r in self.sim.rows(text.format(1))], seen[:1000])
        self.sim.control("POST", "settings", {"shuffle_ties": False})
        self.assertEqual(len(self.sim.rows("SELECT * FROM Customer")), 100)

    def test_time_bounds(self):
        rows = self.sim.rows("SELECT * FROM Customer ORDERBY MetaData.CreateTime STARTPOSITION 100 MAXRESULTS 300")
        low, high = rows[10]["MetaData"]["CreateTime"], rows[200]["MetaData"]["CreateTime"]
        text = f"SELECT * FROM Customer WHERE MetaData.CreateTime >= '{low}' AND MetaData.CreateTime < '{high}' MAXRESULTS 1000"
        expected = [r["Id"] for r in rows if low <= r["MetaData"]["CreateTime"] < high]
        found = [r["Id"] for r in self.sim.rows(text)]
        self.assertTrue(set(expected) <= set(found))
        count = self.sim.query(text.replace("*", "COUNT(*)", 1))[1]["QueryResponse"]["totalCount"]
        self.assertEqual(count, len(found))

    def test_post_query_and_xml(self):
        path, headers = f"/v3/company/{self.sim.realm}/query", self.sim.headers()
        status, _, body = self.sim.raw("POST", path, "select * from Term", headers | {"Content-Type": "application/text"})
        self.assertEqual((status, len(json.loads(body)["QueryResponse"]["Term"])), (200, 6))
        self.assertEqual(self.sim.raw("POST", path, "select * from Term", headers | {"Content-Type": "text/html"})[0], 415)
        status, headers, body = self.sim.raw("GET", f"/v3/company/{self.sim.realm}/customer/1", None,
                                             {"Authorization": headers["Authorization"]})
        self.assertIn(b"<DisplayName>\xc3\x89milie", body)
        self.assertIn("xml", headers["Content-Type"])
        self.assertTrue(headers["intuit_tid"])

    def test_generated_balances(self):
        owed: dict = {}
        for entity, field, sign in (("Invoice", "Balance", 1), ("Payment", "UnappliedAmt", -1), ("CreditMemo", "Balance", -1)):
            for obj in self.sim.control("GET", "store?entity=" + entity)["objects"]:
                who = obj["CustomerRef"]["value"]
                owed[who] = owed.get(who, 0) + sign * obj[field]
        for obj in self.sim.control("GET", "store?entity=Customer")["objects"]:
            self.assertEqual(obj["Balance"], owed.get(obj["Id"], 0), obj["Id"])


class WriteTest(Shared):
    def test_customer_rules(self):
        self.refused("6240", self.sim.post("customer", {"DisplayName": " émilie TREMBLAY "}))
        self.refused("6080", self.sim.post("customer", {"CompanyName": "x"}))
        self.refused("2010", self.sim.post("customer", {"DisplayName": "a", "Colour": "red"}))
        self.refused("2050", self.sim.post("customer", {"DisplayName": "a" * 501}))
        self.refused("2040", self.sim.post("customer", {"DisplayName": "a:b"}))
        self.refused("2210", self.sim.post("customer", {"DisplayName": "a", "PrimaryEmailAddr": {"Address": "a@b.c;d@e.f"}}))
        self.refused("2200", self.sim.post("customer", {"DisplayName": "a", "WebAddr": {"URI": "no url"}}))
        self.refused("6150", self.sim.post("customer", {"DisplayName": "a", "Job": True}))
        self.refused("2500", self.sim.post("customer", {"DisplayName": "a", "SalesTermRef": {"value": "99"}}))
        self.refused("2230", self.sim.post("customer", {"DisplayName": "a", "Taxable": "yes"}))
        self.refused("2010", self.sim.post("customer", '{"DisplayName":'))
        self.refused("500", self.sim.post("customer", b'{"DisplayName":"\xff"}'), 500)

    def test_updates(self):
        made = self.customer("Mise à jour", Notes="n", PrimaryPhone={"FreeFormNumber": "1"})
        self.assertEqual((made["SyncToken"], made["PrintOnCheckName"]), ("0", "Mise à jour"))
        sparse = self.accepted(self.sim.post("customer", {"Id": made["Id"], "SyncToken": "0", "sparse": True,
                                                          "Notes": "", "PrimaryPhone": None}))
        self.assertNotIn("Notes", sparse)
        self.assertEqual((sparse["SyncToken"], sparse["PrimaryPhone"]), ("1", {"FreeFormNumber": "1"}))
        self.refused("5010", self.sim.post("customer", {"Id": made["Id"], "SyncToken": "0", "sparse": True}))
        self.refused("2020", self.sim.post("customer", {"Id": made["Id"], "sparse": True}))
        whole = self.accepted(self.sim.post("customer", json.dumps(sparse, default=float)))
        self.assertEqual(whole["SyncToken"], "2")
        full = self.accepted(self.sim.post("customer", {"Id": made["Id"], "SyncToken": "2", "DisplayName": "Autre"}))
        self.assertNotIn("PrimaryPhone", full)
        self.assertEqual(full["PrintOnCheckName"], "Autre")

    def test_inactivation(self):
        made = self.customer("Fermée")
        off = self.accepted(self.sim.post("customer", {"Id": made["Id"], "SyncToken": "0", "sparse": True, "Active": False}))
        self.assertEqual((off["DisplayName"], off["PrintOnCheckName"]), ("Fermée (deleted)", "Fermée"))
        taker = self.customer("Fermée")
        again = {"Id": made["Id"], "SyncToken": "1", "sparse": True, "Active": True}
        self.refused("6240", self.sim.post("customer", again))
        self.sim.act("edit", entity="Customer", id=taker["Id"], set={"DisplayName": "Prise"})
        self.assertEqual(self.accepted(self.sim.post("customer", again))["DisplayName"], "Fermée")
        self.refused("6220", self.sim.post("customer", {"Id": "11", "sparse": True, "Active": False,
                                                        "SyncToken": self.read("customer", "11")["SyncToken"]}))

    def test_invoice_totals(self):
        who = self.customer("Totaux")["Id"]
        made = self.invoice(who, sale(100.10, Qty=1, UnitPrice=100.10), sale(15, ItemRef={"value": "SHIPPING_ITEM_ID"}),
                            {"DetailType": "DescriptionOnly", "Description": "texte"},
                            {"DetailType": "DiscountLineDetail", "DiscountLineDetail": {"PercentBased": True, "DiscountPercent": 10}},
                            TxnTaxDetail={"TxnTaxCodeRef": {"value": "2"}}, SalesTermRef={"value": "3"}, TxnDate="2026-01-31")
        self.assertEqual(made["TotalAmt"], Decimal("120.82"))           # 105.09 + 5.25 + 10.48
        self.assertEqual(made["DueDate"], "2026-03-02")
        kinds = [l["DetailType"] for l in made["Line"]]
        self.assertEqual(kinds[-2:], ["SubTotalLineDetail", "DiscountLineDetail"])
        self.refused("6070", self.sim.post("invoice", {"CustomerRef": {"value": who}, "Line": [sale(10, Qty=3, UnitPrice=3)]}))
        self.refused("2020", self.sim.post("invoice", {"CustomerRef": {"value": who}}))
        self.refused("2250", self.sim.post("invoice", {"CustomerRef": {"value": who}, "Line": []}))
        self.refused("2500", self.sim.post("invoice", {"CustomerRef": {"value": "9999"}, "Line": [sale(1)]}))
        self.refused("6250", self.sim.post("invoice", {"CustomerRef": {"value": "21"}, "Line": [sale(1)]}))
        self.refused("6000", self.sim.post("invoice", {"CustomerRef": {"value": who}, "Line": [sale(-1)]}))
        self.refused("6100", self.sim.post("invoice", {"CustomerRef": {"value": who}, "Line": [sale(1, TaxCodeRef={"value": "5"})]}))
        line = made["Line"][0]
        changed = self.accepted(self.sim.post("invoice", json.dumps(
            {"Id": made["Id"], "SyncToken": "0", "sparse": True, "Line": [line, sale(20)]}, default=float)))
        self.assertEqual([l.get("Id") for l in changed["Line"]], [line["Id"], "3", None])
        self.assertEqual(self.read("customer", who)["Balance"], changed["Balance"])

    def test_exact_amounts(self):
        who = self.customer("Exact")["Id"]
        body = '{"CustomerRef":{"value":"%s"},"Line":[%s]}' % (who, json.dumps(sale(0)).replace(
            '"Amount": 0', '"Amount": 99999999999.99'))
        self.accepted(self.sim.post("invoice", body))
        status, _, text = self.sim.raw("GET", f"/v3/company/{self.sim.realm}/query?query=" + quote(
            f"SELECT * FROM Invoice WHERE CustomerRef = '{who}'"), None, self.sim.headers())
        self.assertIn(b'"TotalAmt":99999999999.99,', text)
        made = self.invoice(who, sale(100.10))
        _, _, text = self.sim.raw("GET", f"/v3/company/{self.sim.realm}/invoice/{made['Id']}", None, self.sim.headers())
        self.assertIn(b'"TotalAmt":100.10,', text)

    def test_payments(self):
        who = self.customer("Payeur")["Id"]
        a, b = self.invoice(who, sale(100)), self.invoice(who, sale(50))
        paid = self.accepted(self.pay(who, 170, (a["Id"], 100), (b["Id"], 50)))
        self.assertEqual((paid["UnappliedAmt"], "LineEx" in paid["Line"][0]), (20, True))
        a2 = self.read("invoice", a["Id"])
        self.assertEqual((a2["Balance"], a2["SyncToken"], a2["LinkedTxn"]),
                         (0, "1", [{"TxnId": paid["Id"], "TxnType": "Payment"}]))
        self.assertEqual(self.read("customer", who)["Balance"], -20)
        self.assertEqual(self.read("customer", who)["SyncToken"], "0")
        self.refused("620", self.pay(who, 5, (a["Id"], 5)))
        c = self.invoice(who, sale(10))
        self.refused("6000", self.pay(who, 20, (c["Id"], 11)))
        self.refused("620", self.pay("1", 5, (c["Id"], 5)))
        self.refused("2020", self.sim.post("payment", {"CustomerRef": {"value": who}}))
        self.refused("2020", self.sim.post("payment", {"Id": paid["Id"], "SyncToken": "0", "sparse": True, "PrivateNote": "x"}))
        loose = self.accepted(self.sim.post("payment", {"Id": paid["Id"], "SyncToken": "0", "sparse": True,
                                                        "CustomerRef": {"value": who}, "TotalAmt": 170, "Line": []}))
        self.assertEqual((loose["UnappliedAmt"], self.read("invoice", a["Id"])["Balance"]), (170, 100))

    def test_estimates(self):
        """CAP-7: a quotation moves no balance, is answered, expires, and is closed by the invoice made of it."""
        who = self.customer("Devis")["Id"]
        body = {"CustomerRef": {"value": who}, "Line": [sale(100, Qty=2, UnitPrice=50)], "ExpirationDate": "2026-12-31"}
        made = self.accepted(self.sim.post("estimate", body))
        self.assertEqual((made["TxnStatus"], made["TotalAmt"], made["LinkedTxn"], made["ExpirationDate"]), ("Pending", 100, [], "2026-12-31"))
        self.assertFalse({"Balance", "Deposit", "DueDate", "AllowOnlineACHPayment"} & set(made))
        self.assertEqual(self.read("customer", who)["Balance"], 0)
        said = self.accepted(self.sim.post("estimate", {"Id": made["Id"], "SyncToken": "0", "sparse": True,
                                                        "TxnStatus": "Accepted", "AcceptedBy": "Zoé"}))
        self.assertEqual((said["TxnStatus"], said["AcceptedBy"], said["SyncToken"]), ("Accepted", "Zoé", "1"))
        self.refused("2170", self.sim.post("estimate", {"Id": made["Id"], "SyncToken": "1", "sparse": True, "TxnStatus": "Perhaps"}))
        self.refused("500", self.sim.post("estimate?operation=void", {"Id": made["Id"], "SyncToken": "1"}))
        self.assertEqual(self.sim.query("SELECT * FROM Estimate WHERE TxnStatus = 'Accepted'")[1]["Fault"]["Error"][0]["code"], "4001")
        self.assertIn(made["Id"], [r["Id"] for r in self.sim.rows(f"SELECT * FROM Estimate WHERE CustomerRef = '{who}'")])
        link = [{"TxnId": made["Id"], "TxnType": "Estimate"}]
        self.refused("620", self.sim.post("invoice", {"CustomerRef": {"value": "1"}, "Line": [sale(1)], "LinkedTxn": link}))
        bill = self.invoice(who, sale(100), LinkedTxn=link)
        closed = self.read("estimate", made["Id"])
        self.assertEqual((closed["TxnStatus"], closed["LinkedTxn"], closed["SyncToken"], bill["LinkedTxn"]),
                         ("Closed", [{"TxnId": bill["Id"], "TxnType": "Invoice"}], "1", link))
        self.accepted(self.pay(who, 100, (bill["Id"], 100)))
        self.assertEqual(len(self.read("invoice", bill["Id"])["LinkedTxn"]), 2)
        self.accepted(self.sim.post("invoice?operation=delete", {"Id": bill["Id"], "SyncToken": "1"}))
        again = self.read("estimate", made["Id"])
        self.assertEqual((again["TxnStatus"], again["LinkedTxn"]), ("Pending", []))
        stub = self.accepted(self.sim.post("estimate?operation=delete", {"Id": made["Id"], "SyncToken": "1"}))
        self.assertEqual(stub["status"], "Deleted")
        self.refused("610", self.sim.get("estimate/" + made["Id"]))

    def test_void_and_delete(self):
        who = self.customer("Annulée")["Id"]
        a = self.invoice(who, sale(100, Qty=2, UnitPrice=50), PrivateNote="note")
        paid = self.accepted(self.pay(who, 60, (a["Id"], 60)))
        void = self.accepted(self.sim.post("invoice?operation=void", {"Id": a["Id"], "SyncToken": "1"}))
        self.assertEqual((void["TotalAmt"], void["Balance"], void["LinkedTxn"], void["SyncToken"]), (0, 0, [], "2"))
        self.assertTrue(void["PrivateNote"].startswith("Voided"))
        self.assertEqual(void["Line"][0]["SalesItemLineDetail"]["Qty"], 0)
        after = self.read("payment", paid["Id"])
        self.assertEqual((after["UnappliedAmt"], after["Line"], after["SyncToken"]), (60, [], "1"))
        b = self.invoice(who, sale(30))
        second = self.accepted(self.pay(who, 30, (b["Id"], 30)))
        stub = self.accepted(self.sim.post("payment?operation=delete", {"Id": second["Id"], "SyncToken": "0"}))
        self.assertEqual(stub, {"status": "Deleted", "domain": "QBO", "Id": second["Id"]})
        self.assertEqual(self.read("invoice", b["Id"])["Balance"], 30)
        self.refused("610", self.sim.post("payment?operation=delete", {"Id": second["Id"], "SyncToken": "0"}))
        self.refused("610", self.sim.get("payment/" + second["Id"]))
        voided = self.accepted(self.sim.post("payment?operation=update&include=void",
                                             {"Id": paid["Id"], "SyncToken": "1", "sparse": True}))
        self.assertEqual((voided["TotalAmt"], voided["UnappliedAmt"]), (0, 0))
        self.assertEqual(self.read("customer", who)["Balance"], 30)
        self.refused("500", self.sim.post("customer?operation=delete", {"Id": who, "SyncToken": "0"}))

    def test_jobs_and_merge(self):
        top = self.customer("Tête")["Id"]
        job = self.customer("Chantier", Job=True, ParentRef={"value": top})
        self.assertEqual(job["FullyQualifiedName"], "Tête:Chantier")
        self.invoice(job["Id"], sale(40))
        parent = self.read("customer", top)
        self.assertEqual((parent["Balance"], parent["BalanceWithJobs"]), (0, 40))
        self.sim.act("edit", entity="Customer", id=top, set={"DisplayName": "Chef"})
        self.assertEqual(self.read("customer", job["Id"])["FullyQualifiedName"], "Chef:Chantier")
        loser = self.customer("Perdant")["Id"]
        made = self.invoice(loser, sale(7))
        self.sim.act("merge", entity="Customer", id=loser, into="24")
        self.assertEqual(self.read("invoice", made["Id"])["CustomerRef"]["value"], "24")
        self.assertEqual(self.read("customer", loser)["DisplayName"], "Perdant (deleted)")
        self.sim.control("POST", "clock", {"advance": 86401})
        self.sim.token = ""
        self.refused("610", self.sim.get("customer/" + loser))

    def test_lists_and_singletons(self):
        self.refused("2020", self.sim.post("item", {"Name": "x", "Type": "Service"}))
        sold = {"IncomeAccountRef": {"value": "79"}, "ExpenseAccountRef": {"value": "80"}}
        self.accepted(self.sim.post("item", {"Name": "Neuf", "Type": "Service", "UnitPrice": 1.5} | sold))
        self.refused("6240", self.sim.post("item", {"Name": "neuf", "Type": "Service"} | sold))
        self.refused("2170", self.sim.post("item", {"Name": "y", "Type": "Servise"} | sold))
        self.assertEqual(self.accepted(self.sim.post("term", {"Name": "Net 7", "DueDays": 7}))["Type"], "STANDARD")
        info = self.accepted(self.sim.get("companyinfo/" + self.sim.realm))
        self.assertEqual((info["CompanyName"], info["Country"]), ("Paysages Laval inc.", "CA"))
        self.sim.act("preference", set={"AccountingInfoPrefs": {"BookCloseDate": "2020-12-31"}})
        self.refused("6210", self.sim.post("invoice", {"CustomerRef": {"value": "1"}, "TxnDate": "2020-12-31", "Line": [sale(1)]}))
        self.sim.act("preference", set={"SalesFormsPrefs": {"CustomTxnNumbers": True}})
        self.refused("6140", self.sim.post("invoice", {"CustomerRef": {"value": "1"}, "DocNumber": "1001", "Line": [sale(1)]}))
        self.sim.act("preference", set={"SalesFormsPrefs": {"CustomTxnNumbers": False}})


class CdcTest(Shared):
    options = ("--customers", "1600", "--invoices", "1200")

    def test_changes(self):
        since = self.sim.get("preferences")[1]["time"]
        self.sim.control("POST", "clock", {"advance": 5})
        made = self.customer("Suivi")
        bill = self.invoice(made["Id"], sale(5))
        self.accepted(self.sim.post("invoice?operation=delete", {"Id": bill["Id"], "SyncToken": "0"}))
        blocks = self.sim.cdc("Customer,Term,Invoice", since)[1]["CDCResponse"][0]["QueryResponse"]
        self.assertEqual([o["Id"] for o in blocks[0]["Customer"]], [made["Id"]])
        self.assertEqual(blocks[1], {})
        self.assertEqual(set(blocks[2]["Invoice"][0]), {"domain", "status", "Id", "MetaData"})
        self.assertNotIn("startPosition", blocks[2])
        self.refused("2000", self.sim.cdc("TaxCode", since))
        self.refused("2190", self.sim.cdc("Customer", "2026-01-01"))
        self.refused("2060", self.sim.cdc("Customer", "yesterday"))

    def test_inclusive(self):
        made = self.customer("Frontière")
        at = made["MetaData"]["LastUpdatedTime"]
        ids = lambda: [o["Id"] for o in self.sim.cdc("Customer", at)[1]["CDCResponse"][0]["QueryResponse"][0].get("Customer", [])]
        self.assertNotIn(made["Id"], ids())
        self.sim.control("POST", "settings", {"cdc_inclusive": True})
        self.assertIn(made["Id"], ids())
        self.sim.control("POST", "settings", {"cdc_inclusive": False})

    def test_cap(self):
        since = self.sim.get("preferences")[1]["time"]
        self.sim.control("POST", "clock", {"advance": 10})
        self.sim.act("touch", entity="Invoice")
        self.sim.act("touch", entity="Customer")
        for mode, expected in (("total", [1000, 0]), ("per_entity", [1000, 1000])):
            self.sim.control("POST", "settings", {"cdc_cap": mode})
            blocks = self.sim.cdc("Customer,Invoice", since)[1]["CDCResponse"][0]["QueryResponse"]
            self.assertEqual([len(b.get("Customer", b.get("Invoice", []))) for b in blocks], expected)


class FaultTest(Shared):
    def info(self, **more):
        return self.sim.raw("GET", f"/v3/company/{self.sim.realm}/companyinfo/{self.sim.realm}", None,
                            self.sim.headers(), **more)

    def test_statuses(self):
        self.info()
        for fault, status in (("401", 401), ("403_3100", 403), ("429_gateway", 429), ("429_fault", 429),
                              ("429_empty", 429), ("500", 500), ("502_html", 502), ("503_html", 503),
                              ("504_html", 504), ("fault_on_200", 200)):
            self.sim.fault(fault, "companyinfo")
            self.assertEqual(self.info()[0], status, fault)
        self.sim.fault("429_retry_after", seconds=7)
        self.assertEqual(self.info()[1]["Retry-After"], "7")
        self.assertEqual(self.info()[0], 200)

    def test_connections(self):
        self.info()
        for fault in ("cut_before", "cut_after", "truncated", "cut_headers", "truncated_chunked"):
            self.sim.fault(fault)
            with self.assertRaises((http.client.HTTPException, ConnectionError), msg=fault):
                self.info()
        before = self.sim.control("GET", "store")["Customer"]["count"]
        for fault, made in (("cut_before", 0), ("cut_after", 1)):
            self.sim.fault(fault, "write")
            with self.assertRaises((http.client.HTTPException, ConnectionError)):
                self.sim.post("customer", {"DisplayName": "Coupé " + fault})
            self.assertEqual(self.sim.control("GET", "store")["Customer"]["count"], before + made)

    def test_refresh_cut(self):
        self.sim.control("POST", "settings", {"rotate_after": 0})
        self.sim.refresh(self.sim.control("POST", "grant", {})["refresh_token"])
        old = self.sim.refresh_token
        self.sim.fault("cut_after", "token")
        with self.assertRaises((http.client.HTTPException, ConnectionError)):
            self.sim.refresh()
        self.assertEqual(self.sim.refresh(old)[1]["error"], "invalid_grant")
        self.sim.control("POST", "settings", {"rotate_after": 86400})
        self.sim.refresh(self.sim.control("POST", "grant", {})["refresh_token"])

    def test_bodies(self):
        self.info()
        for fault in ("bad_json", "invalid_utf8", "empty_body", "xml"):
            self.sim.fault(fault)
            body = self.info()[2]
            with self.assertRaises(ValueError, msg=fault):
                json.loads(body)
        self.sim.fault("nul_escape")
        self.assertIn(b"\\u0000", self.info()[2])
        self.sim.fault("huge_exponent")
        self.assertIn(b"1e999999999", self.info()[2])
        self.sim.fault("oversized", bytes=300000)
        self.assertGreater(len(self.info()[2]), 300000)

    def test_endless_and_hang(self):
        self.sim.fault("endless")
        connection = http.client.HTTPConnection("127.0.0.1", self.sim.port, timeout=5)
        connection.request("GET", f"/v3/company/{self.sim.realm}/preferences", headers=self.sim.headers())
        self.assertEqual(len(connection.getresponse().read(3_000_000)), 3_000_000)
        connection.close()
        self.sim.fault("hang")
        with self.assertRaises(socket.timeout):
            self.info(timeout=0.3)
        self.sim.fault("hang")
        found = []
        thread = threading.Thread(target=lambda: found.append(self.info()[0]))
        thread.start()
        until(lambda: self.sim.control("GET", "stats")["faults_injected"]["hang"] == 2)
        self.assertEqual(found, [])
        self.sim.control("POST", "release", {})
        thread.join(5)
        self.assertEqual(found, [200])

    def test_rules(self):
        self.sim.control("POST", "faults", {"match": {"kind": "companyinfo"}, "fault": "500", "every": 3, "after": 1})
        statuses = [self.info()[0] for _ in range(8)]
        self.assertEqual(statuses, [200, 200, 200, 500, 200, 200, 500, 200])
        self.assertEqual(self.sim.control("DELETE", "faults")["cleared"] >= 1, True)

    def test_raw_records(self):
        text = '{"Id":"{{id}}","SyncToken":"0","DisplayName":"a\\u0000b","Balance":1e400,"Active":true}'
        id = self.sim.control("POST", "raw", {"entity": "Customer", "id": "9223372036854775807", "json": text})["id"]
        _, _, body = self.sim.raw("GET", f"/v3/company/{self.sim.realm}/query?query=" + quote(
            f"SELECT * FROM Customer WHERE Id = '{id}'"), None, self.sim.headers())
        self.assertIn(text.replace("{{id}}", id).encode(), body)


class LimitTest(unittest.TestCase):
    def test_limits(self):
        sim = Sim("--limit-window", "2", limits=True)
        try:
            sim.refresh()
            statuses = [sim.get("preferences")[0] for _ in range(14)]
            self.assertEqual(statuses, [200] * 10 + [429] * 4)
            # refused requests count too: a window must pass in silence, here and below
            time.sleep(1.1)
            self.assertEqual(sim.get("preferences")[0], 200)
            sim.control("POST", "settings", {"requests_per_second": 1000, "requests_per_minute": 20})
            time.sleep(2.1)
            statuses = [sim.get("preferences")[0] for _ in range(22)]
            self.assertEqual(statuses.count(429), 2)
            time.sleep(2.1)
            sim.control("POST", "settings", {"requests_per_minute": 500, "concurrent": 3, "latency_ms": 300})
            found = []
            threads = [threading.Thread(target=lambda: found.append(sim.get("preferences")[0])) for _ in range(5)]
            [t.start() for t in threads], [t.join() for t in threads]
            self.assertEqual(sorted(found), [200] * 3 + [429] * 2)
            stats = sim.control("GET", "stats")
            self.assertEqual(stats["metered"][sim.realm], 34)
            self.assertIn(stats["max_concurrent"][sim.realm], (4, 5))
        finally:
            sim.stop()

    def test_control_is_off(self):
        sim = Sim(control=False)
        try:
            self.assertEqual(sim.raw("GET", "/control/stats")[0], 404)
        finally:
            started = time.monotonic()
            sim.stop()
            self.assertLess(time.monotonic() - started, 1)


class PersistenceTest(unittest.TestCase):
    def test_killed_and_started_again(self):
        with tempfile.TemporaryDirectory() as folder:
            options = ("--data", os.path.join(folder, "state.db"), "--customers", "60", "--invoices", "40")
            sim = Sim(*options)
            self.addCleanup(sim.stop)
            sim.refresh()
            sim.control("POST", "random", {"seed": 5, "n": 40})
            sim.control("POST", "clock", {"advance": 90000})
            sim.refresh()
            sim.post("customer?requestid=r1", {"DisplayName": "Durable"})
            token = sim.refresh_token
            entities = ("Customer", "Invoice", "Estimate", "Payment", "Item", "Term", "CompanyInfo", "Preferences")
            before = {e: sim.control("GET", "store?entity=" + e) for e in entities}
            ledger = sim.control("GET", "ledger")
            port = sim.port
            sim.stop(signal.SIGKILL)
            again = Sim(*options, "--port", str(port))
            try:
                self.assertEqual(again.refresh_token, token)
                self.assertEqual({e: again.control("GET", "store?entity=" + e) for e in entities}, before)
                self.assertEqual(again.control("GET", "ledger"), ledger)
                self.assertGreater(again.control("GET", "clock")["offset"], 80000)
                self.assertEqual(again.refresh()[0], 200)
                self.assertEqual(again.post("customer?requestid=r1", {})[1]["Customer"]["DisplayName"], "Durable")
            finally:
                again.stop()

    def test_repeatable(self):
        found = []
        for _ in range(2):
            sim = Sim("--customers", "200", "--invoices", "100", "--estimates", "40", "--seed", "9", "--date", "2026-11-01")
            self.addCleanup(sim.stop)
            sim.control("POST", "clock", {"set": "2026-11-02T00:00:00Z", "freeze": True})
            sim.control("POST", "clock", {"set": "2026-11-02T00:00:00Z"})
            changes = sim.control("POST", "random", {"seed": 4, "n": 150})
            found.append([changes] + [sim.control("GET", "store?entity=" + e) for e in ("Customer", "Invoice", "Payment", "Estimate", "CreditMemo")])
        self.assertEqual(found[0], found[1])
        self.check_consistency(found[0])

    def check_consistency(self, stores):
        """After random changes: balances of invoices, payments and customers still add up."""
        _, customers, invoices, payments, estimates, credits = stores
        applied, owed = {}, {}
        for credit in credits["objects"]:
            who = credit["CustomerRef"]["value"]
            owed[who] = owed.get(who, 0) - credit["Balance"]
        for payment in payments["objects"]:
            total = payment["UnappliedAmt"]
            for line in payment["Line"]:
                total += line["Amount"]
                invoice = line["LinkedTxn"][0]["TxnId"]
                applied[invoice] = applied.get(invoice, 0) + line["Amount"]
            self.assertEqual(total, payment["TotalAmt"])
            who = payment["CustomerRef"]["value"]
            owed[who] = owed.get(who, 0) - payment["UnappliedAmt"]
        for invoice in invoices["objects"]:
            self.assertEqual(invoice["Balance"], invoice["TotalAmt"] - invoice.get("Deposit", 0) -
                             applied.pop(invoice["Id"], 0), invoice["Id"])
            who = invoice["CustomerRef"]["value"]
            owed[who] = owed.get(who, 0) + invoice["Balance"]
        self.assertEqual(applied, {})
        links = lambda store, kind: {(o["Id"], l["TxnId"]) for o in store["objects"] for l in o["LinkedTxn"] if l["TxnType"] == kind}
        self.assertEqual(links(invoices, "Estimate"), {(i, e) for e, i in links(estimates, "Invoice")})
        for customer in customers["objects"]:
            self.assertEqual(customer["Balance"], owed.get(customer["Id"], 0), customer["Id"])


def main() -> int:
    import selftest_books
    import selftest_countries
    import selftest_entities
    import selftest_names
    import selftest_repeat
    import selftest_webhooks
    load = unittest.defaultTestLoader.loadTestsFromModule
    suite = unittest.TestSuite(load(m) for m in (
        sys.modules[__name__], selftest_repeat, selftest_names, selftest_entities, selftest_books, selftest_countries,
        selftest_webhooks))
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=1).run(suite)
    failed = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
