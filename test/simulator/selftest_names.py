"""Self-test, third part: every rule of Customer (section 9.2 of the API page), and of names in general."""

from __future__ import annotations

from selftest_repeat import Writer, creates
from selftest_base import code, sale


def mail(text: str) -> dict:
    return {"PrimaryEmailAddr": {"Address": text}}


class CustomerRulesTest(Writer):
    """CAP-47, CAP-48, CAP-49"""

    def create(self, **fields):
        return self.sim.post("customer", fields)

    def change(self, obj: dict, **fields):
        return self.sim.post("customer", {"Id": obj["Id"], "SyncToken": obj["SyncToken"], "sparse": True} | fields)

    def test_lengths(self):
        phone = lambda text: {"FreeFormNumber": text}
        limits = [("DisplayName", 500, str), ("Title", 16, str), ("Suffix", 16, str), ("GivenName", 100, str),
                  ("MiddleName", 100, str), ("FamilyName", 100, str), ("CompanyName", 100, str),
                  ("PrintOnCheckName", 110, str), ("Notes", 2000, str), ("ResaleNum", 16, str),
                  ("BusinessNumber", 10, str), ("GSTIN", 15, str), ("GSTRegistrationType", 15, str),
                  ("PrimaryPhone", 30, phone), ("AlternatePhone", 30, phone), ("Mobile", 30, phone), ("Fax", 30, phone)]
        limits += [("BillAddr", size, lambda text, part=part: {part: text}) for part, size in
                   [("Line1", 500), ("Line2", 500), ("Line3", 500), ("Line4", 500), ("Line5", 500), ("City", 255),
                    ("CountrySubDivisionCode", 255), ("PostalCode", 30), ("Country", 255)]]
        for n, (name, longest, shape) in enumerate(limits):
            base = {"DisplayName": f"Longueur {n}"}
            refusal = self.create(**base | {name: shape("é" * (longest + 1))})
            self.refused("2050", refusal)
            error = refusal[1]["Fault"]["Error"][0]
            self.assertEqual(error["Detail"].split("Max:")[1], f"{longest:,} supported. Supplied length:{longest + 1:,}")
            self.assertTrue(error["element"].startswith(name))
            self.accepted(self.create(**base | {name: shape("é" * longest)}))
        self.refused("2050", self.create(DisplayName="Lignes", BillAddr={f"Line{n}": "x" * 401 for n in range(1, 6)}))
        self.accepted(self.create(DisplayName="Lignes", ShipAddr={f"Line{n}": "x" * 400 for n in range(1, 6)}))
        address = "a" * 89 + "@exemple.ca"
        self.accepted(self.create(DisplayName="Courriel de 100", **mail(address)))
        self.refused("2050", self.create(DisplayName="Courriel de 101", **mail("a" + address)))
        self.accepted(self.create(DisplayName="Site", WebAddr={"URI": "https://a.ca/" + "x" * 987}))
        self.refused("2050", self.create(DisplayName="Site 2", WebAddr={"URI": "https://a.ca/" + "x" * 988}))
        self.settings(phone_length=21)
        self.refused("2050", self.create(DisplayName="Court", Mobile={"FreeFormNumber": "1" * 22}))

    def test_characters(self):
        for name in ("DisplayName", "GivenName", "MiddleName", "FamilyName", "Title", "Suffix"):
            for character in ":\t\n\r":
                fields = {"DisplayName": "Caractère"} | {name: f"a{character}b"}
                self.refused("2040", self.create(**fields))
        for character in ("\x00", "\x07", "\x1b", "\x7f", "\ud83d", "\uffff"):
            self.refused("2040", self.create(DisplayName="Illégal", Notes=f"a{character}b"))
        self.accepted(self.create(DisplayName="Légal", Notes="a\tb\nc : d 🎄", CompanyName="a:b"))
        for how, text, stored in (("any", "Łódź 🎄", "Łódź 🎄"), ("bmp", "Łódź", "Łódź"), ("bmp", "🎄", None),
                                  ("latin1", "Été", "Été"), ("latin1", "Łódź", None), ("latin1_altered", "Łódź été", "?ód? été")):
            self.settings(characters=how)
            answer = self.create(DisplayName=f"Jeu {how} {len(text)}", Notes=text)
            if stored is None:
                self.refused("2040", answer)
            else:
                self.assertEqual(self.accepted(answer)["Notes"], stored)

    def test_email(self):
        for wrong in ("a", "a@b", "a@b.c;d@e.f", "a@b.c,", "a b@c.ca", ".a@b.ca", "a..b@c.ca", "a.@b.ca", "é@b.ca",
                      "a@-b.ca", "a@b..ca", "@b.ca", "Nom <a@b.ca>", "a@b.c,d"):
            answer = self.create(DisplayName="Courriel", **mail(wrong))
            self.refused("2210", answer)
            self.assertEqual(answer[1]["Fault"]["Error"][0]["element"], "PrimaryEmailAddr.Address")
        for n, right in enumerate(("o'brien+tag@exemple.test", "a@b.ca, c@d.ca,e@f.ca", "A_b-c.d@sous.domaine.example")):
            self.accepted(self.create(DisplayName=f"Courriel {n}", **mail(right)))
        self.settings(email_list_fault="6000")
        self.refused("6000", self.create(DisplayName="Liste", **mail("a@b.ca,d")))
        self.refused("2210", self.create(DisplayName="Liste", **mail("d")))

    def test_required_and_built_name(self):
        for fields in ({}, {"CompanyName": "x"}, {"DisplayName": "   "}, {"DisplayName": ""}, {"DisplayName": None}):
            self.refused("6080", self.create(**fields))
        made = self.accepted(self.create(Title="Mme", GivenName="Ana", MiddleName="B.", FamilyName="Côté", Suffix="fille"))
        self.assertEqual((made["DisplayName"], made["PrintOnCheckName"]), ("Mme Ana B. Côté fille",) * 2)
        again = self.accepted(self.change(made, DisplayName="Ana Côté"))
        self.assertEqual((again["PrintOnCheckName"], again["FullyQualifiedName"]), ("Mme Ana B. Côté fille", "Ana Côté"))
        for name in ("DisplayName", "PrintOnCheckName"):
            self.refused("2020", self.change(again, **{name: ""}))
        self.assertEqual(self.accepted(self.create(DisplayName="  Bords  "))["DisplayName"], "Bords")

    def test_unique_names(self):
        """6240: customers, vendors and employees share their names (CAP-48)."""
        for taken in ("émilie tremblay", "HYDRO-QUÉBEC", " Samuel Lévesque-Roy ", "Excavation disparue (DELETED)"):
            self.refused("6240", self.create(DisplayName=taken))
        self.accepted(self.create(DisplayName="Excavation Disparue"))
        vendor = self.sim.rows("SELECT * FROM Vendor WHERE DisplayName = 'Hydro-Québec'")[0]
        detail = self.create(DisplayName="Hydro-Québec")[1]["Fault"]["Error"][0]["Detail"]
        self.assertTrue(detail.endswith("Id=" + vendor["Id"]))
        self.settings(duplicate_name_id=False)
        self.assertNotIn("Id=", self.create(DisplayName="Hydro-Québec")[1]["Fault"]["Error"][0]["Detail"])
        made = self.customer("Nom à prendre")
        self.refused("6240", self.sim.post("vendor", {"DisplayName": "nom à prendre"}))
        self.refused("6240", self.change(made, DisplayName="Hydro-Québec"))
        self.accepted(self.change(made, DisplayName="NOM À PRENDRE"))
        self.sim.act("edit", entity="Vendor", id=vendor["Id"], set={"DisplayName": "Hydro"})
        self.accepted(self.create(DisplayName="Hydro-Québec"))
        found = self.batch(creates("Jumeau", "JUMEAU"))
        self.assertEqual(sorted(code(i) for i in found.values() if "Fault" in i), ["6240"])
        self.accepted(self.create(DisplayName="Emilie Tremblay"))
        self.settings(name_folding="accents")
        self.refused("6240", self.create(DisplayName="Emilie Trémblay"))
        self.refused("6240", self.create(DisplayName="samuel levesque-roy"))

    def test_hierarchy(self):
        ref = lambda obj: {"Job": True, "ParentRef": {"value": obj["Id"]}}
        chain = [self.customer("Niveau 1")]
        for n in range(2, 6):
            chain.append(self.customer(f"Niveau {n}", **ref(chain[-1])))
        self.assertEqual((chain[4]["FullyQualifiedName"], chain[4]["Level"]),
                         ("Niveau 1:Niveau 2:Niveau 3:Niveau 4:Niveau 5", 4))
        self.refused("6180", self.create(DisplayName="Niveau 6", **ref(chain[4])))
        self.refused("900", self.change(chain[0], **ref(chain[2])))
        self.refused("900", self.change(chain[0], **ref(chain[0])))
        self.refused("6150", self.create(DisplayName="Sans parent", Job=True))
        self.refused("2600", self.create(DisplayName="Sans Job", ParentRef={"value": "1"}))
        self.refused("2500", self.create(DisplayName="Nulle part", Job=True, ParentRef={"value": "99999"}))
        self.refused("2500", self.create(DisplayName="Chez l'inactif", Job=True, ParentRef={"value": "21"}))
        two = self.customer("Haut")
        self.customer("Bas", **ref(two))
        self.refused("6180", self.change(two, **ref(chain[3])))         # what hangs below comes along
        self.refused("6240", self.create(DisplayName="Niveau 1", **ref(two)))
        self.assertFalse(self.customer("Sans effet", BillWithParent=True)["BillWithParent"])
        self.invoice(chain[1]["Id"], sale(5))
        chain[1] = self.read("customer", chain[1]["Id"])
        self.refused("6130", self.change(chain[1], BillWithParent=True))
        self.refused("6220", self.change(self.read("customer", chain[0]["Id"]), Active=False))

    def test_values(self):
        bad = [("2230", {"Active": "yes"}), ("2230", {"Job": 1}), ("2170", {"PreferredDeliveryMethod": "Fax"}),
               ("6420", {"PreferredDeliveryMethod": "Email"}), ("2170", {"TaxExemptionReasonId": "16"}),
               ("2170", {"TaxExemptionReasonId": 0}), ("2200", {"WebAddr": {"URI": "pas une adresse"}}),
               ("2500", {"SalesTermRef": {"value": "99"}}), ("2500", {"PaymentMethodRef": {"value": "99"}}),
               ("2500", {"DefaultTaxCodeRef": {"value": "99"}}), ("2500", {"CustomerTypeRef": {"value": "1"}}),
               ("2030", {"SalesTermRef": {"value": "abc"}}), ("6000", {"CurrencyRef": {"value": "USD"}}),
               ("6060", {"Balance": 10}), ("2060", {"Balance": 10, "OpenBalanceDate": "1/2/2026"}),
               ("2080", {"Balance": "10"}), ("2010", {"Colour": "red"}), ("2010", {"BillAddr": {"Street": "x"}}),
               ("2010", {"BillAddr": "x"}), ("2010", {"DisplayName": 5}), ("2010", {"PrimaryPhone": [1]}),
               ("2230", {"sparse": "true"})]
        for expected, fields in bad:
            self.refused(expected, self.create(**{"DisplayName": "Valeur"} | fields))
        made = self.accepted(self.create(DisplayName="Valeurs", TaxExemptionReasonId=9, PreferredDeliveryMethod="Email",
                                         WebAddr={"URI": "www.exemple.ca"}, **mail("a@b.ca")))
        self.assertEqual((made["Taxable"], made["WebAddr"]["URI"]), (False, "http://www.exemple.ca"))
        taxed = self.accepted(self.create(DisplayName="Taxée", DefaultTaxCodeRef={"value": "2"}))
        self.assertEqual((taxed["Taxable"], taxed["DefaultTaxCodeRef"]["value"]), (True, "2"))
        free = self.accepted(self.change(taxed, Taxable=False))
        self.assertNotIn("DefaultTaxCodeRef", free)
        opened = self.accepted(self.create(DisplayName="Solde", Balance=12.5, OpenBalanceDate="2026-01-02"))
        self.assertEqual(float(self.read("customer", opened["Id"])["Balance"]), 12.5)

    def test_read_only_and_whole_objects(self):
        made = self.accepted(self.create(
            DisplayName="Lecture seule", Level=3, FullyQualifiedName="x:y", IsProject=True, ClientEntityId="7",
            BalanceWithJobs=50, Source="x", V4IDPseudonym="y", domain="XYZ", MetaData={"CreateTime": "2001-01-01"}, SyncToken="7",
            BillAddr={"Line1": "1, rue A", "City": "Laval", "PostalCode": "H7H 7H7"}))
        self.assertEqual((made["FullyQualifiedName"], made["IsProject"], made["BalanceWithJobs"], made["SyncToken"]),
                         ("Lecture seule", False, 0, "0"))
        self.assertFalse({"Level", "Source", "V4IDPseudonym"} & set(made))
        again = self.accepted(self.change(made, BillAddr={"Line1": "2, rue B"}, CurrencyRef={"value": "CAD"}))
        self.assertEqual(again["BillAddr"], {"Line1": "2, rue B"})
        self.refused("6000", self.change(again, CurrencyRef={"value": "USD"}))
        masked = self.accepted(self.change(again, PrimaryTaxIdentifier="123456789RT0001"))
        self.assertEqual(masked["PrimaryTaxIdentifier"], "X" * 10 + "T0001"[-5:])
        before = self.sim.control("GET", "stats")["masks_sent_back"]
        self.accepted(self.change(masked, PrimaryTaxIdentifier=masked["PrimaryTaxIdentifier"]))
        self.assertEqual(self.sim.control("GET", "stats")["masks_sent_back"], before + 1)

    def test_clearing(self):
        made = self.customer("Effacer", Notes="n", Mobile={"FreeFormNumber": "1"}, **mail("a@b.ca"))
        self.settings(sparse_empty="ignore")
        kept = self.accepted(self.change(made, Notes="", Mobile={"FreeFormNumber": ""}, PrimaryEmailAddr=None))
        self.assertEqual((kept["Notes"], "Mobile" in kept, "PrimaryEmailAddr" in kept), ("n", True, True))
        self.settings(sparse_empty="clear", sparse_null="clear")
        gone = self.accepted(self.change(kept, Notes="", Mobile={"FreeFormNumber": ""}, PrimaryEmailAddr=None))
        self.assertFalse({"Notes", "Mobile", "PrimaryEmailAddr"} & set(gone))

    def test_tokens_and_inactive(self):
        made = self.customer("Jetons")
        self.refused("5010", self.change(made | {"SyncToken": "7"}, Notes="x"))
        self.refused("2020", self.sim.post("customer", {"Id": made["Id"], "sparse": True}))
        self.refused("2020", self.sim.post("customer", {"SyncToken": "0", "sparse": True}))
        self.refused("2030", self.sim.post("customer", {"Id": "abc", "SyncToken": "0", "sparse": True}))
        self.refused("610", self.sim.post("customer", {"Id": "99999", "SyncToken": "0", "sparse": True}))
        off = self.accepted(self.change(made, Active=False))
        self.refused("610", self.change(off, Notes="x"))
        self.refused("610", self.change(off, Active=False))
        self.settings(inactive_update="200")
        off = self.accepted(self.change(off, Notes="x"))
        self.assertEqual(off["DisplayName"], "Jetons (deleted)")
        self.assertEqual(self.accepted(self.change(off, Active=True))["DisplayName"], "Jetons")
        loser, survivor = self.customer("Perdante"), self.customer("Gagnante")
        self.sim.act("merge", entity="Customer", id=loser["Id"], into=survivor["Id"])
        now = self.read("customer", loser["Id"])
        self.refused("610", self.change(now, Active=True))
        self.refused("610", self.change(now, Notes="x"))

    def test_follows_the_write(self):
        """What was written is in queries and in CDC at once, with the token and time of the answer."""
        since = self.sim.get("preferences")[1]["time"]
        self.sim.control("POST", "clock", {"advance": 3})
        found = self.batch(creates("Suivie 1", "Suivie 2"))
        self.sim.control("POST", "clock", {"advance": 3})
        changed = self.accepted(self.change(found["0"]["Customer"], Notes="x"))
        blocks = self.sim.cdc("Customer", since)[1]["CDCResponse"][0]["QueryResponse"]
        seen = {o["Id"]: o for o in blocks[0]["Customer"]}
        self.assertEqual(seen[changed["Id"]], changed)
        self.assertEqual(seen[found["1"]["Customer"]["Id"]], found["1"]["Customer"])
        self.assertEqual(self.sim.rows("SELECT * FROM Customer WHERE DisplayName = 'Suivie 1'"), [changed])

    def test_vendors_and_employees(self):
        made = self.accepted(self.sim.post("vendor", {"DisplayName": "Fournisseur", "TaxIdentifier": "123-45-6789"}))
        self.assertEqual(made["TaxIdentifier"], "XXXXXXX6789")
        self.refused("2020", self.sim.post("employee", {"DisplayName": "Sans nom"}))
        made = self.accepted(self.sim.post("employee", {"GivenName": "Léa", "SSN": "046 454 286"}))
        self.assertEqual((made["DisplayName"], made["SSN"]), ("Léa", "XXX-XX-XXXX"))
        self.refused("6240", self.create(GivenName="LÉA"))


