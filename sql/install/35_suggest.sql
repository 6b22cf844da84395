/*
 * What the columns of a CRM table mean, from their names and types: qbsync.guess_columns(), and the vocabulary that
 * qbsync_map_suggest (35_suggest_*.sql) uses too.  Catalogs are read, never a row of the CRM.
 */

/* "RaisonSociale", "raison_sociale" and "Raison sociale" are {raison,sociale}: no accents, lower case, words apart. */
CREATE FUNCTION qbsync.name_words(name text)
RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT array_remove(regexp_split_to_array(lower(
		regexp_replace(regexp_replace(regexp_replace(normalize(coalesce(name_words.name, ''), NFKD),
			'[\u0300-\u036f]', '', 'g'), '([A-Z]+)([A-Z][a-z])', '\1_\2', 'g'), '([a-z0-9])([A-Z])', '\1_\2', 'g')),
		'[^a-z0-9]+'), '');
$fn$;
COMMENT ON FUNCTION qbsync.name_words(text) IS 'Words of an identifier, without accents, in lower case';

/* Words by meaning, for everything but customers; see qbsync.vocabulary(). */
CREATE FUNCTION qbsync.document_vocabulary(OUT scope text, OUT meaning text, OUT words text[])
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 45
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT s.scope, v.meaning, string_to_array(v.words, ' ')
	FROM (VALUES
		('item', 'name', 'name productname itemname servicename nom nomproduit title titre designation libelle'),
		('item', 'sku', 'sku code productcode itemcode articlenumber numeroarticle reference codeproduit partnumber'),
		('item', 'description', 'description salesdescription details descriptif'),
		('item', 'unit_price', 'unitprice price salesprice listprice prix prixunitaire prixvente tarif rate'),
		('item', 'purchase_cost', 'purchasecost cost unitcost purchaseprice cout coutant prixachat'),
		('item', 'active', 'active isactive actif estactif enabled'),
		('item', 'taxable', 'taxable istaxable'),
		('item', 'qty_on_hand', 'qtyonhand quantityonhand stock onhand'),
		('item', 'parent_key', 'parentid categoryid'),
		('term', 'name', 'name nom label libelle'),
		('term', 'due_days', 'duedays days netdays jours delai'),
		('term', 'discount_percent', 'discountpercent discount escompte'),
		('term', 'discount_days', 'discountdays joursescompte'),
		('term', 'active', 'active isactive actif'),
		('invoice', 'doc_number', 'docnumber invoicenumber invoiceno number numero nofacture numerofacture numfacture reference ref'),
		('invoice', 'txn_date', 'txndate invoicedate date issuedate issuedon issuedat datefacture datedefacture dateemission datefacturation'),
		('invoice', 'due_date', 'duedate dueon dueat echeance dateecheance datedecheance'),
		('invoice', 'ship_date', 'shipdate shippingdate dateexpedition datelivraison'),
		('invoice', 'total_amt', 'totalamt total totalamount grandtotal amount montanttotal montant totalttc montantttc'),
		('invoice', 'total_tax', 'totaltax taxtotal taxamount tax taxes montanttaxes montanttva tva'),
		('invoice', 'balance', 'balance balancedue amountdue outstanding solde soldedu resteapayer'),
		('invoice', 'deposit', 'deposit depot acompte'),
		('invoice', 'currency', 'currency currencycode devise codedevise monnaie'),
		('invoice', 'exchange_rate', 'exchangerate tauxdechange tauxchange'),
		('invoice', 'private_note', 'privatenote internalnote memo note notes noteinterne commentaire'),
		('invoice', 'customer_memo', 'customermemo customermessage message messageclient notepourclient publicnote'),
		('invoice', 'bill_email', 'billemail email billingemail courriel courrielfacturation'),
		('invoice', 'tracking_num', 'trackingnum trackingnumber numerosuivi'),
		('invoice', 'ship_method', 'shipmethod shippingmethod modelivraison'),
		('invoice', 'email_status', 'emailstatus'),
		('invoice', 'customer_key', 'customerid customer clientid client accountid account organisationid organizationid companyid contactid personid buyerid acheteurid societeid'),
		('invoice', 'term_key', 'termid termsid paymenttermid paymenttermsid'),
		('invoice_line', 'position', 'position linenumber lineno linenum linenr sortorder sort seq sequence ordinal ordre rang ligne line numeroligne nb'),
		('invoice_line', 'description', 'description descriptif text texte label libelle designation details name'),
		('invoice_line', 'amount', 'amount linetotal lineamount total subtotal montant montantligne soustotal'),
		('invoice_line', 'qty', 'qty quantity quantite qte units count'),
		('invoice_line', 'unit_price', 'unitprice price rate prixunitaire prix tarif'),
		('invoice_line', 'service_date', 'servicedate date dateservice datedeservice performedon'),
		('invoice_line', 'item_key', 'itemid item productid product serviceid articleid produitid skuid'),
		('invoice_line', 'discount_percent', 'discountpercent'),
		('estimate', 'doc_number', 'docnumber estimatenumber estimateno quotenumber quoteno number numero nodevis numerodevis nosoumission numerosoumission reference ref'),
		('estimate', 'txn_date', 'txndate estimatedate quotedate date issuedate issuedon issuedat datedevis datedudevis datesoumission dateemission'),
		('estimate', 'expiration_date', 'expirationdate expirydate expireson expiresat validuntil validto dateexpiration datedexpiration valablejusquau validejusquau'),
		('estimate', 'accepted_by', 'acceptedby acceptepar'),
		('estimate', 'accepted_date', 'accepteddate acceptedon acceptedat dateacceptation datedacceptation'),
		('estimate', 'total_amt', 'totalamt total totalamount grandtotal amount montanttotal montant totalttc montantttc'),
		('estimate', 'total_tax', 'totaltax taxtotal taxamount tax taxes montanttaxes montanttva tva'),
		('estimate', 'currency', 'currency currencycode devise codedevise monnaie'),
		('estimate', 'exchange_rate', 'exchangerate tauxdechange tauxchange'),
		('estimate', 'private_note', 'privatenote internalnote memo note notes noteinterne commentaire'),
		('estimate', 'customer_memo', 'customermemo customermessage message messageclient notepourclient publicnote'),
		('estimate', 'bill_email', 'billemail email billingemail courriel'),
		('estimate', 'email_status', 'emailstatus'),
		('estimate', 'customer_key', 'customerid customer clientid client accountid account organisationid organizationid companyid contactid personid buyerid acheteurid societeid'),
		('estimate', 'term_key', 'termid termsid paymenttermid paymenttermsid'),
		('payment', 'txn_date', 'txndate paymentdate paidon paidat date receivedon receivedat datepaiement datedepaiement daterecue'),
		('payment', 'total_amt', 'totalamt amount total totalamount montant montanttotal amountreceived montantrecu'),
		('payment', 'unapplied_amt', 'unappliedamt unapplied unappliedamount montantnonapplique'),
		('payment', 'payment_ref_num', 'paymentrefnum reference referencenumber ref refnumber checknumber chequenumber numerocheque nocheque transactionid'),
		('payment', 'private_note', 'privatenote memo note notes commentaire'),
		('payment', 'currency', 'currency currencycode devise monnaie'),
		('payment', 'exchange_rate', 'exchangerate tauxdechange'),
		('payment', 'customer_key', 'customerid customer clientid client accountid account organisationid organizationid companyid contactid personid payerid payeurid'),
		('payment_line', 'position', 'position linenumber lineno sortorder sort seq sequence ordinal ordre rang'),
		('payment_line', 'amount', 'amount amountapplied appliedamount applied montant montantapplique'),
		('payment_line', 'invoice_key', 'invoiceid invoice factureid facture')
	) v(scope, meaning, words)
	CROSS JOIN LATERAL unnest(CASE v.scope WHEN 'invoice_line' THEN '{invoice_line,estimate_line}' ELSE ARRAY[v.scope] END) s(scope);
