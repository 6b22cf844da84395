/*
 * Who may do what.  Five roles: qbsync_reader reads data and status; qbsync_operator is a reader who also runs it
 * (pause, resume, sync, wait); qbsync_admin is an operator who also decides which companies are connected;
 * qbsync_vendor_reader reads what is bought and who is paid, where that is mirrored; qbsync_webhook hands in webhook
 * deliveries.  Nobody writes tables directly but superusers.
 */

/*
 * ALTER DEFAULT PRIVILEGES of the role that installs, made for its own tables, reaches these too: whatever anybody was
 * given that way is taken back before the grants below.
 */
CREATE FUNCTION qbsync.take_back_grants()
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
	g record;
BEGIN
	FOR g IN
		SELECT kind, string_agg(DISTINCT object, ', ') AS objects, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS grantee
		FROM (SELECT 'TABLE' AS kind, c.oid::regclass::text AS object, c.relacl AS acl, c.relowner AS owner
			  FROM pg_class c WHERE c.relnamespace = 'qbsync'::regnamespace AND c.relkind IN ('r', 'v', 'S', 'p')
			  UNION ALL
			  SELECT 'ROUTINE', p.oid::regprocedure::text, coalesce(p.proacl, acldefault('f', p.proowner)), p.proowner
			  FROM pg_proc p WHERE p.pronamespace = 'qbsync'::regnamespace
			  UNION ALL
			  SELECT 'ROUTINE', p.oid::regprocedure::text, coalesce(p.proacl, acldefault('f', p.proowner)), p.proowner
			  FROM pg_proc p
			  JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
			  JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
			  WHERE e.extname = 'qbsync' AND p.pronamespace <> 'qbsync'::regnamespace
			  UNION ALL
			  SELECT 'SCHEMA', 'qbsync', n.nspacl, n.nspowner FROM pg_namespace n WHERE n.nspname = 'qbsync') o,
			 aclexplode(o.acl) a
		WHERE a.grantee <> o.owner
		GROUP BY kind, a.grantee
	LOOP
		EXECUTE format('REVOKE ALL ON %s %s FROM %s', g.kind, g.objects, g.grantee);
	END LOOP;
END
$fn$;
COMMENT ON FUNCTION qbsync.take_back_grants() IS 'Takes back every privilege on qbsync''s objects from everybody but the owner; the install and upgrade scripts grant anew';
SELECT qbsync.take_back_grants();
DO $do$
BEGIN
	EXECUTE (SELECT string_agg(format('GRANT SELECT ON qbsync.%I TO %I', t.name, CASE WHEN e.bought THEN 'qbsync_vendor_reader' ELSE 'qbsync_reader' END), ';')
			 FROM (SELECT entity, entity AS name FROM qbsync.catalogue UNION ALL SELECT entity, "table" FROM qbsync.catalogue_line) t
			 JOIN qbsync.catalogue e ON e.entity = t.entity);
	-- what concerns what is bought is kept apart in the tables that have rows of all entities, too; views ask may_see() themselves
	EXECUTE (SELECT string_agg(format('ALTER TABLE qbsync.%1$I ENABLE ROW LEVEL SECURITY; CREATE POLICY may_see ON qbsync.%1$I FOR SELECT USING (qbsync.may_see(entity))', t.name), ';')
			 FROM (SELECT c.relname AS name FROM pg_class c
				   JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'connection_id'
				   JOIN pg_attribute e ON e.attrelid = c.oid AND e.attname = 'entity'
				   WHERE c.relnamespace = 'qbsync'::regnamespace AND c.relkind = 'r' AND c.relname NOT IN ('mapping', 'record_version')) t);
	-- the same tables as they were; whoever may not read a table may not read its past either
	EXECUTE (SELECT string_agg(format('GRANT EXECUTE ON FUNCTION qbsync.%I(timestamptz, text) TO qbsync_reader, qbsync_vendor_reader', t.name || '_as_of'), ';')
			 FROM (SELECT entity AS name FROM qbsync.catalogue UNION ALL SELECT "table" FROM qbsync.catalogue_line) t);