class WordingTest(Writer):
    """What Intuit does not promise: elements of faults, localized words, several errors at once."""

    def test_elements(self):
        error = lambda: self.sim.post("customer", {"CompanyName": "x"})[1]["Fault"]["Error"][0]
        inside = lambda: self.batch(creates("Émilie Tremblay"))["0"]["Fault"]["Error"][0]
        self.assertEqual((error()["element"], inside()["element"]), ("DisplayName",) * 2)
        self.settings(fault_elements="empty")
        self.assertEqual((error()["element"], inside()["element"]), ("", ""))
        self.settings(fault_elements="absent")
        self.assertFalse("element" in error() or "element" in inside())

    def test_words(self):
        self.settings(deleted_suffix=" (supprimé)", voided_text="Annulée")
        made = self.customer("Mot")
        off = self.accepted(self.sim.post("customer", {"Id": made["Id"], "SyncToken": "0", "sparse": True, "Active": False}))
        self.assertEqual(off["DisplayName"], "Mot (supprimé)")
        second = self.customer("Mot")
        off = self.accepted(self.sim.post("customer", {"Id": second["Id"], "SyncToken": "0", "sparse": True, "Active": False}))
        self.assertEqual(off["DisplayName"], "Mot (supprimé 2)")
        bill = self.invoice("1", sale(5), PrivateNote="n")
        self.assertEqual(self.accepted(self.sim.post("invoice?operation=void", {"Id": bill["Id"], "SyncToken": "0"}))[
            "PrivateNote"], "Annulée - n")

    def test_several_errors(self):
        self.sim.fault("code", "object", code="2050", more=["6240", "2210"])
        errors = self.sim.post("customer", {"DisplayName": "x"})[1]["Fault"]["Error"]
        self.assertEqual([e["code"] for e in errors], ["2050", "6240", "2210"])

    def test_company_state(self):
        self.settings(status_6190=403)
        self.sim.act("company_value", set={"suspended": True})
        self.addCleanup(self.sim.act, "company_value", set={"suspended": False})
        self.refused("6190", self.sim.post("customer", {"DisplayName": "x"}), 403)

    def test_unbilled(self):
        made = self.customer("Non facturée")
        self.sim.act("company_value", set={"unbilled": [made["Id"]]})
        off = {"Id": made["Id"], "SyncToken": "0", "sparse": True, "Active": False}
        self.refused("6280", self.sim.post("customer", off))
        self.sim.act("company_value", set={"unbilled": []})
        self.accepted(self.sim.post("customer", off))


