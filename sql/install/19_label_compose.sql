/*
 * What is wrong with a value that QuickBooks would refuse: the sentences of qbsync.compose() (src/quickbooks/compose_check.c), which
 * says which one, with what particulars.
 */
INSERT INTO qbsync.label (kind, value, language, label)
SELECT 'compose', t.value, w.language, w.label
FROM (VALUES
	('too_long', 'QuickBooks takes %1$s characters, it has %2$s.', 'QuickBooks accepte %1$s caractères, elle en a %2$s.'),
	('emails_too_long', 'QuickBooks takes %1$s characters for all addresses together, they have %2$s.', 'QuickBooks accepte %1$s caractères pour toutes les adresses ensemble, elles en ont %2$s.'),
	('address_too_long', 'QuickBooks takes %1$s characters in the lines of an address together, they have %2$s.', 'QuickBooks accepte %1$s caractères pour les lignes d''une adresse ensemble, elles en ont %2$s.'),
	('not_listed', '"%1$s" is not one of: %2$s.', '« %1$s » n''est aucun de : %2$s.'),
	('colon', 'It has a colon.', 'Elle contient un deux-points.'),
	('tab', 'It has a tab.', 'Elle contient une tabulation.'),
	('line_break', 'It has a line break.', 'Elle contient un saut de ligne.'),
	('control_character', 'It has the control character %s.', 'Elle contient le caractère de contrôle %s.'),
	('kept_bad_characters', 'QuickBooks has characters beside it (%s) that PostgreSQL cannot keep; change it there.', 'QuickBooks a à côté d''elle (%s) des caractères que PostgreSQL ne peut pas garder ; changez-la là-bas.'),
	('needs_whole', 'Emptying this needs the whole record, whose tax number QuickBooks does not show; empty it there.', 'La vider demande d''envoyer la fiche entière, dont QuickBooks ne montre pas le numéro fiscal ; videz-la là-bas.'),
	('not_text', 'It is not a text.', 'Ce n''est pas un texte.'),
	('not_texts', 'It is not a list of texts.', 'Ce n''est pas une liste de textes.'),
	('not_number', 'It is not a number.', 'Ce n''est pas un nombre.'),
	('not_boolean', 'It is neither true nor false.', 'Ce n''est ni vrai ni faux.'),
	('not_date', 'It is not a date of the form YYYY-MM-DD.', 'Ce n''est pas une date de la forme AAAA-MM-JJ.'),
	('not_email', '"%s" is not an e-mail address.', '« %s » n''est pas une adresse électronique.'),
	('not_web', '"%s" is not an address on the web.', '« %s » n''est pas une adresse web.'),
	('name_emptied', 'A customer of QuickBooks cannot be without a name.', 'Un client de QuickBooks ne peut pas être sans nom.'),
	('nameless', 'It has neither a display name nor a part of a person''s name.', 'Elle n''a ni nom affiché ni partie d''un nom de personne.'),
	('required', 'QuickBooks requires it.', 'QuickBooks l''exige.')
) AS t(value, en, fr)
CROSS JOIN LATERAL (VALUES ('en', t.en), ('fr', t.fr)) AS w(language, label);
