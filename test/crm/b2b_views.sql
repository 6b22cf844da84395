-- Views over b2b.sql as qbsync_map_suggest('b2b.organisation') writes them, without the calls of qbsync_map (test 110 shows those).
-- psql variable role: the owner.
SET ROLE :"role";

-- b2b.organisation: one row is one customer, an organisation
-- key                id: the primary key
-- company_name       an organisation's name is its company name too (CEN-13, CAP-27); written with display_name
-- display_name       name, named name
-- notes              notes, named notes
-- tax_identifier     tax_number, named tax_number
-- last_updated_time  updated_at, named updated_at
-- contact person     b2b.person by organisation_id: title, given_name, family_name of the first in the order is_primary DESC NULLS LAST, created_at, id (contact_person_rule = primary_flag, X-9, CEN-37)
-- bill_…             b2b.address by organisation_id, by label; where none is, the first that is not for shipping (X-25, CAP-37)
-- ship_…             b2b.address by organisation_id, by label
-- emails             b2b.email by organisation_id: all, is_primary first (CAP-32, X-2)
-- primary_phone      b2b.phone by organisation_id, by kind: work
-- alternate_phone    b2b.phone by organisation_id, by kind: other, home
-- mobile             b2b.phone by organisation_id, by kind: mobile
-- fax                b2b.phone by organisation_id, by kind: fax
-- web_addr           b2b.web_site by organisation_id, the first in the order id
-- ? b2b.address: the catalogs do not say which words label holds: they are recognised by how they begin; new rows get those in the INSERT below
-- ? not mapped, whether it has no place in QuickBooks or was not recognised: created_at
CREATE VIEW b2b.organisation_quickbooks WITH (security_invoker = true) AS
SELECT
	r.id,
	r.name AS display_name,
	person.salutation AS title,
	person.first_name AS given_name,
	person.last_name AS family_name,
	r.name AS company_name,
	ARRAY(SELECT c.address::text FROM b2b.email c WHERE c.organisation_id = r.id ORDER BY c.is_primary DESC NULLS LAST, c.id) AS emails,
	(SELECT c.number FROM b2b.phone c WHERE c.organisation_id = r.id AND (c.kind = 'work') ORDER BY c.id LIMIT 1) AS primary_phone,
	(SELECT c.number FROM b2b.phone c WHERE c.organisation_id = r.id AND (c.kind IN ('other', 'home')) ORDER BY array_position(ARRAY['other', 'home'], c.kind::text), c.id LIMIT 1) AS alternate_phone,
	(SELECT c.number FROM b2b.phone c WHERE c.organisation_id = r.id AND (c.kind = 'mobile') ORDER BY c.id LIMIT 1) AS mobile,
	(SELECT c.number FROM b2b.phone c WHERE c.organisation_id = r.id AND (c.kind = 'fax') ORDER BY c.id LIMIT 1) AS fax,
	(SELECT c.url FROM b2b.web_site c WHERE c.organisation_id = r.id ORDER BY c.id LIMIT 1) AS web_addr,
	bill.street AS bill_line1,
	bill.street2 AS bill_line2,
	bill.city AS bill_city,
	bill.region AS bill_region,
	bill.postal_code AS bill_postal_code,
	bill.country AS bill_country,
	ship.street AS ship_line1,
	ship.street2 AS ship_line2,
	ship.city AS ship_city,
	ship.region AS ship_region,
	ship.postal_code AS ship_postal_code,
	ship.country AS ship_country,
	r.notes,
	r.tax_number AS tax_identifier,
	r.updated_at AS last_updated_time
