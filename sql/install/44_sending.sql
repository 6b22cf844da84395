/*
 * The callable side of the way out: what people ask to be sent, and what waits to be.
 */

CREATE FUNCTION qbsync.require_sending(m qbsync.mapping, creates boolean)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	IF (m).state <> 'enabled' THEN
		RAISE EXCEPTION 'mapping "%" is not enabled', (m).name
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = format('SELECT qbsync_enable(%L);', (m).name);
	ELSIF NOT qbsync.may_send((m).mapping_id) THEN
		RAISE EXCEPTION 'nothing of mapping "%" goes to QuickBooks', (m).name
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  DETAIL = format('Its entity is %s, its direction %s.', (m).entity, qbsync.mapping_direction((m).mapping_id)),
				  HINT = format('Contacts go out where the policy says so: SELECT qbsync_set(mapping => %L, setting => ''direction'', value => ''two_way'');', (m).name);
	ELSIF require_sending.creates AND NOT qbsync.may_create((m).mapping_id) THEN
		RAISE EXCEPTION 'no record of mapping "%" is created in QuickBooks', (m).name
			USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = 'Its direction is pull: only columns whose own direction is another go out, of records that are linked.',
				  HINT = format('To have records created: SELECT qbsync_set(mapping => %L, setting => ''direction'', value => ''two_way'');', (m).name);
	END IF;
END
$fn$;
COMMENT ON FUNCTION qbsync.require_sending(qbsync.mapping, boolean) IS 'Raises an error with the way out when nothing of a mapping can be sent, or no record be created';

