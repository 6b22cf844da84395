"""Self-test: taxes of other countries, several currencies, closed books, custom fields, generated records."""

from __future__ import annotations

import json
import os
import tempfile
from decimal import Decimal

from selftest_base import sale
from selftest_books import Books, applied, booked, spent
from selftest_sums import check_sums
from testclient import Sim


class ManualTest(Books):
    options = ("--sample", "us", "--company", "Amy")

    def test_tax_by_document(self):
        body = {"CustomerRef": {"value": "1"}, "Line": [sale(100, TaxCodeRef={"value": "TAX"}), sale(50)]}
        made = self.make("Invoice", body | {"TxnTaxDetail": {"TxnTaxCodeRef": {"value": "3"}}})
        self.assertEqual((made["TotalAmt"], made["TxnTaxDetail"]["TotalTax"]), (Decimal("159.10"), Decimal("9.10")))
        lines = [(l["Amount"], l["TaxLineDetail"]["TaxPercent"], l["TaxLineDetail"]["NetAmountTaxable"]) for l in made["TxnTaxDetail"]["TaxLine"]]
        self.assertEqual(lines, [(Decimal("7.10"), Decimal("7.1"), 100), (2, 2, 100)])
        self.assertNotIn("TxnTaxDetail", self.make("Invoice", body))
        self.assertEqual(self.make("Invoice", body | {"TxnTaxDetail": {"TotalTax": 3.33}})["TotalAmt"], Decimal("153.33"))
        other = {"TaxLine": [{"Amount": 1, "DetailType": "TaxLineDetail", "TaxLineDetail": {"TaxRateRef": {"value": "3"}}}]}
        self.refused("6000", self.sim.post("invoice", body | {"TxnTaxDetail": {"TxnTaxCodeRef": {"value": "3"}} | other}))
        self.refused("6100", self.sim.post("invoice", body | {"Line": [sale(1, TaxCodeRef={"value": "3"})]}))
        self.refused("6160", self.sim.post("invoice", body | {"TxnTaxDetail": {"TxnTaxCodeRef": {"value": "CustomSalesTax"}}}))
        self.refused("5030", self.sim.post("invoice", body | {"GlobalTaxCalculation": "TaxExcluded"}))
        discount = {"DetailType": "DiscountLineDetail", "DiscountLineDetail": {"PercentBased": True, "DiscountPercent": 10}}
        body["Line"].append(discount)
        after = self.make("Invoice", body | {"ApplyTaxAfterDiscount": True, "TxnTaxDetail": {"TxnTaxCodeRef": {"value": "3"}}})
        before = self.make("Invoice", body | {"ApplyTaxAfterDiscount": False, "TxnTaxDetail": {"TxnTaxCodeRef": {"value": "3"}}})
        self.assertEqual((after["TxnTaxDetail"]["TotalTax"], before["TxnTaxDetail"]["TotalTax"]), (Decimal("8.19"), Decimal("9.10")))

    def test_classes_and_locations(self):
        self.assertEqual([c["FullyQualifiedName"] for c in self.sim.rows("SELECT * FROM Class")], ["Landscaping", "Landscaping:Hardscape"])
        self.assertEqual(self.sim.rows("SELECT * FROM Class WHERE Active = false")[0]["Name"], "Snow (deleted)")
        self.assertEqual(len(self.sim.rows("SELECT * FROM Department ORDERBY SubDepartment")), 2)

    def test_custom_fields(self):
        body = {"CustomerRef": {"value": "1"}, "Line": [sale(1)]}
        made = self.make("Invoice", body | {"CustomField": [{"DefinitionId": "2", "StringValue": "A"}]})
        self.assertEqual(made["CustomField"], [{"DefinitionId": "1", "Name": "PO Number", "Type": "StringType"},
                                               {"DefinitionId": "2", "Name": "Crew", "Type": "StringType", "StringValue": "A"}])
        self.refused("3000", self.sim.post("invoice", body | {"CustomField": [{"DefinitionId": "3", "StringValue": "A"}]}))
        new = "1000000000000000102"
        body |= {"CustomField": [{"DefinitionId": "1", "StringValue": "P"}, {"DefinitionId": new, "NumberValue": 4}]}
        self.assertEqual(self.sim.post("invoice", body)[0], 400)
        asked = "invoice?include=enhancedAllCustomFields"
        made = self.accepted(self.sim.post(asked, body))
        self.assertEqual(made["CustomField"][2], {"DefinitionId": new, "Name": "Crew size", "Type": "NumberType", "NumberValue": 4})
        self.assertEqual(len(self.read("invoice", made["Id"])["CustomField"]), 2)
        path = f"invoice/{made['Id']}?include=enhancedAllCustomFields"
        self.assertEqual(self.accepted(self.sim.get(path)), made)
        self.accepted(self.edit("Invoice", made["Id"], PrivateNote="stays"))
        self.assertEqual(len(self.accepted(self.sim.get(path))["CustomField"]), 3)
        self.refused("3000", self.sim.post(asked, body | {"CustomField": [{"DefinitionId": new, "NumberValue": "x"}]}))
        self.refused("3000", self.sim.post(asked, body | {"CustomField": [{"DefinitionId": "1000000000000000101x", "StringValue": "x"}]}))
        found = self.accepted(self.sim.get("query?include=enhancedAllCustomFields&query=select%20*%20from%20Invoice%20where%20Id%20=%20'"
                                           + made["Id"] + "'"))
        self.assertEqual(len(found["Invoice"][0]["CustomField"]), 3)


