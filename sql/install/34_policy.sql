/*
 * Policies: what counts for a mapping, and qbsync_set and qbsync_preset, which change it.
 *
 * A policy's value comes from the column, else the mapping, else the connection, else its default (16_policies.sql).
 *
 * qbsync_set (32_operate.sql) and qbsync_preset run as their caller: a policy may need triggers on the CRM's tables, and
 * only somebody who may make triggers there can ask for that.  What they write in qbsync's own tables they write through
 * the SECURITY DEFINER functions below, which check everything themselves, because a member of qbsync_admin can call them
 * just as well.
 */

CREATE FUNCTION qbsync.document_goes_out(entity text)
RETURNS boolean
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT document_goes_out.entity IN ('invoice', 'payment');
$fn$;
COMMENT ON FUNCTION qbsync.document_goes_out(text) IS 'Can documents of this entity go to QuickBooks? Those that can have a policy <entity>_direction; estimates only come from there';

/* What the law or a wider setting pins is pinned here, for everybody who asks: nobody downstream can forget it. */
CREATE FUNCTION qbsync.effective_policies(mapping_id integer)
RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan			-- asked often while the statements of a mapping are made
AS $fn$
DECLARE
	m record;
	policy jsonb;
	on_delete text;
BEGIN
	SELECT k.policies, coalesce(c.settings, '{}') AS settings, coalesce(e.transaction, false) AS document,
		qbsync.document_goes_out(k.entity) AS goes_out,
		'pull_by_law' IN (k.policies ->> 'documents_direction', c.settings ->> 'documents_direction') AS law
	INTO m
	FROM qbsync.mapping k
	LEFT JOIN qbsync.connection c ON c.connection_id = k.connection_id
	LEFT JOIN qbsync.catalogue e ON e.entity = k.entity
	WHERE k.mapping_id = effective_policies.mapping_id;
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	SELECT jsonb_strip_nulls(jsonb_object_agg(p.name, coalesce(m.policies ->> p.name, m.settings ->> p.name, p.default_value)))
	INTO policy FROM qbsync.policy p;
	IF m.law THEN
		policy := policy || '{"documents_direction": "pull_by_law"}';
	END IF;
	IF policy ->> 'documents_direction' <> 'as_set' THEN
		policy := policy || '{"invoice_direction": "pull", "payment_direction": "pull"}'
			|| CASE WHEN m.document THEN '{"direction": "pull"}' ELSE '{}' END::jsonb;
	ELSIF m.document AND NOT m.goes_out THEN
		policy := policy || '{"direction": "pull"}';
	END IF;
	on_delete := policy ->> 'on_crm_delete';
	IF m.document THEN
		-- what a mapping says goes before what the connection says, in whatever words
		on_delete := coalesce(nullif(m.policies ->> 'on_crm_delete_documents', 'same'), m.policies ->> 'on_crm_delete',
							  nullif(policy ->> 'on_crm_delete_documents', 'same'), on_delete);
	END IF;
	IF on_delete IN ('void', 'delete') AND NOT m.document OR on_delete = 'deactivate' AND m.document THEN
		on_delete := 'tombstone';
	END IF;
	RETURN policy || jsonb_build_object('on_crm_delete', on_delete);
END
$fn$;
COMMENT ON FUNCTION qbsync.effective_policies(integer) IS 'Policies that count for a mapping, {name: value}; those without a value are left out. documents_direction and, for documents, on_crm_delete_documents are worked into the others';

/* An address is one unit of merging: what was said of bill_addr is shown for each of its columns as well. */
CREATE FUNCTION qbsync.column_policies(mapping_id integer)
RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	WITH said AS (
		SELECT p.column_name, p.policy,
			CASE WHEN p.policy = 'direction' AND e.transaction
					AND qbsync.effective_policies(p.mapping_id) ->> 'documents_direction' <> 'as_set' THEN 'pull' ELSE p.value END AS value,
			m.entity
		FROM qbsync.column_policy p
		JOIN qbsync.mapping m ON m.mapping_id = p.mapping_id
		LEFT JOIN qbsync.catalogue e ON e.entity = m.entity
		WHERE p.mapping_id = column_policies.mapping_id
	), spread AS (
		SELECT s.column_name, s.policy, s.value FROM said s
		UNION
		SELECT k."column", s.policy, s.value
		FROM said s
		JOIN qbsync.catalogue_column k ON k."table" = s.entity AND qbsync.unit_of(k."column", k.path) = s.column_name
	)
	SELECT coalesce(jsonb_object_agg(c.column_name, c.policies), '{}')
	FROM (SELECT s.column_name, jsonb_object_agg(s.policy, s.value) AS policies FROM spread s GROUP BY s.column_name) c;