$fn$;
COMMENT ON FUNCTION qbsync.document_vocabulary() IS 'The part of qbsync.vocabulary() that is about items, terms, invoices, estimates and payments';

/*
 * Words by meaning.  scope: entity or line table of the catalogue, or address, or what qbsync_map_suggest looks for.  Of the
 * words of a meaning the earlier ones are the better signs.  To teach a word, add it here.
 */
CREATE FUNCTION qbsync.vocabulary(OUT scope text, OUT meaning text, OUT words text[])
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 80
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT v.scope, v.meaning, string_to_array(v.words, ' ')
	FROM (VALUES
		('customer', 'display_name', 'displayname name fullname customername clientname contactname personname accountname nomcomplet nomaffiche nomaffichage nomclient nomducontact nom'),
		('customer', 'company_name', 'companyname company raisonsociale societe entreprise nomentreprise nomsociete nomcompagnie compagnie organisation organization organisationname organizationname denomination denominationsociale businessname legalname employer'),
		('customer', 'given_name', 'givenname firstname prenom forename fname first prenoms'),
		('customer', 'middle_name', 'middlename deuxiemeprenom secondprenom mname middle'),
		('customer', 'family_name', 'familyname lastname surname nomdefamille nomfamille lname last'),
		('customer', 'title', 'salutation civilite honorific nametitle courtesytitle personaltitle title titre'),
		('customer', 'suffix', 'suffix namesuffix suffixe'),
		('customer', 'emails', 'emails email courriel courriels emailaddress emailaddresses adressecourriel adresseemail adressemail mail mel primaryemail mainemail emailprincipal courrielprincipal email1 courriel1 workemail'),
		('customer', 'more_emails', 'email2 courriel2 secondemail secondaryemail secondarymail otheremail alternateemail autrecourriel autreemail emailsecondaire courrielsecondaire email3 courriel3 homeemail personalemail courrielpersonnel'),
		('customer', 'primary_phone', 'primaryphone phone telephone tel phonenumber telephonenumber numerotelephone numerodetelephone notelephone mainphone workphone businessphone officephone telephonebureau telbureau telephoneprincipal telprincipal phone1 telephone1 tel1'),
		('customer', 'alternate_phone', 'alternatephone otherphone secondaryphone homephone phone2 telephone2 tel2 autretelephone telephonedomicile teldomicile telephonemaison telmaison telephonesecondaire'),
		('customer', 'mobile', 'mobile mobilephone mobilenumber cell cellphone cellulaire cellular cellnumber portable gsm telephonemobile telmobile telephonecellulaire telcellulaire telephoneportable telportable'),
		('customer', 'fax', 'fax faxnumber faxphone telecopieur telecopie numerofax'),
		('customer', 'web_addr', 'webaddr website weburl siteweb web siteinternet webaddress homepage url www webpage site'),
		('customer', 'notes', 'notes note comments comment commentaires commentaire remarques remarque remarks memo'),
		('customer', 'tax_identifier', 'taxidentifier taxnumber taxid taxno vatnumber vatid vat numerodetaxe numerotaxe notaxe numerotva notva tvanumber tva gstnumber hstnumber numerofiscal siren siret neq ein'),
		('customer', 'resale_num', 'resalenum resalenumber'),
		('customer', 'business_number', 'businessnumber'),
		('customer', 'currency', 'currency currencycode devise codedevise monnaie'),
		('customer', 'active', 'active isactive actif estactif enabled isenabled'),
		('customer', 'taxable', 'taxable istaxable'),
		('customer', 'balance', 'balance solde openbalance'),
		('customer', 'preferred_delivery_method', 'preferreddeliverymethod'),
		('customer', 'print_on_check_name', 'printoncheckname'),
		('customer', 'parent_key', 'parentid parent parentaccountid parentcustomerid parentorganisationid parentorganizationid'),
		('customer', 'term_key', 'termid termsid paymenttermid paymenttermsid conditionid modalitepaiementid'),
		('address', 'line1', 'line1 street street1 streetaddress streetline1 addressline1 address1 address adresse adresse1 adresseligne1 ligne1 rue voie addr addr1 streetname 1'),
		('address', 'line2', 'line2 street2 streetline2 addressline2 address2 adresse2 adresseligne2 ligne2 complement complementadresse suite apartment unit addr2 2'),
		('address', 'line3', 'line3 street3 addressline3 address3 adresse3 ligne3 3'),
		('address', 'line4', 'line4 street4 addressline4 address4 adresse4 ligne4 4'),
		('address', 'line5', 'line5 street5 addressline5 address5 adresse5 ligne5 5'),
		('address', 'city', 'city ville town cite municipality municipalite locality localite commune'),
		('address', 'region', 'region province state prov etat stateprovince provincestate provinceetat regioncode provincecode statecode codeprovince county departement canton'),
		('address', 'postal_code', 'postalcode zip zipcode postcode codepostal cp pcode postal'),
		('address', 'country', 'country pays countrycode codepays countryname'),
		('any', 'quickbooks_id', 'quickbooksid qbid qboid quickbooksonlineid quickbooksref qboref qbcustomerid qbocustomerid quickbookscustomerid qbinvoiceid qboinvoiceid idquickbooks'),
		('any', 'last_updated_time', 'lastupdatedtime updatedat updatedon lastmodified lastmodifiedat lastmodifieddate modifiedat modifiedon dateupdated datemodified updatetime datemodification modifiele misajourle')
	) v(scope, meaning, words)
	UNION ALL
	SELECT d.scope, d.meaning, d.words FROM qbsync.document_vocabulary() d;
