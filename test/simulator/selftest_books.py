"""Self-test: credits and receipts, purchases, books, lists, time, attachments, merges."""

from __future__ import annotations

import json
from decimal import Decimal

from selftest_base import Shared, code, sale


def spent(amount, account: str = "92", **detail) -> dict:
    return {"Amount": amount, "DetailType": "AccountBasedExpenseLineDetail",
            "AccountBasedExpenseLineDetail": {"AccountRef": {"value": account}} | detail}


def booked(kind: str, amount, account: str, entity: tuple = ()) -> dict:
    detail = {"PostingType": kind, "AccountRef": {"value": account}}
    if entity:
        detail["Entity"] = {"Type": entity[0], "EntityRef": {"value": entity[1]}}
    return {"Amount": amount, "DetailType": "JournalEntryLineDetail", "JournalEntryLineDetail": detail}


def applied(amount, kind: str, id: str) -> dict:
    return {"Amount": amount, "LinkedTxn": [{"TxnId": id, "TxnType": kind}]}


class Books(Shared):
    def make(self, entity: str, body: dict) -> dict:
        return self.accepted(self.sim.post(entity.lower(), body))

    def edit(self, entity: str, id: str, **fields):
        token = self.read(entity.lower(), id)["SyncToken"]
        return self.sim.post(entity.lower(), {"Id": id, "SyncToken": token, "sparse": True} | fields)

    def delete(self, entity: str, id: str):
        token = self.read(entity.lower(), id)["SyncToken"]
        return self.sim.post(entity.lower() + "?operation=delete", {"Id": id, "SyncToken": token})

    def void(self, entity: str, id: str):
        token = self.read(entity.lower(), id)["SyncToken"]
        return self.sim.post(entity.lower() + "?operation=update&include=void", {"Id": id, "SyncToken": token, "sparse": True})

    def vendor(self, name: str) -> str:
        return self.make("Vendor", {"DisplayName": name})["Id"]

    def bill(self, vendor: str, *lines, **fields) -> dict:
        return self.make("Bill", {"VendorRef": {"value": vendor}, "Line": list(lines)} | fields)

    def balance(self, account: str) -> Decimal:
        return self.read("account", account)["CurrentBalance"]

    def owed(self, entity: str, id: str) -> Decimal:
        return self.read(entity.lower(), id)["Balance"]


