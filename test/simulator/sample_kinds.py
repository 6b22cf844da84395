"""The other sample companies: United States (manual and automated tax), Quebec, United Kingdom, closed books.

They are small, have a case of everything that is peculiar to their country, and grow by
--customers and the like as the Laval company does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

import currencies
import sample_books
import sample_lists
from clock import add_days, parse_time
from sample import Builder, address, mail
from store import Change, Company


@dataclass(frozen=True)
class Kind:
    """What makes one company unlike the others."""

    country: str
    currency: str
    zone: str
    tax_mode: str
    lists: object
    taxed: str                          # codes of lines
    untaxed: str
    french: bool = False
    prefs: dict = field(default_factory=dict)
    values: dict = field(default_factory=dict)
    code: str = ""                      # the code of a document


KINDS = {
    "us": Kind("US", "USD", "America/Los_Angeles", "us", sample_lists.us_manual, "TAX", "NON", code="2",
               prefs={"TaxPrefs": {"UsingSalesTax": True, "TaxGroupCodeRef": {"value": "2"}},
                      "AccountingInfoPrefs": {"TrackDepartments": True, "ClassTrackingPerTxnLine": True}},
               values={"enhanced": True}),
    "us-ast": Kind("US", "USD", "America/New_York", "automated", sample_lists.us_automated, "TAX", "NON",
                   prefs={"TaxPrefs": {"UsingSalesTax": True, "PartnerTaxEnabled": True}}),
    "quebec": Kind("CA", "CAD", "America/Toronto", "global", sample_lists.quebec, "2", "6", french=True,
                   prefs={"TaxPrefs": {"UsingSalesTax": True}}, values={"tax_word": "TPS/TVH"}),
    "uk": Kind("GB", "GBP", "Europe/London", "global", sample_lists.uk, "2", "6",
               prefs={"TaxPrefs": {"UsingSalesTax": True},
                      "CurrencyPrefs": {"MultiCurrencyEnabled": True, "HomeCurrency": {"value": "GBP"}}},
               values={"tax_word": "VAT"}),
    "closed": Kind("US", "USD", "America/Chicago", "us", sample_lists.us_manual, "TAX", "NON", code="3",
                   prefs={"TaxPrefs": {"UsingSalesTax": True}})}


def build(sim, company: Company, base: str, name: str) -> None:
    kind = KINDS[name]
    company.values["tax_mode"] = kind.tax_mode
    company.values.update({k: v for k, v in kind.values.items() if k != "enhanced"})
    _company_records(sim, company, base, kind)
    b = Builder(sim, company, base)
    sample_lists.standard(b, kind.french, (kind.currency, currencies.name_of(company, kind.currency)))
    kind.lists(b)
    _terms(b, kind)
    _items(b, kind)
    customers = _customers(b, kind)
    if kind.prefs.get("AccountingInfoPrefs"):
        _classes(b, kind)
    _sales(b, kind, customers)
    sample_books.build(b, customers[0], kind.french, kind.taxed, kind.untaxed)
    if name == "uk":
        _foreign(b, kind)
    if name == "closed":
        _close(sim, company, add_days(base, -31))


def _company_records(sim, company: Company, base: str, kind: Kind) -> None:
    head = {"Id": "1", "SyncToken": "0", "domain": "QBO", "sparse": False, "MetaData": {}}
    home = {"Id": "1", "Line1": "123 Sierra Way", "City": "San Pablo", "CountrySubDivisionCode": "CA",
            "PostalCode": "87999", "Country": {"US": "USA", "CA": "CAN", "GB": "GBR"}[kind.country]}
    info = head | {
        "CompanyName": company.name, "LegalName": company.name, "CompanyAddr": home, "LegalAddr": dict(home),
        "CustomerCommunicationAddr": dict(home), "CompanyStartDate": add_days(base, -400), "FiscalYearStartMonth": "January",
        "Country": kind.country, "DefaultTimeZone": kind.zone, "Email": mail("office@example.test"),
        "SupportedLanguages": "fr,en" if kind.french else "en",
        "NameValue": [{"Name": "SubscriptionStatus", "Value": "PAID"}, {"Name": "OfferingSku", "Value": "QuickBooks Online Plus"}]}
    prefs = {
        "AccountingInfoPrefs": {"UseAccountNumbers": False, "TrackDepartments": False, "ClassTrackingPerTxn": False,
                                "ClassTrackingPerTxnLine": False, "CustomerTerminology": "Customers"},
        "ProductAndServicesPrefs": {"ForSales": True, "ForPurchase": True, "QuantityOnHand": False},
        "SalesFormsPrefs": {"CustomTxnNumbers": False, "AllowDeposit": True, "AllowDiscount": True, "AllowShipping": True,
                            "AllowServiceDate": True, "AllowEstimates": True, "AutoApplyCredit": False,
                            "DefaultTerms": {"value": "3"}, "CustomField": _slots("PO Number", "Crew")},
        "VendorAndPurchasesPrefs": {"BillableExpenseTracking": True, "TrackingByCustomer": True},
        "TimeTrackingPrefs": {"UseServices": False, "WorkWeekStartDate": "Monday"},
        "CurrencyPrefs": {"MultiCurrencyEnabled": False, "HomeCurrency": {"value": kind.currency}},
        "ReportPrefs": {"ReportBasis": "Accrual"}, "OtherPrefs": {"NameValue": []}}
    for group, values in kind.prefs.items():
        prefs[group] = prefs.get(group, {}) | values
    change = Change(company, parse_time(add_days(base, -400) + "T08:00:00-08:00"), sim.settings, "sample")
    for name, obj in (("CompanyInfo", info), ("Preferences", head | prefs)):
        change.pending[(name, "1")] = obj
        change.fresh.add((name, "1"))
    change.commit(lambda *_: None)
    if kind.values.get("enhanced"):
        sales = ["Invoice", "Estimate", "CreditMemo", "SalesReceipt"]
        company.values["custom_fields"] = {
            "1000000000000000101": {"name": "Gate code", "type": "String", "entities": ["Customer", *sales]},
            "1000000000000000102": {"name": "Crew size", "type": "Number", "entities": sales}}


def _slots(*names: str) -> list:
    on = [{"Name": f"SalesFormsPrefs.UseSalesCustom{n}", "Type": "BooleanType", "BooleanValue": True} for n in range(1, len(names) + 1)]
    called = [{"Name": f"SalesFormsPrefs.SalesCustomName{n}", "Type": "StringType", "StringValue": name}
              for n, name in enumerate(names, 1)]
    return [{"CustomField": on}, {"CustomField": called}]


def _terms(b: Builder, kind: Kind) -> None:
    first = "Payable sur réception" if kind.french else "Due on receipt"
    for name, days in ((first, 0), ("Net 15", 15), ("Net 30", 30), ("Net 60", 60)):
        b.do("Term", "create", {"Name": name, "DueDays": days})


def _items(b: Builder, kind: Kind) -> None:
    names = ("Entretien", "Cèdre 1 m") if kind.french else ("Hours", "Cedar 3 ft")
    for name, price, sort in zip(names, ("65", "24.95"), ("Service", "NonInventory")):
        id = b.do("Item", "create", {"Name": name, "Type": sort, "UnitPrice": Decimal(price), "PurchaseCost": Decimal("11.5"),
                                     "IncomeAccountRef": {"value": "79"}, "ExpenseAccountRef": {"value": "80"},
                                     "Taxable": kind.country == "US"})
        b.company.values.setdefault("default_item", id)


def _customers(b: Builder, kind: Kind) -> list[str]:
    """Addresses decide where US tax is automated: two states with tax, one without, none at all, one who is exempt."""
    names = ("Amy's Bird Sanctuary", "Cool Cars", "Diego Rodríguez", "Mark Cho", "Freeman & Sons") if not kind.french else \
        ("Amélie L'Écuyer", "Voitures de l'Été", "Zoë Œuvrard", "Nguyễn Thị Lan", "Bélanger & Fils")
    places = (("4581 Finch St.", "Bayshore", "CA"), ("65 Ocean Dr.", "Austin", "TX"), ("321 Channing", "Portland", "OR"), None,
              ("370 Easy St.", "Middlefield", "CA"))
    found = []
    for name, place in zip(names, places):
        fields = {"BillAddr": address(place[0], place[1], "94326") | {"CountrySubDivisionCode": place[2], "Country": "USA"}} \
            if place and kind.country == "US" else {"BillAddr": address(place[0], "Québec", "G1R 4P5") | (
                {"City": "Bath", "CountrySubDivisionCode": "Somerset", "PostalCode": "BA1 1AA", "Country": "United Kingdom"}
                if kind.country == "GB" else {})} if place else {}
        fields |= {"Taxable": False, "TaxExemptionReasonId": "9"} if name == "Freeman & Sons" and kind.country == "US" else {}
        found.append(b.customer(name, PrimaryEmailAddr=mail(f"contact{len(found)}@example.test"), **fields))
    return found


def _classes(b: Builder, kind: Kind) -> None:
    top = b.do("Class", "create", {"Name": "Landscaping"})
    b.do("Class", "create", {"Name": "Hardscape", "SubClass": True, "ParentRef": {"value": top}})
    b.do("Class", "update", {"Id": b.do("Class", "create", {"Name": "Snow"}), "sparse": True, "Active": False})
    yard = b.do("Department", "create", {"Name": "North yard"})
    b.do("Department", "create", {"Name": "Shed", "SubDepartment": True, "ParentRef": {"value": yard}})


def line(b: Builder, code: str, quantity: int, price: str, **fields) -> dict:
    return {"Amount": quantity * Decimal(price), "DetailType": "SalesItemLineDetail", "SalesItemLineDetail": {
        "ItemRef": {"value": b.company.values["default_item"]}, "Qty": quantity, "UnitPrice": Decimal(price),
        "TaxCodeRef": {"value": code}} | fields}


def _sales(b: Builder, kind: Kind, customers: list[str]) -> None:
    """Taxed, untaxed, mixed, inclusive, without tax, paid, void."""
    tax = {"TxnTaxDetail": {"TxnTaxCodeRef": {"value": kind.code}}} if kind.code else {}
    for age, who in ((200, 0), (150, 1), (90, 2), (60, 3), (40, 4)):
        b.invoice(customers[who], age, [line(b, kind.taxed, 3, "65"), line(b, kind.untaxed, 2, "24.95")], **tax)
    paid = b.invoice(customers[1], 35, [line(b, kind.untaxed, 1, "120")])
    b.pay(customers[1], 33, "120", (paid, "120"))
    b.do("Invoice", "void", {"Id": b.invoice(customers[2], 30, [line(b, kind.taxed, 1, "10")], **tax)})
    if kind.tax_mode == "global":
        b.invoice(customers[0], 25, [line(b, kind.taxed, 7, "9.99")], GlobalTaxCalculation="TaxInclusive")
        b.invoice(customers[1], 24, [line(b, kind.taxed, 1, "50")], GlobalTaxCalculation="NotApplicable")
    b.do("Estimate", "create", {"CustomerRef": {"value": customers[0]}, "TxnDate": b.day(20),
                                "Line": [line(b, kind.taxed, 4, "65")]} | tax)


def _foreign(b: Builder, kind: Kind) -> None:
    """Customers and vendors in three currencies, and the rates of some days."""
    for days, euro, dollar in ((300, "0.86", "0.79"), (60, "0.845", "0.775"), (5, "0.8525", "0.7612")):
        for code, rate in (("EUR", euro), ("USD", dollar)):
            b.do("ExchangeRate", "update", {"SourceCurrencyCode": code, "Rate": Decimal(rate), "AsOfDate": b.day(days)})
    euro = b.customer("Café Zürich GmbH", CurrencyRef={"value": "EUR"})
    dollar = b.customer("Brooklyn Gardens LLC", CurrencyRef={"value": "USD"})
    vendor = b.do("Vendor", "create", {"DisplayName": "Floricultura Łódź", "CurrencyRef": {"value": "EUR"}})
    first = b.invoice(euro, 50, [line(b, "4", 2, "150")])
    b.invoice(dollar, 48, [line(b, "4", 1, "99.99")], ExchangeRate=Decimal("0.78"))
    b.pay(euro, 20, "100", (first, "100"))
    b.do("Bill", "create", {"VendorRef": {"value": vendor}, "TxnDate": b.day(18), "Line": [
        sample_books.money_line("410.20", {"TaxCodeRef": {"value": "6"}}, "Tulips", "80")]})


def _close(sim, company: Company, day: str) -> None:
    """The books are closed up to a day that has transactions before and after it."""
    change = sim.change(company, "sample")
    prefs = change.edit("Preferences", "1")
    prefs["AccountingInfoPrefs"] = prefs["AccountingInfoPrefs"] | {"BookCloseDate": day}
    change.commit(lambda *_: None)