$fn$;
COMMENT ON FUNCTION qbsync.vocabulary() IS 'English and French words by which columns of a CRM are recognised, joined and without accents, the better signs first';

/* Which of the two addresses a word speaks of (X-25, KAR-15, KAR-16). */
CREATE FUNCTION qbsync.address_side(word text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT CASE
		WHEN address_side.word IN ('billing', 'bill', 'billto', 'facturation', 'facture', 'invoice', 'invoices', 'invoicing', 'mailing', 'mail', 'postale', 'correspondance') THEN 'bill'
		WHEN address_side.word IN ('shipping', 'ship', 'shipto', 'shipment', 'livraison', 'delivery', 'physical', 'physique', 'expedition') THEN 'ship' END;
$fn$;
COMMENT ON FUNCTION qbsync.address_side(text) IS 'bill or ship, for a word of a column''s name or a label such as billing, mailing, livraison, physical; else null';

/* The columns of a table as the suggestion needs them; refers_to: the table a foreign key of this column alone leads to. */
CREATE FUNCTION qbsync.table_columns("table" regclass, OUT attnum smallint, OUT name text, OUT type text, OUT category "char",
	OUT is_enum boolean, OUT not_null boolean, OUT has_default boolean, OUT writable boolean, OUT is_key boolean, OUT refers_to regclass)
RETURNS SETOF record
LANGUAGE sql STABLE ROWS 25
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), t.typcategory, t.typcategory = 'E',
		a.attnotnull OR t.typnotnull, a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL,
		a.attgenerated = '' AND a.attidentity <> 'a',
		EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisprimary AND a.attnum = ANY (i.indkey)),
		(SELECT k.confrelid::regclass FROM pg_constraint k
		 WHERE k.conrelid = a.attrelid AND k.contype = 'f' AND k.conkey = ARRAY[a.attnum] ORDER BY k.oid LIMIT 1)
	FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
	WHERE a.attrelid = table_columns."table" AND a.attnum > 0 AND NOT a.attisdropped
	ORDER BY a.attnum;
