"""Faults: the documented codes, their texts, and the shapes they travel in."""

from __future__ import annotations

# code -> (Message, default Detail)
TEXTS = {
    "100": ("General authentication error", "General authentication error"),
    "110": ("OAuth authentication error", "OAuth authentication error"),
    "120": ("AuthorizationFailure", "The user who connected has no access any more."),
    "130": ("Accessing Wrong Cluster", "Accessing Wrong Cluster"),
    "140": ("Company Locked Out", "Company Locked Out"),
    "150": ("Company Under Maintenance", "Company Under Maintenance"),
    "500": ("Unsupported Operation", "Operation is not supported."),
    "600": ("Duplicate Request ID", "Duplicate Request ID"),
    "610": ("Object Not Found", "Object Not Found : Something you're trying to use has been made "
            "inactive. Check the fields with accounts, customers, items, vendors or employees."),
    "620": ("Transaction cannot be linked", "Txn ID Cannot Be Linked"),
    "630": ("Duplicate object", "Duplicate object"),
    "700": ("Parent reference invalid", "The parent reference is invalid."),
    "800": ("Cannot delete object", "Cannot delete object"),
    "900": ("Parent cannot be child", "An object cannot be its own parent or a child of its children."),
    "1000": ("Operation failed", "Operation failed"),
    "1010": ("Create failed", "Create failed"),
    "1020": ("Update failed", "Update failed"),
    "1040": ("Batch size exceeds limit", "The batch holds more items than are allowed."),
    "1050": ("Invalid content type", "Invalid content type"),
    "2000": ("Invalid or unsupported object name", "Invalid or unsupported object name"),
    "2010": ("Request has invalid or unsupported property", "Property Name:"),
    "2020": ("Required param missing, need to supply the required value for the API",
             "Required parameter is missing in the request"),
    "2030": ("Invalid ID", "Id should be a valid number."),
    "2040": ("Invalid String", "Invalid String. The string contains characters that are not allowed."),
    "2050": ("String length is either shorter or longer than supported by specification", ""),
    "2060": ("Invalid date format", "Invalid date format"),
    "2070": ("Invalid date", "Invalid date"),
    "2080": ("Invalid number format", "Invalid number format"),
    "2090": ("Invalid number", "Invalid number"),
    "2100": ("Invalid decimal format", "Invalid decimal format"),
    "2110": ("Invalid decimal", "Invalid decimal"),
    "2120": ("Invalid type", "Invalid type"),
    "2130": ("Invalid Request Id Format", "The request id must have 1 to 50 characters."),
    "2140": ("Invalid amount", "Invalid amount"),
    "2150": ("Invalid percent", "Invalid percent"),
    "2160": ("Invalid quantity", "Invalid quantity"),
    "2170": ("Invalid Enumeration", "Invalid Enumeration"),
    "2180": ("Invalid string range", "Invalid string range"),
    "2190": ("Invalid date range", "Invalid date range"),
    "2200": ("Malformed website address", "Malformed website address"),
    "2210": ("Invalid Email Address format", "Email Address does not conform to the syntax rules "
             "of RFC 822."),
    "2220": ("Invalid currency", "Invalid currency"),
    "2230": ("Invalid boolean", "Invalid boolean"),
    "2240": ("Invalid number range", "Invalid number range"),
    "2250": ("You must enter at least one split line", "You must enter at least one split line"),
    "2260": ("Missing posting type", "A line lacks its posting type."),
    "2270": ("Missing TaxApplicableOn", "A line lacks TaxApplicableOn."),
    "2280": ("Missing tax amount", "A line lacks its tax amount."),
    "2290": ("Negative amount", "The amount must not be negative."),
    "2300": ("Debits and credits differ", "Debits and credits of the journal entry differ."),
    "2500": ("Invalid Reference Id", "Invalid Reference Id"),
    "2600": ("Conflicting elements in request", "Conflicting elements in request"),
    "3000": ("Invalid custom field", "Invalid custom field"),
    "3001": ("ThrottleExceeded", "The request limit was reached. Try again later"),
    "3100": ("ApplicationAuthorizationFailed", None),
    "3200": ("AuthenticationFailed", "Token expired"),
    "3202": ("EmptyField", "Access token is missing"),
    "4000": ("Error parsing query", "QueryParserError: Invalid query"),
    "4001": ("Invalid query", "QueryValidationError: Invalid query"),
    "4002": ("Query could not be processed", "The query could not be processed."),
    "5000": ("Deprecated field", "Deprecated field"),
    "5010": ("Stale Object Error", "Stale Object Error : You and Mara Lind were working on this at "
             "the same time. Mara Lind finished before you did, so your work was not saved."),
    "5020": ("Permission Denied Error", "You don't have permission to access this feature"),
    "5030": ("Feature Not Supported Error", "Feature Not Supported Error"),
    "6000": ("A business validation error has occurred while processing your request",
             "Business Validation Error"),
    "6010": ("Account type and sub-type do not match", "Account type and sub-type do not match"),
    "6020": ("Invalid content length", "The content length of the upload is invalid."),
    "6030": ("Upload too large", "The upload is too large."),
    "6040": ("Invalid upload metadata", "The type or the file of the upload is invalid."),
    "6050": ("Invalid upload reference", "The reference type of the upload is invalid."),
    "6060": ("OpenBalanceDate required", "An opening balance needs OpenBalanceDate."),
    "6070": ("Amount calculation incorrect in the request.",
             "Amount is not equal to UnitPrice * Qty."),
    "6080": ("No name provided", "At least one of: Title, GivenName, MiddleName, FamilyName, "
             "DisplayName, or Suffix is required."),
    "6090": ("Discount line lacks amount or percent", "A discount line needs an amount or a percent."),
    "6100": ("Invalid Line TaxCode in the request", "Line tax codes must be TAX or NON."),
    "6110": ("Merchant service transaction", "A merchant service transaction cannot be updated."),
    "6120": ("Merchant service transaction", "A merchant service transaction cannot be deleted."),
    "6130": ("Cannot change who customer bills with", "The customer has invoices."),
    "6140": ("Duplicate Document Number Error", "Duplicate Document Number Error"),
    "6150": ("ParentRef required", "ParentRef is required."),
    "6160": ("Invalid TaxCodeRef", "CustomSalesTax may not be used."),
    "6170": ("TxnTaxDetail not allowed", "TxnTaxDetail is not allowed with GlobalTaxCalculation NotApplicable."),
    "6180": ("Sub-level limit", "No more than 5 levels are allowed."),
    "6190": ("Invalid Company Status Error", "Invalid Company Status Error : subscription period "
             "has ended or canceled or there was a billing problem"),
    "6200": ("Account Period Closed, Cannot Update Through Services API", "The account period has closed."),
    "6210": ("Account Period Closed, Cannot Update Through Services API",
             "The account period has closed and the account books cannot be updated through the "
             "QuickBooks Online Services API"),
    "6220": ("Entity has balance, cannot delete", "Entity has balance, cannot be made inactive"),
    "6230": ("Invalid TaxCodeRef", "CustomSalesTax may not be used."),
    "6240": ("Duplicate Name Exists Error", "The name supplied already exists. : Another customer, "
             "vendor or employee is already using this \nname. Please use a different name."),
    "6250": ("Customer invalid or inactive", "The customer is invalid or inactive."),
    "6270": ("Inventory start date", "The transaction is dated before the item's start date."),
    "6280": ("Customer has unbilled charges", "Customer has unbilled charges, cannot be made inactive"),
    "6290": ("Time activity", "Select an employee or a vendor."),
    "6390": ("Time activity", "The time activity is invalid."),
    "6400": ("Purchase linked to invoice", "A purchase linked to an invoice cannot be deleted."),
    "6420": ("Email address required", "An e-mail address is required for this delivery method."),
    "6430": ("Invalid account type used", "Invalid account type used"),
    "6440": ("Transaction detail required", "Select a product or service for each line."),
    "6450": ("Void failed", "The transaction is already settled."),
    "6460": ("Deposit and card amounts differ", "Deposit and card amounts differ"),
    "6470": ("Tax not allowed", "The tax rate is not specified, or tax is not allowed on this transaction."),
    "6480": ("Matched transaction", "A matched transaction cannot be deleted."),
    "6490": ("Budget error", "The budget is invalid."),
    "6510": ("Budget error", "The budget is invalid."),
    "6520": ("Quantity required", "A tracked inventory item needs a quantity."),
    "6530": ("Card number refused", "Raw card numbers are refused."),
    "6540": ("Deposited Transaction cannot be changed", "The transaction is part of a deposit."),
    "6560": ("CustomerRef is missing", "CustomerRef is missing in the request"),
    "10000": ("An application error has occurred while processing your request",
              "System Failure Error: an unexpected error occurred"),
    "10100": ("Result Set Big", "The result set is too big."),
    "10200": ("Company reset", "The company was reset; the request is stale."),
}

