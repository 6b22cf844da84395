"""Forms on their way to people: by e-mail, and as PDF."""

from __future__ import annotations

from clock import stamp
from errors import Fault
from validate import clean

# Entity -> the member with the address.
SENT = {"Invoice": "BillEmail", "Estimate": "BillEmail", "CreditMemo": "BillEmail", "SalesReceipt": "BillEmail",
        "RefundReceipt": "BillEmail", "PurchaseOrder": "POEmail"}


def email(change, entity, id: str, to: str = "") -> dict:
    """Send a form; an address that is named stays on it."""
    if entity.name not in SENT:
        raise Fault(500, "", f"Operation is not supported: send {entity.name}")
    if change.get(entity.name, id) is None:
        raise Fault(610, "Id")
    obj, member = change.edit(entity.name, id, bump=True), SENT[entity.name]
    if to:
        obj[member] = clean(entity, {member: {"Address": to}}, change.settings)[member]
    if change.source == "api" and not obj.get(member, {}).get("Address"):
        raise Fault(6420, member)
    obj["EmailStatus"] = "EmailSent"
    obj["DeliveryInfo"] = {"DeliveryType": "Email", "DeliveryTime": stamp(int(change.now))}
    return obj


def pdf(entity, record) -> bytes:
    """A page that says what it is."""
    if entity.name not in SENT and entity.name != "Payment":
        raise Fault(500, "", f"Operation is not supported: pdf of {entity.name}")
    text = f"BT /F1 24 Tf 72 720 Td ({entity.name} {record.id}) Tj ET"
    parts = ["<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
             "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
             f"<< /Length {len(text)} >>\nstream\n{text}\nendstream",
             "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    body, places = "%PDF-1.4\n", []
    for number, part in enumerate(parts, 1):
        places.append(len(body))
        body += f"{number} 0 obj\n{part}\nendobj\n"
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    return (f"{body}xref\n0 {len(parts) + 1}\n0000000000 65535 f \n{table}trailer\n<< /Size {len(parts) + 1} /Root 1 0 R >>\n"
            f"startxref\n{len(body)}\n%%EOF\n").encode()