class NumberTest(Writer):
    def test_document_numbers(self):
        prefer = lambda on: self.sim.act("preference", set={"SalesFormsPrefs": {"CustomTxnNumbers": on}})
        bill = lambda path="invoice", **fields: self.sim.post(path, {"CustomerRef": {"value": "1"}, "Line": [sale(1)]} | fields)
        first = int(self.accepted(bill())["DocNumber"])
        self.assertEqual(self.accepted(bill())["DocNumber"], str(first + 1))
        self.assertEqual(self.accepted(bill(DocNumber="F-77"))["DocNumber"], "F-77")
        self.accepted(bill(DocNumber="F-77"))                           # not enforced without custom numbers
        self.assertEqual(self.accepted(bill())["DocNumber"], str(first + 2))
        self.refused("2050", bill(DocNumber="x" * 22))
        prefer(True)
        self.addCleanup(prefer, False)
        self.assertNotIn("DocNumber", self.accepted(bill()))
        taken = self.accepted(bill(DocNumber="F-78"))
        refusal = bill(DocNumber="F-78")
        self.refused("6140", refusal)
        self.assertIn(f"DocNumber=F-78 is assigned to TxnType=Invoice with TxnId={taken['Id']}",
                      refusal[1]["Fault"]["Error"][0]["Detail"])
        self.accepted(bill("invoice?include=allowduplicatedocnum", DocNumber="F-78"))
        other = self.accepted(bill(DocNumber="F-79"))
        self.refused("6140", self.sim.post("invoice", {"Id": other["Id"], "SyncToken": "0", "sparse": True, "DocNumber": "F-78"}))
        self.sim.act("company_value", set={"warn_duplicates": False})
        self.accepted(bill(DocNumber="F-79"))
        self.sim.act("company_value", set={"warn_duplicates": True})
        self.accepted(self.sim.post("invoice?operation=delete", {"Id": taken["Id"], "SyncToken": "0"}))
        found = self.batch([{"bId": b, "operation": "create", "Invoice": {
            "CustomerRef": {"value": "1"}, "DocNumber": "F-80", "Line": [sale(2)]}} for b in "ab"])
        self.assertEqual(sorted(code(i) for i in found.values() if "Fault" in i), ["6140"])