FROM b2b.organisation r
LEFT JOIN LATERAL (
	SELECT c.first_name, c.id, c.last_name, c.salutation
	FROM b2b.person c
	WHERE c.organisation_id = r.id
	ORDER BY c.is_primary DESC NULLS LAST, c.created_at, c.id LIMIT 1
) person ON true
LEFT JOIN LATERAL (
	SELECT c.city, c.country, c.postal_code, c.region, c.street, c.street2
	FROM b2b.address c
	WHERE c.organisation_id = r.id
	AND (c.label::text ~* '[[:<:]](bill|factur|invoic|mailing|postal|correspond)' OR NOT coalesce(c.label::text ~* '[[:<:]](ship|livr|deliver|physi|exp[eé]d)', false) AND NOT EXISTS (SELECT FROM b2b.address c WHERE c.organisation_id = r.id AND (c.label::text ~* '[[:<:]](bill|factur|invoic|mailing|postal|correspond)')))
	ORDER BY c.label::text ~* '[[:<:]](bill|factur|invoic|main|princip)' DESC NULLS LAST, c.id LIMIT 1
) bill ON true
LEFT JOIN LATERAL (
	SELECT c.city, c.country, c.postal_code, c.region, c.street, c.street2
	FROM b2b.address c
	WHERE c.organisation_id = r.id
	AND (c.label::text ~* '[[:<:]](ship|livr|deliver|physi|exp[eé]d)')
	ORDER BY c.label::text ~* '[[:<:]](ship|livr|deliver)' DESC NULLS LAST, c.id LIMIT 1
) ship ON true;

-- Writing through the view: runs with the rights of whoever writes; the search_path is also that of the tables' triggers.
CREATE FUNCTION b2b.organisation_quickbooks_write()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, b2b, pg_temp
AS $qbsync$
DECLARE
	child record;
	person record;
	wanted text[];
	fresh text[];
	email text;
