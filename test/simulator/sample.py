"""The sample company: hand-made records that hold every case worth testing.

They go through the ordinary writes with a clock in the past, so totals and
balances are what the service would have computed.  Dates are relative to a
base date (today unless --date says otherwise): the same seed and base date give
the same bytes.  See generate.py for the rest of a large company.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import sample_books
import sample_lists
import writes
from clock import add_days, parse_time
from entities import ENTITIES
from store import Change, Company

ZONE = "America/Toronto"


class Builder:
    """Writes into a company at moments of the past."""

    def __init__(self, sim, company: Company, base: str) -> None:
        self.sim, self.company, self.base = sim, company, base
        self.moment = parse_time(add_days(base, -400) + "T09:00:00-05:00")

    def at(self, days: int) -> None:
        """Go on at this many days before the base date, never back."""
        self.moment = max(self.moment, parse_time(add_days(self.base, -days) + "T09:00:00-05:00"))

    def change(self) -> Change:
        self.moment += 61
        return Change(self.company, self.moment, self.sim.settings, "sample")

    def do(self, entity: str, operation: str, body: dict) -> str:
        change = self.change()
        obj = writes.perform(change, ENTITIES[entity], operation, body, frozenset(), ui=True)
        change.commit(lambda *_: None)
        return ENTITIES[entity].id_of(obj)

    def plant(self, entity: str, rows: dict[str, dict]) -> None:
        """Records by id that no API call makes."""
        change = self.change()
        for id, fields in rows.items():
            change.pending[(entity, id)] = {"Id": id, "SyncToken": "0", "domain": "QBO", "sparse": False,
                                            "MetaData": {}} | fields
            change.fresh.add((entity, id))
        change.commit(lambda *_: None)

    def day(self, days: int) -> str:
        return add_days(self.base, -days)

    def customer(self, name: str, **fields) -> str:
        return self.do("Customer", "create", {"DisplayName": name} | fields)

    def invoice(self, customer: str, age: int, lines: list, **fields) -> str:
        self.at(age)
        body = {"CustomerRef": {"value": customer}, "TxnDate": self.day(age), "Line": lines,
                "SalesTermRef": {"value": "3"}}
        return self.do("Invoice", "create", body | fields)

    def pay(self, customer: str, age: int, total: str, *applied: tuple[str, str], **fields) -> str:
        self.at(age)
        lines = [{"Amount": Decimal(a), "LinkedTxn": [{"TxnId": i, "TxnType": "Invoice"}]} for i, a in applied]
        body = {"CustomerRef": {"value": customer}, "TxnDate": self.day(age), "TotalAmt": Decimal(total),
                "Line": lines, "PaymentMethodRef": {"value": "2"}}
        return self.do("Payment", "create", body | fields)


def line(item: str, quantity, price: str, text: str = "", **fields) -> dict:
    quantity, price = Decimal(quantity), Decimal(price)
    found = {"Amount": (quantity * price).quantize(Decimal("0.01"), rounding="ROUND_HALF_UP"),
             "DetailType": "SalesItemLineDetail",
             "SalesItemLineDetail": {"ItemRef": {"value": item}, "Qty": quantity, "UnitPrice": price,
                                     "TaxCodeRef": {"value": "TAX"}} | fields}
    return found | {"Description": text} if text else found


def address(first: str, city: str, code: str, second: str = "") -> dict:
    found = {"Line1": first, "City": city, "CountrySubDivisionCode": "QC", "PostalCode": code, "Country": "Canada"}
    return found | {"Line2": second} if second else found


def mail(text: str) -> dict:
    return {"Address": text}


def phone(text: str) -> dict:
    return {"FreeFormNumber": text}


def build(sim, company: Company, base: str) -> dict[str, str]:
    """Everything but the estimates; returns the customers by nickname."""
    company_records(sim, company, base)
    builder = Builder(sim, company, base)
    sample_lists.laval(builder)
    terms(builder)
    items(builder)
    people = customers(builder)
    sales(builder, people)
    aftermath(builder, people)
    return people


def company_records(sim, company: Company, base: str) -> None:
    """CompanyInfo and Preferences, which are never created through the API."""
    moment = parse_time(add_days(base, -400) + "T08:00:00-05:00")
    head = {"Id": "1", "SyncToken": "0", "domain": "QBO", "sparse": False, "MetaData": {}}
    home = {"Id": "1", "Line1": "1234, boul. de l'Avenir", "City": "Laval",
            "CountrySubDivisionCode": "QC", "PostalCode": "H7S 1Z9", "Country": "CAN"}
    names = {"NeoEnabled": "true", "IndustryType": "Services d'aménagement paysager",
             "SubscriptionStatus": "PAID", "OfferingSku": "QuickBooks Online Plus",
             "PayrollFeature": "false", "AccountantFeature": "false", "ItemCategoriesFeature": "true"}
    info = head | {
        "CompanyName": company.name, "LegalName": company.name, "CompanyAddr": home,
        "CustomerCommunicationAddr": dict(home), "LegalAddr": dict(home),
        "CustomerCommunicationEmailAddr": mail("facturation@paysages-laval.test"),
        "PrimaryPhone": phone("(450) 555-0100"), "CompanyStartDate": add_days(base, -400),
        "FiscalYearStartMonth": "January", "Country": "CA", "DefaultTimeZone": ZONE,
        "Email": mail("info@paysages-laval.test"), "WebAddr": {"URI": "https://paysages-laval.test"},
        "SupportedLanguages": "fr,en", "NameValue": [{"Name": k, "Value": v} for k, v in names.items()]}
    change = Change(company, moment, sim.settings, "sample")
    for name, obj in (("CompanyInfo", info), ("Preferences", head | preferences())):
        change.pending[(name, "1")] = obj
        change.fresh.add((name, "1"))
    change.commit(lambda *_: None)


def preferences() -> dict:
    return {
        "AccountingInfoPrefs": {"UseAccountNumbers": False, "TrackDepartments": False,
                                "ClassTrackingPerTxn": False, "ClassTrackingPerTxnLine": False,
                                "CustomerTerminology": "Clients", "FirstMonthOfFiscalYear": "January"},
        "ProductAndServicesPrefs": {"ForSales": True, "ForPurchase": True, "QuantityOnHand": False,
                                    "QuantityWithPriceAndRate": True},
        "SalesFormsPrefs": {"CustomTxnNumbers": False, "AllowDeposit": True, "AllowDiscount": True,
                            "AllowShipping": True, "AllowServiceDate": True, "AllowEstimates": True,
                            "AutoApplyCredit": False, "DefaultTerms": {"value": "3"},
                            "CustomField": [
                                {"CustomField": [{"Name": "SalesFormsPrefs.UseSalesCustom1",
                                                  "Type": "BooleanType", "BooleanValue": True}]},
                                {"CustomField": [{"Name": "SalesFormsPrefs.SalesCustomName1",
                                                  "Type": "StringType", "StringValue": "No de commande"}]}]},
        "EmailMessagesPrefs": {"InvoiceMessage": {"Subject": "Facture de Paysages Laval inc.",
                                                  "Message": "Voici votre facture. Merci d'avance!"}},
        "VendorAndPurchasesPrefs": {"BillableExpenseTracking": True, "TrackingByCustomer": True},
        "TimeTrackingPrefs": {"UseServices": True, "WorkWeekStartDate": "Monday"},
        "TaxPrefs": {"UsingSalesTax": True, "TaxGroupCodeRef": {"value": "2"}},
        "CurrencyPrefs": {"MultiCurrencyEnabled": False, "HomeCurrency": {"value": "CAD"}},
        "ReportPrefs": {"ReportBasis": "Accrual"},
        "OtherPrefs": {"NameValue": [
            {"Name": "SalesFormsPrefs.DefaultCustomerMessage", "Value": "Merci de votre confiance!"},
            {"Name": "WarnDuplicateCheckNumber", "Value": "true"}]}}


def terms(builder: Builder) -> None:
    for name, fields in (("Payable sur réception", {"DueDays": 0}), ("Net 15", {"DueDays": 15}),
                         ("Net 30", {"DueDays": 30}), ("Net 60", {"DueDays": 60}),
                         ("2 % 10, net 30", {"DueDays": 30, "DiscountDays": 10, "DiscountPercent": 2}),
                         ("Le 15 du mois", {"DayOfMonthDue": 15, "DueNextMonthDays": 5})):
        builder.do("Term", "create", {"Name": name} | fields)


def items(builder: Builder) -> None:
    """Ids: 1 Entretien (the default), 2 a category with 3 in it, 4…"""
    sold = {"IncomeAccountRef": {"value": "79"}, "ExpenseAccountRef": {"value": "80"}}
    add = lambda name, **f: builder.do("Item", "create", {"Name": name} | f)
    builder.company.values["default_item"] = add(
        "Entretien", Type="Service", UnitPrice=Decimal("65"), Description="Entretien à l'heure", **sold)
    plants = add("Végétaux", Type="Category")
    add("Érable à sucre 2,5 m", Type="NonInventory", UnitPrice=Decimal("189.99"), PurchaseCost=Decimal("92.5"),
        Sku="ER-250", SubItem=True, ParentRef={"value": plants}, **sold)
    add("Déneigement & épandage", Type="Service", UnitPrice=Decimal("450"), **sold)
    add("Pavé uni (pi²)", Type="NonInventory", UnitPrice=Decimal("7.4525"), Sku="PAVE-P2", **sold)
    add("Cèdre \"Émeraude\" 1 m", Type="NonInventory", UnitPrice=Decimal("24.95"), SubItem=True,
        ParentRef={"value": plants}, **sold)
    old = add("Tonte au ciseau", Type="Service", UnitPrice=Decimal("12.1"), **sold)
    builder.do("Item", "update", {"Id": old, "sparse": True, "Active": False})


def customers(builder: Builder) -> dict[str, str]:
    add, found = builder.customer, {}
    found["tremblay"] = add(
        "Émilie Tremblay", GivenName="Émilie", FamilyName="Tremblay", SalesTermRef={"value": "3"},
        PrimaryEmailAddr=mail("emilie.tremblay@exemple.test"), PrimaryPhone=phone("(450) 555-0101"),
        BillAddr=address("12, rue de l'Église", "Laval", "H7A 1B2"))
    found["obrien"] = add(
        "L'Atelier d'O'Brien", CompanyName="L'Atelier d'O'Brien inc.",
        PrimaryEmailAddr=mail("comptes@obrien.test,adjointe@obrien.test"),
        BillAddr=address("800, ch. de la Côte-Saint-Antoine", "Montréal", "H3Y 2J4", "bureau 3"))
    found["fils"] = add("Bélanger & Fils  ltée", CompanyName="Bélanger & Fils  ltée",
                        PrimaryEmailAddr=mail("info@belanger.test, paie@belanger.test, cfo@belanger.test"),
                        Notes="Deux espaces dans le nom : c'est voulu.\nAppeler avant 8 h.")
    found["coop"] = add("Coopérative Çà & Là", CompanyName="Coopérative Çà & Là",
                        WebAddr={"URI": "https://ca-et-la.test"}, Notes="<b>Ne pas échapper</b> &amp; garder tel quel")
    found["ville"] = add("Ville de Saint-Jérôme", CompanyName="Ville de Saint-Jérôme", Taxable=False,
                         TaxExemptionReasonId="3", PreferredDeliveryMethod="Print")
    parc = found["parc"] = add("Parc du Lac", Job=True, ParentRef={"value": found["ville"]}, BillWithParent=True)
    found["patinoire"] = add("Patinoire extérieure n° 2", Job=True, ParentRef={"value": parc})
    found["aeroport"] = add("Projet \"Piste 06/24\" \\ phase 1", Job=True, ParentRef={"value": found["obrien"]})
    found["gagnon"] = add("gagnon, josée (ÉCOLE)", GivenName="Josée", FamilyName="Gagnon",
                          PrimaryEmailAddr=mail("josee.gagnon+ecole@exemple.test"), Mobile=phone("514.555.0199 p. 22"))
    found["emoji"] = add("Café Noël 🎄", CompanyName="Café Noël", Notes="Commande récurrente ☕ chaque décembre")
    found["long"] = add("Syndicat de la copropriété du 4875-4899, avenue Papineau, Montréal " + "é" * 80)
    found["anonyme"] = builder.do("Customer", "create", {"Title": "Dr", "GivenName": "Noé", "FamilyName": "Bœuf",
                                                         "Suffix": "fils"})
    for name in ("Nguyễn Thị Hạnh", "Łukasz Żółty", "Saint-Pierre, M.", "0 Déneigement Plus", "ÉQUIPE 2000 INC.",
                 "Marché   Jean-Talon", "Pêcherie d'Été"):
        add(name)
    found["credit"] = add("Serres Deschênes")
    found["perdu"] = add("Jardinerie Perdue", PrimaryEmailAddr=mail("perdu@exemple.test"))
    found["revenu"] = add("Résidence Bellevue")
    found["fusion"] = add("Tremblay Émilie", PrimaryEmailAddr=mail("emilie.tremblay@exemple.test"))
    return found


def sales(builder: Builder, who: dict[str, str]) -> None:
    """Paid, overdue, partly paid, split, over-paid, taxed, discounted, voided, deleted."""
    b, tax = builder, {"TxnTaxDetail": {"TxnTaxCodeRef": {"value": "2"}}}
    paid = b.invoice(who["tremblay"], 300, [line("1", 3, "65", "Entretien, mars")], **tax)
    b.pay(who["tremblay"], 280, "224.20", (paid, "224.20"), PaymentRefNum="CHQ-1001")
    b.invoice(who["obrien"], 200, [line("3", 2, "189.99", "Érables"), line("5", 120, "7.4525", "Pavé")], **tax)
    partly = b.invoice(who["fils"], 120, [line("4", 1, "450"), line("1", "1.5", "65")])
    b.pay(who["fils"], 110, "100.10", (partly, "100.10"))
    first = b.invoice(who["coop"], 95, [line("6", 10, "24.95")])
    second = b.invoice(who["coop"], 94, [line("6", 4, "24.95")])
    b.pay(who["coop"], 90, "349.30", (first, "249.50"), (second, "99.80"), PaymentRefNum="VIREMENT 88")
    over = b.invoice(who["gagnon"], 80, [line("1", 1, "65")])
    b.pay(who["gagnon"], 78, "100", (over, "65"))
    b.pay(who["credit"], 77, "250")
    b.invoice(who["parc"], 70, [line("4", 2, "450", "Déneigement, février")], DueDate=b.day(60))
    rink = b.invoice(who["patinoire"], 65, [line("4", 1, "450")])
    b.pay(who["patinoire"], 62, "50", (rink, "50"))
    discount = {"Amount": Decimal(0), "DetailType": "DiscountLineDetail",
                "DiscountLineDetail": {"PercentBased": True, "DiscountPercent": Decimal("8.5")}}
    text = {"DetailType": "DescriptionOnly", "Description": "Travaux de l'automne — phase « A »"}
    freight = {"Amount": Decimal("15"), "DetailType": "SalesItemLineDetail",
               "SalesItemLineDetail": {"ItemRef": {"value": "SHIPPING_ITEM_ID"}}}
    b.invoice(who["aeroport"], 40, [text, line("5", 1000, "7.4525"), freight, discount],
              CustomerMemo={"value": "Merci!\nÀ bientôt."}, PrivateNote="Marge faible", **tax)
    void = b.invoice(who["emoji"], 30, [line("6", 6, "24.95")], PrivateNote="Sapin double")
    b.do("Invoice", "void", {"Id": void})
    gone = b.invoice(who["emoji"], 29, [line("6", 1, "24.95")])
    b.do("Invoice", "delete", {"Id": gone})
    cancelled = b.pay(who["tremblay"], 25, "20")
    b.do("Payment", "void", {"Id": cancelled})
    b.invoice(who["anonyme"], 10, [line("1", 2, "65")], Deposit=Decimal("30"))
    b.invoice(who["long"], 5, [line("3", 400, "189.99")], **tax)
    b.invoice(who["tremblay"], 2, [line("1", 1, "65", "Visite d'estimation")], DueDate=b.day(0))
    b.invoice(who["revenu"], 2, [line("1", 1, "0", "Garantie, sans frais")])


def estimates(sim, company: Company, base: str, who: dict[str, str]) -> None:
    """Open, expired, expiring today, accepted, invoiced, rejected, converted, deleted. Built last: nobody else's id moves."""
    b = Builder(sim, company, base)

    def quote(customer: str, age: int, lines: list, **fields) -> str:
        b.at(age)
        body = {"CustomerRef": {"value": who[customer]}, "TxnDate": b.day(age), "Line": lines}
        return b.do("Estimate", "create", body | fields)

    invoiced = quote("obrien", 210, [line("3", 2, "189.99", "Érables"), line("5", 120, "7.4525", "Pavé")],
                     AcceptedBy="M. O'Brien", AcceptedDate=b.day(205), TxnStatus="Accepted",
                     TxnTaxDetail={"TxnTaxCodeRef": {"value": "2"}})
    change = b.change()
    made = next(r for r in company.tables["Invoice"].by_created if r.ref == who["obrien"])
    change.edit("Invoice", made.id)["LinkedTxn"].append({"TxnId": invoiced, "TxnType": "Estimate"})
    closed = change.edit("Estimate", invoiced, touch=True)
    closed["LinkedTxn"].append({"TxnId": made.id, "TxnType": "Invoice"})
    closed["TxnStatus"] = "Closed"
    change.commit(lambda *_: None)
    quote("coop", 150, [line("6", 30, "24.95")], TxnStatus="Rejected", PrivateNote="Trop cher")
    quote("ville", 120, [line("4", 3, "450")], TxnStatus="Converted")
    gone = quote("emoji", 100, [line("6", 2, "24.95")])
    b.do("Estimate", "delete", {"Id": gone})
    quote("fils", 60, [line("1", 8, "65")], ExpirationDate=b.day(30))
    quote("aeroport", 45, [line("5", 2000, "7.4525")], TxnStatus="Accepted", AcceptedBy="É. Côté",
          AcceptedDate=b.day(40), ExpirationDate=b.day(-15))
    quote("tremblay", 20, [line("1", 4, "65", "Entretien, avril")], ExpirationDate=b.day(-10),
          CustomerMemo={"value": "Prix valable 30 jours.\nMerci!"})
    quote("tremblay", 15, [line("3", 1, "189.99")], ExpirationDate=b.day(0))
    quote("gagnon", 3, [line("1", 2, "65")])