# How a code travels when it is asked for by itself: HTTP status, type of the fault.
_GATEWAY = {"100": 401, "110": 401, "120": 401, "3100": 403, "3200": 401, "3202": 401, "3001": 429}
_STATUS = {"150": (503, "SystemFault"), "5020": (403, "AuthorizationFault"), "10000": (500, "SystemFault")}
# The member the service names when it is known, whatever the entity.
_ELEMENTS = {"900": "ParentRef", "700": "ParentRef", "2200": "WebAddr", "2210": "PrimaryEmailAddr", "2250": "Line",
             "6070": "Line", "6080": "DisplayName", "6130": "BillWithParent", "6140": "DocNumber",
             "6150": "ParentRef", "6180": "ParentRef", "6200": "TxnDate", "6210": "TxnDate", "6220": "Active",
             "6240": "DisplayName", "6250": "CustomerRef", "6280": "Active", "6420": "PrimaryEmailAddr"}


class Fault(Exception):
    """A refused request in the shape of the service."""

    def __init__(self, code, element: str = "", detail: str | None = None,
                 status: int = 400, kind: str = "ValidationFault") -> None:
        self.code, self.element, self.status, self.kind = str(code), element, status, kind
        self.message, default = TEXTS.get(self.code, ("Error", "Error"))
        self.detail = default if detail is None else detail
        self.more: list[Fault] = []         # further errors of the same refusal
        super().__init__(f"{self.code} {element} {self.detail}")

    def errors(self, elements: str = "named") -> list[dict]:
        """The errors as they are printed; elements: named, empty or absent."""
        error = {"Message": self.message, "Detail": self.detail, "code": self.code}
        if elements != "absent":
            error["element"] = self.element if elements == "named" else ""
        return [error] + [e for other in self.more for e in other.errors(elements)]

    def body(self, time: str, elements: str = "named") -> dict:
        return {"Fault": {"Error": self.errors(elements), "type": self.kind}, "time": time}