BEGIN
	IF TG_OP = 'INSERT' THEN
		INSERT INTO b2b.organisation AS r (name, notes, tax_number)
		VALUES (NEW.display_name, NEW.notes, NEW.tax_identifier)
		RETURNING r.id INTO NEW.id;
	ELSE
		NEW.id := OLD.id;
		IF (NEW.display_name, NEW.notes, NEW.tax_identifier) IS DISTINCT FROM (OLD.display_name, OLD.notes, OLD.tax_identifier) THEN
			UPDATE b2b.organisation r SET name = NEW.display_name, notes = NEW.notes, tax_number = NEW.tax_identifier
			WHERE r.id = OLD.id;
			IF NOT FOUND THEN
				RETURN NULL;
			END IF;
		END IF;
	END IF;
	-- contact person: b2b.person
	SELECT c.id INTO person
	FROM b2b.person c WHERE c.organisation_id = NEW.id ORDER BY c.is_primary DESC NULLS LAST, c.created_at, c.id LIMIT 1;
	IF FOUND THEN
		IF (NEW.title, NEW.given_name, NEW.family_name) IS DISTINCT FROM (OLD.title, OLD.given_name, OLD.family_name) THEN
			UPDATE b2b.person c SET salutation = NEW.title, first_name = NEW.given_name, last_name = coalesce(NEW.family_name, '') WHERE c.id = person.id;
		END IF;
	ELSIF num_nonnulls(nullif(NEW.title, ''), nullif(NEW.given_name, ''), nullif(NEW.family_name, '')) > 0 THEN
		INSERT INTO b2b.person AS c (organisation_id, is_primary, salutation, first_name, last_name) VALUES (NEW.id, true, NEW.title, NEW.given_name, coalesce(NEW.family_name, ''))
		RETURNING c.id INTO person;
	END IF;
	-- billing address: b2b.address
	IF (NEW.bill_line1, NEW.bill_line2, NEW.bill_city, NEW.bill_region, NEW.bill_postal_code, NEW.bill_country) IS DISTINCT FROM (OLD.bill_line1, OLD.bill_line2, OLD.bill_city, OLD.bill_region, OLD.bill_postal_code, OLD.bill_country) THEN
		SELECT c.id INTO child
		FROM b2b.address c
		WHERE c.organisation_id = NEW.id
		AND (c.label::text ~* '[[:<:]](bill|factur|invoic|mailing|postal|correspond)' OR NOT coalesce(c.label::text ~* '[[:<:]](ship|livr|deliver|physi|exp[eé]d)', false) AND NOT EXISTS (SELECT FROM b2b.address c WHERE c.organisation_id = NEW.id AND (c.label::text ~* '[[:<:]](bill|factur|invoic|mailing|postal|correspond)')))
		ORDER BY c.label::text ~* '[[:<:]](bill|factur|invoic|main|princip)' DESC NULLS LAST, c.id LIMIT 1;
		IF num_nonnulls(nullif(NEW.bill_line1, ''), nullif(NEW.bill_line2, ''), nullif(NEW.bill_city, ''), nullif(NEW.bill_region, ''), nullif(NEW.bill_postal_code, ''), nullif(NEW.bill_country, '')) = 0 THEN
			DELETE FROM b2b.address c WHERE c.id = child.id;
		ELSIF FOUND THEN
			UPDATE b2b.address c SET street = NEW.bill_line1, street2 = NEW.bill_line2, city = NEW.bill_city, region = NEW.bill_region, postal_code = NEW.bill_postal_code, country = NEW.bill_country WHERE c.id = child.id;
		ELSE
			INSERT INTO b2b.address AS c (organisation_id, label, street, street2, city, region, postal_code, country) VALUES (NEW.id, 'billing', NEW.bill_line1, NEW.bill_line2, NEW.bill_city, NEW.bill_region, NEW.bill_postal_code, NEW.bill_country);
		END IF;
	END IF;
	-- shipping address: b2b.address
	IF (NEW.ship_line1, NEW.ship_line2, NEW.ship_city, NEW.ship_region, NEW.ship_postal_code, NEW.ship_country) IS DISTINCT FROM (OLD.ship_line1, OLD.ship_line2, OLD.ship_city, OLD.ship_region, OLD.ship_postal_code, OLD.ship_country) THEN
		SELECT c.id INTO child
		FROM b2b.address c
		WHERE c.organisation_id = NEW.id
		AND (c.label::text ~* '[[:<:]](ship|livr|deliver|physi|exp[eé]d)')
		ORDER BY c.label::text ~* '[[:<:]](ship|livr|deliver)' DESC NULLS LAST, c.id LIMIT 1;
		IF num_nonnulls(nullif(NEW.ship_line1, ''), nullif(NEW.ship_line2, ''), nullif(NEW.ship_city, ''), nullif(NEW.ship_region, ''), nullif(NEW.ship_postal_code, ''), nullif(NEW.ship_country, '')) = 0 THEN
			DELETE FROM b2b.address c WHERE c.id = child.id;
		ELSIF FOUND THEN
			UPDATE b2b.address c SET street = NEW.ship_line1, street2 = NEW.ship_line2, city = NEW.ship_city, region = NEW.ship_region, postal_code = NEW.ship_postal_code, country = NEW.ship_country WHERE c.id = child.id;
		ELSE
			INSERT INTO b2b.address AS c (organisation_id, label, street, street2, city, region, postal_code, country) VALUES (NEW.id, 'shipping', NEW.ship_line1, NEW.ship_line2, NEW.ship_city, NEW.ship_region, NEW.ship_postal_code, NEW.ship_country);
		END IF;
	END IF;
	-- e-mails: b2b.email
	IF NEW.emails IS DISTINCT FROM OLD.emails THEN
		wanted := ARRAY(SELECT u.email FROM unnest(NEW.emails) WITH ORDINALITY u(email, n) WHERE u.email <> '' GROUP BY u.email ORDER BY min(u.n));
		fresh := ARRAY(SELECT u.email FROM unnest(wanted) WITH ORDINALITY u(email, n)
			WHERE NOT EXISTS (SELECT FROM b2b.email c WHERE c.organisation_id = NEW.id AND c.address::text = u.email) ORDER BY u.n);
		FOR child IN SELECT c.id FROM b2b.email c WHERE c.organisation_id = NEW.id AND c.address::text <> ALL (wanted) ORDER BY c.is_primary DESC NULLS LAST, c.id LOOP
			IF cardinality(fresh) > 0 THEN
				UPDATE b2b.email c SET address = fresh[1] WHERE c.id = child.id;
				fresh := fresh[2:];
			ELSE
				DELETE FROM b2b.email c WHERE c.id = child.id;
			END IF;
		END LOOP;
		FOREACH email IN ARRAY fresh LOOP
			INSERT INTO b2b.email AS c (organisation_id, address) VALUES (NEW.id, email);
		END LOOP;
		UPDATE b2b.email c SET is_primary = false WHERE c.organisation_id = NEW.id AND c.is_primary AND c.address::text <> wanted[1];
		UPDATE b2b.email c SET is_primary = true WHERE c.organisation_id = NEW.id AND c.is_primary IS NOT TRUE AND c.address::text = wanted[1];
	END IF;
	-- phone: b2b.phone
	IF NEW.primary_phone IS DISTINCT FROM OLD.primary_phone THEN
		SELECT c.id INTO child
		FROM b2b.phone c
		WHERE c.organisation_id = NEW.id
		AND (c.kind = 'work')
		ORDER BY c.id LIMIT 1;
		IF num_nonnulls(nullif(NEW.primary_phone, '')) = 0 THEN
			DELETE FROM b2b.phone c WHERE c.id = child.id;
		ELSIF FOUND THEN
			UPDATE b2b.phone c SET number = NEW.primary_phone WHERE c.id = child.id;
		ELSE
			INSERT INTO b2b.phone AS c (organisation_id, kind, number) VALUES (NEW.id, 'work', NEW.primary_phone);
		END IF;
	END IF;
	-- second phone: b2b.phone
	IF NEW.alternate_phone IS DISTINCT FROM OLD.alternate_phone THEN
		SELECT c.id INTO child
		FROM b2b.phone c
		WHERE c.organisation_id = NEW.id
		AND (c.kind IN ('other', 'home'))
		ORDER BY array_position(ARRAY['other', 'home'], c.kind::text), c.id LIMIT 1;
		IF num_nonnulls(nullif(NEW.alternate_phone, '')) = 0 THEN
			DELETE FROM b2b.phone c WHERE c.id = child.id;
		ELSIF FOUND THEN
			UPDATE b2b.phone c SET number = NEW.alternate_phone WHERE c.id = child.id;
		ELSE
			INSERT INTO b2b.phone AS c (organisation_id, kind, number) VALUES (NEW.id, 'other', NEW.alternate_phone);
		END IF;
	END IF;
	-- mobile: b2b.phone
	IF NEW.mobile IS DISTINCT FROM OLD.mobile THEN
		SELECT c.id INTO child
		FROM b2b.phone c
		WHERE c.organisation_id = NEW.id
		AND (c.kind = 'mobile')
		ORDER BY c.id LIMIT 1;
		IF num_nonnulls(nullif(NEW.mobile, '')) = 0 THEN
			DELETE FROM b2b.phone c WHERE c.id = child.id;
		ELSIF FOUND THEN
			UPDATE b2b.phone c SET number = NEW.mobile WHERE c.id = child.id;
		ELSE
			INSERT INTO b2b.phone AS c (organisation_id, kind, number) VALUES (NEW.id, 'mobile', NEW.mobile);
		END IF;
	END IF;
	-- fax: b2b.phone
	IF NEW.fax IS DISTINCT FROM OLD.fax THEN
		SELECT c.id INTO child
		FROM b2b.phone c
		WHERE c.organisation_id = NEW.id
		AND (c.kind = 'fax')
		ORDER BY c.id LIMIT 1;
		IF num_nonnulls(nullif(NEW.fax, '')) = 0 THEN
			DELETE FROM b2b.phone c WHERE c.id = child.id;
		ELSIF FOUND THEN
			UPDATE b2b.phone c SET number = NEW.fax WHERE c.id = child.id;
		ELSE
			INSERT INTO b2b.phone AS c (organisation_id, kind, number) VALUES (NEW.id, 'fax', NEW.fax);
		END IF;
	END IF;
	-- web site: b2b.web_site
	IF NEW.web_addr IS DISTINCT FROM OLD.web_addr THEN
		SELECT c.id INTO child
		FROM b2b.web_site c
		WHERE c.organisation_id = NEW.id
		ORDER BY c.id LIMIT 1;
		IF num_nonnulls(nullif(NEW.web_addr, '')) = 0 THEN
			DELETE FROM b2b.web_site c WHERE c.id = child.id;
		ELSIF FOUND THEN
			UPDATE b2b.web_site c SET url = NEW.web_addr WHERE c.id = child.id;
		ELSE
			INSERT INTO b2b.web_site AS c (organisation_id, url) VALUES (NEW.id, NEW.web_addr);
		END IF;
	END IF;
	RETURN NEW;