END
$do$;
GRANT USAGE ON SCHEMA qbsync TO qbsync_reader, qbsync_vendor_reader;

-- Views run the functions they use as the one who asks.
GRANT EXECUTE ON FUNCTION
	qbsync.may_see(text), qbsync.worker_state(), qbsync.key_status(), qbsync.today(text), qbsync.today(text, timestamptz), qbsync.invoice_state(timestamptz, numeric, numeric, text, boolean), qbsync.customer_sums_known(integer), qbsync.poll_interval(integer, interval), qbsync.poll_pace(text), qbsync.polls_held_until(integer), qbsync.reads_this_month(integer),
	qbsync.readable_entities(), qbsync.same_id(text, text), qbsync.version_days(integer), qbsync.known_since(integer, text), qbsync.as_of_scope(text, text, timestamptz),
	qbsync.version_row(anyelement, qbsync.record_version), qbsync.version_columns(qbsync.record_version), qbsync.version_line_columns(qbsync.record_version),
	qbsync.next_version(qbsync.record_version), qbsync.version_changes(qbsync.record_version, qbsync.record_version), qbsync.change_detail(qbsync.record_version),
	qbsync.change_text(integer, text, text, jsonb, text), qbsync.change_value(integer, text, text, jsonb, jsonb), qbsync.change_words(text), qbsync.is_booked(jsonb),
	qbsync.record_name(integer, text, text), qbsync.book_close_date(integer, timestamptz),
	qbsync.version_lines(anyelement, integer, text, jsonb), @extschema@.qbsync_as_of(text, text, text, timestamptz),
	qbsync.way_out(text, text, text, text), qbsync.language(jsonb, jsonb), qbsync.label(text, text, text), qbsync.sum_of_few(numeric), qbsync.shown(numeric), qbsync.app_url(text), qbsync.time_zone(integer), qbsync.page_path(text), qbsync.catalogue_entities(), qbsync.catalogue_lines(), qbsync.catalogue_columns(text)
TO qbsync_reader, qbsync_vendor_reader;
-- qbsync_wait looks through this one.
GRANT EXECUTE ON FUNCTION qbsync.wait_state(text, text, bigint) TO qbsync_operator;

GRANT SELECT ON qbsync.record_version, qbsync.record_change, qbsync.version_status, qbsync.catalogue, qbsync.catalogue_line, qbsync.label TO qbsync_reader, qbsync_vendor_reader;
GRANT SELECT ON qbsync.closed_period_change, qbsync.handled_change TO qbsync_reader;
GRANT EXECUTE ON FUNCTION @extschema@.qbsync_handle_change(text, text, text, text) TO qbsync_operator;
GRANT EXECUTE ON FUNCTION qbsync.label(text, text, text) TO qbsync_vendor_reader;
GRANT SELECT ON
	qbsync.customer_summary, qbsync.invoice_status, qbsync.invoice_payment, qbsync.estimate_status,
	qbsync.pipeline, qbsync.stage, qbsync.sale_line, qbsync.aging, qbsync.label,
	qbsync.status, qbsync.progress, qbsync.api_usage, qbsync.drift_found, qbsync.tie_out, qbsync.setup_todo,
	qbsync.error_open, qbsync.problem, qbsync.problem_text, qbsync.fault_text, qbsync.catalogue, qbsync.catalogue_line, qbsync.catalogue_column,
	qbsync.custom_field, qbsync.matched, qbsync.duplicate, qbsync.unlinked, qbsync.pending, qbsync.conflict_open, qbsync.timeline, qbsync.mapping_status
TO qbsync_reader;
GRANT EXECUTE ON FUNCTION
	qbsync.term_name(integer, text), qbsync.customer_name(integer, text), qbsync.sells_nothing(integer, text),
	qbsync.slot_name(jsonb, text, text), qbsync.is_linked(text, text), qbsync.timeline_text(text, text, text, jsonb, text), qbsync.label_with(text, text, text, text[]), qbsync.seen_change_text(qbsync.record_version, text), qbsync.seen_change_detail(qbsync.record_version),
	qbsync.contact_kind(text, text, text, text, text), qbsync.normalize_name(text), qbsync.json_numeric(jsonb), qbsync.json_date(jsonb),
	qbsync.fill_text(text, bigint, text, text, text, text, text), qbsync.view_columns(regclass), qbsync.qualified(regclass)
