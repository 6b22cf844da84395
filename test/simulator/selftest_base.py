"""What the parts of the self-test share."""

from __future__ import annotations

import time
import unittest

from testclient import Sim


def code(answer: dict) -> str:
    return answer["Fault"]["Error"][0]["code"]


def sale(amount, **detail) -> dict:
    return {"Amount": amount, "DetailType": "SalesItemLineDetail",
            "SalesItemLineDetail": {"ItemRef": {"value": "1"}} | detail}


def until(condition, seconds: float = 20) -> None:
    """Wait until the condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("waited in vain")
        time.sleep(0.02)


class Shared(unittest.TestCase):
    options: tuple = ()

    @classmethod
    def setUpClass(cls):
        cls.sim = Sim(*cls.options)

    @classmethod
    def tearDownClass(cls):
        cls.sim.stop()

    def accepted(self, answer):
        self.assertEqual(answer[0], 200, answer[1])
        return next(v for k, v in answer[1].items() if k != "time")

    def refused(self, expected: str, answer, status: int = 400):
        self.assertEqual((answer[0], code(answer[1])), (status, expected), answer[1])

    def customer(self, name: str, **fields) -> dict:
        return self.accepted(self.sim.post("customer", {"DisplayName": name} | fields))

    def invoice(self, customer: str, *lines, **fields) -> dict:
        return self.accepted(self.sim.post("invoice", {"CustomerRef": {"value": customer}, "Line": list(lines)} | fields))

    def pay(self, customer: str, total, *applied):
        lines = [{"Amount": a, "LinkedTxn": [{"TxnId": i, "TxnType": "Invoice"}]} for i, a in applied]
        return self.sim.post("payment", {"CustomerRef": {"value": customer}, "TotalAmt": total, "Line": lines})

    def read(self, entity: str, id: str) -> dict:
        return self.accepted(self.sim.get(f"{entity}/{id}"))