END
$qbsync$;
CREATE TRIGGER organisation_quickbooks_write INSTEAD OF INSERT OR UPDATE ON b2b.organisation_quickbooks
	FOR EACH ROW EXECUTE FUNCTION b2b.organisation_quickbooks_write();

CREATE FUNCTION b2b.organisation_quickbooks_delete()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, b2b, pg_temp
AS $qbsync$
BEGIN
	DELETE FROM b2b.organisation r WHERE r.id = OLD.id;
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	RETURN OLD;
END
$qbsync$;
CREATE TRIGGER organisation_quickbooks_delete INSTEAD OF DELETE ON b2b.organisation_quickbooks
	FOR EACH ROW EXECUTE FUNCTION b2b.organisation_quickbooks_delete();

GRANT SELECT, INSERT, UPDATE, DELETE ON b2b.organisation_quickbooks TO :"role";

-- b2b.person: one row is one customer who belongs to no organisation
-- key                id: the primary key
-- display_name       made of the other names; the table has no column of its own for it
-- title              salutation, named salutation
-- given_name         first_name, named first_name
-- family_name        last_name, named last_name
-- last_updated_time  updated_at, named updated_at
-- bill_…             b2b.address by person_id, by label; where none is, the first that is not for shipping (X-25, CAP-37)
-- ship_…             b2b.address by person_id, by label
-- emails             b2b.email by person_id: all, is_primary first (CAP-32, X-2)
-- primary_phone      b2b.phone by person_id, by kind: work
-- alternate_phone    b2b.phone by person_id, by kind: other, home
-- mobile             b2b.phone by person_id, by kind: mobile
-- fax                b2b.phone by person_id, by kind: fax
-- web_addr           b2b.web_site by person_id, the first in the order id
-- ? b2b.address: the catalogs do not say which words label holds: they are recognised by how they begin; new rows get those in the INSERT below
-- ? not mapped, whether it has no place in QuickBooks or was not recognised: is_primary, job_title, created_at
CREATE VIEW b2b.person_quickbooks WITH (security_invoker = true) AS
SELECT
	r.id,
	nullif(concat_ws(' ', nullif(r.first_name, ''), nullif(r.last_name, '')), '') AS display_name,
	r.salutation AS title,
	r.first_name AS given_name,
	r.last_name AS family_name,
	ARRAY(SELECT c.address::text FROM b2b.email c WHERE c.person_id = r.id ORDER BY c.is_primary DESC NULLS LAST, c.id) AS emails,
	(SELECT c.number FROM b2b.phone c WHERE c.person_id = r.id AND (c.kind = 'work') ORDER BY c.id LIMIT 1) AS primary_phone,
	(SELECT c.number FROM b2b.phone c WHERE c.person_id = r.id AND (c.kind IN ('other', 'home')) ORDER BY array_position(ARRAY['other', 'home'], c.kind::text), c.id LIMIT 1) AS alternate_phone,
	(SELECT c.number FROM b2b.phone c WHERE c.person_id = r.id AND (c.kind = 'mobile') ORDER BY c.id LIMIT 1) AS mobile,
	(SELECT c.number FROM b2b.phone c WHERE c.person_id = r.id AND (c.kind = 'fax') ORDER BY c.id LIMIT 1) AS fax,
	(SELECT c.url FROM b2b.web_site c WHERE c.person_id = r.id ORDER BY c.id LIMIT 1) AS web_addr,
	bill.street AS bill_line1,
	bill.street2 AS bill_line2,
	bill.city AS bill_city,
	bill.region AS bill_region,
	bill.postal_code AS bill_postal_code,
	bill.country AS bill_country,
	ship.street AS ship_line1,
	ship.street2 AS ship_line2,
	ship.city AS ship_city,
	ship.region AS ship_region,
	ship.postal_code AS ship_postal_code,
	ship.country AS ship_country,
	r.updated_at AS last_updated_time