class AutomatedTest(Books):
    options = ("--sample", "us-ast", "--company", "Ann")

    def tax(self, who: str, **fields):
        made = self.make("Invoice", {"CustomerRef": {"value": who}, "Line": [sale(100, TaxCodeRef={"value": "TAX"})]} | fields)
        detail = made["TxnTaxDetail"]
        return detail["TotalTax"], detail.get("TxnTaxCodeRef", {}).get("value")

    def test_the_place_decides(self):
        self.assertEqual(self.tax("1"), (Decimal("7.25"), "2"))
        self.assertEqual(self.tax("1", TxnTaxDetail={"TxnTaxCodeRef": {"value": "4"}, "TotalTax": 99}), (Decimal("7.25"), "2"))
        self.assertEqual(self.tax("1", ShipAddr={"CountrySubDivisionCode": "TX"}), (Decimal("8.25"), "3"))
        self.assertEqual(self.tax("3"), (0, None))
        self.assertEqual(self.tax("4"), (0, None))
        self.assertEqual(self.tax("5"), (0, None))
        self.sim.control("POST", "settings", {"ast_override": "honour"})
        self.assertEqual(self.tax("1", TxnTaxDetail={"TotalTax": 9.99}), (Decimal("9.99"), "2"))
        self.sim.control("POST", "settings", {"ast_override": "ignore"})
        self.assertTrue(self.read("preferences", "")["TaxPrefs"]["PartnerTaxEnabled"])
        self.refused("5030", self.sim.post("taxservice/taxcode", {"TaxCode": "x", "TaxRateDetails": [{"TaxRateId": "1"}]}))

    def read(self, entity: str, id: str) -> dict:
        return self.accepted(self.sim.get(f"{entity}/{id}" if id else entity))