$fn$;
COMMENT ON FUNCTION qbsync.table_columns(regclass) IS 'Columns of a table with what their types, defaults and foreign keys say';

/* Whether values of a catalogue type and of a column of a type category can stand for each other. */
CREATE FUNCTION qbsync.types_fit(catalogue_type text, category "char")
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT CASE
		WHEN types_fit.catalogue_type LIKE 'text[]%' THEN types_fit.category IN ('S', 'A')
		WHEN types_fit.catalogue_type LIKE 'text%' THEN types_fit.category IN ('S', 'E')
		WHEN types_fit.catalogue_type IN ('numeric', 'integer') THEN types_fit.category = 'N'
		WHEN types_fit.catalogue_type = 'boolean' THEN types_fit.category = 'B'
		WHEN types_fit.catalogue_type IN ('date', 'timestamptz') THEN types_fit.category = 'D'
		WHEN types_fit.catalogue_type = 'key' THEN true
		ELSE false END;
$fn$;
COMMENT ON FUNCTION qbsync.types_fit(text, "char") IS 'Whether a column of a type category can hold values of a catalogue type; key: any';

/* The ways a column's name can be read: as it is, without the table's own name before it, as a part of an address. */
CREATE FUNCTION qbsync.name_readings(name text, table_name text, OUT word text, OUT side text, OUT penalty integer, OUT part boolean)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE ROWS 4
SET search_path = pg_catalog, pg_temp
AS $fn$
	WITH whole AS (
		SELECT qbsync.name_words(name_readings.name) AS words
	), variant AS (
		SELECT words, 0 AS penalty FROM whole
		UNION ALL
		SELECT words[2:], 1 FROM whole
		WHERE cardinality(words) > 1
			AND (rtrim(words[1], 's') IN (SELECT rtrim(u, 's') FROM unnest(qbsync.name_words(name_readings.table_name)) u)
				 OR words[1] IN ('customer', 'client', 'contact', 'person', 'personne', 'account', 'cust'))
	), address AS (
		-- the side is a word of the name; what is left says the part: "VilleFacturation", "bill_to_city", "adresse de livraison"
		SELECT v.penalty, s.side, s.rest
		FROM variant v, LATERAL (
			SELECT (array_agg(qbsync.address_side(u.word) ORDER BY u.position) FILTER (WHERE qbsync.address_side(u.word) IS NOT NULL))[1] AS side,
				array_agg(u.word ORDER BY u.position) FILTER (WHERE qbsync.address_side(u.word) IS NULL AND u.word NOT IN ('to', 'de', 'd', 'la', 'l', 'du')) AS rest
			FROM unnest(v.words) WITH ORDINALITY u(word, position)) s
		WHERE s.rest IS NOT NULL
	), part AS (
		SELECT a.rest, a.side, a.penalty FROM address a
		UNION ALL
		SELECT a.rest[2:], a.side, a.penalty + 1 FROM address a WHERE cardinality(a.rest) > 1 AND a.rest[1] IN ('address', 'adresse', 'addr')
		UNION ALL
		SELECT a.rest[:cardinality(a.rest) - 1], a.side, a.penalty + 1
		FROM address a WHERE cardinality(a.rest) > 1 AND a.rest[cardinality(a.rest)] IN ('address', 'adresse', 'addr')
	)
	SELECT array_to_string(v.words, ''), NULL, v.penalty, false FROM variant v
	UNION ALL
	SELECT array_to_string(p.rest, ''), coalesce(p.side, 'bill'), p.penalty + CASE WHEN p.side IS NULL THEN 100 ELSE 0 END, true FROM part p;
