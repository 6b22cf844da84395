"""What the sample companies buy, pay, refund and book: one of every kind of transaction at least."""

from __future__ import annotations

from decimal import Decimal

_TEXTS = {
    True: {"vendors": ("Pépinière Abbotsford inc.", "Sable & Gravier Rive-Nord"), "new": "Équipements Rivard ltée",
           "employee": "Samuel Lévesque-Roy", "plants": "Plants de cèdre, arrivage de mai", "gravel": "Gravier ¾ net",
           "fuel": "Carburant, camion n° 2", "rent": "Loyer, mars", "machine": "Location d'une mini-pelle",
           "sold": "Vente au comptoir", "back": "Remboursement d'un cèdre mort", "credit": "Crédit : travaux non faits",
           "hours": "Taille de la haie\nsecteur nord", "note": "Appelé le fournisseur, « livraison jeudi »",
           "entry": "Régularisation de fin d'année", "interest": "Intérêts reçus", "file": "Reçu d'essence été.pdf"},
    False: {"vendors": ("Greenhouse Supplies", "Sand & Gravel Co."), "new": "O'Neill Equipment Ltd",
            "employee": "Sam Rowe", "plants": "Cedar plants, May delivery", "gravel": "Crushed stone",
            "fuel": "Fuel, truck no. 2", "rent": "Rent, March", "machine": "Mini excavator hire",
            "sold": "Sold over the counter", "back": "Refund of a dead cedar", "credit": "Credit: work not done",
            "hours": "Hedge trimming\nnorth side", "note": "Called the vendor, delivery on Thursday",
            "entry": "Year-end adjustment", "interest": "Interest received", "file": "Fuel receipt.pdf"}}


def money_line(amount: str, tax: dict, text: str = "", account: str = "92", **fields) -> dict:
    """A line on an account."""
    return {"Amount": Decimal(amount), "DetailType": "AccountBasedExpenseLineDetail", "Description": text,
            "AccountBasedExpenseLineDetail": {"AccountRef": {"value": account}} | tax | fields}


def build(b, customer: str, french: bool, taxed: str, untaxed: str, pays: bool = True) -> None:
    """Purchases, books and what else is sold; codes are those of taxed and untaxed lines.

    With pays, credits are applied and payments deposited too.
    """
    t = _TEXTS[french]
    taxed, untaxed = {"TaxCodeRef": {"value": taxed}}, {"TaxCodeRef": {"value": untaxed}}
    vendors = [_vendor(b, name) for name in (*t["vendors"], t["new"])]
    _bills(b, vendors, t, taxed, untaxed)
    _spending(b, vendors, t, taxed, untaxed)
    receipt = _counter(b, customer, t, untaxed, pays)
    _books(b, vendors, t, untaxed, receipt)
    _hours(b, customer, t)


def _vendor(b, name: str) -> str:
    held = b.company.names.get(("Name", b.company.fold(name)))
    return held[1] if held else b.do("Vendor", "create", {
        "DisplayName": name, "CompanyName": name, "TermRef": {"value": "3"}, "AcctNum": "C-1042",
        "BillAddr": {"Line1": "4, Industrial Park", "City": "Laval", "PostalCode": "H7L 3W9"}})