TO qbsync_reader;
GRANT SELECT ON
	qbsync.webhook_event, qbsync.merged, qbsync.moved, qbsync.suspect, qbsync.drift,
	qbsync.job, qbsync.cursor, qbsync.metered_read, qbsync.error, qbsync.http_log,
	qbsync.decision, qbsync.standing_decision, qbsync.rejected_pair, qbsync.crm_error, qbsync.send_error, qbsync.history, qbsync.activity
TO qbsync_operator;
GRANT SELECT ON
	qbsync.environment, qbsync.app, qbsync.connection,
	qbsync.setting, qbsync.column_policy, qbsync.value_map, qbsync.event_rule, qbsync.match_rule, qbsync.preset, qbsync.link, qbsync.match_candidate, qbsync.conflict, qbsync.arrival,
	qbsync.request, qbsync.outgoing, qbsync.create_generation
TO qbsync_admin;

-- Mirror tables: above, and for those that an upgrade adds, where they are made (20_mirror.sql).

GRANT EXECUTE ON FUNCTION
	@extschema@.qbsync_app(text, text, text, text, bigint, text, text, text),
	@extschema@.qbsync_authorize_url(text, text),
	@extschema@.qbsync_connect(text, text, text, text, text),
	@extschema@.qbsync_confirm_company(text, text),
	@extschema@.qbsync_disconnect(text, boolean, text),
	@extschema@.qbsync_confirm_clone(text, boolean),
	@extschema@.qbsync_set(text, text, text, text, text),
	@extschema@.qbsync_preset(text, text, text),
	@extschema@.qbsync_map_value(text, text, text, text),
	@extschema@.qbsync_map_event(text, text, text, text[], text, integer),
	@extschema@.qbsync_map_stage(text, text, text, numeric, text),
	-- what these two do beyond the caller's own rights
	qbsync.change_setting(text, text, text, text, text),
	qbsync.change_preset(text, text, text),
	qbsync.create_triggers(integer), qbsync.drop_triggers(integer), qbsync.release_triggers(integer), qbsync.change_triggers(integer, boolean),
	qbsync.trigger_plan(integer, boolean), qbsync.make_way(regclass), qbsync.guard_update(), qbsync.guard_delete(), qbsync.capture_change(),
	@extschema@.qbsync_worker_restart()
TO qbsync_admin;

GRANT EXECUTE ON PROCEDURE @extschema@.qbsync_wait(text, text, interval, bigint) TO qbsync_operator;
GRANT EXECUTE ON FUNCTION
	@extschema@.qbsync_pause(text),
	@extschema@.qbsync_resume(text),
	@extschema@.qbsync_sync_now(text, text),
	@extschema@.qbsync_reconcile(text, text, boolean),
	@extschema@.qbsync_disconnect_notice(text),
	@extschema@.qbsync_resolve_match(text, text, text, text),
	@extschema@.qbsync_resolve_matches(text, text, text, text[]),
	@extschema@.qbsync_link(text, text, text),
	@extschema@.qbsync_unlink(text, text, text),
	@extschema@.qbsync_merge(text, text, text),
	@extschema@.qbsync_undo(bigint),
	@extschema@.qbsync_push(text, text),
	@extschema@.qbsync_backfill(text),
	@extschema@.qbsync_backfill_pause(text, boolean),
	@extschema@.qbsync_confirm_lane(text),
	@extschema@.qbsync_refresh(text, text),
	@extschema@.qbsync_resolve_conflict(bigint, text),
	@extschema@.qbsync_resolve_conflicts(text, text, text),
	@extschema@.qbsync_retry(bigint),
	@extschema@.qbsync_retry_all(text, text),
	@extschema@.qbsync_dismiss(bigint),
	qbsync.wake()