class GlobalTest(Books):
    options = ("--sample", "quebec", "--company", "Québec")

    def body(self, *lines, **fields) -> dict:
        return {"CustomerRef": {"value": "1"}, "Line": list(lines)} | fields

    def test_a_code_for_each_line(self):
        made = self.make("Invoice", self.body(sale(100, TaxCodeRef={"value": "2"}), sale(50, TaxCodeRef={"value": "3"}),
                                              sale(10, TaxCodeRef={"value": "5"})))
        rates = [(l["TaxLineDetail"]["TaxRateRef"]["value"], l["Amount"], l["TaxLineDetail"]["NetAmountTaxable"])
                 for l in made["TxnTaxDetail"]["TaxLine"]]
        self.assertEqual(rates, [("11", Decimal("7.50"), 150), ("12", Decimal("9.98"), 100), ("14", 0, 10)])
        self.assertEqual((made["GlobalTaxCalculation"], made["TotalAmt"]), ("TaxExcluded", Decimal("177.48")))
        self.refused("6000", self.sim.post("invoice", self.body(sale(1))))
        self.refused("2500", self.sim.post("invoice", self.body(sale(1, TaxCodeRef={"value": "TAX"}))))
        self.refused("6170", self.sim.post("invoice", self.body(sale(1), GlobalTaxCalculation="NotApplicable", TxnTaxDetail={"TotalTax": 1})))
        self.assertNotIn("TxnTaxDetail", self.make("Invoice", self.body(sale(1), GlobalTaxCalculation="NotApplicable")))

    def test_inclusive_and_compound(self):
        made = self.make("Invoice", self.body(sale(100, TaxCodeRef={"value": "4"}), GlobalTaxCalculation="TaxInclusive"))
        self.assertEqual((made["TotalAmt"], made["Line"][0]["SalesItemLineDetail"]["TaxInclusiveAmt"]), (113, 113))
        code = self.read("taxcode", "2")
        code["SalesTaxRateList"]["TaxRateDetail"][1] |= {"TaxTypeApplicable": "TaxOnAmountPlusTax", "TaxOrder": 1}
        self.sim.control("POST", "raw", {"entity": "TaxCode", "id": "77", "json": json.dumps(code | {"Id": "77"}, default=float)})
        made = self.make("Invoice", self.body(sale(100, TaxCodeRef={"value": "77"})))
        self.assertEqual(made["TotalAmt"], Decimal("115.47"))           # QST on the GST, as before 2013

    def test_stale_and_overridden_tax(self):
        made = self.make("Invoice", self.body(sale(100, TaxCodeRef={"value": "4"})))
        both = {"Line": [sale(200, TaxCodeRef={"value": "4"})]}
        stale = {"TaxLine": [{"Amount": 13, "DetailType": "TaxLineDetail", "TaxLineDetail": {"TaxRateRef": {"value": "13"}}}]}
        self.assertEqual(self.accepted(self.edit("Invoice", made["Id"], **both, TxnTaxDetail=stale))["TotalAmt"], 213)
        self.assertEqual(self.accepted(self.edit("Invoice", made["Id"], PrivateNote="x"))["TotalAmt"], 213)
        self.assertEqual(self.accepted(self.edit("Invoice", made["Id"], **both | {"Line": [sale(300, TaxCodeRef={"value": "4"})]}))["TotalAmt"], 339)
        stale["TaxLine"][0]["TaxLineDetail"]["TaxRateRef"]["value"] = "11"
        self.refused("6470", self.edit("Invoice", made["Id"], TxnTaxDetail=stale))

    def test_purchases_are_taxed_too(self):
        who = self.vendor("Détaillant")
        made = self.bill(who, spent(100, TaxCodeRef={"value": "2"}))
        self.assertEqual((made["TotalAmt"], self.owed("Vendor", who)), (Decimal("114.98"), Decimal("114.98")))
        self.refused("6000", self.sim.post("bill", {"VendorRef": {"value": who}, "Line": [spent(1)]}))

    def test_discounts_lessen_the_tax(self):
        discount = {"DetailType": "DiscountLineDetail", "Amount": 50, "DiscountLineDetail": {"PercentBased": False}}
        made = self.make("Invoice", self.body(sale(100, TaxCodeRef={"value": "4"}), sale(100, TaxCodeRef={"value": "6"}), discount))
        self.assertEqual(made["TotalAmt"], Decimal("159.75"))
        self.assertEqual(self.read("customer", "4")["DisplayName"], "Nguyễn Thị Lan")


