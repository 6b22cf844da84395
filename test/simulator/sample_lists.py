"""The lists of the sample companies: accounts, payment methods, taxes."""

from __future__ import annotations

from decimal import Decimal

from entities import ACCOUNT_TYPES
from store import LONG


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


# Accounts every sample company has: id, type, sub-type, French name, English name.  The ids are those items and
# payments refer to.
_ACCOUNTS = (
    ("1", "Bank", "Checking", "Compte chèques", "Checking"),
    ("4", "Other Current Asset", "UndepositedFunds", "Fonds non déposés", "Undeposited Funds"),
    ("33", "Accounts Payable", "AccountsPayable", "Comptes fournisseurs", "Accounts Payable (A/P)"),
    ("35", "Credit Card", "CreditCard", "Carte de crédit Desjardins", "Mastercard"),
    ("79", "Income", "ServiceFeeIncome", "Ventes de services", "Services"),
    ("80", "Cost of Goods Sold", "SuppliesMaterialsCogs", "Coût des marchandises vendues", "Cost of Goods Sold"),
    ("81", "Other Current Asset", "Inventory", "Stocks", "Inventory Asset"),
    ("84", "Accounts Receivable", "AccountsReceivable", "Comptes clients", "Accounts Receivable (A/R)"),
    ("86", "Income", "DiscountsRefundsGiven", "Remises accordées", "Discounts given"),
    ("87", "Income", "OtherPrimaryIncome", "Expédition", "Shipping Income"),
    ("88", "Bank", "Savings", "Épargne", "Savings"),
    ("90", "Expense", "Auto", "Carburant & entretien", "Automobile"),
    ("91", "Expense", "RentOrLeaseOfBuildings", "Loyer de l'entrepôt", "Rent or Lease"),
    ("92", "Expense", "CostOfLabor", "Sous-traitants", "Subcontractors"),
    ("95", "Equity", "OpeningBalanceEquity", "Capital d'ouverture", "Opening Balance Equity"),
    ("96", "Other Current Liability", "GlobalTaxPayable", "TPS/TVQ à payer", "Sales Tax Payable"))
_METHODS = (("1", "NON_CREDIT_CARD", "Comptant", "Cash"), ("2", "NON_CREDIT_CARD", "Chèque", "Check"),
            ("3", "CREDIT_CARD", "Carte de crédit", "Visa"), ("4", "NON_CREDIT_CARD", "Virement Interac", "Bank transfer"))
_TYPES = (("Résidentiel", "Residential"), ("Commercial", "Commercial"))


def standard(b, french: bool, currency: tuple[str, str]) -> None:
    """Accounts, payment methods and customer types in the language of the company."""
    ref = {"CurrencyRef": {"value": currency[0], "name": currency[1]}}
    b.plant("Account", {id: account((fr if french else en), kind, sub, **ref) for id, kind, sub, fr, en in _ACCOUNTS})
    b.company.values["accounts"] = {"undeposited": "4", "receivable": "84", "payable": "33", "discounts": "86",
                                    "shipping": "87", "bank": "1", "tax": "96", "opening": "95"}
    b.plant("PaymentMethod", {id: {"Name": fr if french else en, "Type": kind, "Active": True}
                              for id, kind, fr, en in _METHODS})
    b.plant("CustomerType", {str(LONG + n): {"Name": pair[not french], "Active": True} for n, pair in enumerate(_TYPES, 1)})


def laval(b) -> None:
    """The Laval company: taxes of Quebec, by the document."""
    standard(b, True, ("CAD", "Dollar canadien"))
    b.plant("TaxAgency", {"1": {"DisplayName": "Revenu Québec", "TaxTrackedOnSales": True,
                                "TaxTrackedOnPurchases": True, "TaxRegistrationNumber": "123456789RT0001"}})
    b.plant("TaxRate", {"11": rate("TPS 5 %", "5"), "12": rate("TVQ 9,975 %", "9.975"), "13": rate("Détaxé", "0")})
    b.plant("TaxCode", {"TAX": pseudo_code("TAX", True), "NON": pseudo_code("NON", False),
                        "2": code("TPS/TVQ QC - 9,975", [("11", "TPS 5 %"), ("12", "TVQ 9,975 %")]),
                        "3": code("Détaxé", [("13", "Détaxé")], Taxable=False)})


# -- The other companies' taxes -----------------------------------------------------

