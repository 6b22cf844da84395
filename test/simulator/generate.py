"""Generated records: any number of customers, invoices, payments and estimates, by seed.

They are printed straight as JSON text, without the validating writes, because
100,000 customers must take seconds; so totals are computed here, in cents.
Several records share a second, as after an import.
"""

from __future__ import annotations

import random
from json.encoder import encode_basestring as quote

import currencies
import custom_fields
import taxes
from clock import add_days, parse_time, stamp
from jsontext import dumps, money
from store import Change, Company, Record, record_of

_GIVEN = ("Émilie", "Noé", "Zoé", "Jean-François", "Marie-Ève", "Loïc", "Anaïs", "Benoît", "Chloé", "Gaël",
          "Hélène", "Jérôme", "Maëlle", "Raphaël", "Thérèse", "Édouard", "Françoise", "Joël", "Océane", "Rémi")
_FAMILY = ("Tremblay", "Gagnon", "Côté", "Bélanger", "Lévesque", "Bouchard", "D'Amours", "L'Écuyer", "O'Connor",
           "Desjardins", "Fréchette", "Lefèbvre", "St-Onge", "Thériault", "Villeneuve", "Rhéaume", "Hébert")
_FIRM = ("Atelier & Fils", "Construction L'Érable", "Services  Boréal", "Résidence", "Clinique d'Été",
         "Épicerie Chez Noël", "Garage", "Éditions « Lys »", "Coop de l'Île", "Ferme")
_CITY = (("Laval", "H7S 1Z9"), ("Montréal", "H2X 1Y4"), ("Québec", "G1R 4P5"), ("Trois-Rivières", "G9A 1H8"),
         ("Saint-Jérôme", "J7Z 1A1"), ("L'Assomption", "J5W 1B2"))
_STREET = ("rue Principale", "boul. de l'Avenir", "ch. du Lac", "av. des Érables", "rang Saint-François")


class Words:
    """The company's own names of what generated records refer to, as JSON text."""

    def __init__(self, company: Company) -> None:
        ref = lambda entity, id, member="Name": f'{{"value":"{id}","name":{quote(company.record(entity, id).obj[member])}}}'
        self.company = company
        self.item = ref("Item", company.values["default_item"])
        self.term, self.method = ref("Term", "3"), ref("PaymentMethod", "2")
        self.funds, self.currency = ref("Account", "4"), dumps(company.record("Account", "4").obj["CurrencyRef"])
        self.fields = dumps([{"DefinitionId": i, "Name": n, "Type": "StringType"} for i, n in custom_fields.slots(company).items()])
        self.globally = company.values["tax_mode"] == "global"
        self.code = taxes.untaxed(Change(company, 0, {}))
        self.multiple = currencies.multiple(company)

    def form(self, total: int, balance: int | None = None) -> str:
        """What taxes and currencies add to a form."""
        text = '"GlobalTaxCalculation":"TaxExcluded","TxnTaxDetail":{"TotalTax":0},' if self.globally else ""
        return text + self.money(total, balance)

    def money(self, total: int, balance: int | None = None) -> str:
        if not self.multiple:
            return ""
        home = f'"HomeBalance":{cents(balance)},' if balance is not None else ""
        return f'"ExchangeRate":1,"HomeTotalAmt":{cents(total)},' + home