def aftermath(builder: Builder, who: dict[str, str]) -> None:
    """Inactive names, one of them taken again and one back in use."""
    builder.do("Customer", "update", {"Id": who["perdu"], "sparse": True, "Active": False})
    builder.customer("Jardinerie Perdue")
    builder.do("Customer", "update", {"Id": who["revenu"], "sparse": True, "Active": False})
    builder.do("Customer", "update", {"Id": who["revenu"], "sparse": True, "Active": True})
    others(builder)


def others(builder: Builder) -> None:
    """Vendors and employees: their names are taken for customers too, and their ids are no customers' ids."""
    for name in ("Pépinière Abbotsford inc.", "Sable & Gravier Rive-Nord", "Hydro-Québec"):
        builder.do("Vendor", "create", {"DisplayName": name, "CompanyName": name})
    gone = builder.do("Vendor", "create", {"DisplayName": "Excavation Disparue"})
    builder.do("Vendor", "update", {"Id": gone, "sparse": True, "Active": False})
    builder.do("Employee", "create", {"GivenName": "Samuel", "FamilyName": "Lévesque-Roy"})


def trade(sim, company: Company, base: str, who: dict[str, str]) -> None:
    """What is bought and booked; with the customer who has a credit already."""
    sample_books.build(Builder(sim, company, base), who["credit"], True, "TAX", "NON", pays=False)


def default_base(now: float) -> str:
    return dt.datetime.fromtimestamp(now, dt.timezone.utc).strftime("%Y-%m-%d")