def _bills(b, vendors: list, t: dict, taxed: dict, untaxed: dict) -> None:
    """Ordered, received, partly paid, paid with a credit, overdue, void, deleted."""
    def bill(age: int, who: int, lines: list, **fields) -> str:
        return b.do("Bill", "create", {"VendorRef": {"value": vendors[who]}, "TxnDate": b.day(age), "Line": lines} | fields)

    def pay(who: int, total: str, *applied, **fields) -> str:
        lines = [{"Amount": Decimal(a), "LinkedTxn": [{"TxnId": i, "TxnType": k}]} for k, i, a in applied]
        way = {"PayType": "Check", "CheckPayment": {"BankAccountRef": {"value": "1"}}} | fields
        return b.do("BillPayment", "create", {"VendorRef": {"value": vendors[who]}, "TotalAmt": Decimal(total),
                                              "TxnDate": b.day(3), "Line": lines} | way)

    order = {"VendorRef": {"value": vendors[0]}, "APAccountRef": {"value": "33"}, "TxnDate": b.day(60),
             "Line": [money_line("640", untaxed, t["plants"], "80")]}
    first = b.do("PurchaseOrder", "create", order | {"Memo": t["note"]})
    b.do("PurchaseOrder", "create", order | {"TxnDate": b.day(4)})
    bill(50, 0, [money_line("640", untaxed, t["plants"], "80")], DocNumber="F-2210",
         LinkedTxn=[{"TxnId": first, "TxnType": "PurchaseOrder"}])
    partly = bill(45, 1, [money_line("1250.40", taxed, t["gravel"], "80")], DocNumber="88-01")
    pay(1, "500", ("Bill", partly, "500"))
    paid = bill(40, 2, [money_line("310", untaxed, t["machine"])], SalesTermRef={"value": "2"})
    credit = b.do("VendorCredit", "create", {"VendorRef": {"value": vendors[2]}, "TxnDate": b.day(30),
                                             "Line": [money_line("60", untaxed, t["machine"])]})
    pay(2, "250", ("Bill", paid, "310"), ("VendorCredit", credit, "60"), PayType="CreditCard",
        CreditCardPayment={"CCAccountRef": {"value": "35"}})
    b.do("VendorCredit", "create", {"VendorRef": {"value": vendors[1]}, "TxnDate": b.day(10),
                                    "Line": [money_line("25.15", untaxed, t["gravel"], "80")]})
    void = bill(20, 2, [money_line("99", untaxed, t["machine"])])
    b.do("Bill", "void", {"Id": void})
    b.do("Bill", "delete", {"Id": bill(19, 2, [money_line("9.90", untaxed, t["machine"])])})


def _spending(b, vendors: list, t: dict, taxed: dict, untaxed: dict) -> None:
    """Cash, a check, a card and its refund."""
    for age, kind, account, amount, text, extra in (
            (33, "CreditCard", "35", "84.19", t["fuel"], {}), (12, "CreditCard", "35", "12.40", t["fuel"], {"Credit": True}),
            (28, "Check", "1", "1450", t["rent"], {"EntityRef": {"value": vendors[2], "type": "Vendor"}}),
            (6, "Cash", "1", "17.25", t["fuel"], {"PrivateNote": t["note"]})):
        b.do("Purchase", "create", {"PaymentType": kind, "AccountRef": {"value": account}, "TxnDate": b.day(age), "Line": [
            money_line(amount, untaxed if kind == "Check" else taxed, text, "91" if kind == "Check" else "90")]} | extra)


def _counter(b, customer: str, t: dict, untaxed: dict, pays: bool) -> str:
    """Receipts, a refund, credits; returns a receipt whose money is not deposited."""
    item = b.company.values["default_item"]

    def form(entity: str, age: int, amount: str, text: str, **fields) -> str:
        line = {"Amount": Decimal(amount), "DetailType": "SalesItemLineDetail", "Description": text,
                "SalesItemLineDetail": {"ItemRef": {"value": item}, "Qty": 1, "UnitPrice": Decimal(amount)} | untaxed}
        return b.do(entity, "create", {"CustomerRef": {"value": customer}, "TxnDate": b.day(age), "Line": [line]} | fields)

    receipt = form("SalesReceipt", 22, "75.50", t["sold"], PaymentMethodRef={"value": "1"}, PaymentRefNum="C-7")
    form("SalesReceipt", 21, "18", t["sold"], DepositToAccountRef={"value": "1"})
    form("RefundReceipt", 18, "24.95", t["back"], DepositToAccountRef={"value": "1"}, PaymentMethodRef={"value": "2"})
    form("CreditMemo", 16, "40", t["credit"], PrivateNote=t["note"])
    if pays:
        made = form("Invoice", 15, "100", t["sold"])
        credit = form("CreditMemo", 14, "30", t["credit"])
        b.do("Payment", "create", {"CustomerRef": {"value": customer}, "TotalAmt": Decimal(0), "TxnDate": b.day(13), "Line": [
            {"Amount": Decimal(30), "LinkedTxn": [{"TxnId": made, "TxnType": "Invoice"}]},
            {"Amount": Decimal(30), "LinkedTxn": [{"TxnId": credit, "TxnType": "CreditMemo"}]}]})
        b.do("CreditMemo", "delete", {"Id": form("CreditMemo", 12, "5", t["credit"])})
    return receipt


