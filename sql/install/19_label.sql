/*
 * Words of states, for people, in each language.  Views show them in the language of the company (policy language, else
 * lc_messages): another language is further rows, without a change of any view.
 */

CREATE TABLE qbsync.label (
	kind		text NOT NULL,
	value		text NOT NULL CHECK (value = lower(value)),
	language	text NOT NULL,
	label		text NOT NULL CHECK (label <> ''),
	PRIMARY KEY (kind, value, language)
);
COMMENT ON TABLE qbsync.label IS 'Words for states and stages in each language; what has no row in a language is shown in English, else as it is. A superuser adds languages; rows of languages other than en and fr are dumped';
COMMENT ON COLUMN qbsync.label.kind IS 'invoice: a state of invoice_status; estimate: one of estimate_status; stage: one of pipeline; setup, setup_do: title of a step of setup_todo, and what to do; way_out: what to do in a state of a connection; origin: how records were linked; sentence: a detail of status, mapping_status and error_open; compose: why a value cannot be sent; timeline, event, entity: words of timeline; column: a column of the mirror, without _id; change: words of record_change. Sentences have places for particulars, as format() has them';

INSERT INTO qbsync.label (kind, value, language, label)
SELECT t.kind, t.value, w.language, w.label
FROM (VALUES
	-- PIP-24…29
	('invoice', 'open', 'Open', 'En cours'),
	('invoice', 'partially_paid', 'Partially paid', 'Partiellement payée'),
	('invoice', 'paid', 'Paid', 'Payée'),
	('invoice', 'overdue', 'Overdue', 'En retard'),
	('invoice', 'voided', 'Voided', 'Annulée'),
	('invoice', 'deleted', 'Deleted', 'Supprimée'),
	('estimate', 'pending', 'Pending', 'En attente'),
	('estimate', 'accepted', 'Accepted', 'Accepté'),
	('estimate', 'closed', 'Closed', 'Fermé'),
	('estimate', 'rejected', 'Rejected', 'Refusé'),
	('estimate', 'converted', 'Converted', 'Converti'),
	('estimate', 'expired', 'Expired', 'Expiré'),
	('estimate', 'deleted', 'Deleted', 'Supprimé'),
	-- CEN-28…32
	('stage', 'lost', 'Lost', 'Perdue'),
	('stage', 'qualified', 'Qualified', 'Qualifiée'),
	('stage', 'advanced', 'Advanced', 'Avancée'),
	('stage', 'won', 'Won', 'Gagnée'),
	-- how of matched
	('origin', 'id', 'the CRM record names the QuickBooks id', 'la fiche du CRM donne l''identifiant de QuickBooks'),
	('origin', 'tax_id', 'the same tax number', 'le même numéro fiscal'),
	('origin', 'name_and_email', 'the same name and e-mail', 'le même nom et le même e-mail'),
	('origin', 'name_only', 'the same name', 'le même nom'),
	('origin', 'email_only', 'the same e-mail', 'le même e-mail'),
	('origin', 'decision', 'a person decided it', 'une personne en a décidé'),
	('origin', 'created_in_crm', 'made in the CRM from QuickBooks', 'créée dans le CRM depuis QuickBooks'),
	('origin', 'created_in_quickbooks', 'made in QuickBooks from the CRM', 'créée dans QuickBooks depuis le CRM'),
	('origin', 'merge', 'merged', 'fusionnée'),
	('sentence', 'watch_missing', 'Table %s has no trigger of qbsync.', 'La table %s n''a pas de déclencheur de qbsync.'),
	('sentence', 'seen_change', 'In QuickBooks: %s', 'Dans QuickBooks : %s'),
	('sentence', 'watch_disabled', 'The trigger of qbsync on table %s is disabled.', 'Le déclencheur de qbsync sur la table %s est désactivé.')
) AS t(kind, value, en, fr)
CROSS JOIN LATERAL (VALUES ('en', t.en), ('fr', t.fr)) AS w(language, label);

/* In PL/pgSQL, which keeps its plan for the session; views call it in their select lists, for the rows that are shown. */
CREATE FUNCTION qbsync.label(kind text, value text, language text)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN coalesce(
		(SELECT l.label FROM qbsync.label l WHERE l.kind = label.kind AND l.value = lower(label.value) AND l.language = label.language),
		(SELECT l.label FROM qbsync.label l WHERE l.kind = label.kind AND l.value = lower(label.value) AND l.language = 'en'),
		label.value);
END
$fn$;
COMMENT ON FUNCTION qbsync.label(text, text, text) IS 'Word for a value in a language, see the table qbsync.label; without one the English word, else the value itself. The case of letters of value does not matter';

CREATE FUNCTION qbsync.label_with(kind text, value text, language text, particulars text[])
RETURNS text
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN format(qbsync.label(label_with.kind, label_with.value, label_with.language), VARIADIC label_with.particulars);
END
$fn$;
COMMENT ON FUNCTION qbsync.label_with(text, text, text, text[]) IS 'Sentence of the table qbsync.label in a language with its places filled';
