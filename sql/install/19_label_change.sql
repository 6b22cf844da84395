/*
 * Words for what changed in a record: names of columns, and the sentences of qbsync.change_text().  A column that has no row
 * is called by its name in the mirror, without _id and with blanks.
 */
INSERT INTO qbsync.label (kind, value, language, label)
SELECT 'change', t.value, w.language, w.label
FROM (VALUES
	('deleted', 'Deleted in QuickBooks.', 'Supprimé dans QuickBooks.'),
	('created', 'Made in QuickBooks.', 'Créé dans QuickBooks.'),
	('restored', 'Back in QuickBooks.', 'De nouveau dans QuickBooks.'),
	('other', 'Details that have no column changed.', 'Des détails sans colonne ont changé.'),
	('empty', 'nothing', 'rien'),
	('value', '%s: %s → %s', '%s : %s → %s'),
	('what', '%s: %s', '%s : %s'),
	('more', '%s more', '%s de plus'),
	('line', 'line %s', 'ligne %s'),
	('added', 'added', 'ajoutée'),
	('removed', 'removed', 'supprimée'),
	('true', 'yes', 'oui'),
	('false', 'no', 'non')
) AS t(value, en, fr)
CROSS JOIN LATERAL (VALUES ('en', t.en), ('fr', t.fr)) AS w(language, label);

INSERT INTO qbsync.label (kind, value, language, label)
SELECT 'column', t.value, w.language, w.label
FROM (VALUES
	('accepted_by', NULL, 'accepté par'),
	('accepted_date', NULL, 'accepté le'),
	('active', NULL, 'actif'),
	('alternate_phone', NULL, 'autre téléphone'),
	('amount', NULL, 'montant'),
	('ar_account', 'receivables account', 'compte clients'),
	('balance', NULL, 'solde'),
	('balance_with_jobs', 'balance with sub-customers', 'solde avec sous-clients'),
	('bill_email', NULL, 'courriel de facturation'),
	('bill_with_parent', 'billed with its parent', 'facturé avec son parent'),
	('book_close_date', 'books closed until', 'livres fermés jusqu''au'),
	('class', NULL, 'classe'),
	('company_name', 'company', 'entreprise'),
	('currency', NULL, 'devise'),
	('custom_fields', NULL, 'champs personnalisés'),
	('customer', NULL, 'client'),
	('customer_memo', 'message to the customer', 'message au client'),
	('customer_type', NULL, 'type de client'),
	('department', 'location', 'emplacement'),
	('deposit', NULL, 'acompte'),
	('deposit_to_account', NULL, 'compte de dépôt'),
	('description', NULL, 'description'),
	('discount_amt', 'discount', 'remise'),
	('discount_percent', NULL, 'remise en pour cent'),
	('display_name', 'name', 'nom'),
	('doc_number', 'number', 'numéro'),
	('due_date', NULL, 'échéance'),
	('email_status', NULL, 'envoi par courriel'),
	('emails', 'e-mail addresses', 'courriels'),
	('exchange_rate', NULL, 'taux de change'),
	('expiration_date', NULL, 'date d''expiration'),
	('family_name', NULL, 'nom de famille'),
	('fax', NULL, 'télécopieur'),
	('fully_qualified_name', 'name with its parents', 'nom avec ses parents'),
	('given_name', NULL, 'prénom'),
	('home_balance', 'balance in home currency', 'solde en monnaie locale'),
	('home_total_amt', 'total in home currency', 'total en monnaie locale'),
	('is_project', 'is a project', 'est un projet'),
	('item', NULL, 'article'),
	('job', 'is a sub-customer', 'est un sous-client'),
	('level', NULL, 'niveau'),
	('linked_txn', 'linked transactions', 'opérations liées'),
	('middle_name', NULL, 'deuxième prénom'),
	('mobile', NULL, 'cellulaire'),
	('name', NULL, 'nom'),
	('notes', NULL, 'notes'),
	('parent', NULL, 'parent'),
	('payment_method', NULL, 'mode de paiement'),
	('payment_ref_num', 'reference', 'référence'),
	('preferred_delivery_method', NULL, 'mode d''envoi préféré'),
	('primary_phone', 'phone', 'téléphone'),
	('print_on_check_name', 'name on cheques', 'nom sur les chèques'),
	('print_status', 'printing', 'impression'),
	('private_note', 'memo', 'note interne'),
	('project', NULL, 'projet'),
	('purchase_cost', NULL, 'coût'),
	('qty', 'quantity', 'quantité'),
	('qty_on_hand', 'stock', 'stock'),
	('resale_num', 'resale number', 'numéro de revente'),
	('service_date', NULL, 'date du service'),
	('ship_date', 'day of shipping', 'date d''expédition'),
	('ship_method', 'way of shipping', 'mode d''expédition'),
	('sku', 'article number', 'numéro d''article'),
	('suffix', NULL, 'suffixe'),
	('tax_code', NULL, 'code de taxe'),
	('tax_identifier', 'tax number', 'numéro fiscal'),
	('tax_lines', 'tax by rate', 'taxes par taux'),
	('taxable', NULL, 'taxable'),
	('term', 'terms of payment', 'conditions de paiement'),
	('title', NULL, 'titre'),
	('total_amt', 'total', 'total'),
	('total_tax', 'tax', 'taxes'),
	('tracking_num', 'tracking number', 'numéro de suivi'),
	('txn', 'transaction', 'opération'),
	('txn_date', 'date', 'date'),
	('txn_status', 'status', 'état'),
	('txn_type', 'kind of transaction', 'type d''opération'),
	('unapplied_amt', 'not applied', 'non imputé'),
	('unit_price', 'price', 'prix'),
	('web_addr', 'web site', 'site web')
) AS t(value, en, fr)
CROSS JOIN LATERAL (VALUES ('en', coalesce(t.en, replace(t.value, '_', ' '))), ('fr', t.fr)) AS w(language, label);

INSERT INTO qbsync.label (kind, value, language, label)
SELECT 'column', a.prefix || '_' || p.part, w.language, w.label
FROM (VALUES
	('bill', 'billing address', 'adresse de facturation'),
	('ship', 'shipping address', 'adresse de livraison'),
	('ship_from', 'address shipped from', 'adresse d''expédition')
) AS a(prefix, en, fr)
CROSS JOIN (
	SELECT 'line' || n AS part, 'line ' || n AS en, 'ligne ' || n AS fr FROM generate_series(1, 5) n
	UNION ALL VALUES ('city', 'city', 'ville'), ('region', 'state or province', 'province ou État'), ('postal_code', 'postal code', 'code postal'), ('country', 'country', 'pays')
) p
CROSS JOIN LATERAL (VALUES ('en', a.en || ', ' || p.en), ('fr', a.fr || ', ' || p.fr)) AS w(language, label);