class GatewayFault(Exception):
    """A refusal by the gateway (authentication, throttling): another envelope."""

    def __init__(self, status: int, kind: str, code: str, name: str, detail: str | None) -> None:
        super().__init__(f"{status} {code} {name}")
        self.status, self.kind, self.code, self.name, self.detail = status, kind, code, name, detail

    def body(self, now: float) -> dict:
        message = f"message={self.name}; errorCode={int(self.code):06d}; statusCode={self.status}"
        return gateway_fault(message, self.detail, self.code, self.kind, now)


def by_code(code, detail: str | None = None, element: str | None = None, status: int | None = None):
    """The refusal a documented code makes: a Fault, or a GatewayFault where the gateway says it."""
    code = str(code)
    if code in _GATEWAY:
        message, usual = TEXTS[code]
        kind = "SERVICE" if code == "3001" else "AUTHENTICATION"
        return GatewayFault(status or _GATEWAY[code], kind, code, message, usual if detail is None else detail)
    usual, kind = _STATUS.get(code, (400, "ValidationFault"))
    return Fault(code, _ELEMENTS.get(code, "") if element is None else element, detail, status or usual, kind)


def service_fault(message, detail, code, element, kind, time) -> dict:
    error = {"Message": message, "Detail": detail, "code": code, "element": element}
    return {"Fault": {"Error": [error], "type": kind}, "time": time}


def gateway_fault(message, detail, code, kind, now) -> dict:
    error = {"message": message, "detail": detail, "code": code, "element": None}
    return {"warnings": None, "intuitObject": None,
            "fault": {"error": [error], "type": kind},
            "report": None, "queryResponse": None, "batchItemResponse": [],
            "attachableResponse": [], "syncErrorResponse": None, "requestId": None,
            "time": int(now * 1000), "status": None, "cdcresponse": []}


def missing(name: str) -> Fault:
    return Fault(2020, name, f"Required parameter {name} is missing in the request")


def unknown_property(name: str, note: str = "") -> Fault:
    return Fault(2010, name, f'Property Name:Can not deserialize instance: Unrecognized field '
                             f'"{name}"{note}, not marked as ignorable')