TO qbsync_operator;

GRANT SELECT ON qbsync.visible_connection, qbsync.customer_link TO qbsync_reader;
GRANT EXECUTE ON FUNCTION qbsync.invoice_status_as_of(timestamptz, text), qbsync.customer_summary_as_of(timestamptz, text) TO qbsync_reader;
GRANT EXECUTE ON FUNCTION @extschema@.qbsync_open_url(text, text, text), @extschema@.qbsync_resolve_id(text, text, text) TO qbsync_reader;

-- What faces the internet may hand deliveries in, and nothing else: not even the schema is open to it.
GRANT EXECUTE ON FUNCTION @extschema@.qbsync_webhook(bytea, text) TO qbsync_webhook;

-- Whoever declares a mapping has its view checked as the mapping's role.
GRANT EXECUTE ON FUNCTION qbsync.query_as_role(name, text, jsonb, text) TO qbsync_admin;
-- A plan is for members of the mapping's role, whoever they are: the function itself refuses everybody else.
GRANT EXECUTE ON FUNCTION @extschema@.qbsync_plan(text) TO PUBLIC;

-- Mappings: the callable functions run as the caller, so what they call is granted, too.  Those that look at catalogs tell
-- nothing that PostgreSQL would not; those that write check what they are given.
GRANT SELECT ON qbsync.mapping, qbsync.watch TO qbsync_admin;
GRANT INSERT (mapping, watches) ON qbsync.mapping_request TO qbsync_admin;
GRANT EXECUTE ON FUNCTION
	@extschema@.qbsync_map(regclass, text, text, text, text[], name, regclass, jsonb, text, text[], regclass, text, jsonb, jsonb, jsonb),
	@extschema@.qbsync_map_table(regclass, text, jsonb, text, text, name, text, text, text[], jsonb, text, jsonb, jsonb, jsonb),
	@extschema@.qbsync_enable(text),
	@extschema@.qbsync_disable(text),
	@extschema@.qbsync_unmap(text, boolean),
	qbsync.declare_mapping(jsonb), qbsync.compose_mapping(jsonb, name), qbsync.compose_watches(qbsync.mapping, jsonb),
	qbsync.check_mapping(qbsync.mapping), qbsync.declaration_problems(qbsync.mapping), qbsync.watch_problems(qbsync.mapping, jsonb),
	qbsync.data_problems(qbsync.mapping), qbsync.key_data_problems(qbsync.mapping), qbsync.watch_query_problems(qbsync.mapping, jsonb),
	qbsync.mapping_warnings(qbsync.mapping), qbsync.mapping_refresh(integer), qbsync.mapping_contents(integer),
	qbsync.set_mapping_state(integer, boolean), qbsync.seize_mapping(integer), qbsync.remove_mapping(integer),
	qbsync.read_crm(qbsync.mapping, text), qbsync.run_ddl(text, text), qbsync.drop_view(text),
	qbsync.the_mapping(text), qbsync.mapping_names(), qbsync.the_connection(text), qbsync.connection_names(),
	qbsync.check_entity(text, text), qbsync.is_mirrored(integer, text), qbsync.check_may_become(name), qbsync.may_become(name, name), qbsync.raise_problems(text, text[], text[]),
	qbsync.role_problems(qbsync.mapping), qbsync.role_objection(name), qbsync.search_path_names(text),
	qbsync.default_role(regclass, name), qbsync.default_search_path(regclass, name), qbsync.current_relation(regclass, text),
	qbsync.qualified(regclass), qbsync.view_columns(regclass), qbsync.base_relations(regclass, name), qbsync.row_security(qbsync.mapping),
	qbsync.seems_filled(regclass), qbsync.is_simple(regclass), qbsync.unique_keys(regclass), qbsync.key_is_proven(regclass, text[]),
	qbsync.table_problems(regclass, jsonb, text[], text), qbsync.table_columns_guess(regclass, text, text),
	qbsync.table_key_columns(regclass), qbsync.table_view_columns(regclass, text[], jsonb, text[]), qbsync.table_view_name(regclass, text),
	qbsync.make_table_view(regclass, text, boolean, text, text, name, text)
