"""Further generated records: vendors, credits, receipts, purchases, journal entries, hours, by seed.

Each entity has an option (--credit-memos N) and brings the company to that many in all.
They are made last, so that the ids of the rest do not depend on them.
"""

from __future__ import annotations

import random
from decimal import Decimal

import lists
from clock import add_days, parse_time, stamp
from generate import Words, book
from jsontext import loads, money
from store import Change, Company, record_of

ZERO = Decimal(0)


class Maker:
    """What the makers of one company share."""

    def __init__(self, company: Company, base: str, seed: int, name: str) -> None:
        self.company, self.base, self.rng = company, base, random.Random(f"{name} {seed} {company.realm}")
        self.words, self.change = Words(company), Change(company, 0, {})
        self.currency = loads(self.words.currency)
        self.owed: dict[tuple[str, str], Decimal] = {}
        self.accounts: dict[str, Decimal] = {}
        self._home, self._open = {}, {}
        self.id, self.when = "", 0          # of the record that is made

    def name(self, entity: str) -> tuple[str, dict]:
        """An active customer, vendor or employee of the home currency: id and reference."""
        if entity not in self._home:
            own = f'"CurrencyRef":{{"value":"{self.currency["value"]}"'.encode()
            self._home[entity] = [r for r in self.company.tables[entity].view("created", True)
                                  if entity == "Employee" or own in r.data]
        record = self.rng.choice(self._home[entity])
        return record.id, {"value": record.id, "name": record.parse()["DisplayName"]}

    def open(self, entity: str, free) -> dict | None:
        """The next record of an entity that is free for what is made; a copy to change and give to put()."""
        if entity not in self._open:
            self._open[entity] = [r for r in self.company.tables[entity].by_created if not r.raw and free(r.parse())]
        return dict(self._open[entity].pop().parse()) if self._open[entity] else None

    def put(self, entity: str, obj: dict, bump: bool) -> None:
        """What was linked, with its new time and, if it is bumped, its new token."""
        old = self.company.record(entity, obj["Id"])
        obj["SyncToken"] = str(int(obj["SyncToken"]) + bump)
        updated = max(old.updated, self.when)
        obj["MetaData"] = obj["MetaData"] | {"LastUpdatedTime": stamp(updated)}
        record = record_of(self.company, entity, obj, old.created, updated, "documented")
        record._obj = None
        self.company.put(entity, record)

    def date(self) -> str:
        return add_days(self.base, -self.rng.randrange(1, 300))

    def amount(self) -> Decimal:
        return money(Decimal(self.rng.randrange(100, 250000)) / 100)

    def owes(self, entity: str, id: str, amount: Decimal, **accounts) -> None:
        """What somebody owes more or is owed more, and what accounts hold more."""
        if id:
            self.owed[(entity, id)] = self.owed.get((entity, id), ZERO) + amount
        for what, value in accounts.items():
            account = lists.account_of(self.change, what)
            self.accounts[account] = self.accounts.get(account, ZERO) + value

    def account(self, id: str) -> dict:
        return {"value": id, "name": self.company.record("Account", id).obj["FullyQualifiedName"]}

    def money(self, total: Decimal, **fields) -> dict:
        """The end of a transaction: currency, tax, total."""
        found = {"CurrencyRef": self.currency}
        if self.words.globally and "tax" not in fields:
            found |= {"GlobalTaxCalculation": "TaxExcluded", "TxnTaxDetail": {"TotalTax": ZERO}}
        fields.pop("tax", None)
        if self.words.multiple:
            found |= {"ExchangeRate": 1, "HomeTotalAmt": total} | ({"HomeBalance": fields["Balance"]} if fields.get("Balance") else {})
        return found | {"TotalAmt": total} | fields

    def sold(self, total: Decimal) -> list:
        line = {"Id": "1", "LineNum": 1, "Description": f"Nº {self.rng.randrange(1000)}", "Amount": total,
                "DetailType": "SalesItemLineDetail", "SalesItemLineDetail": {
                    "ItemRef": loads(self.words.item), "Qty": 1, "UnitPrice": total, "TaxCodeRef": {"value": self.words.code}}}
        return [line, {"Amount": total, "DetailType": "SubTotalLineDetail", "SubTotalLineDetail": {}}]

    def bought(self, total: Decimal) -> list:
        return [{"Id": "1", "LineNum": 1, "Description": f"Nº {self.rng.randrange(1000)}", "Amount": total,
                 "DetailType": "AccountBasedExpenseLineDetail", "AccountBasedExpenseLineDetail": {
                     "AccountRef": self.account(self.rng.choice(("90", "91", "92"))), "TaxCodeRef": {"value": self.words.code},
                     "BillableStatus": "NotBillable"}}]

    def number(self) -> str:
        self.company.values["doc_number"] += 1
        return str(self.company.values["doc_number"])

    def form(self) -> dict:
        return {"EmailStatus": "NotSet", "PrintStatus": "NotSet", "ApplyTaxAfterDiscount": False, "FreeFormAddress": True,
                "CustomField": loads(self.words.fields)}