class CreditTest(Books):
    def test_a_credit_memo_is_applied_by_a_payment(self):
        who = self.customer("Crédit appliqué")["Id"]
        made = self.invoice(who, sale(100))
        credit = self.make("CreditMemo", {"CustomerRef": {"value": who}, "Line": [sale(40)], "InvoiceRef": {"value": made["Id"]}})
        self.assertEqual((credit["RemainingCredit"], credit["Balance"], self.owed("Customer", who)), (40, 40, 60))
        self.refused("6000", self.sim.post("payment", {"CustomerRef": {"value": who}, "TotalAmt": 0, "Line": [
            applied(41, "Invoice", made["Id"]), applied(40, "CreditMemo", credit["Id"])]}))
        paid = self.make("Payment", {"CustomerRef": {"value": who}, "TotalAmt": 0, "Line": [
            applied(40, "Invoice", made["Id"]), applied(40, "CreditMemo", credit["Id"])]})
        self.assertEqual((paid["UnappliedAmt"], self.owed("Invoice", made["Id"]), self.owed("Customer", who)), (0, 60, 60))
        credit = self.read("creditmemo", credit["Id"])
        self.assertEqual((credit["RemainingCredit"], credit["LinkedTxn"], credit["SyncToken"]),
                         (0, [{"TxnId": paid["Id"], "TxnType": "Payment"}], "1"))
        self.refused("620", self.sim.post("payment", {"CustomerRef": {"value": who}, "TotalAmt": 0, "Line": [
            applied(1, "CreditMemo", credit["Id"])]}))
        self.accepted(self.sim.post("invoice?operation=void", {"Id": made["Id"], "SyncToken": self.read("invoice", made["Id"])["SyncToken"]}))
        self.assertEqual((self.owed("CreditMemo", credit["Id"]), self.owed("Customer", who)), (40, -40))
        self.assertEqual(self.read("payment", paid["Id"])["Line"], [])
        self.refused("500", self.void("CreditMemo", credit["Id"]))
        self.sim.act("void", entity="CreditMemo", id=credit["Id"])
        self.assertEqual((self.owed("Customer", who), self.read("creditmemo", credit["Id"])["PrivateNote"]), (0, "Voided"))
        self.accepted(self.delete("CreditMemo", credit["Id"]))
        self.refused("610", self.sim.get("creditmemo/" + credit["Id"]))

    def test_credits_that_apply_themselves(self):
        self.sim.act("preference", set={"SalesFormsPrefs": {"AutoApplyCredit": True}})
        who = self.customer("Crédit automatique")["Id"]
        credit = self.make("CreditMemo", {"CustomerRef": {"value": who}, "Line": [sale(30)]})
        made = self.invoice(who, sale(50))
        self.assertEqual((self.owed("Invoice", made["Id"]), self.owed("CreditMemo", credit["Id"])), (20, 0))
        self.assertEqual(made["Balance"], 20)
        rows = self.sim.rows(f"SELECT * FROM Payment WHERE CustomerRef = '{who}'")
        self.assertEqual([(r["TotalAmt"], len(r["Line"])) for r in rows], [(0, 2)])
        self.sim.act("preference", set={"SalesFormsPrefs": {"AutoApplyCredit": False}})

    def test_receipts(self):
        who, cash = self.customer("Comptoir")["Id"], self.balance("4")
        self.refused("2020", self.sim.post("salesreceipt", {"Line": [sale(10)]}))
        sold = self.make("SalesReceipt", {"CustomerRef": {"value": who}, "Line": [sale(10)], "PaymentRefNum": "7"})
        self.assertEqual((sold["Balance"], sold["TotalAmt"], self.owed("Customer", who), self.balance("4") - cash), (0, 10, 0, 10))
        self.assertNotIn("CustomerRef", self.sim.act("create", entity="SalesReceipt", object={"Line": [sale(1)]}))
        self.sim.act("company_value", set={"settled": [sold["Id"]]})
        self.refused("6450", self.void("SalesReceipt", sold["Id"]))
        self.sim.act("company_value", set={"settled": []})
        void = self.accepted(self.void("SalesReceipt", sold["Id"]))
        self.assertEqual((void["TotalAmt"], void["PrivateNote"], void["SyncToken"]), (0, "Voided", "1"))
        self.refused("2020", self.sim.post("refundreceipt", {"CustomerRef": {"value": who}, "Line": [sale(10)]}))
        self.refused("6430", self.sim.post("refundreceipt", {"Line": [sale(10)], "DepositToAccountRef": {"value": "79"}}))
        before = self.balance("1")
        back = self.make("RefundReceipt", {"Line": [sale(10)], "DepositToAccountRef": {"value": "1"}, "PaymentType": "Cash"})
        self.assertEqual((back["TotalAmt"], self.balance("1") - before), (10, -10))
        self.refused("2170", self.sim.post("refundreceipt", {"Line": [sale(10)], "DepositToAccountRef": {"value": "1"},
                                                             "PaymentType": "Gold"}))


class DocumentTest(Books):
    def send(self, path: str, kind: str = "application/octet-stream"):
        status, _, body = self.sim.raw("POST", f"/v3/company/{self.sim.realm}/{path}", b"", self.sim.headers() | {"Content-Type": kind})
        return status, json.loads(body)

    def test_forms_are_sent(self):
        made = self.invoice(self.customer("Sans adresse")["Id"], sale(1))
        self.refused("6420", self.send(f"invoice/{made['Id']}/send"))
        self.refused("2210", self.send(f"invoice/{made['Id']}/send?sendTo=nobody"))
        self.refused("1050", self.send(f"invoice/{made['Id']}/send?sendTo=a@b.test", "application/json"), 415)
        self.refused("610", self.send("invoice/99999/send?sendTo=a@b.test"))
        self.refused("500", self.send("customer/1/send?sendTo=a@b.test"))
        sent = self.accepted(self.send(f"invoice/{made['Id']}/send?sendTo=a%40b.test"))
        self.assertEqual((sent["EmailStatus"], sent["BillEmail"], sent["DeliveryInfo"]["DeliveryType"], sent["SyncToken"]),
                         ("EmailSent", {"Address": "a@b.test"}, "Email", "1"))

    def test_forms_are_printed(self):
        made = self.invoice(self.customer("Imprimé")["Id"], sale(1))
        path, accept = f"/v3/company/{self.sim.realm}/invoice/{made['Id']}/pdf", {"Accept": "application/pdf"}
        status, headers, body = self.sim.raw("GET", path, None, self.sim.headers() | accept)
        self.assertEqual((status, headers["Content-Type"], body[:5], body[-6:]), (200, "application/pdf", b"%PDF-", b"%%EOF\n"))
        self.refused("500", self.sim.get(f"invoice/{made['Id']}/pdf"))
        self.refused("610", self.pdf("invoice/99999/pdf"))

    def pdf(self, path: str):
        status, _, body = self.sim.raw("GET", f"/v3/company/{self.sim.realm}/{path}", None,
                                       self.sim.headers() | {"Accept": "application/pdf, application/json"})
        return status, json.loads(body)


