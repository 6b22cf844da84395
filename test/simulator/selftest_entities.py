"""Self-test: every entity of the table answers, whatever it holds."""

from __future__ import annotations

import sys
from urllib.parse import quote

sys.dont_write_bytecode = True

from entities import ENTITIES                               # noqa: E402
from selftest_base import Shared                            # noqa: E402

# What §3.5 of the API lists: filterable, and sortable besides the times.
FILTERS = {
    "CreditMemo": "CustomerRef ProjectRef DocNumber TxnDate SalesTermRef Balance TotalAmt",
    "SalesReceipt": "CustomerRef ProjectRef DocNumber TxnDate TotalAmt Balance",
    "RefundReceipt": "CustomerRef DocNumber TxnDate Balance PaymentType",
    "Bill": "VendorRef DocNumber TxnDate DueDate SalesTermRef APAccountRef TotalAmt Balance",
    "BillPayment": "VendorRef DocNumber TxnDate TotalAmt APAccountRef",
    "VendorCredit": "DocNumber TxnDate TotalAmt APAccountRef", "PurchaseOrder": "DocNumber TxnDate DueDate",
    "Purchase": "TxnDate DocNumber PaymentType TotalAmt AccountRef",
    "Account": "Name FullyQualifiedName AccountType AccountSubType Classification Active CurrentBalance "
               "CurrentBalanceWithSubAccounts",
    "Class": "Name FullyQualifiedName Active", "Department": "Name FullyQualifiedName Active",
    "PaymentMethod": "Name Active", "TaxCode": "Name Active Description",
    "TaxRate": "Name Active Description AgencyRef", "TaxAgency": "", "CompanyCurrency": "Active",
    "CustomerType": "Active", "JournalEntry": "DocNumber TxnDate", "TimeActivity": "TxnDate ProjectRef BillableStatus",
    "Deposit": "TxnDate", "Transfer": "TxnDate", "ExchangeRate": "AsOfDate SourceCurrencyCode",
    "Attachable": "FileName Note Category ContentType Size Tag PlaceName Lat Long "
                  "AttachableRef.EntityRef.Type AttachableRef.EntityRef.value"}
VALUES = {"date": "2026-01-31", "num": "1", "bool": "true"}


class EntityTest(Shared):
    def test_every_entity_is_queried_and_counted(self):
        for name in ENTITIES:
            rows = self.sim.rows(f"SELECT * FROM {name} MAXRESULTS 1000")
            if name not in ("CompanyInfo", "Preferences"):
                count = self.sim.query(f"SELECT COUNT(*) FROM {name}")[1]["QueryResponse"]["totalCount"]
                self.assertEqual(len(rows), count, name)
                for row in rows[:3] if name != "ExchangeRate" else ():
                    self.assertEqual(self.read(name.lower(), row["Id"]), row)

    def test_filters(self):
        for name, filters in FILTERS.items():
            entity = ENTITIES[name]
            for property in filters.split() + ["MetaData.CreateTime", "MetaData.LastUpdatedTime"]:
                spec = entity.get(property)
                value = VALUES.get(spec.kind, "1") if spec else "2026-01-31" if "Meta" in property else "1"
                status, answer = self.sim.query(f"SELECT * FROM {name} WHERE {property} = '{value}'")
                self.assertEqual((status, property), (200, property), answer)
            self.refused("4001", self.sim.query(f"SELECT * FROM {name} WHERE PrivateNote = 'x'"))

    def test_change_data_capture(self):
        since = self.sim.control("GET", "info")["time"]
        for name, entity in ENTITIES.items():
            answer = self.sim.cdc(name, since)
            if entity.cdc:
                self.assertEqual(self.accepted(answer), [{"QueryResponse": [{}]}])
            else:
                self.refused("2000", answer)
        self.assertEqual({n for n, e in ENTITIES.items() if not e.cdc},
                         {"TimeActivity", "TaxAgency", "TaxCode", "TaxRate", "ExchangeRate", "CompanyInfo", "Preferences"})

    def test_lists_are_rows(self):
        self.assertEqual(self.read("account", "4")["AccountSubType"], "UndepositedFunds")
        self.assertEqual(self.read("taxcode", "NON")["TaxGroup"], False)
        code = self.read("taxcode", "2")
        rates = [d["TaxRateRef"]["value"] for d in code["SalesTaxRateList"]["TaxRateDetail"]]
        self.assertEqual([self.read("taxrate", r)["RateValue"] for r in rates], [5, self.read("taxrate", "12")["RateValue"]])
        self.assertEqual(len(self.sim.rows("SELECT * FROM PaymentMethod WHERE Active = true")), 4)
        self.refused("2030", self.sim.get("taxcode/ABC"))
        self.refused("610", self.sim.get("taxcode/77"))
        self.refused("2500", self.sim.post("customer", {"DisplayName": "x", "PaymentMethodRef": {"value": "77"}}))

    def test_exchange_rates_have_no_id(self):
        text = '{"SourceCurrencyCode":"EUR","TargetCurrencyCode":"CAD","Rate":1.5,"AsOfDate":"2026-01-02","SyncToken":"0"}'
        self.sim.control("POST", "raw", {"entity": "ExchangeRate", "id": "EUR 2026-01-02", "json": text})
        for asked in ("", "&asofdate=2026-01-02", "&asofdate=2026-05-05"):
            found = self.accepted(self.sim.get("exchangerate?sourcecurrencycode=EUR" + asked))
            self.assertEqual((found["Rate"], "Id" in found), (1.5, False))
        self.refused("610", self.sim.get("exchangerate?sourcecurrencycode=EUR&asofdate=2026-01-01"))
        self.refused("2220", self.sim.get("exchangerate?sourcecurrencycode=XXX"))
        rows = self.sim.rows("SELECT * FROM ExchangeRate WHERE SourceCurrencyCode = 'EUR' AND AsOfDate <= '2026-02-01'")
        self.assertEqual(len(rows), 1)
        self.refused("4001", self.sim.query("SELECT * FROM ExchangeRate WHERE Id = '1'"))

    def test_attachables_by_what_they_hang_on(self):
        text = ('{"Id":"{{id}}","SyncToken":"0","FileName":"a.pdf","AttachableRef":[{"EntityRef":'
                '{"type":"Invoice","value":"95"}}]}')
        id = self.sim.control("POST", "raw", {"entity": "Attachable", "json": text})["id"]
        self.assertEqual(len(id), 19)
        where = quote("SELECT * FROM Attachable WHERE AttachableRef.EntityRef.Type = 'invoice' AND "
                      "AttachableRef.EntityRef.value = '95'")
        self.assertEqual([r["Id"] for r in self.sim.get("query?query=" + where)[1]["QueryResponse"]["Attachable"]], [id])