def _vendor(m: Maker, n: int) -> dict:
    name = f"{m.rng.choice(('Grossiste', 'Équipements', 'Location', 'Pépinière'))} {m.rng.choice(('Côté', 'Roy & Fils', 'Morin'))} F{n}"
    return {"DisplayName": name, "CompanyName": name, "PrintOnCheckName": name, "Active": m.rng.random() < 0.97 or n < 5,
            "Vendor1099": False, "CurrencyRef": m.currency, "Balance": ZERO,
            "PrimaryEmailAddr": {"Address": f"fournisseur{n}@exemple.test"}}


def _credit_memo(m: Maker, n: int) -> dict:
    id, ref = m.name("Customer")
    total = m.amount()
    m.owes("Customer", id, -total, receivable=-total)
    return {"CustomerRef": ref, "TxnDate": m.date(), "DocNumber": m.number(), "Line": m.sold(total), "LinkedTxn": []} | \
        m.money(total, Balance=total, RemainingCredit=total) | m.form()


def _sales_receipt(m: Maker, n: int) -> dict:
    total = m.amount()
    m.owes("", "", ZERO, undeposited=total)
    return {"CustomerRef": m.name("Customer")[1], "TxnDate": m.date(), "DocNumber": m.number(), "Line": m.sold(total), "LinkedTxn": [],
            "PaymentMethodRef": loads(m.words.method), "DepositToAccountRef": loads(m.words.funds)} | m.money(total, Balance=ZERO) | m.form()


def _refund_receipt(m: Maker, n: int) -> dict:
    total = m.amount()
    m.owes("", "", ZERO, bank=-total)
    return {"CustomerRef": m.name("Customer")[1], "TxnDate": m.date(), "DocNumber": m.number(), "Line": m.sold(total), "LinkedTxn": [],
            "DepositToAccountRef": m.account("1")} | m.money(total, Balance=ZERO) | m.form()


def _bill(m: Maker, n: int) -> dict:
    id, ref = m.name("Vendor")
    total, date = m.amount(), m.date()
    m.owes("Vendor", id, total, payable=total)
    return {"VendorRef": ref, "TxnDate": date, "DueDate": add_days(date, 30), "DocNumber": f"F{n}", "Line": m.bought(total),
            "APAccountRef": m.account("33"), "LinkedTxn": []} | m.money(total, Balance=total)


def _bill_payment(m: Maker, n: int) -> dict | None:
    """Pays a bill that nothing was paid of, as a whole."""
    bill = m.open("Bill", lambda o: o["Balance"] == o["TotalAmt"] > 0 and o["CurrencyRef"]["value"] == m.currency["value"])
    if bill is None:
        return None
    total = bill["TotalAmt"]
    m.put("Bill", bill | {"Balance": ZERO, "LinkedTxn": bill["LinkedTxn"] + [{"TxnId": m.id, "TxnType": "BillPaymentCheck"}]} |
          ({"HomeBalance": ZERO} if m.words.multiple else {}), True)
    m.owes("Vendor", bill["VendorRef"]["value"], -total, payable=-total, bank=-total)
    return {"VendorRef": bill["VendorRef"], "PayType": "Check", "CheckPayment": {"BankAccountRef": m.account("1"), "PrintStatus": "NotSet"},
            "TxnDate": bill["TxnDate"], "Line": [{"Amount": total, "LinkedTxn": [{"TxnId": bill["Id"], "TxnType": "Bill"}]}],
            "LinkedTxn": []} | m.money(total, tax=None)


def _deposit(m: Maker, n: int) -> dict | None:
    """Takes a receipt out of undeposited funds."""
    own = lists.account_of(m.change, "undeposited")
    receipt = m.open("SalesReceipt", lambda o: o["DepositToAccountRef"]["value"] == own and not o["LinkedTxn"] and o["TotalAmt"] > 0)
    if receipt is None:
        return None
    total = receipt["TotalAmt"]
    m.put("SalesReceipt", receipt | {"LinkedTxn": [{"TxnId": m.id, "TxnType": "Deposit"}]}, False)
    m.owes("", "", ZERO, undeposited=-total, bank=total)
    return {"DepositToAccountRef": m.account("1"), "TxnDate": receipt["TxnDate"], "Line": [
        {"Id": "1", "LineNum": 1, "Amount": total, "LinkedTxn": [{"TxnId": receipt["Id"], "TxnType": "SalesReceipt", "TxnLineId": "0"}]}]} | \
        m.money(total, tax=None)


def _vendor_credit(m: Maker, n: int) -> dict:
    id, ref = m.name("Vendor")
    total = m.amount()
    m.owes("Vendor", id, -total, payable=-total)
    return {"VendorRef": ref, "TxnDate": m.date(), "Line": m.bought(total), "APAccountRef": m.account("33"), "LinkedTxn": []} | \
        m.money(total, Balance=total)


def _purchase_order(m: Maker, n: int) -> dict:
    total = m.amount()
    return {"VendorRef": m.name("Vendor")[1], "TxnDate": m.date(), "DocNumber": f"PO{n}", "Line": m.bought(total), "LinkedTxn": [],
            "APAccountRef": m.account("33"), "POStatus": "Open", "EmailStatus": "NotSet"} | m.money(total)