class CurrencyTest(Books):
    options = ("--sample", "uk", "--company", "UK")

    def names(self, code: str) -> str:
        found = [c["Id"] for c in self.sim.rows("SELECT * FROM Customer") if c["CurrencyRef"]["value"] == code]
        return found[0]

    def sold(self, who: str, code: str, **fields) -> dict:
        return {"CustomerRef": {"value": who}, "CurrencyRef": {"value": code}, "Line": [sale(100, TaxCodeRef={"value": "4"})]} | fields

    def test_the_currency_is_the_customers(self):
        euro = self.names("EUR")
        self.refused("2020", self.sim.post("invoice", {k: v for k, v in self.sold(euro, "").items() if k != "CurrencyRef"}))
        self.refused("6000", self.sim.post("invoice", self.sold(euro, "USD")))
        self.refused("6000", self.edit("Customer", euro, CurrencyRef={"value": "GBP"}))
        made = self.make("Invoice", self.sold(euro, "EUR"))
        self.assertEqual((made["ExchangeRate"], made["HomeTotalAmt"], made["HomeBalance"]), (Decimal("0.8525"), Decimal("85.25"), Decimal("85.25")))
        made = self.make("Invoice", self.sold(euro, "EUR", ExchangeRate=0.9, TxnDate="2026-01-05"))
        self.assertEqual((made["HomeTotalAmt"], made["Balance"]), (90, 100))
        pounds = self.make("Invoice", self.sold(self.names("GBP"), "GBP"))
        self.assertEqual((pounds["ExchangeRate"], pounds["HomeTotalAmt"]), (1, 100))

    def test_receivables_by_currency(self):
        euro = self.names("EUR")
        account = self.sim.rows("SELECT * FROM Account WHERE Name = 'Accounts Receivable (A/R) - EUR'")[0]["Id"]
        before = self.balance(account), self.balance("84"), self.balance("4")
        made = self.make("Invoice", self.sold(euro, "EUR", ExchangeRate=0.9))
        self.assertEqual((self.balance(account) - before[0], self.balance("84") - before[1]), (100, 0))
        self.refused("6000", self.sim.post("payment", {"CustomerRef": {"value": euro}, "CurrencyRef": {"value": "EUR"}, "TotalAmt": 1,
                                                       "DepositToAccountRef": {"value": self.make("Account", {
                                                           "Name": "Dollars", "AccountType": "Bank", "CurrencyRef": {"value": "USD"}})["Id"]}}))
        self.make("Payment", {"CustomerRef": {"value": euro}, "CurrencyRef": {"value": "EUR"}, "ExchangeRate": 0.8, "TotalAmt": 100,
                              "Line": [applied(100, "Invoice", made["Id"])]})
        self.assertEqual((self.balance(account) - before[0], self.balance("4") - before[2]), (0, 80))
        self.assertEqual(self.read("invoice", made["Id"])["HomeBalance"], 0)

    def test_the_list_and_the_rates(self):
        codes = lambda: [c["Code"] for c in self.sim.rows("SELECT * FROM CompanyCurrency")]
        self.assertEqual(codes(), ["EUR", "USD"])
        self.customer("Genève SA", CurrencyRef={"value": "CHF"})
        self.assertIn("CHF", codes())
        self.assertEqual(len(self.sim.rows("SELECT * FROM Account WHERE Name LIKE '% - CHF'")), 2)
        self.refused("2220", self.sim.post("customer", {"DisplayName": "x", "CurrencyRef": {"value": "XYZ"}}))
        self.refused("6240", self.sim.post("companycurrency", {"Code": "EUR"}))
        rate = {"SourceCurrencyCode": "CHF", "Rate": 0.88, "AsOfDate": "2026-03-01"}
        made = self.make("ExchangeRate", rate)
        self.assertEqual((made["TargetCurrencyCode"], made["SyncToken"], "Id" in made), ("GBP", "0", False))
        self.refused("2020", self.sim.post("exchangerate", rate))
        self.refused("5010", self.sim.post("exchangerate", rate | {"SyncToken": "3"}))
        self.assertEqual(self.make("ExchangeRate", rate | {"SyncToken": "0", "Rate": 0.9})["SyncToken"], "1")
        self.assertEqual(self.accepted(self.sim.get("exchangerate?sourcecurrencycode=CHF&asofdate=2026-04-01"))["Rate"], Decimal("0.9"))
        self.refused("2220", self.sim.post("exchangerate", rate | {"SourceCurrencyCode": "GBP"}))
        self.refused("2020", self.sim.post("exchangerate", {"SourceCurrencyCode": "CHF"}))

    def test_journal_entries_name_their_currency(self):
        lines = [booked("Debit", 1, "92"), booked("Credit", 1, "95")]
        self.refused("2020", self.sim.post("journalentry", {"Line": lines}))
        self.make("JournalEntry", {"Line": lines, "CurrencyRef": {"value": "GBP"}})