$fn$;
COMMENT ON FUNCTION qbsync.name_readings(text, text) IS 'Words a column''s name can be read as, with the address it is part of; a penalty for the less likely';

/*
 * Everything that columns of a table can mean for an entity or line table, the best sign first (rank).  more_emails is no
 * column of the catalogue: further e-mails beside the first.  Compiling the query takes ten times as long as running it: no JIT.
 */
CREATE FUNCTION qbsync.column_meanings("table" regclass, entity text,
	OUT meaning text, OUT source text, OUT attnum smallint, OUT writable boolean, OUT rank integer, OUT reason text)
RETURNS SETOF record
LANGUAGE sql STABLE ROWS 20
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $fn$
	WITH catalogue AS MATERIALIZED (
		SELECT c."column" AS name, c.type, c.writable AND c."column" NOT IN ('type', 'job') AS by_name
		FROM qbsync.catalogue_column c WHERE c."table" = column_meanings.entity
		UNION ALL SELECT regexp_replace(c."column", '_id$', '_key'), 'key', true FROM qbsync.catalogue_column c
		WHERE c."table" = column_meanings.entity AND c.refers_to IS NOT NULL AND c."column" LIKE '%\_id'
		UNION ALL
		SELECT v.name, v.type, true FROM (VALUES ('quickbooks_id', 'text', false), ('last_updated_time', 'timestamptz', false), ('more_emails', 'text', false),
			('position', 'integer', true), ('invoice_key', 'key', true)) v(name, type, line)
		WHERE v.line = (column_meanings.entity LIKE '%\_line')
	), word AS MATERIALIZED (
		SELECT v.scope, v.meaning, w.word, w.rank::integer FROM qbsync.vocabulary() v, unnest(v.words) WITH ORDINALITY w(word, rank)
		WHERE v.scope IN (column_meanings.entity, 'any', 'address')
	), reading AS MATERIALIZED (
		SELECT c.*, r.word, r.side, r.penalty, r.part, array_to_string(qbsync.name_words(c.name), '_') AS plain
		FROM qbsync.table_columns(column_meanings."table") c,
			qbsync.name_readings(c.name, (SELECT relname FROM pg_class WHERE oid = column_meanings."table")) r
	), found AS (
		SELECT CASE WHEN r.part THEN r.side || '_' ELSE '' END || w.meaning AS meaning, r.*, r.penalty + w.rank AS rank
		FROM reading r JOIN word w ON w.word = r.word AND r.part = (w.scope = 'address')
		WHERE NOT r.part OR r.penalty < 100 OR column_meanings.entity = 'customer'
		UNION ALL
		-- the catalogue's own name says it all, but for words that CRMs use otherwise
		SELECT c.name, r.*, 0
		FROM reading r JOIN catalogue c ON c.name = r.plain AND c.by_name AND NOT r.part AND r.penalty = 0
	)
	SELECT f.meaning, f.name, f.attnum, f.writable, min(f.rank),
		format('named %I%s%s', f.name,
			CASE WHEN c.type = 'key' AND f.refers_to IS NOT NULL THEN format(', refers to %s', f.refers_to)
				WHEN f.part AND min(f.rank) > 100 THEN '; an address of no kind is the billing address' ELSE '' END,
			CASE WHEN NOT f.writable THEN ', generated, so it cannot be written' WHEN f.is_enum THEN ', an enum: values it does not know are refused' ELSE '' END)
	FROM found f JOIN catalogue c ON c.name = f.meaning
	WHERE qbsync.types_fit(c.type, f.category) AND (NOT f.is_key OR column_meanings.entity LIKE '%\_line') AND (f.refers_to IS NULL OR c.type = 'key')
		AND (c.type <> 'key' OR f.refers_to IS NOT NULL) AND (c.name <> 'parent_key' OR f.refers_to = column_meanings."table")
		AND (c.name <> 'last_updated_time' OR f.type LIKE 'timestamp%with time zone')
	GROUP BY f.meaning, f.name, f.attnum, f.writable, f.part, f.refers_to, f.is_enum, c.type;