CREATE FUNCTION qbsync.linked_id(mapping_id integer, crm_key text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT l.id FROM qbsync.link l WHERE l.mapping_id = linked_id.mapping_id AND l.crm_key = linked_id.crm_key AND l.state <> 'alias';
$fn$;
COMMENT ON FUNCTION qbsync.linked_id(integer, text) IS 'QuickBooks record that a CRM record is linked with; null when it is not';

CREATE FUNCTION @extschema@.qbsync_push(
	mapping text DEFAULT NULL,
	crm_key text DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	m qbsync.mapping := qbsync.held_mapping(qbsync_push.mapping);
	its_id text := qbsync.linked_id(m.mapping_id, qbsync_push.crm_key);
BEGIN
	PERFORM qbsync.require_value('crm_key', qbsync_push.crm_key, 'Give the CRM record''s key as text, as in qbsync.matched and qbsync_plan.');
	PERFORM qbsync.require_sending(m, its_id IS NULL);
	IF its_id IS NOT NULL THEN
		PERFORM qbsync.retry_sends(m.mapping_id, ARRAY[qbsync_push.crm_key]);
		INSERT INTO qbsync.arrival (mapping_id, id) VALUES (m.mapping_id, its_id);
	ELSE
		INSERT INTO qbsync.outgoing AS o (mapping_id, crm_key) VALUES (m.mapping_id, qbsync_push.crm_key)
		ON CONFLICT ON CONSTRAINT outgoing_pkey DO UPDATE SET asked = true, lane = 'interactive', asked_by = session_user, asked_at = clock_timestamp(), next_attempt_at = clock_timestamp();
		PERFORM qbsync.retry_sends(m.mapping_id, ARRAY[qbsync_push.crm_key]);
	END IF;
	PERFORM qbsync.wake();
	RETURN CASE WHEN its_id IS NOT NULL THEN format('%s %s: what differs from %s %s is sent', m.crm_table, qbsync_push.crm_key, m.entity, its_id)
		ELSE format('%s %s is created in QuickBooks', m.crm_table, qbsync_push.crm_key) END;
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_push(text, text) IS
	'Send a CRM record to QuickBooks now (CAP-11, CAP-40): one that QuickBooks does not have is created there, unless it may be there already (then it waits in qbsync.duplicate); of a linked one goes what differs. Returns what is done as soon as the transaction has committed; what keeps it from being done is in qbsync.error_open. SECURITY DEFINER: writes qbsync.outgoing and arrival';

CREATE FUNCTION @extschema@.qbsync_backfill(mapping text DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	m qbsync.mapping := qbsync.held_mapping(qbsync_backfill.mapping);
BEGIN
	PERFORM qbsync.require_sending(m, true);
	UPDATE qbsync.mapping k SET backfill_asked_by = session_user, paused_lanes = array_remove(k.paused_lanes, 'backfill') WHERE k.mapping_id = m.mapping_id;
	PERFORM qbsync.wake();
	RETURN format('CRM records of mapping "%s" that QuickBooks does not have are created there', m.name);
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_backfill(text) IS
	'Create all CRM records of a mapping in QuickBooks that it does not have (KAR-36, Q-12): qbsync_plan shows them before, qbsync.mapping_status how many are left, qbsync_backfill_pause lets it rest. Goes behind whatever else is to be sent; records that may be there already wait in qbsync.duplicate. Returns what is done as soon as the transaction has committed. SECURITY DEFINER: writes qbsync.mapping';

CREATE FUNCTION @extschema@.qbsync_backfill_pause(mapping text DEFAULT NULL, pause boolean DEFAULT true)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	m qbsync.mapping := qbsync.held_mapping(qbsync_backfill_pause.mapping);
BEGIN
	UPDATE qbsync.mapping k SET paused_lanes = array_remove(k.paused_lanes, 'backfill') || CASE WHEN coalesce(qbsync_backfill_pause.pause, true) THEN '{backfill}' ELSE '{}' END::text[]
	WHERE k.mapping_id = m.mapping_id;
	PERFORM qbsync.wake();
	RETURN (SELECT count(*) FROM qbsync.outgoing o WHERE o.mapping_id = m.mapping_id AND o.lane = 'backfill');
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_backfill_pause(text, boolean) IS 'Let a backfill rest, or with pause => false go on; everything else is sent as always. Returns how many records of it are left. SECURITY DEFINER: writes qbsync.mapping';

CREATE FUNCTION @extschema@.qbsync_confirm_lane(mapping text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	m qbsync.mapping := qbsync.held_mapping(qbsync_confirm_lane.mapping);
BEGIN
	UPDATE qbsync.mapping k SET paused_lanes = array_remove(k.paused_lanes, 'rule'), lane_confirmed_at = clock_timestamp() WHERE k.mapping_id = m.mapping_id;
	PERFORM qbsync.wake();
	RETURN (SELECT count(*) FROM qbsync.request r WHERE r.mapping_id = m.mapping_id AND r.lane = 'rule' AND r.state IN ('ready', 'check'));
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_confirm_lane(text) IS
	'Far more records than usual were to be created or deactivated in QuickBooks by a rule, so they were stopped: qbsync.pending shows them. This lets them go, and for an hour stops nothing. Returns how many wait. SECURITY DEFINER: writes qbsync.mapping';

CREATE FUNCTION @extschema@.qbsync_refresh(
	mapping text DEFAULT NULL,
	crm_key text DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	m qbsync.mapping := qbsync.held_mapping(qbsync_refresh.mapping);
	its_id text := qbsync.linked_id(m.mapping_id, qbsync_refresh.crm_key);
BEGIN
	PERFORM qbsync.require_value('crm_key', qbsync_refresh.crm_key, 'Give the CRM record''s key as text: the column crm_key of qbsync.matched.');
	IF its_id IS NULL THEN
		RAISE EXCEPTION '% "%" is not linked', m.crm_table, qbsync_refresh.crm_key
			USING ERRCODE = 'undefined_object', DETAIL = format('Mapping "%s" has no link with this key.', m.name), HINT = 'See qbsync.matched.';
	END IF;
	INSERT INTO qbsync.lookup (connection_id, entity, id) VALUES (m.connection_id, m.entity, its_id) ON CONFLICT DO NOTHING;
	INSERT INTO qbsync.arrival (mapping_id, id) VALUES (m.mapping_id, its_id);
	PERFORM qbsync.wake();
	RETURN format('%s %s is read again', m.entity, its_id);
END
$fn$;
COMMENT ON FUNCTION @extschema@.qbsync_refresh(text, text) IS 'Read the QuickBooks record of a CRM record again now (PIP-36). Returns what is read; CALL qbsync_wait(until => ''idle'') waits for it. SECURITY DEFINER: writes qbsync.lookup';

CREATE VIEW qbsync.pending WITH (security_barrier) AS
SELECT v.connection, v.connection_id, m.name AS mapping, r.entity, m.crm_table, r.crm_key, r.id, r.operation, r.state, r.lane,
	r.state IN ('ready', 'check') AND r.lane = ANY (m.paused_lanes) AS paused,
	r.sent_values AS columns, r.composed_at AS since, now() - r.composed_at AS age, r.first_sent_at, r.attempts, r.requestid
FROM qbsync.request r
JOIN qbsync.visible_connection v ON v.connection_id = r.connection_id
JOIN qbsync.mapping m ON m.mapping_id = r.mapping_id
WHERE qbsync.may_see(r.entity);
COMMENT ON VIEW qbsync.pending IS 'What is owed to QuickBooks, with its age (EXT-32): a row leaves when QuickBooks has it, or the CRM has nothing more to say. Why something is refused: qbsync.error_open';
COMMENT ON COLUMN qbsync.pending.crm_table IS 'table of the CRM record';
COMMENT ON COLUMN qbsync.pending.crm_key IS 'key of the CRM record, as text';
COMMENT ON COLUMN qbsync.pending.id IS 'QuickBooks'' id; null: to be created';
COMMENT ON COLUMN qbsync.pending.state IS 'ready: goes next; sent: on its way, or the outcome is not known and asked for; check: is looked for in QuickBooks first; stale: the record is read again first; refused: waits in qbsync.error_open';
COMMENT ON COLUMN qbsync.pending.lane IS 'interactive goes before rule, rule before backfill';
COMMENT ON COLUMN qbsync.pending.paused IS 'its lane rests: see qbsync_confirm_lane and qbsync_backfill_pause';
COMMENT ON COLUMN qbsync.pending.columns IS 'what is sent, by the mirror''s columns; null: emptied';
COMMENT ON COLUMN qbsync.pending.since IS 'when it was made as it is now';
COMMENT ON COLUMN qbsync.pending.attempts IS 'how often it was sent and not carried out, since it was made as it is now';