def us_manual(b) -> None:
    """Two states, a rate of its own and a group of a state's and a county's rate."""
    b.plant("TaxAgency", {"1": {"DisplayName": "Arizona Dept. of Revenue", "TaxTrackedOnSales": True, "TaxTrackedOnPurchases": False},
                          "2": {"DisplayName": "Board of Equalization", "TaxTrackedOnSales": True, "TaxTrackedOnPurchases": False}})
    b.plant("TaxRate", {"1": rate("AZ State tax", "7.1"), "2": rate("Tucson City", "2"), "3": rate("California", "8", "2")})
    b.plant("TaxCode", {"TAX": pseudo_code("TAX", True), "NON": pseudo_code("NON", False),
                        "2": code("California", [("3", "California")], []),
                        "3": code("Tucson", [("1", "AZ State tax"), ("2", "Tucson City")], [])})


def us_automated(b) -> None:
    """What the engine has made so far: a code for each state with tax."""
    states = (("CA", "California", "7.25"), ("TX", "Texas", "8.25"), ("NY", "New York", "8.875"), ("FL", "Florida", "6"))
    b.plant("TaxAgency", {str(n): {"DisplayName": f"{name} Department of Revenue", "TaxTrackedOnSales": True,
                                   "TaxTrackedOnPurchases": False} for n, (_, name, _) in enumerate(states, 1)})
    b.plant("TaxRate", {str(n): rate(name, percent, str(n)) for n, (_, name, percent) in enumerate(states, 1)})
    b.plant("TaxCode", {"TAX": pseudo_code("TAX", True), "NON": pseudo_code("NON", False)} | {
        str(n + 1): code(name, [(str(n), name)], [], TaxCodeConfigType="SYSTEM_GENERATED")
        for n, (_, name, _) in enumerate(states, 1)})
    b.company.values["nexus"] = {short: str(n + 1) for n, (short, _, _) in enumerate(states, 1)}


def quebec(b) -> None:
    """A code for each line: GST and QST, GST alone, HST of Ontario, zero-rated, exempt."""
    b.plant("TaxAgency", {"1": {"DisplayName": "Revenu Québec", "TaxTrackedOnSales": True, "TaxTrackedOnPurchases": True},
                          "2": {"DisplayName": "Agence du revenu du Canada", "TaxTrackedOnSales": True,
                                "TaxTrackedOnPurchases": True}})
    b.plant("TaxRate", {"11": rate("TPS", "5"), "12": rate("TVQ 9,975", "9.975"), "13": rate("TVH ON", "13", "2"),
                        "14": rate("Détaxé", "0", SpecialTaxType="ZERO_RATE"), "15": rate("Exonéré", "0")})
    b.plant("TaxCode", {"2": code("TPS/TVQ QC - 9,975", [("11", "TPS"), ("12", "TVQ 9,975")]), "3": code("TPS", [("11", "TPS")]),
                        "4": code("TVH ON", [("13", "TVH ON")]), "5": code("Détaxé", [("14", "Détaxé")]),
                        "6": code("Exonéré", [("15", "Exonéré")], Taxable=False)})


def uk(b) -> None:
    """VAT: standard, reduced, zero, exempt, none, and the reverse charge on services from the EU."""
    b.plant("TaxAgency", {"1": {"DisplayName": "HM Revenue & Customs (HMRC)", "TaxTrackedOnSales": True,
                                "TaxTrackedOnPurchases": True, "TaxRegistrationNumber": "GB123456789"}})
    b.plant("TaxRate", {
        "1": rate("20.0% S (Sales)", "20"), "2": rate("20.0% S (Purchases)", "20"), "3": rate("5.0% R (Sales)", "5"),
        "4": rate("5.0% R (Purchases)", "5"), "5": rate("0.0% Z", "0", SpecialTaxType="ZERO_RATE"), "6": rate("Exempt", "0"),
        "7": rate("No VAT", "0"), "8": rate("EC services (20%)", "20", SpecialTaxType="REVERSE_CHARGE"),
        "9": rate("EC services (-20%)", "-20", SpecialTaxType="REVERSE_CHARGE")})
    pair = lambda sale, buy, name: ([(sale, f"{name} (Sales)")], [(buy, f"{name} (Purchases)")])
    b.plant("TaxCode", {
        "2": code("20.0% S", *pair("1", "2", "20.0% S")), "3": code("5.0% R", *pair("3", "4", "5.0% R")),
        "4": code("0.0% Z", [("5", "0.0% Z")]), "5": code("Exempt", [("6", "Exempt")], Taxable=False),
        "6": code("No VAT", [("7", "No VAT")], Taxable=False),
        "7": code("20.0% RC SG", [], [("8", "EC services (20%)"), ("9", "EC services (-20%)")])})