def fill(company: Company, base: str, customers: int, invoices: int, seed: int) -> None:
    """Bring a company up to these totals."""
    rng, words = random.Random(f"{seed} {company.realm}"), Words(company)
    have = len(company.tables["Customer"].records)
    people = _people(company, rng, max(0, customers - have))
    missing = max(0, invoices - len(company.tables["Invoice"].records))
    start = int(parse_time(add_days(base, -360) + "T06:00:00-05:00"))
    balances = _sales(words, rng, people, missing, base, start) if people else {}
    records = [_customer(p, start + n // 3, balances, words) for n, p in enumerate(people)]
    company.bulk("Customer", records)
    company.values["doc_number"] += missing if people else 0


def _people(company: Company, rng, count: int) -> list[dict]:
    people, first = [], company.sequence.get("Customer", 0) + 1
    pick = rng.random
    for n in range(first, first + count):
        given = _GIVEN[int(pick() * len(_GIVEN))]
        family = _FAMILY[int(pick() * len(_FAMILY))]
        dice = pick()
        firm = f"{_FIRM[int(pick() * len(_FIRM))]} {family} {n}" if dice < 0.5 else ""
        person = {"id": n, "given": given, "family": family, "firm": firm, "dice": dice, "extra": pick(),
                  "name": firm or f"{given} {family} {n}", "parent": None, "active": dice < 0.97}
        if 0.9 < dice < 0.97 and people and people[-1]["parent"] is None and people[-1]["active"]:
            person["parent"] = people[-1]
        people.append(person)
    return people


def _customer(p: dict, created: int, balances: dict, words: Words) -> Record:
    id, name = str(p["id"]), p["name"] + ("" if p["active"] else " (deleted)")
    parent = p["parent"]
    full = f"{parent['name']}:{name}" if parent else name
    own, jobs, updated = balances.get(id, (0, 0, created))
    city, code = _CITY[p["id"] % len(_CITY)]
    street = f"{p['id'] % 9000 + 1}, {_STREET[p['id'] % len(_STREET)]}"
    mail = f"client{id}@exemple.test" + (f",compta{id}@exemple.test" if p["extra"] < 0.1 else "")
    parts = [f'{{"Id":"{id}","SyncToken":"{0 if p["active"] else 1}","domain":"QBO","sparse":false,'
             f'"MetaData":{{"CreateTime":"{stamp(created)}","LastUpdatedTime":"{stamp(updated)}"}},'
             f'"GivenName":"{p["given"]}","FamilyName":{quote(p["family"])},"DisplayName":{quote(name)},']
    if p["firm"]:
        parts.append(f'"CompanyName":{quote(p["firm"])},')
    if p["extra"] < 0.9:
        parts.append(f'"PrimaryEmailAddr":{{"Address":"{mail}"}},'
                     f'"PrimaryPhone":{{"FreeFormNumber":"(450) 555-{p["id"] % 10000:04d}"}},')
    if parent:
        parts.append(f'"ParentRef":{{"value":"{parent["id"]}","name":{quote(parent["name"])}}},"Level":1,')
    parts.append(
        f'"PrintOnCheckName":{quote(p["name"])},"FullyQualifiedName":{quote(full)},'
        f'"BillAddr":{{"Id":"{p["id"] + 1000000}","Line1":"{street}","City":"{city}","CountrySubDivisionCode":"QC",'
        f'"PostalCode":"{code}","Country":"Canada"}},"SalesTermRef":{words.term},'
        f'"CurrencyRef":{words.currency},"Active":{"true" if p["active"] else "false"},'
        f'"Taxable":true,"PreferredDeliveryMethod":"None","IsProject":false,"ClientEntityId":"0",'
        f'"Job":{"true" if parent else "false"},"BillWithParent":false,'
        f'"Balance":{cents(own)},"BalanceWithJobs":{cents(own + jobs)}}}')
    return Record(id, created, updated, "".join(parts).encode(), p["active"], name.casefold(),
                  parent=str(parent["id"]) if parent else "")


def cents(amount: int) -> str:
    if not amount:
        return "0"
    sign, amount = ("-", -amount) if amount < 0 else ("", amount)
    return f"{sign}{amount // 100}.{amount % 100:02d}"


def _sales(words: Words, rng, people: list, count: int, base: str, start: int) -> dict:
    """Invoices and their payments; returns id -> (balance, balance of jobs, updated)."""
    active, company = [p for p in people if p["active"]] or people, words.company
    number, id = company.values["doc_number"], company.sequence.get("Txn", 0)
    invoices, payments, balances = [], [], {}
    for n in range(count):
        person, dice, id = active[int(rng.random() * len(active))], rng.random(), id + 1
        made = {"id": id, "who": person, "number": number + n + 1, "created": start + 40000 + n // 2,
                "date": add_days(base, -int(rng.random() * 700)), "dice": dice, "links": "", "token": 0,
                "lines": [(rng.randrange(1, 20), rng.randrange(100, 50000)) for _ in range(rng.randrange(1, 4))]}
        made["total"] = sum(q * p for q, p in made["lines"])
        made["balance"], made["updated"] = made["total"], made["created"]
        invoices.append(made)
    for made in invoices:
        if made["dice"] < 0.6 or 0.6 <= made["dice"] < 0.72:
            id += 1
            payments.append(_payment(made, id, base, words))
    for made in invoices:
        _owe(balances, made["who"], made["balance"], made["updated"])
    for _, unapplied, who, updated, _ in payments:
        _owe(balances, who, -unapplied, updated)
    company.bulk("Invoice", [_invoice(m, words) for m in invoices])
    company.bulk("Payment", [p[0] for p in payments])
    received = sum(p[4] for p in payments)
    book(company, {"84": sum(m["balance"] for m in invoices) - sum(p[1] for p in payments), "4": received})
    return {k: tuple(v) for k, v in balances.items()}


def book(company: Company, amounts: dict[str, int]) -> None:
    """Move balances of accounts by cents; nothing else of them changes."""
    for id, amount in amounts.items():
        old = company.record("Account", id)
        obj = dict(old.obj)
        for name in ("CurrentBalance", "CurrentBalanceWithSubAccounts"):
            obj[name] = money(obj[name] + money(amount) / 100)
        company.put("Account", record_of(company, "Account", obj, old.created, old.updated, "documented"))


def _owe(balances: dict, person: dict, amount: int, when: int) -> None:
    own = balances.setdefault(str(person["id"]), [0, 0, when])
    own[0] += amount
    own[2] = max(own[2], when)
    if person["parent"]:
        above = balances.setdefault(str(person["parent"]["id"]), [0, 0, when])
        above[1] += amount
        above[2] = max(above[2], when)


def _payment(made: dict, id: int, base: str, words: Words) -> tuple[Record, int, dict, int, int]:
    """Full, partial (60–72 %) or, now and then, too much."""
    who, created = made["who"], made["created"] + 500000
    applied = made["total"] if made["dice"] < 0.6 else max(1, made["total"] // 3)
    unapplied = 1000 if made["dice"] < 0.02 else 0
    made["balance"], made["token"], made["updated"] = made["total"] - applied, 1, created
    made["links"] = f'{{"TxnId":"{id}","TxnType":"Payment"}}'
    noise = ",".join(
        f'{{"name":"{{http://schema.intuit.com/finance/v3}}NameValue","declaredType":'
        f'"com.intuit.schema.finance.v3.NameValue","scope":"javax.xml.bind.JAXBElement$GlobalScope",'
        f'"value":{{"Name":"{k}","Value":"{v}"}},"nil":false,"globalScope":true,"typeSubstituted":false}}'
        for k, v in (("txnId", made["id"]), ("txnOpenBalance", f'{made["total"] / 100:.2f}'),
                     ("txnReferenceNumber", made["number"])))
    text = (f'{{"Id":"{id}","SyncToken":"0","domain":"QBO","sparse":false,'
            f'"MetaData":{{"CreateTime":"{stamp(created)}","LastUpdatedTime":"{stamp(created)}"}},'
            f'"CustomerRef":{{"value":"{who["id"]}","name":{quote(who["name"])}}},'
            f'"TotalAmt":{cents(applied + unapplied)},'
            f'"Line":[{{"Amount":{cents(applied)},"LinkedTxn":[{{"TxnId":"{made["id"]}","TxnType":"Invoice"}}],'
            f'"LineEx":{{"any":[{noise}]}}}}],"TxnDate":"{min(add_days(made["date"], 20), base)}",'
            f'"PaymentMethodRef":{words.method},"PaymentRefNum":"CHQ{id}","DepositToAccountRef":{words.funds},'
            f'"CurrencyRef":{words.currency},{words.money(applied + unapplied)}"ProcessPayment":false,"LinkedTxn":[],'
            f'"UnappliedAmt":{cents(unapplied)}}}')
    return Record(str(id), created, created, text.encode(), ref=str(who["id"])), unapplied, who, created, applied + unapplied


def _form_head(made: dict, words: Words) -> str:
    """What sales forms have in common: from the id to the currency."""
    who, lines = made["who"], []
    for n, (quantity, price) in enumerate(made["lines"], 1):
        shown = cents(price).rstrip("0").rstrip(".")
        lines.append(f'{{"Id":"{n}","LineNum":{n},"Description":"Travaux n° {n}","Amount":{cents(quantity * price)},'
                     f'"DetailType":"SalesItemLineDetail","SalesItemLineDetail":{{"ItemRef":{words.item},'
                     f'"Qty":{quantity},"UnitPrice":{shown},"TaxCodeRef":{{"value":"{words.code}"}}}}}}')
    lines.append(f'{{"Amount":{cents(made["total"])},"DetailType":"SubTotalLineDetail","SubTotalLineDetail":{{}}}}')
    return (f'{{"Id":"{made["id"]}","SyncToken":"{made["token"]}","domain":"QBO","sparse":false,'
            f'"MetaData":{{"CreateTime":"{stamp(made["created"])}","LastUpdatedTime":"{stamp(made["updated"])}"}},'
            f'"Line":[{",".join(lines)}],"CustomerRef":{{"value":"{who["id"]}","name":{quote(who["name"])}}},'
            f'"TxnDate":"{made["date"]}",')


def _invoice(made: dict, words: Words) -> Record:
    text = (_form_head(made, words) + f'"SalesTermRef":{words.term},'
            f'"DocNumber":"{made["number"]}","CurrencyRef":{words.currency},{words.form(made["total"], made["balance"])}'
            f'"DueDate":"{add_days(made["date"], 30)}","LinkedTxn":[{made["links"]}],'
            f'"TotalAmt":{cents(made["total"])},"Balance":{cents(made["balance"])},"EmailStatus":"NotSet",'
            f'"PrintStatus":"NotSet","ApplyTaxAfterDiscount":false,"FreeFormAddress":true,"CustomField":{words.fields},'
            f'"AllowOnlineCreditCardPayment":false,"AllowOnlineACHPayment":false,"AllowIPNPayment":false,'
            f'"AllowOnlinePayment":false}}')
    return Record(str(made["id"]), made["created"], made["updated"], text.encode(), ref=str(made["who"]["id"]))


def estimates(company: Company, base: str, total: int, seed: int) -> None:
    """Bring a company up to so many estimates, for any active customers."""
    words, rng = Words(company), random.Random(f"estimates {seed} {company.realm}")
    count = max(0, total - len(company.tables["Estimate"].records))
    active = company.tables["Customer"].view("created", True)
    number, id = company.values["doc_number"], company.sequence.get("Txn", 0)
    start, records = int(parse_time(add_days(base, -200) + "T06:00:00-05:00")), []
    for n in range(count):
        customer, dice = active[int(rng.random() * len(active))], rng.random()
        made = {"id": id + n + 1, "number": number + n + 1, "token": 0, "created": start + n // 2, "updated": start + n // 2,
                "who": {"id": customer.id, "name": customer.parse()["DisplayName"]},
                "date": add_days(base, -int(rng.random() * 200)),
                "lines": [(rng.randrange(1, 20), rng.randrange(100, 50000)) for _ in range(rng.randrange(1, 4))]}
        made["total"] = sum(q * p for q, p in made["lines"])
        records.append(_estimate(made, dice, words))
    company.bulk("Estimate", records)
    company.values["doc_number"] += count


def _estimate(made: dict, dice: float, words: Words) -> Record:
    """Half are pending, a fifth of them without an end; the others answered in some way."""
    status = "Pending" if dice < 0.5 else "Accepted" if dice < 0.7 else "Rejected" if dice < 0.8 else "Closed"
    text = (_form_head(made, words) + f'"DocNumber":"{made["number"]}",'
            f'"CurrencyRef":{words.currency},{words.form(made["total"])}"LinkedTxn":[],"TotalAmt":{cents(made["total"])},'
            f'"TxnStatus":"{status}",' + (f'"ExpirationDate":"{add_days(made["date"], 30)}",' if dice > 0.1 else "") +
            (f'"AcceptedBy":"Client","AcceptedDate":"{made["date"]}",' if status == "Accepted" else "") +
            f'"EmailStatus":"NotSet","PrintStatus":"NotSet","ApplyTaxAfterDiscount":false,"FreeFormAddress":true,'
            f'"CustomField":{words.fields}}}')
    return Record(str(made["id"]), made["created"], made["updated"], text.encode(), ref=made["who"]["id"])
