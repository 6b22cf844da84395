"""What adds up in a company whatever happened in it: applications, balances of names, receivables and payables."""

from __future__ import annotations


def check_sums(case, sim) -> None:
    """Compare every balance with what the transactions say."""
    objects = lambda entity: sim.control("GET", "store?entity=" + entity)["objects"]
    owed, applied = {}, {}

    def owes(entity: str, id: str, amount) -> None:
        owed[(entity, id)] = owed.get((entity, id), 0) + amount

    for payer, name, credit in (("Payment", "Customer", "CreditMemo"), ("BillPayment", "Vendor", "VendorCredit")):
        for obj in objects(payer):
            rest = obj["TotalAmt"]
            for line in obj["Line"]:
                kind, id = line["LinkedTxn"][0]["TxnType"], line["LinkedTxn"][0]["TxnId"]
                applied[(kind, id)] = applied.get((kind, id), 0) + line["Amount"]
                rest += 0 if kind == "JournalEntry" else line["Amount"] if kind == credit else -line["Amount"]
            owes(name, obj[name + "Ref"]["value"], -rest)
    for entity, name, sign in (("Invoice", "Customer", 1), ("CreditMemo", "Customer", -1), ("Bill", "Vendor", 1), ("VendorCredit", "Vendor", -1)):
        for obj in objects(entity):
            case.assertEqual(obj["Balance"], obj["TotalAmt"] - obj.get("Deposit", 0) - applied.get((entity, obj["Id"]), 0), (entity, obj["Id"]))
            owes(name, obj[name + "Ref"]["value"], sign * obj["Balance"])
    for obj in objects("JournalEntry"):
        for line in obj["Line"]:
            detail = line.get("JournalEntryLineDetail", {})
            if "Entity" in detail:
                kind = detail["Entity"]["Type"]
                sign = 1 if (detail["PostingType"] == "Debit") == (kind == "Customer") else -1
                owes(kind, detail["Entity"]["EntityRef"]["value"], sign * line["Amount"])
    home = objects("Preferences")[0]["CurrencyPrefs"]["HomeCurrency"]["value"]
    for entity, account in (("Customer", "84"), ("Vendor", "33")):
        total = 0
        for obj in objects(entity):
            case.assertEqual(obj["Balance"], owed.get((entity, obj["Id"]), 0), (entity, obj["Id"]))
            total += obj["Balance"] if obj["CurrencyRef"]["value"] == home else 0
        found = next(a for a in objects("Account") if a["Id"] == account)
        case.assertEqual(found["CurrentBalance"], total, entity)