class LateTest(Writer):
    def test_index_delay(self):
        """EXT-3: what was written is found by query and CDC only later; a read by id has it at once."""
        self.settings(index_delay=30)
        since = self.sim.get("preferences")[1]["time"]
        self.sim.control("POST", "clock", {"advance": 2})
        made = self.customer("Indexée plus tard")
        changed = lambda: [o["Id"] for o in self.sim.cdc("Customer", since)[1]["CDCResponse"][0]["QueryResponse"][0].get("Customer", [])]
        found = lambda: self.sim.rows("SELECT * FROM Customer WHERE DisplayName = 'Indexée plus tard'")
        self.assertEqual(self.read("customer", made["Id"]), made)
        self.assertEqual((found(), changed()), ([], []))
        self.refused("6240", self.sim.post("customer", {"DisplayName": "Indexée plus tard"}))
        self.sim.control("POST", "clock", {"advance": 31})
        self.assertEqual((found(), changed()), ([made], [made["Id"]]))

    def test_token_step(self):
        self.settings(token_step=3)
        made = self.customer("Jetons par trois")
        changed = self.accepted(self.sim.post("customer", {"Id": made["Id"], "SyncToken": "0", "sparse": True, "Notes": "x"}))
        self.assertEqual(changed["SyncToken"], "3")