class ClosedTest(Books):
    options = ("--sample", "closed", "--company", "Closed")

    def test_closed_books(self):
        day = self.accepted(self.sim.get("preferences"))["AccountingInfoPrefs"]["BookCloseDate"]
        body = {"CustomerRef": {"value": "1"}, "Line": [sale(5)]}
        self.refused("6210", self.sim.post("invoice", body | {"TxnDate": day}))
        self.make("Estimate", body | {"TxnDate": day})
        old = self.sim.rows(f"SELECT * FROM Invoice WHERE TxnDate <= '{day}' AND Balance > '0'")[0]
        self.refused("6210", self.edit("Invoice", old["Id"], PrivateNote="x"))
        self.refused("6210", self.delete("Invoice", old["Id"]))
        vendor = self.sim.rows("SELECT * FROM Vendor")[0]["Id"]
        for entity, more in (("bill", {"VendorRef": {"value": vendor}, "Line": [spent(1)]}),
                             ("purchase", {"PaymentType": "Cash", "AccountRef": {"value": "1"}, "Line": [spent(1)]}),
                             ("journalentry", {"Line": [booked("Debit", 1, "92"), booked("Credit", 1, "95")]}),
                             ("transfer", {"FromAccountRef": {"value": "1"}, "ToAccountRef": {"value": "88"}, "Amount": 1}),
                             ("creditmemo", body), ("salesreceipt", body)):
            self.refused("6210", self.sim.post(entity, more | {"TxnDate": day}))
            self.accepted(self.sim.post(entity, more))


class GeneratedTest(Books):
    more = ("--customers", "300", "--invoices", "200", "--credit-memos", "60", "--vendors", "40", "--bills", "80", "--bill-payments", "30", "--deposits", "12", "--purchases", "50",
               "--sales-receipts", "20", "--journal-entries", "30", "--time-activities", "25")
    numbers = {"Customer": 300, "Invoice": 200, "CreditMemo": 60, "Vendor": 40, "Bill": 80, "BillPayment": 30, "Deposit": 12, "Purchase": 50, "SalesReceipt": 20,
               "JournalEntry": 30, "TimeActivity": 25}

    def test_totals_and_balances(self):
        for sample in ("laval", "quebec", "uk"):
            sim = Sim(*self.more, "--sample", sample, "--company", sample)
            try:
                store = sim.control("GET", "store")
                self.assertEqual({n: store[n]["count"] for n in self.numbers}, self.numbers, sample)
                check_sums(self, sim)
            finally:
                sim.stop()

    def test_random_changes(self):
        sim = Sim(*self.more)
        self.addCleanup(sim.stop)
        done = sim.control("POST", "random", {"seed": 5, "n": 400, "only": ["all"]})
        self.assertEqual(done["done"], 400)
        check_sums(self, sim)

    def test_kept_in_a_file(self):
        with tempfile.TemporaryDirectory() as folder:
            options = ("--data", os.path.join(folder, "state.db"), "--sample", "us", "--company", "us", "--credit-memos", "9")
            sim = Sim(*options)
            self.addCleanup(sim.stop)
            made = self.accepted(sim.post("customer?include=enhancedAllCustomFields", {
                "DisplayName": "Kept", "CustomField": [{"DefinitionId": "1000000000000000101", "StringValue": "77"}]}))
            before = {e: sim.control("GET", "store?entity=" + e) for e in sim.control("GET", "store")}
            sim.stop(9)
            again = Sim(*options)
            self.addCleanup(again.stop)
            self.assertEqual({e: again.control("GET", "store?entity=" + e) for e in before}, before)
            self.assertEqual(self.accepted(again.get(f"customer/{made['Id']}?include=enhancedAllCustomFields")), made)
            self.assertNotIn("CustomField", self.accepted(again.get("customer/" + made["Id"])))