class PurchaseTest(Books):
    def test_bills_and_what_pays_them(self):
        who = self.vendor("Fournisseur A")
        made = self.bill(who, spent(100), spent(20, "90"), SalesTermRef={"value": "3"}, TxnDate="2026-01-31", DocNumber="A1")
        self.assertEqual((made["TotalAmt"], made["Balance"], made["DueDate"], self.owed("Vendor", who)), (120, 120, "2026-03-02", 120))
        self.refused("6140", self.sim.post("bill", {"VendorRef": {"value": who}, "DocNumber": "A1", "Line": [spent(1)]}))
        self.bill(self.vendor("Fournisseur A2"), spent(1), DocNumber="A1")
        bank = self.balance("1")
        pay = {"VendorRef": {"value": who}, "TotalAmt": 50, "PayType": "Check", "CheckPayment": {"BankAccountRef": {"value": "1"}},
               "Line": [applied(50, "Bill", made["Id"])]}
        self.refused("2020", self.sim.post("billpayment", {k: v for k, v in pay.items() if k != "CheckPayment"}))
        self.refused("6430", self.sim.post("billpayment", pay | {"CheckPayment": {"BankAccountRef": {"value": "35"}}}))
        self.refused("6000", self.sim.post("billpayment", pay | {"Line": [applied(51, "Bill", made["Id"])]}))
        paid = self.make("BillPayment", pay)
        made = self.read("bill", made["Id"])
        self.assertEqual((made["Balance"], made["LinkedTxn"], made["SyncToken"]),
                         (70, [{"TxnId": paid["Id"], "TxnType": "BillPaymentCheck"}], "1"))
        self.assertEqual((self.owed("Vendor", who), self.balance("1") - bank), (70, -50))
        self.refused("6220", self.edit("Vendor", who, Active=False))
        credit = self.make("VendorCredit", {"VendorRef": {"value": who}, "Line": [spent(30)]})
        self.assertEqual((credit["Balance"], self.owed("Vendor", who)), (30, 40))
        card = self.make("BillPayment", {"VendorRef": {"value": who}, "TotalAmt": 40, "PayType": "CreditCard",
                                         "CreditCardPayment": {"CCAccountRef": {"value": "35"}},
                                         "Line": [applied(70, "Bill", made["Id"]), applied(30, "VendorCredit", credit["Id"])]})
        self.assertEqual((self.owed("Bill", made["Id"]), self.owed("VendorCredit", credit["Id"]), self.owed("Vendor", who)), (0, 0, 0))
        void = self.accepted(self.void("BillPayment", paid["Id"]))
        self.assertEqual((void["TotalAmt"], void["Line"], self.owed("Bill", made["Id"])), (0, [], 50))
        self.accepted(self.delete("BillPayment", card["Id"]))
        self.assertEqual((self.owed("Bill", made["Id"]), self.owed("VendorCredit", credit["Id"]), self.owed("Vendor", who)), (120, 30, 90))
        self.assertEqual(self.balance("1"), bank)
        self.refused("500", self.void("Bill", made["Id"]))
        self.accepted(self.delete("Bill", made["Id"]))
        self.assertEqual(self.owed("Vendor", who), -30)

    def test_bills_that_shrink_and_lines_that_are_wrong(self):
        who = self.vendor("Fournisseur B")
        made = self.bill(who, spent(100))
        paid = self.make("BillPayment", {"VendorRef": {"value": who}, "TotalAmt": 100, "PayType": "Check", "CheckPayment":
                                         {"BankAccountRef": {"value": "1"}}, "Line": [applied(100, "Bill", made["Id"])]})
        less = self.accepted(self.edit("Bill", made["Id"], Line=[spent(60)]))
        self.assertEqual((less["Balance"], self.read("billpayment", paid["Id"])["Line"][0]["Amount"], self.owed("Vendor", who)), (0, 60, -40))
        for expected, line in (("2500", spent(1, "999")), ("2020", {"Amount": 1, "DetailType": "AccountBasedExpenseLineDetail"}),
                               ("2020", spent(1, BillableStatus="Billable")), ("2170", spent(1, BillableStatus="HasBeenBilled")),
                               ("2170", {"Amount": 1, "DetailType": "SalesItemLineDetail"}), ("6000", spent(-1)),
                               ("2600", spent(1) | {"ItemBasedExpenseLineDetail": {"ItemRef": {"value": "1"}}}),
                               ("6070", {"Amount": 5, "DetailType": "ItemBasedExpenseLineDetail", "ItemBasedExpenseLineDetail": {
                                   "ItemRef": {"value": "1"}, "Qty": 2, "UnitPrice": 3}})):
            self.refused(expected, self.sim.post("bill", {"VendorRef": {"value": who}, "Line": [line]}))
        self.refused("2250", self.sim.post("bill", {"VendorRef": {"value": who}, "Line": []}))
        self.refused("6430", self.sim.post("bill", {"VendorRef": {"value": who}, "Line": [spent(1)], "APAccountRef": {"value": "1"}}))

    def test_a_bill_closes_its_purchase_order(self):
        who = self.vendor("Fournisseur C")
        body = {"VendorRef": {"value": who}, "Line": [spent(10)], "APAccountRef": {"value": "33"}}
        self.refused("2020", self.sim.post("purchaseorder", {k: v for k, v in body.items() if k != "APAccountRef"}))
        order = self.make("PurchaseOrder", body)
        self.assertEqual((order["POStatus"], order["DocNumber"].isdigit(), self.owed("Vendor", who)), ("Open", True, 0))
        self.sim.control("POST", "clock", {"advance": 5})
        made = self.bill(who, spent(10) | {"LinkedTxn": [{"TxnId": order["Id"], "TxnType": "PurchaseOrder", "TxnLineId": "1"}]})
        closed = self.read("purchaseorder", order["Id"])
        self.assertEqual((closed["POStatus"], closed["LinkedTxn"]), ("Closed", [{"TxnId": made["Id"], "TxnType": "Bill"}]))
        self.assertNotEqual(closed["MetaData"]["LastUpdatedTime"], order["MetaData"]["LastUpdatedTime"])
        self.refused("620", self.sim.post("bill", {"VendorRef": {"value": who}, "Line": [spent(1)], "LinkedTxn": [
            {"TxnId": order["Id"], "TxnType": "PurchaseOrder"}]}))
        self.accepted(self.delete("Bill", made["Id"]))
        self.assertEqual(self.read("purchaseorder", order["Id"])["POStatus"], "Open")

    def test_purchases(self):
        card = self.balance("35")
        body = {"PaymentType": "CreditCard", "AccountRef": {"value": "35"}, "Line": [spent(12.5)]}
        made = self.make("Purchase", body | {"EntityRef": {"type": "Vendor", "value": self.vendor("Station")},
                                             "CustomField": [{"DefinitionId": "1", "StringValue": "ignored"}]})
        self.assertEqual((made["TotalAmt"], made["Credit"], made["EntityRef"]["type"], self.balance("35") - card),
                         (Decimal("12.50"), False, "Vendor", Decimal("12.50")))
        self.assertNotIn("CustomField", made)
        self.refused("6430", self.sim.post("purchase", body | {"AccountRef": {"value": "1"}}))
        self.refused("6430", self.sim.post("purchase", body | {"PaymentType": "Check"}))
        self.refused("2600", self.sim.post("purchase", body | {"PaymentType": "Cash", "AccountRef": {"value": "1"}, "Credit": True}))
        self.refused("2020", self.sim.post("purchase", {"PaymentType": "Cash", "Line": [spent(1)]}))
        check = body | {"PaymentType": "Check", "AccountRef": {"value": "1"}, "DocNumber": "8001"}
        check = self.make("Purchase", check), self.refused("6140", self.sim.post("purchase", check))
        self.sim.act("company_value", set={"matched": [check[0]["Id"]]})
        self.refused("6480", self.delete("Purchase", check[0]["Id"]))
        self.sim.act("company_value", set={"matched": []})
        self.make("Purchase", body | {"Credit": True, "Line": [spent(2.5)]})
        self.assertEqual(self.balance("35") - card, 10)
        self.assertEqual(len(self.sim.rows("SELECT * FROM Purchase WHERE PaymentType = 'CreditCard' AND TotalAmt = '12.50'")), 1)