$fn$;
COMMENT ON FUNCTION qbsync.column_policies(integer) IS 'Policies of single columns of a mapping, {column: {policy: value}}; those of an address under its own name and under each of its columns';

CREATE FUNCTION qbsync.match_outcomes(mapping_id integer)
RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT jsonb_object_agg(r.rule, coalesce(
		(SELECT x.outcome FROM qbsync.match_rule x WHERE x.mapping_id = match_outcomes.mapping_id AND x.rule = r.rule),
		CASE WHEN r.rule IN ('name_only', 'email_only') AND e.policy ->> ('match_' || r.rule) = 'review' AND e.policy ->> 'partial_match' = 'auto_link'
			THEN 'auto' ELSE e.policy ->> ('match_' || r.rule) END))
	FROM (SELECT qbsync.effective_policies(match_outcomes.mapping_id) AS policy OFFSET 0) e
	CROSS JOIN unnest('{id,tax_id,name_and_email,name_only,email_only}'::text[]) AS r(rule);
$fn$;
COMMENT ON FUNCTION qbsync.match_outcomes(integer) IS 'What a match of each kind leads to in a mapping, {rule: auto | review | off}: its row of qbsync.match_rule, else the policies match_… and partial_match';

/*
 * The role on whose behalf a statement runs, also inside SECURITY DEFINER functions, where current_user is the owner:
 * SET ROLE can only name a role the session may become.
 */
CREATE FUNCTION qbsync.acting_role()
RETURNS name
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role')::name END;
$fn$;
COMMENT ON FUNCTION qbsync.acting_role() IS 'Role a session acts as: the one SET by SET ROLE, else the one it connected as';

/* may_see() would ask about the owner inside SECURITY DEFINER functions. */
CREATE FUNCTION qbsync.require_sight(entity text)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	IF EXISTS (SELECT FROM qbsync.catalogue k WHERE k.entity = require_sight.entity AND k.bought)
		AND NOT pg_has_role(qbsync.acting_role(), 'qbsync_vendor_reader', 'USAGE') THEN
		RAISE EXCEPTION 'permission denied for "%"', require_sight.entity
			USING ERRCODE = 'insufficient_privilege', DETAIL = 'What is bought is for members of qbsync_vendor_reader.';
	END IF;
END
$fn$;
COMMENT ON FUNCTION qbsync.require_sight(text) IS 'Raises an error unless the role a session acts as may see what belongs to records of an entity';

CREATE FUNCTION qbsync.keep_the_law(old_value text, new_value text)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	-- an apply worker's session is a superuser's, the CRM's code in it is not
	IF keep_the_law.old_value = 'pull_by_law' AND keep_the_law.new_value IS DISTINCT FROM 'pull_by_law'
		AND (qbsync.in_apply_worker() OR NOT pg_has_role(qbsync.acting_role(), (SELECT d.datdba FROM pg_database d WHERE d.datname = current_database()), 'USAGE')) THEN
		RAISE EXCEPTION 'permission denied to take back documents_direction = pull_by_law'
			USING ERRCODE = 'insufficient_privilege', DETAIL = 'Documents come from QuickBooks only because a law says so.',
				  HINT = 'Only the owner of the database or a superuser can take it back.';
	END IF;
END
$fn$;
COMMENT ON FUNCTION qbsync.keep_the_law(text, text) IS 'Raises an error when somebody but the database''s owner or a superuser takes back pull_by_law (CEN-12)';

CREATE FUNCTION qbsync.role_list(value text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	one text;
	roles text[] := '{}';
BEGIN
	FOREACH one IN ARRAY string_to_array(role_list.value, ',') LOOP
		one := btrim(one);
		IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = one) THEN
			RAISE EXCEPTION 'role "%" does not exist', one
				USING ERRCODE = 'undefined_object', HINT = 'Give names of roles with commas between them.';
		END IF;
		roles := roles || one;
	END LOOP;
	RETURN nullif(array_to_string(roles, ','), '');