$fn$;
COMMENT ON FUNCTION qbsync.column_meanings(regclass, text) IS 'What the columns of a table can mean for an entity, with rank (small is good) and reason';

CREATE FUNCTION qbsync.guess_columns("table" regclass, entity text, OUT column_name text, OUT source text, OUT reason text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE ROWS 15
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	m record;
	kind text;
	taken text[] := '{}';
	given text[] := '{}';
BEGIN
	FOR m IN
		WITH meaning AS MATERIALIZED (SELECT c.* FROM qbsync.column_meanings(guess_columns."table", guess_columns.entity) c)
		SELECT c.*, guess_columns.entity = 'customer' AND EXISTS (SELECT FROM meaning g WHERE g.meaning = 'given_name')
			AND NOT EXISTS (SELECT FROM meaning f WHERE f.meaning = 'family_name') AS nom
		FROM meaning c
		WHERE c.meaning <> 'more_emails'
		ORDER BY c.rank, c.attnum, c.meaning
	LOOP
		guess_columns.column_name := m.meaning;
		guess_columns.reason := m.reason;
		-- "Nom" beside "Prénom" is the family name
		IF m.nom AND m.meaning = 'display_name' AND qbsync.name_words(m.source) <@ '{nom,name}' THEN
			guess_columns.column_name := 'family_name';
			guess_columns.reason := m.reason || ' beside a given name';
		END IF;
		CONTINUE WHEN m.source = ANY (taken);
		IF m.meaning = 'customer_key' THEN
			kind := qbsync.suggest_kind((SELECT c.refers_to FROM qbsync.table_columns(guess_columns."table") c WHERE c.name = m.source));
			IF kind <> 'any' THEN
				guess_columns.column_name := kind || '_key';
				guess_columns.reason := format('%s, where customers of kind %s are', m.reason, kind);
			END IF;
		END IF;
		CONTINUE WHEN guess_columns.column_name = ANY (given);
		taken := taken || m.source;
		given := given || guess_columns.column_name;
		guess_columns.source := m.source;
		RETURN NEXT;
	END LOOP;
END
$fn$;
COMMENT ON FUNCTION qbsync.guess_columns(regclass, text) IS 'Which catalogue column (or quickbooks_id, last_updated_time, a reference as …_key) each column of a flat table is, with the reason; every column once, the best sign first';