FROM b2b.person r
LEFT JOIN LATERAL (
	SELECT c.city, c.country, c.postal_code, c.region, c.street, c.street2
	FROM b2b.address c
	WHERE c.person_id = r.id
	AND (c.label::text ~* '[[:<:]](bill|factur|invoic|mailing|postal|correspond)' OR NOT coalesce(c.label::text ~* '[[:<:]](ship|livr|deliver|physi|exp[eé]d)', false) AND NOT EXISTS (SELECT FROM b2b.address c WHERE c.person_id = r.id AND (c.label::text ~* '[[:<:]](bill|factur|invoic|mailing|postal|correspond)')))
	ORDER BY c.label::text ~* '[[:<:]](bill|factur|invoic|main|princip)' DESC NULLS LAST, c.id LIMIT 1
) bill ON true
LEFT JOIN LATERAL (
	SELECT c.city, c.country, c.postal_code, c.region, c.street, c.street2
	FROM b2b.address c
	WHERE c.person_id = r.id
	AND (c.label::text ~* '[[:<:]](ship|livr|deliver|physi|exp[eé]d)')
	ORDER BY c.label::text ~* '[[:<:]](ship|livr|deliver)' DESC NULLS LAST, c.id LIMIT 1
) ship ON true
WHERE r.organisation_id IS NULL;