class BundleTest(Writer):
    def test_bundle(self):
        prices = {i["Id"]: i.get("UnitPrice") for i in self.sim.rows("SELECT * FROM Item")}
        parts = [{"ItemRef": {"value": "1"}, "Qty": 2}, {"ItemRef": {"value": "6"}, "Qty": 1}]
        made = {"Name": "Forfait", "Type": "Group", "ItemGroupDetail": {"ItemGroupLine": parts}}
        self.refused("5030", self.sim.post("item", made))
        bundle = self.sim.act("create", entity="Item", object=made)["Id"]
        one = 2 * prices["1"] + prices["6"]
        line = lambda **detail: {"DetailType": "GroupLineDetail", "GroupLineDetail": {"GroupItemRef": {"value": bundle}} | detail}
        bill = self.invoice("1", line(Quantity=3), sale(5))
        group = bill["Line"][0]
        self.assertEqual((group["Amount"], bill["TotalAmt"]), (3 * one, 3 * one + 5))
        self.assertEqual([l["SalesItemLineDetail"]["Qty"] for l in group["GroupLineDetail"]["Line"]], [6, 3])
        ids = [group["Id"], bill["Line"][1]["Id"]] + [l["Id"] for l in group["GroupLineDetail"]["Line"]]
        self.assertEqual(len(set(ids)), 4)
        price = self.read("item", "1")
        self.sim.act("edit", entity="Item", id="1", set={"UnitPrice": 1})
        self.addCleanup(self.sim.act, "edit", entity="Item", id="1", set={"UnitPrice": float(price["UnitPrice"])})
        kept = self.accepted(self.sim.post("invoice", {"Id": bill["Id"], "SyncToken": "0", "sparse": True, "Line": [
            line(Quantity=3) | {"Id": group["Id"]}]}))
        self.assertEqual(kept["Line"][0], group)
        again = self.accepted(self.sim.post("invoice", {"Id": bill["Id"], "SyncToken": "1", "sparse": True, "Line": [
            line(Quantity=1) | {"Id": group["Id"]}]}))
        self.assertEqual((again["Line"][0]["Id"], again["TotalAmt"]), (group["Id"], 2 + prices["6"]))
        self.refused("2160", self.sim.post("invoice", {"CustomerRef": {"value": "1"}, "Line": [line(Quantity=0)]}))
        self.refused("2500", self.sim.post("invoice", {"CustomerRef": {"value": "1"}, "Line": [line(GroupItemRef={"value": "1"})]}))
        self.refused("6440", self.sim.post("invoice", {"CustomerRef": {"value": "1"}, "Line": [sale(1, ItemRef={"value": bundle})]}))
        void = self.accepted(self.sim.post("invoice?operation=void", {"Id": bill["Id"], "SyncToken": "2"}))
        self.assertEqual((void["TotalAmt"], void["Line"][0]["GroupLineDetail"]["Line"][0]["Amount"]), (0, 0))