END
$fn$;
COMMENT ON FUNCTION qbsync.role_list(text) IS 'A list of roles as it is stored; an error unless all exist';

/* Policies without a list of values have a form of their own. */
CREATE FUNCTION qbsync.free_policy_value(connection_id integer, policy text, value text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	form text;
BEGIN
	CASE free_policy_value.policy
		WHEN 'pull_new_since', 'start_date' THEN
			form := 'It is a day, such as 2026-01-31.';
			IF free_policy_value.value ~ '^\d{4}-\d{2}-\d{2}$' THEN
				RETURN to_char(free_policy_value.value::date, 'YYYY-MM-DD');
			END IF;
		WHEN 'lock_exempt' THEN
			RETURN qbsync.role_list(free_policy_value.value);
		WHEN 'default_item' THEN
			RETURN qbsync.resolve_reference(free_policy_value.connection_id, 'item', free_policy_value.value);
		WHEN 'lane_limit' THEN
			form := 'It is a number of records from 1 to 1000000.';
			IF free_policy_value.value ~ '^[1-9]\d{0,6}$' AND free_policy_value.value::integer <= 1000000 THEN
				RETURN free_policy_value.value::integer::text;
			END IF;
		WHEN 'payment_future_days' THEN
			form := 'It is a number of days from 0 to 3650.';
			IF free_policy_value.value ~ '^\d{1,4}$' AND free_policy_value.value::integer <= 3650 THEN
				RETURN free_policy_value.value::integer::text;
			END IF;
		WHEN 'push_rule' THEN
			form := 'It is none, or a column of the view and values, as in status=sent,posted.';
			IF free_policy_value.value = 'none' THEN
				RETURN 'none';
			ELSIF free_policy_value.value ~ '^\s*[^=,\s][^=,]*=[^=]*[^=,\s][^=]*$' THEN
				RETURN btrim(split_part(free_policy_value.value, '=', 1)) || '='
					|| (SELECT string_agg(btrim(x), ',') FROM string_to_table(split_part(free_policy_value.value, '=', 2), ',') x WHERE btrim(x) <> '');
			END IF;
		WHEN 'language' THEN
			form := 'It is a language, such as fr.';
			IF free_policy_value.value ~ '^[a-z]{2}$' THEN
				RETURN free_policy_value.value;
			END IF;
		ELSE
			form := 'It has 1 to 100 characters, no blank at its ends and no control characters.';
			IF free_policy_value.value = btrim(free_policy_value.value) AND length(free_policy_value.value) BETWEEN 1 AND 100
				AND free_policy_value.value !~ '[[:cntrl:]]' THEN
				RETURN free_policy_value.value;
			END IF;
	END CASE;
	RAISE EXCEPTION '% is not valid: "%"', free_policy_value.policy, free_policy_value.value
		USING ERRCODE = 'invalid_parameter_value', DETAIL = form;
EXCEPTION
	WHEN datetime_field_overflow OR invalid_datetime_format THEN
		RAISE EXCEPTION '% is not valid: "%"', free_policy_value.policy, free_policy_value.value
			USING ERRCODE = 'invalid_parameter_value', DETAIL = form;
END
$fn$;
COMMENT ON FUNCTION qbsync.free_policy_value(integer, text, text) IS 'Value of a policy that has no list of values, as it is stored; an error if it is not valid';

CREATE FUNCTION qbsync.policy_value(connection_id integer, policy text, value text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	allowed text[] := (SELECT p.allowed FROM qbsync.policy p WHERE p.name = policy_value.policy);
	parts text[];
BEGIN
	IF policy_value.value IS NULL THEN
		RETURN NULL;
	ELSIF allowed IS NULL THEN
		RETURN qbsync.free_policy_value(policy_value.connection_id, policy_value.policy, policy_value.value);
	ELSIF policy_value.policy = 'push_new' THEN
		parts := ARRAY(SELECT btrim(x) FROM string_to_table(policy_value.value, ',') x);
		IF parts <@ allowed AND (cardinality(parts) = 1 OR NOT 'none' = ANY (parts)) THEN
			RETURN array_to_string(ARRAY(SELECT x FROM unnest(allowed) x WHERE x = ANY (parts)), ',');
		END IF;
	ELSIF policy_value.value = ANY (allowed) THEN
		RETURN policy_value.value;
	ELSIF allowed = '{true,false}' AND lower(policy_value.value) IN ('on', 'yes', '1', 'off', 'no', '0') THEN
		RETURN policy_value.value::boolean::text;
	END IF;
	RAISE EXCEPTION '% is not valid: "%"', policy_value.policy, policy_value.value
		USING ERRCODE = 'invalid_parameter_value',
			  DETAIL = format('Its values are: %s.', array_to_string(allowed, ', ')),
			  HINT = (SELECT p.meaning FROM qbsync.policy p WHERE p.name = policy_value.policy);
END
$fn$;
COMMENT ON FUNCTION qbsync.policy_value(integer, text, text) IS 'Value of a policy as it is stored; an error if it is not valid';

/* The connection and, when one was named or a column needs one, the mapping (else null) that a setting is for. */
CREATE FUNCTION qbsync.setting_target(connection text, mapping text, for_column boolean, OUT connection_id integer, OUT mapping_id integer)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	IF setting_target.mapping IS NULL AND NOT setting_target.for_column THEN
		connection_id := qbsync.the_connection(setting_target.connection);
		RETURN;
	END IF;
	mapping_id := qbsync.the_mapping(setting_target.mapping);
	SELECT m.connection_id INTO connection_id FROM qbsync.mapping m WHERE m.mapping_id = setting_target.mapping_id;
	IF setting_target.connection IS NOT NULL AND qbsync.the_connection(setting_target.connection) <> connection_id THEN
		RAISE EXCEPTION 'mapping "%" is not of connection "%"', setting_target.mapping, setting_target.connection
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Leave one of the two out.';
	END IF;
END
$fn$;
COMMENT ON FUNCTION qbsync.setting_target(text, text, boolean) IS 'Whom a setting is for: connection and mapping by their names';

/* The policy of an address's column is that of the address; what is not mapped has none. */
CREATE FUNCTION qbsync.policy_column(mapping_id integer, policy text, column_name text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	m qbsync.mapping;
	names text[];
	unit text;
BEGIN
	IF NOT (SELECT p.per_column FROM qbsync.policy p WHERE p.name = policy_column.policy) THEN
		RAISE EXCEPTION '% cannot be set for a column', policy_column.policy
			USING ERRCODE = 'invalid_parameter_value',
				  DETAIL = (SELECT format('Those that can are: %s.', string_agg(p.name, ', ' ORDER BY p.name)) FROM qbsync.policy p WHERE p.per_column);
	END IF;
	SELECT k.* INTO STRICT m FROM qbsync.mapping k WHERE k.mapping_id = policy_column.mapping_id;
	SELECT qbsync.unit_of(k."column", k.path) INTO unit
	FROM qbsync.catalogue_column k
	WHERE k."table" = m.entity AND k."column" = ANY (m.columns)
	  AND policy_column.column_name IN (k."column", qbsync.unit_of(k."column", k.path))
	LIMIT 1;
	IF unit IS NOT NULL AND policy_column.policy <> ALL ('{value_map,new_value}') THEN
		RETURN unit;
	END IF;
	names := m.columns || m.extra_columns || coalesce(m.line_columns, '{}') || CASE WHEN m.line_view IS NOT NULL THEN '{lines}'::text[] ELSE '{}' END;
	IF policy_column.column_name = ANY (names) THEN
		RETURN policy_column.column_name;
	END IF;
	RAISE EXCEPTION 'mapping "%" has no column "%"', m.name, policy_column.column_name
		USING ERRCODE = 'undefined_column',
			  DETAIL = format('Its columns are: %s.', (SELECT string_agg(DISTINCT x, ', ' ORDER BY x) FROM unnest(names) x));
END
$fn$;
COMMENT ON FUNCTION qbsync.policy_column(integer, text, text) IS 'Name under which a policy of a column is stored; an error when the mapping has no such column or the policy is not for columns';

/*
 * Policies decide what is done with a record when it is looked at.  After a change of one that counts for what comes in,
 * every record of the mappings concerned is looked at again.
 */
CREATE FUNCTION qbsync.look_again(connection_id integer, mapping_id integer, VARIADIC policies text[])
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $fn$
	-- what waits to be created
	UPDATE qbsync.outgoing o SET next_attempt_at = clock_timestamp()
	FROM qbsync.mapping m
	WHERE o.mapping_id = m.mapping_id AND m.connection_id = look_again.connection_id
	  AND (look_again.mapping_id IS NULL OR m.mapping_id = look_again.mapping_id)
	  AND look_again.policies && '{direction,push_new}';
	UPDATE qbsync.mapping m SET sweep_after = ''
	WHERE m.state = 'enabled' AND m.connection_id = look_again.connection_id
	  AND (look_again.mapping_id IS NULL OR m.mapping_id = look_again.mapping_id)
	  AND look_again.policies && '{direction,authority,documents_direction,invoice_direction,payment_direction,email_in,
		pull_new_first,pull_new,pull_new_documents,pull_new_since,partial_match,match_id,match_tax_id,match_name_and_email,match_name_only,
		match_email_only,kind_rule,on_qbo_inactive,on_qbo_delete,on_qbo_merge,on_crm_delete,start_date,start_date_basis,unlinked_payment,value_map}';
$fn$;
COMMENT ON FUNCTION qbsync.look_again(integer, integer, text[]) IS 'Starts a sweep of the enabled mappings of a connection (or of one mapping) when one of the policies counts for what comes in';

/* Mappings whose triggers may have to change with these policies. */
CREATE FUNCTION qbsync.triggers_concerned(connection_id integer, mapping_id integer, VARIADIC policies text[])
RETURNS integer[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT coalesce(array_agg(m.mapping_id ORDER BY m.mapping_id), '{}')
	FROM qbsync.mapping m
	WHERE m.connection_id = triggers_concerned.connection_id
	  AND (triggers_concerned.mapping_id IS NULL OR m.mapping_id = triggers_concerned.mapping_id)
	  AND triggers_concerned.policies && '{lock_linked,on_crm_delete,on_crm_delete_documents,direction,documents_direction,invoice_direction,payment_direction}';
$fn$;
COMMENT ON FUNCTION qbsync.triggers_concerned(integer, integer, text[]) IS 'Mappings of a connection (or the one mapping) whose triggers the policies decide about';

CREATE FUNCTION qbsync.change_column_policy(mapping_id integer, column_name text, policy text, value text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	IF change_column_policy.policy = 'new_value' THEN
		UPDATE qbsync.mapping m
		SET defaults = m.defaults - change_column_policy.column_name
			|| jsonb_strip_nulls(jsonb_build_object(change_column_policy.column_name, change_column_policy.value))
		WHERE m.mapping_id = change_column_policy.mapping_id;
		RETURN;
	ELSIF change_column_policy.value IS NULL THEN
		DELETE FROM qbsync.column_policy p
		WHERE p.mapping_id = change_column_policy.mapping_id AND p.column_name = change_column_policy.column_name
		  AND p.policy = change_column_policy.policy;
		RETURN;
	END IF;
	INSERT INTO qbsync.column_policy AS p (mapping_id, column_name, policy, value)
	VALUES (change_column_policy.mapping_id, change_column_policy.column_name, change_column_policy.policy, change_column_policy.value)
	ON CONFLICT ON CONSTRAINT column_policy_pkey DO UPDATE SET value = EXCLUDED.value;
	IF change_column_policy.policy = 'value_map' THEN
		PERFORM qbsync.resolve_value_map(change_column_policy.mapping_id, change_column_policy.value);
	END IF;
END
$fn$;
COMMENT ON FUNCTION qbsync.change_column_policy(integer, text, text, text) IS 'Stores the policy of a column, or removes it (null); new_value is kept with the mapping''s defaults';

/* The part of qbsync_set that writes; returns the mappings whose triggers the caller is to make anew. */
CREATE FUNCTION qbsync.change_setting(connection text, setting text, value text, mapping text, column_name text)
RETURNS integer[]
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET intervalstyle = postgres
AS $fn$
DECLARE
	own boolean := EXISTS (SELECT FROM qbsync.setting s WHERE s.name = change_setting.setting);
	target record;
	old_value text;
	new_value jsonb;
	"column" text;
BEGIN
	IF NOT own AND NOT EXISTS (SELECT FROM qbsync.policy p WHERE p.name = change_setting.setting) OR change_setting.setting IS NULL THEN
		-- which connection is meant is said first, as with every function
		PERFORM qbsync.setting_target(change_setting.connection, change_setting.mapping, false);
		RAISE EXCEPTION 'setting "%" does not exist', change_setting.setting
			USING ERRCODE = 'undefined_object', DETAIL = format('The settings of a connection are %s; policies are listed in qbsync.policy.', (SELECT string_agg(s.name, ', ' ORDER BY s.name) FROM qbsync.setting s)),
				  HINT = 'SELECT qbsync_set(connection => …, setting => …, value => …); a null value sets the default again.';
	END IF;
	target := qbsync.setting_target(change_setting.connection, change_setting.mapping,
									change_setting.column_name IS NOT NULL OR change_setting.setting IN ('value_map', 'new_value'));
	IF own AND target.mapping_id IS NOT NULL OR change_setting.setting IN ('value_map', 'new_value') AND change_setting.column_name IS NULL THEN
		RAISE EXCEPTION '% is a setting of a %', change_setting.setting, CASE WHEN own THEN 'connection' ELSE 'column' END
			USING ERRCODE = 'invalid_parameter_value', HINT = CASE WHEN own THEN 'Leave mapping and column out.' ELSE 'Name it: "column" => …' END;
	END IF;

	IF own THEN
		new_value := qbsync.setting_value(change_setting.setting, change_setting.value);
	ELSE
		new_value := to_jsonb(qbsync.policy_value(target.connection_id, change_setting.setting, change_setting.value));
	END IF;
	IF change_setting.column_name IS NOT NULL THEN
		"column" := qbsync.policy_column(target.mapping_id, change_setting.setting, change_setting.column_name);
		PERFORM qbsync.change_column_policy(target.mapping_id, "column", change_setting.setting, new_value #>> '{}');
	ELSE
		IF target.mapping_id IS NOT NULL THEN
			SELECT m.policies ->> change_setting.setting INTO old_value FROM qbsync.mapping m WHERE m.mapping_id = target.mapping_id FOR NO KEY UPDATE;
			UPDATE qbsync.mapping m SET policies = m.policies - change_setting.setting || jsonb_strip_nulls(jsonb_build_object(change_setting.setting, new_value))
			WHERE m.mapping_id = target.mapping_id;
		ELSE
			SELECT c.settings ->> change_setting.setting INTO old_value FROM qbsync.connection c WHERE c.connection_id = target.connection_id FOR NO KEY UPDATE;
			UPDATE qbsync.connection c SET settings = c.settings - change_setting.setting || jsonb_strip_nulls(jsonb_build_object(change_setting.setting, new_value))
			WHERE c.connection_id = target.connection_id;
		END IF;
		IF change_setting.setting = 'documents_direction' THEN
			PERFORM qbsync.keep_the_law(old_value, new_value #>> '{}');
		ELSIF change_setting.setting = 'vendors' AND new_value #>> '{}' IS DISTINCT FROM 'import' THEN
			PERFORM qbsync.purge_bought(target.connection_id);
		ELSIF change_setting.setting = 'custom_fields' AND coalesce(new_value #>> '{}', 'slots') <> coalesce(old_value, 'slots') THEN
			-- what can have some is read once more, asked for the other way
			UPDATE qbsync.cursor r SET phase = 'waiting', position = 0, total = NULL
			WHERE r.connection_id = target.connection_id AND r.phase <> 'absent'
				AND EXISTS (SELECT FROM qbsync.catalogue_column c WHERE c."table" = r.entity AND c."column" = 'custom_fields');
		END IF;
	END IF;
	PERFORM qbsync.look_again(target.connection_id, target.mapping_id, change_setting.setting);
	PERFORM qbsync.wake();
	RETURN qbsync.triggers_concerned(target.connection_id, target.mapping_id, change_setting.setting);
END
$fn$;
COMMENT ON FUNCTION qbsync.change_setting(text, text, text, text, text) IS 'What qbsync_set writes; returns the mappings whose triggers have to be made anew. SECURITY DEFINER: writes qbsync.connection, mapping and column_policy';

/* The part of qbsync_preset that writes; returns the mappings whose triggers the caller is to make anew. */
CREATE FUNCTION qbsync.change_preset(preset text, connection text, mapping text)
RETURNS integer[]
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	target record;
	settings jsonb := '{}';
	old_values jsonb;
	new_values jsonb;
	choices text[];
	changed text[];
BEGIN
	IF NOT EXISTS (SELECT FROM qbsync.preset p WHERE p.preset = change_preset.preset) OR change_preset.preset IS NULL THEN
		RAISE EXCEPTION 'preset "%" does not exist', change_preset.preset
			USING ERRCODE = 'undefined_object',
				  DETAIL = (SELECT format('The presets are: %s.', string_agg(DISTINCT p.preset, ', ' ORDER BY p.preset)) FROM qbsync.preset p),
				  HINT = 'SELECT * FROM qbsync.preset shows what each of them sets.';
	END IF;
	target := qbsync.setting_target(change_preset.connection, change_preset.mapping, false);
	IF target.mapping_id IS NULL THEN
		SELECT c.settings INTO old_values FROM qbsync.connection c WHERE c.connection_id = target.connection_id FOR NO KEY UPDATE;
	ELSE
		SELECT c.settings INTO settings FROM qbsync.connection c WHERE c.connection_id = target.connection_id;
		SELECT m.policies INTO old_values FROM qbsync.mapping m WHERE m.mapping_id = target.mapping_id FOR NO KEY UPDATE;
	END IF;

	-- A policy the preset does not name has its default: at a mapping that may have to be said against the connection.
	SELECT array_agg(p.name), jsonb_object_agg(p.name, coalesce(s.value, p.default_value))
								  FILTER (WHERE coalesce(s.value, p.default_value) IS DISTINCT FROM coalesce(settings ->> p.name, p.default_value))
	INTO choices, new_values
	FROM qbsync.policy p
	LEFT JOIN qbsync.preset s ON s.preset = change_preset.preset AND s.policy = p.name
	WHERE EXISTS (SELECT FROM qbsync.preset n WHERE n.policy = p.name);
	new_values := (old_values - choices) || coalesce(jsonb_strip_nulls(new_values), '{}');
	changed := ARRAY(SELECT p.name FROM qbsync.policy p WHERE new_values -> p.name IS DISTINCT FROM old_values -> p.name);

	PERFORM qbsync.keep_the_law(old_values ->> 'documents_direction',
								coalesce(new_values ->> 'documents_direction', settings ->> 'documents_direction'));
	IF target.mapping_id IS NULL THEN
		UPDATE qbsync.connection c SET settings = new_values WHERE c.connection_id = target.connection_id;
	ELSE
		UPDATE qbsync.mapping m SET policies = new_values WHERE m.mapping_id = target.mapping_id;
	END IF;
	PERFORM qbsync.look_again(target.connection_id, target.mapping_id, VARIADIC changed);
	PERFORM qbsync.wake();
	RETURN qbsync.triggers_concerned(target.connection_id, target.mapping_id, VARIADIC changed);
END
$fn$;
COMMENT ON FUNCTION qbsync.change_preset(text, text, text) IS 'What qbsync_preset writes; returns the mappings whose triggers have to be made anew. SECURITY DEFINER: writes qbsync.connection and mapping';

CREATE FUNCTION @extschema@.qbsync_preset(
	preset text DEFAULT NULL,
	connection text DEFAULT NULL,
	mapping text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	id integer;
BEGIN
	FOREACH id IN ARRAY qbsync.change_preset(qbsync_preset.preset, qbsync_preset.connection, qbsync_preset.mapping) LOOP
		PERFORM qbsync.create_triggers(id);
	END LOOP;
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_preset(text, text, text) IS 'Take over a way of working (safe, capsule, orderry, centrixone, pipedrive, karbon; see qbsync.preset) for a connection or one mapping: its policies are set, all others get their default; dates, roles, accounts and the like stay. Runs as the caller: what goes out, and locked records, need triggers on the CRM''s tables';