-- Writing through the view: runs with the rights of whoever writes; the search_path is also that of the tables' triggers.
CREATE FUNCTION b2b.person_quickbooks_write()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, b2b, pg_temp
AS $qbsync$
DECLARE
	child record;
	wanted text[];
	fresh text[];
	email text;
BEGIN
	IF TG_OP = 'INSERT' THEN
		IF num_nonnulls(nullif(NEW.family_name, ''), nullif(NEW.given_name, '')) = 0 THEN
			NEW.family_name := NEW.display_name;
		END IF;
		INSERT INTO b2b.person AS r (salutation, first_name, last_name)
		VALUES (NEW.title, NEW.given_name, coalesce(NEW.family_name, ''))
		RETURNING r.id INTO NEW.id;
	ELSE
		NEW.id := OLD.id;
		IF (NEW.title, NEW.given_name, NEW.family_name) IS DISTINCT FROM (OLD.title, OLD.given_name, OLD.family_name) THEN
			UPDATE b2b.person r SET salutation = NEW.title, first_name = NEW.given_name, last_name = coalesce(NEW.family_name, '')
			WHERE r.id = OLD.id;
			IF NOT FOUND THEN
				RETURN NULL;
			END IF;
		END IF;
	END IF;
	-- billing address: b2b.address
	IF (NEW.bill_line1, NEW.bill_line2, NEW.bill_city, NEW.bill_region, NEW.bill_postal_code, NEW.bill_country) IS DISTINCT FROM (OLD.bill_line1, OLD.bill_line2, OLD.bill_city, OLD.bill_region, OLD.bill_postal_code, OLD.bill_country) THEN
		SELECT c.id INTO child
		FROM b2b.address c
		WHERE c.person_id = NEW.id
		AND (c.label::text ~* '[[:<:]](bill|factur|invoic|mailing|postal|correspond)' OR NOT coalesce(c.label::text ~* '[[:<:]](ship|livr|deliver|physi|exp[eé]d)', false) AND NOT EXISTS (SELECT FROM b2b.address c WHERE c.person_id = NEW.id AND (c.label::text ~* '[[:<:]](bill|factur|invoic|mailing|postal|correspond)')))
		ORDER BY c.label::text ~* '[[:<:]](bill|factur|invoic|main|princip)' DESC NULLS LAST, c.id LIMIT 1;
		IF num_nonnulls(nullif(NEW.bill_line1, ''), nullif(NEW.bill_line2, ''), nullif(NEW.bill_city, ''), nullif(NEW.bill_region, ''), nullif(NEW.bill_postal_code, ''), nullif(NEW.bill_country, '')) = 0 THEN
			DELETE FROM b2b.address c WHERE c.id = child.id;
		ELSIF FOUND THEN
			UPDATE b2b.address c SET street = NEW.bill_line1, street2 = NEW.bill_line2, city = NEW.bill_city, region = NEW.bill_region, postal_code = NEW.bill_postal_code, country = NEW.bill_country WHERE c.id = child.id;
		ELSE
			INSERT INTO b2b.address AS c (person_id, label, street, street2, city, region, postal_code, country) VALUES (NEW.id, 'billing', NEW.bill_line1, NEW.bill_line2, NEW.bill_city, NEW.bill_region, NEW.bill_postal_code, NEW.bill_country);
		END IF;
	END IF;
	-- shipping address: b2b.address
	IF (NEW.ship_line1, NEW.ship_line2, NEW.ship_city, NEW.ship_region, NEW.ship_postal_code, NEW.ship_country) IS DISTINCT FROM (OLD.ship_line1, OLD.ship_line2, OLD.ship_city, OLD.ship_region, OLD.ship_postal_code, OLD.ship_country) THEN
		SELECT c.id INTO child
		FROM b2b.address c
		WHERE c.person_id = NEW.id
		AND (c.label::text ~* '[[:<:]](ship|livr|deliver|physi|exp[eé]d)')
		ORDER BY c.label::text ~* '[[:<:]](ship|livr|deliver)' DESC NULLS LAST, c.id LIMIT 1;
		IF num_nonnulls(nullif(NEW.ship_line1, ''), nullif(NEW.ship_line2, ''), nullif(NEW.ship_city, ''), nullif(NEW.ship_region, ''), nullif(NEW.ship_postal_code, ''), nullif(NEW.ship_country, '')) = 0 THEN
			DELETE FROM b2b.address c WHERE c.id = child.id;
		ELSIF FOUND THEN
			UPDATE b2b.address c SET street = NEW.ship_line1, street2 = NEW.ship_line2, city = NEW.ship_city, region = NEW.ship_region, postal_code = NEW.ship_postal_code, country = NEW.ship_country WHERE c.id = child.id;
		ELSE
			INSERT INTO b2b.address AS c (person_id, label, street, street2, city, region, postal_code, country) VALUES (NEW.id, 'shipping', NEW.ship_line1, NEW.ship_line2, NEW.ship_city, NEW.ship_region, NEW.ship_postal_code, NEW.ship_country);
		END IF;
	END IF;
	-- e-mails: b2b.email
	IF NEW.emails IS DISTINCT FROM OLD.emails THEN
		wanted := ARRAY(SELECT u.email FROM unnest(NEW.emails) WITH ORDINALITY u(email, n) WHERE u.email <> '' GROUP BY u.email ORDER BY min(u.n));
		fresh := ARRAY(SELECT u.email FROM unnest(wanted) WITH ORDINALITY u(email, n)
			WHERE NOT EXISTS (SELECT FROM b2b.email c WHERE c.person_id = NEW.id AND c.address::text = u.email) ORDER BY u.n);
		FOR child IN SELECT c.id FROM b2b.email c WHERE c.person_id = NEW.id AND c.address::text <> ALL (wanted) ORDER BY c.is_primary DESC NULLS LAST, c.id LOOP
			IF cardinality(fresh) > 0 THEN
				UPDATE b2b.email c SET address = fresh[1] WHERE c.id = child.id;
				fresh := fresh[2:];
			ELSE
				DELETE FROM b2b.email c WHERE c.id = child.id;
			END IF;
		END LOOP;
		FOREACH email IN ARRAY fresh LOOP
			INSERT INTO b2b.email AS c (person_id, address) VALUES (NEW.id, email);
		END LOOP;
		UPDATE b2b.email c SET is_primary = false WHERE c.person_id = NEW.id AND c.is_primary AND c.address::text <> wanted[1];
		UPDATE b2b.email c SET is_primary = true WHERE c.person_id = NEW.id AND c.is_primary IS NOT TRUE AND c.address::text = wanted[1];
	END IF;
	-- phone: b2b.phone
	IF NEW.primary_phone IS DISTINCT FROM OLD.primary_phone THEN
		SELECT c.id INTO child
		FROM b2b.phone c
		WHERE c.person_id = NEW.id
		AND (c.kind = 'work')
		ORDER BY c.id LIMIT 1;
		IF num_nonnulls(nullif(NEW.primary_phone, '')) = 0 THEN
			DELETE FROM b2b.phone c WHERE c.id = child.id;
		ELSIF FOUND THEN
			UPDATE b2b.phone c SET number = NEW.primary_phone WHERE c.id = child.id;
		ELSE
			INSERT INTO b2b.phone AS c (person_id, kind, number) VALUES (NEW.id, 'work', NEW.primary_phone);
		END IF;
	END IF;
	-- second phone: b2b.phone
	IF NEW.alternate_phone IS DISTINCT FROM OLD.alternate_phone THEN
		SELECT c.id INTO child
		FROM b2b.phone c
		WHERE c.person_id = NEW.id
		AND (c.kind IN ('other', 'home'))
		ORDER BY array_position(ARRAY['other', 'home'], c.kind::text), c.id LIMIT 1;
		IF num_nonnulls(nullif(NEW.alternate_phone, '')) = 0 THEN
			DELETE FROM b2b.phone c WHERE c.id = child.id;
		ELSIF FOUND THEN
			UPDATE b2b.phone c SET number = NEW.alternate_phone WHERE c.id = child.id;
		ELSE
			INSERT INTO b2b.phone AS c (person_id, kind, number) VALUES (NEW.id, 'other', NEW.alternate_phone);
		END IF;
	END IF;
	-- mobile: b2b.phone
	IF NEW.mobile IS DISTINCT FROM OLD.mobile THEN
		SELECT c.id INTO child
		FROM b2b.phone c
		WHERE c.person_id = NEW.id
		AND (c.kind = 'mobile')
		ORDER BY c.id LIMIT 1;
		IF num_nonnulls(nullif(NEW.mobile, '')) = 0 THEN
			DELETE FROM b2b.phone c WHERE c.id = child.id;
		ELSIF FOUND THEN
			UPDATE b2b.phone c SET number = NEW.mobile WHERE c.id = child.id;
		ELSE
			INSERT INTO b2b.phone AS c (person_id, kind, number) VALUES (NEW.id, 'mobile', NEW.mobile);
		END IF;
	END IF;
	-- fax: b2b.phone
	IF NEW.fax IS DISTINCT FROM OLD.fax THEN
		SELECT c.id INTO child
		FROM b2b.phone c
		WHERE c.person_id = NEW.id
		AND (c.kind = 'fax')
		ORDER BY c.id LIMIT 1;
		IF num_nonnulls(nullif(NEW.fax, '')) = 0 THEN
			DELETE FROM b2b.phone c WHERE c.id = child.id;
		ELSIF FOUND THEN
			UPDATE b2b.phone c SET number = NEW.fax WHERE c.id = child.id;
		ELSE
			INSERT INTO b2b.phone AS c (person_id, kind, number) VALUES (NEW.id, 'fax', NEW.fax);
		END IF;
	END IF;
	-- web site: b2b.web_site
	IF NEW.web_addr IS DISTINCT FROM OLD.web_addr THEN
		SELECT c.id INTO child
		FROM b2b.web_site c
		WHERE c.person_id = NEW.id
		ORDER BY c.id LIMIT 1;
		IF num_nonnulls(nullif(NEW.web_addr, '')) = 0 THEN
			DELETE FROM b2b.web_site c WHERE c.id = child.id;
		ELSIF FOUND THEN
			UPDATE b2b.web_site c SET url = NEW.web_addr WHERE c.id = child.id;
		ELSE
			INSERT INTO b2b.web_site AS c (person_id, url) VALUES (NEW.id, NEW.web_addr);
		END IF;
	END IF;
	RETURN NEW;
END
$qbsync$;
CREATE TRIGGER person_quickbooks_write INSTEAD OF INSERT OR UPDATE ON b2b.person_quickbooks
	FOR EACH ROW EXECUTE FUNCTION b2b.person_quickbooks_write();

CREATE FUNCTION b2b.person_quickbooks_delete()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, b2b, pg_temp
AS $qbsync$
BEGIN
	DELETE FROM b2b.person r WHERE r.id = OLD.id;
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	RETURN OLD;
END
$qbsync$;
CREATE TRIGGER person_quickbooks_delete INSTEAD OF DELETE ON b2b.person_quickbooks
	FOR EACH ROW EXECUTE FUNCTION b2b.person_quickbooks_delete();

GRANT SELECT, INSERT, UPDATE, DELETE ON b2b.person_quickbooks TO :"role";

RESET ROLE;
