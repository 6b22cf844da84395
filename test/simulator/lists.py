"""Rules of the lists: accounts, classes, locations, payment methods, tax agencies, and those only people change."""

from __future__ import annotations

from decimal import Decimal

import currencies
import names
import references
from entities import ACCOUNT_TYPES, ENTITIES, REF
from errors import Fault, missing
from rules import Rules

ZERO = Decimal(0)
# Sub-types by type; the first is the one an account gets that names its type only.
SUB_TYPES = {
    "Bank": "Checking CashOnHand MoneyMarket RentsHeldInTrust Savings TrustAccounts",
    "Accounts Receivable": "AccountsReceivable",
    "Other Current Asset": "OtherCurrentAssets UndepositedFunds Inventory PrepaidExpenses EmployeeCashAdvances "
                           "LoansToOfficers AllowanceForBadDebts Retainage",
    "Fixed Asset": "MachineryAndEquipment Buildings Land Vehicles FurnitureAndFixtures LeaseholdImprovements "
                   "AccumulatedDepreciation OtherFixedAssets",
    "Other Asset": "OtherLongTermAssets SecurityDeposits Goodwill Licenses LeaseBuyout",
    "Accounts Payable": "AccountsPayable", "Credit Card": "CreditCard",
    "Other Current Liability": "OtherCurrentLiabilities GlobalTaxPayable SalesTaxPayable LineOfCredit LoanPayable "
                               "PayrollClearing PayrollTaxPayable PrepaidExpensesPayable GlobalTaxSuspense",
    "Long Term Liability": "OtherLongTermLiabilities NotesPayable ShareholderNotesPayable",
    "Equity": "OpeningBalanceEquity OwnersEquity PartnersEquity RetainedEarnings CommonStock PaidInCapitalOrSurplus",
    "Income": "SalesOfProductIncome ServiceFeeIncome DiscountsRefundsGiven OtherPrimaryIncome NonProfitIncome "
              "UnappliedCashPaymentIncome",
    "Cost of Goods Sold": "SuppliesMaterialsCogs CostOfLaborCos EquipmentRentalCos OtherCostsOfServiceCos "
                          "ShippingFreightDeliveryCos",
    "Expense": "OtherMiscellaneousServiceCost AdvertisingPromotional Auto BankCharges CostOfLabor Entertainment "
               "Insurance LegalProfessionalFees OfficeGeneralAdministrativeExpenses RentOrLeaseOfBuildings "
               "RepairMaintenance SuppliesMaterials TaxesPaid Travel Utilities",
    "Other Income": "OtherMiscellaneousIncome InterestEarned DividendIncome",
    "Other Expense": "OtherMiscellaneousExpense ExchangeGainOrLoss Depreciation PenaltiesSettlements",
    "Non-Posting": "NonPosting"}
_TYPE_OF = {sub: kind for kind, subs in SUB_TYPES.items() for sub in subs.split()}


# -- Accounts as others see them -----------------------------------------------------

def account_of(change, what: str, currency: str = "") -> str:
    """The id of an account, by itself or by what QuickBooks uses it for; receivables and payables are per currency."""
    held = change.company.values["accounts"]
    own = held.get(f"{what} {currency}", "")
    return own if own and change.get("Account", own) else held.get(what, what)


def standard(change, what: str, currency: str = "") -> dict:
    id = account_of(change, what, currency)
    return {"value": id, "name": change.get("Account", id)["FullyQualifiedName"]}


def check_type(change, name: str, ref: dict, *kinds: str) -> None:
    kind = change.get("Account", ref["value"])["AccountType"]
    if kind not in kinds:
        raise Fault(6430, name, f"Invalid account type used : {name} is an account of type {kind}.")


def resolve(change, name: str, ref: dict, *kinds: str) -> dict:
    """A reference to an account of one of these types."""
    found = references.resolve(change, name, REF("Account"), ref)
    check_type(change, name, found, *kinds)
    return found


# -- Account -------------------------------------------------------------------------

def account(change, obj: dict, old: dict | None, include: set, ui: bool = False) -> None:
    _type(obj)
    if old and (old["AccountType"], old["AccountSubType"]) != (obj["AccountType"], obj["AccountSubType"]) \
            and obj["Id"] in change.company.values["accounts"].values():
        raise Fault(6000, "AccountType", "Business Validation Error: The type of this account cannot be changed.")
    longest = 20 if change.company.single("CompanyInfo").get("Country") in ("CA", "AU") else 7
    if len(obj.get("AcctNum", "")) > longest:
        raise Fault(2050, "AcctNum", "String length specified does not match the supported length. "
                    f"Min:0 supported. Max:{longest} supported. Supplied length:{len(obj['AcctNum'])}")
    currencies.of_name(change, obj, old)
    references.resolve_all(change, ENTITIES["Account"], obj, old)
    _below(change, obj, "SubAccount")
    parent = change.get("Account", obj.get("ParentRef", {}).get("value", ""))
    if parent and parent["AccountType"] != obj["AccountType"]:
        raise Fault(6010, "ParentRef", "Account type and sub-type do not match : the parent is of another type.")
    for name in ("CurrentBalance", "CurrentBalanceWithSubAccounts"):
        obj[name] = old[name] if old else ZERO
    obj.setdefault("Active", True)
    if old and old["Active"] and not obj["Active"]:
        _may_go(change, obj, ui)
    _named(change, "Account", obj, old, ui)