def _books(b, vendors: list, t: dict, untaxed: dict, receipt: str) -> None:
    """A deposit of a receipt and of interest, transfers, journal entries."""
    b.do("Deposit", "create", {"DepositToAccountRef": {"value": "1"}, "TxnDate": b.day(9), "Line": [
        {"Amount": Decimal("75.50"), "LinkedTxn": [{"TxnId": receipt, "TxnType": "SalesReceipt", "TxnLineId": "0"}]},
        {"Amount": Decimal("3.20"), "Description": t["interest"], "DetailType": "DepositLineDetail",
         "DepositLineDetail": {"AccountRef": {"value": "87"}, "PaymentMethodRef": {"value": "2"}}}]})
    b.do("Transfer", "create", {"FromAccountRef": {"value": "1"}, "ToAccountRef": {"value": "88"}, "Amount": Decimal("200"),
                                "TxnDate": b.day(8), "PrivateNote": t["note"]})

    def side(kind: str, account: str, amount: str, **fields) -> dict:
        return {"Amount": Decimal(amount), "DetailType": "JournalEntryLineDetail", "Description": t["entry"],
                "JournalEntryLineDetail": {"PostingType": kind, "AccountRef": {"value": account}} | fields}

    b.do("JournalEntry", "create", {"TxnDate": b.day(7), "Adjustment": True, "PrivateNote": t["entry"], "Line": [
        side("Debit", "91", "130.05"), side("Credit", "95", "130.05")]})
    b.do("JournalEntry", "create", {"TxnDate": b.day(5), "Line": [
        side("Debit", "92", "77"), side("Credit", "33", "77", Entity={"Type": "Vendor", "EntityRef": {"value": vendors[2]}})]})


def _hours(b, customer: str, t: dict) -> None:
    """Hours of an employee, to be billed and not; an attachment."""
    given, family = t["employee"].split(" ", 1)
    held = b.company.names.get(("Name", b.company.fold(t["employee"])))
    who = held[1] if held else b.do("Employee", "create", {"GivenName": given, "FamilyName": family})
    body = {"NameOf": "Employee", "EmployeeRef": {"value": who}, "ItemRef": {"value": b.company.values["default_item"]}}
    b.do("TimeActivity", "create", body | {
        "TxnDate": b.day(6), "Hours": 3, "Minutes": 30, "BillableStatus": "Billable", "HourlyRate": Decimal(65),
        "CustomerRef": {"value": customer}, "Description": t["hours"]})
    b.do("TimeActivity", "create", body | {"TxnDate": b.day(5), "StartTime": b.day(5) + "T08:00:00-05:00",
                                           "EndTime": b.day(5) + "T12:15:00-05:00", "BreakMinutes": 15})
    purchase = b.company.tables["Purchase"].by_created[0].id
    b.do("Attachable", "create", {"FileName": t["file"], "Note": t["note"], "Category": "Receipt",
                                  "ContentType": "application/pdf", "Size": 48112,
                                  "AttachableRef": [{"EntityRef": {"type": "Purchase", "value": purchase}}]})
