/*
 * Triggers of a mapping on tables of the CRM: making and removing them.  They are made as the caller, who must own the table:
 * nobody gets a trigger through qbsync's rights.
 */

/*
 * Triggers a mapping should have and those it has.  A restored or renamed table keeps its triggers; they are told by their
 * function and name, whatever table they are on.
 */
CREATE FUNCTION qbsync.trigger_plan(mapping_id integer, remove boolean DEFAULT false,
	OUT relation regclass, OUT trigger_name name, OUT event text, OUT function_name text, OUT arguments text[], OUT wanted boolean, OUT present boolean)
RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
	WITH wanted AS (
		SELECT w.*
		FROM (SELECT * FROM qbsync.guards_wanted(trigger_plan.mapping_id) UNION ALL SELECT * FROM qbsync.captures_wanted(trigger_plan.mapping_id)) w
		WHERE NOT trigger_plan.remove
	), present AS (
		SELECT t.tgrelid::regclass AS relation, t.tgname AS trigger_name, t.tgargs, qbsync.trigger_fires(t.tgrelid, t.tgname) AS fires
		FROM pg_trigger t
		WHERE t.tgfoid IN ('qbsync.guard_update()'::regprocedure, 'qbsync.guard_delete()'::regprocedure, 'qbsync.capture_change()'::regprocedure)
		  AND t.tgparentid = 0
		  AND t.tgname LIKE ANY (ARRAY[format('qbsync\_guard\_%s\_%%', trigger_plan.mapping_id), format('qbsync\_capture\_%s\_%%', trigger_plan.mapping_id)])
	)
	SELECT relation, trigger_name, w.event, w.function_name, w.arguments, w.event IS NOT NULL,
		-- arguments are kept with a zero byte after each; one with others, or disabled, is as good as none
		coalesce(w.event IS NULL OR p.tgargs = (
			SELECT string_agg(convert_to(a.argument, getdatabaseencoding()) || '\x00', '' ORDER BY a.position)
			FROM unnest(w.arguments) WITH ORDINALITY a(argument, position)) AND p.fires, false) AND p.tgargs IS NOT NULL
	FROM wanted w FULL JOIN present p USING (relation, trigger_name)
	ORDER BY relation, trigger_name;
$fn$;
COMMENT ON FUNCTION qbsync.trigger_plan(integer, boolean) IS 'Triggers that a mapping should have and those that are there as they should be; remove: it should have none. SECURITY DEFINER: reads qbsync.mapping and watch for those who map';

/*
 * A trigger is made under a lock that keeps writers out: it is waited for but a moment, and CRM writes queued behind it no
 * longer than that; in between the table is free.  Our own apply workers have to make way.  All attempts together take less than
 * deadlock_timeout has by default: rows of ours are locked meanwhile, and whoever waits for them while we wait for him is not to
 * be the one who loses.
 */
CREATE FUNCTION qbsync.change_triggers(mapping_id integer, remove boolean)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '200ms'
AS $fn$
DECLARE
	t record;
	busy regclass;
	attempts constant integer := 3;
BEGIN
	FOR attempt IN 1 .. attempts LOOP
		BEGIN
			FOR t IN SELECT * FROM qbsync.trigger_plan(change_triggers.mapping_id, change_triggers.remove) p WHERE p.wanted <> p.present LOOP
				busy := t.relation;
				IF t.wanted THEN
					EXECUTE format('CREATE OR REPLACE TRIGGER %I ' || t.event || ' EXECUTE FUNCTION qbsync.%I(%s)', t.trigger_name, t.relation,
								   t.function_name, (SELECT string_agg(quote_literal(a.a), ', ' ORDER BY a.n) FROM unnest(t.arguments) WITH ORDINALITY a(a, n)));
				ELSE
					EXECUTE format('DROP TRIGGER %I ON %s', t.trigger_name, t.relation);
				END IF;
			END LOOP;
			RETURN;
		EXCEPTION
			WHEN lock_not_available OR deadlock_detected THEN
				IF attempt = attempts THEN
					RAISE EXCEPTION '% is busy', coalesce('table ' || busy, 'the mapping''s view')
						USING ERRCODE = 'lock_not_available', DETAIL = 'Its triggers have to change, and somebody has been writing it all the time.',
							  HINT = 'Nothing was changed. Try again, at a quiet moment if need be.';
				END IF;
				PERFORM qbsync.make_way(busy);
			WHEN insufficient_privilege THEN
				RAISE EXCEPTION 'permission denied to change triggers of table %', t.relation
					USING ERRCODE = 'insufficient_privilege', DETAIL = format('%s.', SQLERRM),
						  HINT = 'What goes out to QuickBooks, and locking linked records, needs a trigger on the table: call this as its owner, who is also a member of qbsync_admin, or as a superuser.';
		END;
		PERFORM pg_sleep(0.1);
	END LOOP;
END
$fn$;
COMMENT ON FUNCTION qbsync.change_triggers(integer, boolean) IS 'Makes and removes triggers as the caller, so that they are as the mapping wants them (or none are left)';

CREATE FUNCTION qbsync.create_triggers(mapping_id integer)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT qbsync.change_triggers(create_triggers.mapping_id, false);
$fn$;
COMMENT ON FUNCTION qbsync.create_triggers(integer) IS 'Makes the triggers a mapping asks for by its state and policies, and removes those it no longer does, as the caller';

CREATE FUNCTION qbsync.drop_triggers(mapping_id integer)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT qbsync.change_triggers(drop_triggers.mapping_id, true);
$fn$;
COMMENT ON FUNCTION qbsync.drop_triggers(integer) IS 'Removes all triggers of a mapping, as the caller';

/*
 * Stopping a mapping must always be possible: by somebody who does not own the tables, and while they are busy.  Triggers that
 * stay cost the CRM a little time; what they note is thrown away.
 */
CREATE FUNCTION qbsync.release_triggers(mapping_id integer)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	PERFORM qbsync.change_triggers(release_triggers.mapping_id, false);
EXCEPTION
	WHEN lock_not_available OR insufficient_privilege THEN
		RAISE NOTICE 'triggers on tables of the CRM stay where they are'
			USING DETAIL = format('%s.', SQLERRM), HINT = 'They do no harm. qbsync_disable takes them away at a quiet moment, called as the tables'' owner.';
END
$fn$;
COMMENT ON FUNCTION qbsync.release_triggers(integer) IS 'Removes the triggers that a mapping no longer asks for, if the caller can; a notice otherwise';