class LedgerTest(Books):
    def test_journal_entries(self):
        who, vendor = self.customer("Écriture")["Id"], self.vendor("Écriture fournisseur")
        for expected, lines in (
                ("2300", [booked("Debit", 10, "92"), booked("Credit", 9, "95")]), ("2300", [booked("Debit", 0, "92")]),
                ("2260", [{"Amount": 1, "DetailType": "JournalEntryLineDetail", "JournalEntryLineDetail": {"AccountRef": {"value": "92"}}}]),
                ("6000", [booked("Debit", 1, "84"), booked("Credit", 1, "95")]), ("2290", [booked("Debit", -1, "92"), booked("Credit", -1, "95")]),
                ("6000", [booked("Debit", 1, "84", ("Vendor", vendor)), booked("Credit", 1, "95")]),
                ("6000", [booked("Debit", 1, "84", ("Customer", who))] * 2 + [booked("Credit", 2, "95")]),
                ("2500", [booked("Debit", 1, "84", ("Customer", "99999")), booked("Credit", 1, "95")]), ("2250", [])):
            self.refused(expected, self.sim.post("journalentry", {"Line": lines}))
        charge = self.make("JournalEntry", {"Line": [booked("Debit", 25, "84", ("Customer", who)), booked("Credit", 25, "95")]})
        self.assertEqual((charge["TotalAmt"], self.owed("Customer", who)), (0, 25))
        self.make("JournalEntry", {"Line": [booked("Credit", 8, "33", ("Vendor", vendor)), booked("Debit", 8, "92")]})
        self.assertEqual(self.owed("Vendor", vendor), 8)
        paid = self.accepted(self.sim.post("payment", {"CustomerRef": {"value": who}, "TotalAmt": 25, "Line": [
            applied(25, "JournalEntry", charge["Id"])]}))
        self.assertEqual((paid["UnappliedAmt"], self.owed("Customer", who)), (0, 0))
        self.refused("620", self.sim.post("payment", {"CustomerRef": {"value": who}, "TotalAmt": 1, "Line": [
            applied(1, "JournalEntry", charge["Id"])]}))
        self.accepted(self.delete("JournalEntry", charge["Id"]))
        self.assertEqual((self.owed("Customer", who), self.read("payment", paid["Id"])["UnappliedAmt"]), (-25, 25))

    def test_a_deposit_holds_its_payments(self):
        who = self.customer("Déposant")["Id"]
        paid = self.accepted(self.pay(who, 80))
        body = {"DepositToAccountRef": {"value": "1"}, "Line": [applied(80, "Payment", paid["Id"])]}
        self.refused("6000", self.sim.post("deposit", body | {"Line": [applied(79, "Payment", paid["Id"])]}))
        self.refused("620", self.sim.post("deposit", body | {"Line": body["Line"] * 2}))
        self.refused("620", self.sim.post("deposit", body | {"Line": [applied(80, "Invoice", "1")]}))
        funds, bank = self.balance("4"), self.balance("1")
        more = {"Amount": 5, "DetailType": "DepositLineDetail", "DepositLineDetail": {"AccountRef": {"value": "87"}}}
        made = self.make("Deposit", body | {"Line": body["Line"] + [more],
                                            "CashBack": {"AccountRef": {"value": "88"}, "Amount": 15}})
        self.assertEqual((made["TotalAmt"], self.balance("4") - funds, self.balance("1") - bank), (70, -80, 70))
        self.assertEqual(self.read("payment", paid["Id"])["LinkedTxn"], [{"TxnId": made["Id"], "TxnType": "Deposit"}])
        self.refused("6540", self.edit("Payment", paid["Id"], CustomerRef={"value": who}, TotalAmt=81))
        self.refused("6540", self.delete("Payment", paid["Id"]))
        self.refused("6540", self.void("Payment", paid["Id"]))
        self.refused("620", self.sim.post("deposit", body))
        self.accepted(self.delete("Deposit", made["Id"]))
        self.accepted(self.delete("Payment", paid["Id"]))

    def test_transfers(self):
        before = self.balance("1"), self.balance("88")
        body = {"FromAccountRef": {"value": "1"}, "ToAccountRef": {"value": "88"}, "Amount": 30}
        made = self.make("Transfer", body)
        self.assertEqual((self.balance("1") - before[0], self.balance("88") - before[1]), (-30, 30))
        self.refused("6000", self.sim.post("transfer", body | {"ToAccountRef": {"value": "1"}}))
        self.refused("6430", self.sim.post("transfer", body | {"ToAccountRef": {"value": "79"}}))
        self.refused("2020", self.sim.post("transfer", {k: v for k, v in body.items() if k != "Amount"}))
        self.sim.act("void", entity="Transfer", id=made["Id"])
        self.assertEqual((self.balance("1"), self.balance("88")), before)

    def test_time(self):
        employee, who = self.sim.rows("SELECT * FROM Employee")[0]["Id"], self.customer("Heures")["Id"]
        body = {"NameOf": "Employee", "EmployeeRef": {"value": employee}, "Hours": 2, "ItemRef": {"value": "1"}}
        for expected, more in (("6290", {"NameOf": "Vendor"}), ("2600", {"StartTime": "2026-01-01T08:00:00", "EndTime": "2026-01-01T09:00:00"}),
                               ("2020", {"BillableStatus": "Billable", "HourlyRate": 5}), ("2170", {"BillableStatus": "HasBeenBilled"}),
                               ("6390", {"BillableStatus": "Billable", "CustomerRef": {"value": who}})):
            self.refused(expected, self.sim.post("timeactivity", body | more))
        spanned = {k: v for k, v in body.items() if k != "Hours"}
        self.refused("2020", self.sim.post("timeactivity", spanned))
        self.refused("6390", self.sim.post("timeactivity", spanned | {"StartTime": "2026-01-01T09:00:00-05:00", "EndTime": "2026-01-01T08:00:00-05:00"}))
        hours = self.make("TimeActivity", body | {"BillableStatus": "Billable", "HourlyRate": 65, "CustomerRef": {"value": who}})
        made = self.invoice(who, sale(130), LinkedTxn=[{"TxnId": hours["Id"], "TxnType": "TimeActivity"}])
        self.assertEqual(self.read("timeactivity", hours["Id"])["BillableStatus"], "HasBeenBilled")
        self.refused("620", self.sim.post("invoice", {"CustomerRef": {"value": who}, "Line": [sale(1)], "LinkedTxn": made["LinkedTxn"]}))
        self.refused("6400", self.delete("TimeActivity", hours["Id"]))
        self.accepted(self.delete("Invoice", made["Id"]))
        self.accepted(self.delete("TimeActivity", hours["Id"]))

    def test_attachments_move_what_they_hang_on(self):
        who = self.customer("Pièce jointe")["Id"]
        made = self.invoice(who, sale(1))
        file = self.make("Attachable", {"FileName": "plan.pdf", "AttachableRef": [{"EntityRef": {"type": "Invoice", "value": made["Id"]}}]})
        self.assertEqual(self.read("invoice", made["Id"])["SyncToken"], "1")
        self.refused("2020", self.sim.post("attachable", {"Category": "Image"}))
        self.refused("2500", self.sim.post("attachable", {"Note": "x", "AttachableRef": [{"EntityRef": {"type": "Bill", "value": "99999"}}]}))
        self.refused("6050", self.sim.post("attachable", {"Note": "x", "AttachableRef": [{"EntityRef": {"type": "Nothing", "value": "1"}}]}))
        self.accepted(self.delete("Attachable", file["Id"]))
        self.assertEqual(self.read("invoice", made["Id"])["SyncToken"], "2")