TO qbsync_admin;
GRANT EXECUTE ON FUNCTION qbsync.mapping_check(integer), qbsync.lost_watches(integer) TO qbsync_reader;

-- Suggestions look at catalogs with the caller's own rights, so all their parts are granted.
GRANT SELECT ON qbsync.policy TO qbsync_admin;
GRANT EXECUTE ON FUNCTION
	@extschema@.qbsync_map_suggest(regclass, text, text, text),
	qbsync.address_side(text), qbsync.as_comment(text, text), qbsync.child_facts(regclass, text), qbsync.child_kind(regclass),
	qbsync.child_value(regclass, text), qbsync.column_meanings(regclass, text), qbsync.customer_role(regclass),
	qbsync.delete_children_text(jsonb), qbsync.document_vocabulary(), qbsync.dollar_quoted(text), qbsync.guess_columns(regclass, text),
	qbsync.known_labels(regclass, text), qbsync.label_condition(jsonb, text), qbsync.label_order(jsonb, text), qbsync.label_stems(),
	qbsync.is_pair(regclass, regclass), qbsync.label_value(jsonb, text), qbsync.labels_of(text[], text), qbsync.line_table_of(regclass, text),
	qbsync.line_triggers_text(text, text, regclass, jsonb, jsonb), qbsync.name_readings(text, text), qbsync.name_words(text),
	qbsync.organisations_of(regclass), qbsync.persons_of(regclass), qbsync.says_organisation(text),
	qbsync.slot_choice(jsonb, text, boolean, text, text), qbsync.slot_found(jsonb, text), qbsync.slot_keys(jsonb),
	qbsync.slot_title(jsonb), qbsync.suffixed_name(text, text), qbsync.suggest_candidates(text), qbsync.suggest_changed(jsonb),
	qbsync.suggest_checked(regclass), qbsync.suggest_child_slots(regclass, text, text, jsonb, text[], boolean),
	qbsync.suggest_children(regclass, text, text[], boolean), qbsync.suggest_column(regclass, text, text, text),
	qbsync.suggest_contact(regclass, regclass, text[], text), qbsync.suggest_document(regclass, text, text),
	qbsync.suggest_events(regclass, text, text), qbsync.suggest_finished(jsonb, text, text), qbsync.suggest_given(jsonb),
	qbsync.suggest_kind(regclass), qbsync.suggest_parent(jsonb), qbsync.reference_kind(text),
	qbsync.suggest_lines(jsonb, text, regclass), qbsync.suggest_link(jsonb, text, text), qbsync.suggest_mapping_text(jsonb, text, text),
	qbsync.suggest_model(regclass, text, text, regclass, text), qbsync.suggest_name(jsonb, text),
	qbsync.suggest_own_line(jsonb, text, text), qbsync.suggest_pair(regclass, regclass, text, text),
	qbsync.suggest_policy(text, text, text), qbsync.suggest_questions(jsonb), qbsync.suggest_reasons(jsonb),
	qbsync.suggest_root_columns(regclass, text), qbsync.suggest_select(jsonb),
	qbsync.suggest_slot(jsonb, text, text, jsonb, jsonb, boolean), qbsync.suggest_triggers_text(jsonb, text),
	qbsync.suggest_unfilled(regclass, text[]), qbsync.suggest_value(jsonb, boolean), qbsync.suggest_view_text(jsonb),
	qbsync.suggest_watch(jsonb), qbsync.table_columns(regclass), qbsync.table_key(regclass), qbsync.table_links(regclass, regclass),
	qbsync.types_fit(text, "char"), qbsync.vocabulary(), qbsync.write_emails_text(jsonb), qbsync.write_insert_text(jsonb, text, jsonb),
	qbsync.write_person_text(jsonb, jsonb), qbsync.write_root_text(jsonb), qbsync.write_row_text(jsonb)
TO qbsync_admin;
