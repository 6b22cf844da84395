/*
 * hidden.c
 *		Row-level security, or a view with a setting in it, that hides everything.  See hidden.h.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "common/unit.h"
#include "crm/hidden.h"

/*
 * Are there links, and is there row-level security on any table below the view, or does a view ask for a setting (a tenant)
 * itself?
 */
static bool
may_be_hidden(const Mapping *mapping)
{
	static SqlStatement below = {
		"SELECT WHERE EXISTS (SELECT FROM qbsync.link l WHERE l.mapping_id = $2 AND l.state = 'linked') AND EXISTS ("
		" WITH RECURSIVE below(oid) AS (SELECT $1 UNION"
		" SELECT d.refobjid FROM below b JOIN pg_rewrite r ON r.ev_class = b.oid"
		" JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid"
		" AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> b.oid)"
		/* OFFSET 0: of these only, not of all views there are */
		" SELECT FROM (SELECT c.oid, c.relkind, c.relrowsecurity FROM below JOIN pg_class c ON c.oid = below.oid OFFSET 0) c"
		" WHERE c.relrowsecurity OR c.relkind = 'v' AND pg_get_viewdef(c.oid) LIKE '%current\\_setting(%')",
		2, {OIDOID, INT4OID}
	};
	Datum		values[] = {ObjectIdGetDatum(mapping->view), Int32GetDatum(mapping->mapping_id)};

	return sql_execute(&below, values, NULL) > 0;
}

void
hidden_check(const Mapping *mapping, const Deed *deeds, int ndeeds, bool *sees_rows)
{
	bool		missing = false;
	bool		create = false;
	bool		seen = false;

	for (int i = 0; i < ndeeds; i++)
	{
		missing |= deeds[i].decision->action == DECISION_MISSING;
		create |= deeds[i].decision->action == DECISION_CREATE;
		seen |= deeds[i].decision->ours != (Datum) 0;
	}
	if (seen)
		*sees_rows = true;
	if (seen || !(missing || (create && !*sees_rows)))
		return;
	if (write_sees_rows(mapping))
		*sees_rows = true;
	else if (may_be_hidden(mapping))
		ereport(ERROR,
				(errcode(ERRCODE_ROWS_HIDDEN),
				 errmsg("the view of mapping \"%s\" shows no row, though records are linked", mapping->name),
				 errdetail("Row-level security of its tables, or a condition of the view, hides them from role \"%s\".", mapping->role_name),
				 errhint("Give the mapping the setting that the policies ask for, such as the tenant.")));
}