def _type(obj: dict) -> None:
    kind, sub = obj.get("AccountType"), obj.get("AccountSubType")
    if not kind and not sub:
        raise missing("AccountType")
    if sub and sub not in _TYPE_OF:
        raise Fault(2170, "AccountSubType", f"Invalid Enumeration : {sub[:60]}")
    kind = obj["AccountType"] = kind or _TYPE_OF[sub]
    sub = obj["AccountSubType"] = sub or SUB_TYPES[kind].split()[0]
    if _TYPE_OF[sub] != kind:
        raise Fault(6010, "AccountSubType")
    obj["Classification"] = ACCOUNT_TYPES[kind]


def _may_go(change, obj: dict, ui: bool) -> None:
    """QuickBooks' own accounts stay, as do those items are booked on; through the API also those with a balance."""
    if obj["Id"] in change.company.values["accounts"].values():
        raise Fault(6000, "Active", "Business Validation Error: This account is used by QuickBooks and cannot be made inactive.")
    for record in change.company.tables["Item"].by_created:
        item = record.obj if record.active else {}
        if any(item.get(n, {}).get("value") == obj["Id"] for n in ("IncomeAccountRef", "ExpenseAccountRef", "AssetAccountRef")):
            raise Fault(6000, "Active", f"Business Validation Error: The account is used by the item {item['Name']}.")
    if obj["CurrentBalanceWithSubAccounts"] and not ui:
        raise Fault(6220, "Active")
    if _active_below(change, "Account", obj["Id"]):
        raise Fault(6000, "Active", "Business Validation Error: The account has active sub-accounts.")


def _active_below(change, entity: str, id: str) -> bool:
    return any(r.active and r.parent == id for r in change.company.tables[entity].by_created)


def _below(change, obj: dict, flag: str) -> None:
    """The flag of a sub-record and its parent go together."""
    parent = obj.get("ParentRef", {}).get("value")
    obj.setdefault(flag, bool(parent))
    if obj[flag] and not parent:
        raise Fault(6150, "ParentRef")
    if parent and not obj[flag]:
        raise Fault(2600, flag, f"Conflicting elements in request : ParentRef without {flag}")


def _named(change, entity: str, obj: dict, old: dict | None, ui: bool, tree: bool = True) -> None:
    names.may_rest(change, obj, old, ui)
    names.follow_activity(change, entity, obj, old)
    if tree:
        names.qualify(change, entity, obj, "Name", 5)
        obj.pop("Level", None)
    names.claim(change, entity, entity, obj, obj.get("FullyQualifiedName", obj["Name"]), "Name")


# -- Class and Department ----------------------------------------------------------------

def _tree(entity: str, flag: str):
    def complete(change, obj: dict, old: dict | None, include: set, ui: bool = False) -> None:
        references.check_feature(change, "", entity)
        references.resolve_all(change, ENTITIES[entity], obj, old)
        _below(change, obj, flag)
        obj.setdefault("Active", True)
        if old and old["Active"] and not obj["Active"] and _active_below(change, entity, obj["Id"]):
            raise Fault(6000, "Active", "Business Validation Error: Make what is below it inactive first.")
        _named(change, entity, obj, old, ui)
    return complete


# -- Flat lists ----------------------------------------------------------------------------

def payment_method(change, obj: dict, old: dict | None, include: set, ui: bool = False) -> None:
    obj.setdefault("Type", "NON_CREDIT_CARD")
    obj.setdefault("Active", True)
    _named(change, "PaymentMethod", obj, old, ui, tree=False)


def tax_agency(change, obj: dict, old: dict | None, include: set, ui: bool = False) -> None:
    if old and not ui:
        raise Fault(500, "", "Operation is not supported: update TaxAgency")
    obj.setdefault("TaxTrackedOnSales", True)
    obj.setdefault("TaxTrackedOnPurchases", False)
    held = change.company.names.get(("TaxAgency", change.company.fold(obj["DisplayName"])))
    if held and held[1] != obj["Id"]:
        raise Fault(6240, "DisplayName", "The name supplied already exists.")


def _people_only(entity: str):
    """A list that the API shows and only people change."""
    def complete(change, obj: dict, old: dict | None, include: set, ui: bool = False) -> None:
        if not ui:
            raise Fault(500, "", f"Operation is not supported: write {entity}")
        obj.setdefault("Active", True)
    return complete


ACCOUNT = Rules(account, follow=names.follow("Account"))
CLASS = Rules(_tree("Class", "SubClass"), follow=names.follow("Class"))
DEPARTMENT = Rules(_tree("Department", "SubDepartment"), follow=names.follow("Department"))
PAYMENT_METHOD = Rules(payment_method, follow=names.follow("PaymentMethod"))
TAX_AGENCY = Rules(tax_agency)
TAX_CODE = Rules(_people_only("TaxCode"))
TAX_RATE = Rules(_people_only("TaxRate"))
CUSTOMER_TYPE = Rules(_people_only("CustomerType"))
