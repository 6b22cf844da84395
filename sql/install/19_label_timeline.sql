/*
 * Words of qbsync.timeline.  Places of its sentences: 1 the record as QuickBooks has it, 2 and 3 as qbsync.timeline_text() says.
 */
INSERT INTO qbsync.label (kind, value, language, label)
SELECT 'timeline', t.value, w.language, w.label
FROM (VALUES
	('created', 'Made in the CRM from QuickBooks %1$s.', 'Créée dans le CRM depuis QuickBooks (%1$s).'),
	('updated', 'Written from QuickBooks %1$s: %2$s%3$s.', 'Écrite depuis QuickBooks (%1$s) : %2$s%3$s.'),
	('overwritten', '; the CRM''s own value is in qbsync.history: %s', ' ; la valeur du CRM est dans qbsync.history : %s'),
	('made', 'Made in QuickBooks: %1$s.', 'Créée dans QuickBooks : %1$s.'),
	('sent', 'Sent to QuickBooks %1$s: %2$s.', 'Envoyée à QuickBooks (%1$s) : %2$s.'),
	('deleted', 'Deleted in the CRM because QuickBooks %1$s was deleted.', 'Supprimée du CRM, car supprimée dans QuickBooks (%1$s).'),
	('linked', 'Linked with QuickBooks %1$s.', 'Liée à QuickBooks (%1$s).'),
	('linked_why', 'Linked with QuickBooks %1$s: %2$s.', 'Liée à QuickBooks (%1$s) : %2$s.'),
	('unlinked', 'No longer linked with QuickBooks %1$s.', 'N''est plus liée à QuickBooks (%1$s).'),
	('unlinked_why', 'No longer linked with QuickBooks %1$s: %2$s.', 'N''est plus liée à QuickBooks (%1$s) : %2$s.'),
	('deleted in quickbooks', 'deleted in QuickBooks', 'supprimée dans QuickBooks'),
	('merged', 'Merged into %2$s in the CRM; QuickBooks %1$s follows.', 'Fusionnée avec %2$s dans le CRM ; QuickBooks suit (%1$s).'),
	('another', 'another record', 'une autre fiche'),
	('merged_there', 'QuickBooks %1$s was merged into another one.', 'Fusionnée avec une autre fiche dans QuickBooks (%1$s).'),
	('conflict', 'Differs from QuickBooks %1$s; a person decides.', 'Diffère de QuickBooks (%1$s) ; une personne en décide.'),
	('conflict_in', 'Differs from QuickBooks %1$s: %2$s; a person decides.', 'Diffère de QuickBooks (%1$s) : %2$s ; une personne en décide.'),
	('resolved_crm', '%2$s is taken from the CRM.', 'La valeur du CRM est gardée : %2$s.'),
	('resolved_quickbooks', '%2$s is taken from QuickBooks.', 'La valeur de QuickBooks est reprise : %2$s.'),
	('event', 'QuickBooks %1$s: %2$s.', 'QuickBooks (%1$s) : %2$s.'),
	('event_column', 'QuickBooks %1$s: %2$s; %3$s.', 'QuickBooks (%1$s) : %2$s ; %3$s.'),
	('becomes', '%1$s is now %2$s', '%1$s devient %2$s'),
	('missing', 'The CRM record of QuickBooks %1$s is gone or out of scope.', 'La fiche du CRM liée à QuickBooks (%1$s) a disparu ou ne fait plus partie de la vue.'),
	('rekeyed', 'Has another key in the CRM, where it was %2$s before; QuickBooks %1$s goes on with it.', 'A une autre clé dans le CRM, où c''était %2$s ; QuickBooks suit (%1$s).'),
	('undone', 'Decision %2$s about QuickBooks %1$s was undone.', 'La décision %2$s sur QuickBooks (%1$s) a été annulée.'),
	('undone_columns', 'Written back, because decision %2$s was undone: %3$s.', 'Rétablie, car la décision %2$s a été annulée : %3$s.'),
	('decided_create', 'To be made in the CRM: QuickBooks %1$s.', 'À créer dans le CRM : QuickBooks (%1$s).'),
	('decided_hold', 'QuickBooks %1$s waits until a person decides.', 'QuickBooks (%1$s) attend qu''une personne décide.'),
	('decided_ignore', 'QuickBooks %1$s stays in QuickBooks alone.', 'QuickBooks (%1$s) reste dans QuickBooks seulement.'),
	('decided_reject', 'Not the same as QuickBooks %1$s.', 'N''est pas la même que QuickBooks (%1$s).'),
	('other', '%2$s: QuickBooks %1$s.', '%2$s : QuickBooks (%1$s).')
) AS t(value, en, fr)
CROSS JOIN LATERAL (VALUES ('en', t.en), ('fr', t.fr)) AS w(language, label);

-- in English an event is called by its code, and an entity by its name
INSERT INTO qbsync.label (kind, value, language, label) VALUES
	('event', 'invoice_updated', 'fr', 'facture modifiée'), ('event', 'payment_created', 'fr', 'paiement reçu'), ('event', 'reopened', 'fr', 'rouverte'),
	('event', 'partially_paid', 'fr', 'partiellement payée'), ('event', 'paid', 'fr', 'payée'), ('event', 'overdue', 'fr', 'en retard'),
	('event', 'emailed', 'fr', 'envoyée par courriel'), ('event', 'voided', 'fr', 'annulée'), ('event', 'deleted', 'fr', 'supprimée'),
	('entity', 'customer', 'fr', 'client'), ('entity', 'vendor', 'fr', 'fournisseur'), ('entity', 'employee', 'fr', 'employé'), ('entity', 'item', 'fr', 'article'),
	('entity', 'term', 'fr', 'conditions'), ('entity', 'invoice', 'fr', 'facture'), ('entity', 'payment', 'fr', 'paiement'), ('entity', 'estimate', 'fr', 'devis'),
	('entity', 'credit_memo', 'fr', 'avoir'), ('entity', 'sales_receipt', 'fr', 'reçu de vente'), ('entity', 'refund_receipt', 'fr', 'reçu de remboursement');