def _purchase(m: Maker, n: int) -> dict:
    total, card = m.amount(), m.rng.random() < 0.5
    m.accounts["35" if card else "1"] = m.accounts.get("35" if card else "1", ZERO) + (total if card else -total)
    return {"PaymentType": "CreditCard" if card else "Cash", "AccountRef": m.account("35" if card else "1"), "TxnDate": m.date(),
            "EntityRef": m.name("Vendor")[1] | {"type": "Vendor"}, "Credit": False, "Line": m.bought(total), "LinkedTxn": []} | \
        m.money(total)


def _journal_entry(m: Maker, n: int) -> dict:
    total = m.amount()
    side = lambda i, kind, account: {
        "Id": str(i), "LineNum": i, "Description": f"Nº {n}", "Amount": total, "DetailType": "JournalEntryLineDetail",
        "JournalEntryLineDetail": {"PostingType": kind, "AccountRef": m.account(account)}}
    m.accounts["95"] = m.accounts.get("95", ZERO) + total
    return {"TxnDate": m.date(), "DocNumber": f"E{n}", "Adjustment": False, "LinkedTxn": [],
            "Line": [side(1, "Debit", "91"), side(2, "Credit", "95")]} | m.money(ZERO, tax=None)


def _transfer(m: Maker, n: int) -> dict:
    total = m.amount()
    for account, amount in (("1", -total), ("88", total)):
        m.accounts[account] = m.accounts.get(account, ZERO) + amount
    return {"FromAccountRef": m.account("1"), "ToAccountRef": m.account("88"), "Amount": total, "TxnDate": m.date(),
            "CurrencyRef": m.currency} | ({"ExchangeRate": 1} if m.words.multiple else {})


def _time_activity(m: Maker, n: int) -> dict:
    billable = m.rng.random() < 0.6
    who = {"CustomerRef": m.name("Customer")[1], "HourlyRate": 65} if billable else {}
    return {"NameOf": "Employee", "EmployeeRef": m.name("Employee")[1], "TxnDate": m.date(), "ItemRef": loads(m.words.item),
            "BillableStatus": "Billable" if billable else "NotBillable", "Taxable": False, "Hours": m.rng.randrange(1, 9),
            "Minutes": m.rng.choice((0, 15, 30, 45)), "Description": f"Travaux n° {n}"} | who


# In this order: bills need vendors.  Bill payments and deposits are as many as there are bills and receipts for, at most.
MAKERS = {"Vendor": _vendor, "CreditMemo": _credit_memo, "SalesReceipt": _sales_receipt, "RefundReceipt": _refund_receipt,
          "Bill": _bill, "BillPayment": _bill_payment, "Deposit": _deposit, "VendorCredit": _vendor_credit, "PurchaseOrder": _purchase_order, "Purchase": _purchase,
          "JournalEntry": _journal_entry, "Transfer": _transfer, "TimeActivity": _time_activity}


def fill(company: Company, base: str, totals: dict[str, int], seed: int) -> None:
    """Bring a company up to these totals, by entity."""
    for entity, make in MAKERS.items():
        count = totals.get(entity, 0) - len(company.tables[entity].records)
        if count > 0:
            _fill(Maker(company, base, seed, entity), entity, make, count)


def _fill(m: Maker, entity: str, make, count: int) -> None:
    start, records, table = int(parse_time(add_days(m.base, -200) + "T06:00:00-05:00")), [], m.company.tables[entity]
    for n in range(count):
        m.id, m.when = m.company.next_id(table.entity), start + n // 2
        made, when = make(m, n), m.when
        if made is None:
            break
        obj = {"Id": m.id, "SyncToken": "0", "domain": "QBO", "sparse": False,
               "MetaData": {"CreateTime": stamp(when), "LastUpdatedTime": stamp(when)}} | made
        if not obj.get("Active", True):
            obj["DisplayName"] += " (deleted)"
        record = record_of(m.company, entity, obj, when, when, "documented")
        record._obj = None              # parsed again when somebody needs it
        records.append(record)
    m.company.bulk(entity, records)
    for (kind, id), amount in m.owed.items():
        _owed(m.company, kind, id, amount, start + count // 2)
    book(m.company, {id: int(amount * 100) for id, amount in m.accounts.items()})


def _owed(company: Company, kind: str, id: str, amount: Decimal, when: int) -> None:
    """Balances of a name and, for jobs, of those above it."""
    record, names = company.record(kind, id), ["Balance", "BalanceWithJobs"] if kind == "Customer" else ["Balance"]
    while record:
        obj = dict(record.parse())
        for name in names:
            obj[name] = money(obj[name] + amount)
        updated = max(record.updated, when)
        obj["MetaData"] = obj["MetaData"] | {"LastUpdatedTime": stamp(updated)}
        company.put(kind, record_of(company, kind, obj, record.created, updated, "documented"))
        company.record(kind, id)._obj = None
        record, names = company.record(kind, record.parent) if kind == "Customer" and record.parent else None, ["BalanceWithJobs"]