class ListTest(Books):
    def test_accounts(self):
        for expected, body in (("2020", {"Name": "a"}), ("6240", {"Name": "épargne", "AccountType": "Bank"}),
                               ("6010", {"Name": "a", "AccountType": "Bank", "AccountSubType": "Auto"}),
                               ("2170", {"Name": "a", "AccountSubType": "Nothing"}), ("2040", {"Name": 'a"b', "AccountType": "Bank"}),
                               ("6150", {"Name": "a", "AccountType": "Bank", "SubAccount": True}),
                               ("6010", {"Name": "a", "AccountType": "Bank", "SubAccount": True, "ParentRef": {"value": "90"}}),
                               ("2050", {"Name": "a", "AccountType": "Bank", "AcctNum": "1" * 21})):
            self.refused(expected, self.sim.post("account", body))
        top = self.make("Account", {"Name": "Véhicules", "AccountSubType": "Auto"})
        self.assertEqual((top["AccountType"], top["Classification"], top["CurrentBalance"]), ("Expense", "Expense", 0))
        sub = self.make("Account", {"Name": "Camion", "AccountType": "Expense", "SubAccount": True, "ParentRef": {"value": top["Id"]}})
        self.accepted(self.edit("Account", top["Id"], Name="Transport"))
        self.assertEqual(self.read("account", sub["Id"])["FullyQualifiedName"], "Transport:Camion")
        self.refused("6000", self.edit("Account", top["Id"], Active=False))
        off = self.accepted(self.edit("Account", sub["Id"], Active=False))
        self.assertEqual(off["Name"], "Camion (deleted)")
        self.refused("2500", self.sim.post("purchase", {"PaymentType": "Cash", "AccountRef": {"value": "1"}, "Line": [spent(1, sub["Id"])]}))
        self.refused("6000", self.edit("Account", "84", Active=False))
        self.refused("6000", self.edit("Account", "79", Active=False))
        self.refused("6220", self.edit("Account", "88", Active=False))
        self.refused("500", self.sim.post("account?operation=delete", {"Id": top["Id"], "SyncToken": "1"}))

    def test_other_lists(self):
        self.refused("5030", self.sim.post("class", {"Name": "x"}))
        self.refused("5030", self.sim.post("department", {"Name": "x"}))
        self.sim.act("preference", set={"AccountingInfoPrefs": {"ClassTrackingPerTxnLine": True, "TrackDepartments": True}})
        top = self.make("Class", {"Name": "Division"})
        self.assertEqual(len(top["Id"]), 19)
        sub = self.make("Class", {"Name": "Nord", "SubClass": True, "ParentRef": {"value": top["Id"]}})
        self.assertEqual(sub["FullyQualifiedName"], "Division:Nord")
        self.refused("6240", self.sim.post("class", {"Name": "division"}))
        self.refused("6000", self.edit("Class", top["Id"], Active=False))
        place = self.make("Department", {"Name": "Cour"})
        who = self.customer("Classé")["Id"]
        made = self.invoice(who, sale(1, ClassRef={"value": sub["Id"]}), DepartmentRef={"value": place["Id"]})
        self.assertEqual(made["Line"][0]["SalesItemLineDetail"]["ClassRef"]["name"], "Division:Nord")
        self.accepted(self.edit("Department", place["Id"], Active=False))
        self.accepted(self.edit("Invoice", made["Id"], PrivateNote="garde son lieu"))
        self.refused("2500", self.sim.post("invoice", {"CustomerRef": {"value": who}, "Line": [sale(1)], "DepartmentRef": {"value": place["Id"]}}))
        self.assertEqual(self.make("PaymentMethod", {"Name": "Troc"})["Type"], "NON_CREDIT_CARD")
        self.refused("6240", self.sim.post("paymentmethod", {"Name": "COMPTANT"}))
        self.make("TaxAgency", {"DisplayName": "Agence"})
        self.refused("6240", self.sim.post("taxagency", {"DisplayName": "agence"}))
        for path in ("customertype", "taxrate", "taxcode"):
            self.refused("500", self.sim.post(path, {"Name": "x"}))
        self.refused("5030", self.sim.post("companycurrency", {"Code": "EUR"}))
        self.refused("5030", self.sim.post("exchangerate", {"SourceCurrencyCode": "EUR", "Rate": 1}))
        self.sim.act("preference", set={"AccountingInfoPrefs": {"ClassTrackingPerTxnLine": False, "TrackDepartments": False}})

    def test_tracked_items(self):
        who, made = self.customer("Stock")["Id"], self.make("Item", {
            "Name": "Pelle", "Type": "Inventory", "QtyOnHand": 5, "InvStartDate": "2026-01-01", "IncomeAccountRef": {"value": "79"},
            "ExpenseAccountRef": {"value": "80"}, "AssetAccountRef": {"value": "81"}})
        body = {"CustomerRef": {"value": who}, "TxnDate": "2026-02-01", "Line": [sale(4, ItemRef={"value": made["Id"]}, Qty=1)]}
        self.make("Invoice", body)
        self.refused("6270", self.sim.post("invoice", body | {"TxnDate": "2025-12-31"}))
        self.refused("6520", self.sim.post("invoice", body | {"Line": [sale(4, ItemRef={"value": made["Id"]})]}))

    def test_tax_service(self):
        agency = self.sim.rows("SELECT * FROM TaxAgency")[0]["Id"]
        status, made = self.sim.post("taxservice/taxcode", {"TaxCode": "Comté 8", "TaxRateDetails": [
            {"TaxRateName": "État 6", "RateValue": "6", "TaxAgencyId": agency, "TaxApplicableOn": "Sales"}, {"TaxRateId": "13"}]})
        self.assertEqual((status, made["TaxCode"], [d["RateValue"] for d in made["TaxRateDetails"]]), (200, "Comté 8", [6, 0]))
        self.assertEqual(self.read("taxcode", made["TaxCodeId"])["TaxCodeConfigType"], "USER_DEFINED")
        self.refused("6240", self.sim.post("taxservice/taxcode", {"TaxCode": "Comté 8", "TaxRateDetails": [{"TaxRateId": "13"}]}))
        self.refused("2150", self.sim.post("taxservice/taxcode", {"TaxCode": "c", "TaxRateDetails": [
            {"TaxRateName": "x", "RateValue": 101, "TaxAgencyId": agency}]}))

    def test_merges(self):
        loser, survivor = self.vendor("Vendeur double"), self.vendor("Vendeur seul")
        made = self.bill(loser, spent(10))
        who = self.customer("Client unique")["Id"]
        double = self.customer("Client double")["Id"]
        bought = self.make("Purchase", {"PaymentType": "Cash", "AccountRef": {"value": "1"}, "EntityRef": {"type": "Vendor", "value": loser},
                                        "Line": [spent(1, CustomerRef={"value": double})]})
        entry = self.make("JournalEntry", {"Line": [booked("Debit", 5, "84", ("Customer", double)), booked("Credit", 5, "95")]})
        self.sim.act("merge", entity="Vendor", id=loser, into=survivor)
        self.sim.act("merge", entity="Customer", id=double, into=who)
        self.assertEqual(self.read("bill", made["Id"])["VendorRef"], {"value": survivor, "name": "Vendeur seul"})
        self.assertEqual((self.owed("Vendor", survivor), self.owed("Vendor", loser)), (10, 0))
        self.assertEqual((self.owed("Customer", who), self.owed("Customer", double)), (5, 0))
        bought = self.read("purchase", bought["Id"])
        self.assertEqual((bought["EntityRef"]["value"], bought["Line"][0]["AccountBasedExpenseLineDetail"]["CustomerRef"]["value"]), (survivor, who))
        detail = self.read("journalentry", entry["Id"])["Line"][0]["JournalEntryLineDetail"]
        self.assertEqual((detail["Entity"]["EntityRef"]["value"], self.read("vendor", loser)["Active"]), (who, False))
        a, b = (self.make("Account", {"Name": n, "AccountType": "Expense"})["Id"] for n in ("Double", "Simple"))
        made = self.bill(survivor, spent(3, a))
        self.sim.act("merge", entity="Account", id=a, into=b)
        self.assertEqual(self.read("bill", made["Id"])["Line"][0]["AccountBasedExpenseLineDetail"]["AccountRef"]["value"], b)
        self.sim.control("POST", "clock", {"advance": 86401})
        self.sim.refresh()
        self.refused("610", self.sim.get("vendor/" + loser))
        status, _, body = self.sim.raw("POST", "/control/act", json.dumps({"act": "merge", "entity": "Account", "id": "4", "into": "88"}))
        self.assertEqual(code(json.loads(body)), "6000")

    def test_what_is_owed_is_written_off_if_so_set(self):
        self.sim.control("POST", "settings", {"inactivation": "journal_entry"})
        who = self.customer("Radié")["Id"]
        self.invoice(who, sale(12))
        self.sim.act("inactivate", entity="Customer", id=who)
        self.assertEqual((self.owed("Customer", who), self.read("customer", who)["Active"]), (0, False))
        entry = self.sim.rows("SELECT * FROM JournalEntry ORDERBY MetaData.CreateTime DESC")[0]
        self.assertEqual(entry["Line"][0]["JournalEntryLineDetail"]["Entity"]["EntityRef"]["value"], who)
        self.sim.control("POST", "settings", {"inactivation": "keep"})

    def test_renames_reach_references_if_so_set(self):
        vendor, top = self.vendor("Ancien nom"), self.make("Account", {"Name": "Ancien", "AccountType": "Expense"})["Id"]
        made = self.bill(vendor, spent(1, top))
        for mode, name, token in (("keep", "Ancien", "0"), ("silent", "Nouveau 1", "0"), ("touch", "Nouveau 2", "0")):
            self.sim.control("POST", "settings", {"rename_in_transactions": mode})
            self.accepted(self.edit("Vendor", vendor, DisplayName=name + " nom"))
            self.accepted(self.edit("Account", top, Name=name))
            bill = self.read("bill", made["Id"])
            account = bill["Line"][0]["AccountBasedExpenseLineDetail"]["AccountRef"]["name"]
            self.assertEqual((bill["VendorRef"]["name"], account, bill["SyncToken"]), (name + " nom", name, token))
        self.sim.control("POST", "settings", {"rename_in_transactions": "keep"})

    def test_balances_follow_silently_if_so_set(self):
        who, since = self.customer("Silencieux")["Id"], self.sim.control("GET", "info")["time"]
        self.sim.control("POST", "clock", {"advance": 2})
        self.sim.control("POST", "settings", {"account_balances": "silent"})
        before = self.balance("84")
        self.invoice(who, sale(5))
        self.assertEqual((self.balance("84") - before, self.accepted(self.sim.cdc("Account", since))), (5, [{"QueryResponse": [{}]}]))
        self.sim.control("POST", "settings", {"account_balances": "touch"})
        self.invoice(who, sale(5))
        changed = self.accepted(self.sim.cdc("Account", since))[0]["QueryResponse"][0]["Account"]
        self.assertEqual([a["Id"] for a in changed], ["84"])
