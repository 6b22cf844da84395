"""The lists of the sample companies: accounts, payment methods, taxes."""

from __future__ import annotations

from decimal import Decimal

from entities import ACCOUNT_TYPES


def account(name: str, kind: str, sub: str, **fields) -> dict:
    return {"Name": name, "SubAccount": False, "FullyQualifiedName": name, "Active": True,
            "Classification": ACCOUNT_TYPES[kind], "AccountType": kind, "AccountSubType": sub,
            "CurrentBalance": Decimal(0), "CurrentBalanceWithSubAccounts": Decimal(0)} | fields


def rate(name: str, percent: str, agency: str = "1", **fields) -> dict:
    return {"Name": name, "Description": name, "Active": True, "RateValue": Decimal(percent),
            "AgencyRef": {"value": agency}, "SpecialTaxType": "NONE", "DisplayType": "ReadOnly",
            "EffectiveTaxRate": [{"RateValue": Decimal(percent), "EffectiveDate": "2013-01-01T00:00:00-08:00"}]} | fields


def code(name: str, sales: list, purchases: list | None = None, **fields) -> dict:
    """A tax code made of (rate id, rate name) pairs."""
    def side(rates):
        return {"TaxRateDetail": [{"TaxRateRef": {"value": id, "name": label}, "TaxTypeApplicable": "TaxOnAmount",
                                   "TaxOrder": 0} for id, label in rates]}
    return {"Name": name, "Description": name, "Active": True, "Hidden": False, "Taxable": True, "TaxGroup": True,
            "TaxCodeConfigType": "USER_DEFINED", "SalesTaxRateList": side(sales),
            "PurchaseTaxRateList": side(sales if purchases is None else purchases)} | fields


def pseudo_code(name: str, taxable: bool) -> dict:
    return {"Name": name, "Description": name, "Active": True, "Hidden": False, "Taxable": taxable,
            "TaxGroup": False, "TaxCodeConfigType": "SYSTEM_GENERATED"}


def laval(b) -> None:
    """The Laval company: its accounts keep the ids its items and payments refer to."""
    b.plant("Account", {
        "1": account("Compte chèques", "Bank", "Checking"),
        "4": account("Fonds non déposés", "Other Current Asset", "UndepositedFunds"),
        "33": account("Comptes fournisseurs", "Accounts Payable", "AccountsPayable"),
        "35": account("Carte de crédit Desjardins", "Credit Card", "CreditCard"),
        "79": account("Ventes de services", "Income", "ServiceFeeIncome"),
        "80": account("Coût des marchandises vendues", "Cost of Goods Sold", "SuppliesMaterialsCogs"),
        "81": account("Stocks", "Other Current Asset", "Inventory"),
        "84": account("Comptes clients", "Accounts Receivable", "AccountsReceivable"),
        "86": account("Remises accordées", "Income", "DiscountsRefundsGiven"),
        "87": account("Expédition", "Income", "OtherPrimaryIncome"),
        "88": account("Épargne", "Bank", "Savings"),
        "90": account("Carburant & entretien", "Expense", "Auto"),
        "91": account("Loyer de l'entrepôt", "Expense", "RentOrLeaseOfBuildings"),
        "92": account("Sous-traitants", "Expense", "CostOfLabor"),
        "95": account("Capital d'ouverture", "Equity", "OpeningBalanceEquity"),
        "96": account("TPS/TVQ à payer", "Other Current Liability", "GlobalTaxPayable")})
    b.company.values["accounts"] = {"undeposited": "4", "receivable": "84", "payable": "33", "discounts": "86",
                                    "shipping": "87", "bank": "1", "tax": "96", "opening": "95"}
    b.plant("PaymentMethod", {id: {"Name": name, "Type": kind, "Active": True} for id, name, kind in (
        ("1", "Comptant", "NON_CREDIT_CARD"), ("2", "Chèque", "NON_CREDIT_CARD"),
        ("3", "Carte de crédit", "CREDIT_CARD"), ("4", "Virement Interac", "NON_CREDIT_CARD"))})
    b.plant("TaxAgency", {"1": {"DisplayName": "Revenu Québec", "TaxTrackedOnSales": True,
                                "TaxTrackedOnPurchases": True, "TaxRegistrationNumber": "123456789RT0001"}})
    b.plant("TaxRate", {"11": rate("TPS 5 %", "5"), "12": rate("TVQ 9,975 %", "9.975"), "13": rate("Détaxé", "0")})
    b.plant("TaxCode", {"TAX": pseudo_code("TAX", True), "NON": pseudo_code("NON", False),
                        "2": code("TPS/TVQ QC - 9,975", [("11", "TPS 5 %"), ("12", "TVQ 9,975 %")]),
                        "3": code("Détaxé", [("13", "Détaxé")], Taxable=False)})
    b.plant("CustomerType", {str(5 * 10**18 + 1): {"Name": "Résidentiel", "Active": True},
                             str(5 * 10**18 + 2): {"Name": "Commercial", "Active": True}})
