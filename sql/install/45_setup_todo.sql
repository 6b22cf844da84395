/*
 * What is left to do until everything runs, in the order in which it is done; a row leaves by itself when it is done.  What is
 * wrong with something that ran is in qbsync.status, mapping_status and error_open.
 */

/* For format(): 1 the app, 2 the connection, 3 the mapping, 4 the company's name, ready for a call; 5 a count. */
INSERT INTO qbsync.label (kind, value, language, label)
SELECT t.kind, t.step, w.language, w.label
FROM (VALUES
	('setup', 'app', 'Name the app', 'Nommer l''application'),
	('setup_do', 'app', 'Register an app at developer.intuit.com, then: SELECT qbsync_app(''my-app'', environment => ''production'', client_id => ''…'', redirect_uri => ''…'');',
		'Enregistrez une application sur developer.intuit.com, puis : SELECT qbsync_app(''my-app'', environment => ''production'', client_id => ''…'', redirect_uri => ''…'');'),
	('setup', 'client_secret', 'Give the app''s client secret', 'Donner le client secret de l''application'),
	('setup_do', 'client_secret', 'Put the client_secret of %1$L into the file named by qbsync.credentials_file and reload the server''s configuration: SELECT pg_reload_conf();',
		'Mettez le client_secret de %1$L dans le fichier nommé par qbsync.credentials_file, puis rechargez la configuration du serveur : SELECT pg_reload_conf();'),
	('setup', 'connect', 'Connect a company', 'Connecter une entreprise'),
	('setup_do', 'connect', 'Sign in where SELECT qbsync_authorize_url(app => %1$L) leads, and hand what the browser ends at to qbsync_connect(redirect_url => …).',
		'Connectez-vous à l''adresse que donne SELECT qbsync_authorize_url(app => %1$L), et donnez à qbsync_connect(redirect_url => …) celle où le navigateur aboutit.'),
	('setup_do', 'sign_in', 'Sign in where SELECT qbsync_authorize_url(connection => %2$L) leads, and hand what the browser ends at to qbsync_connect(redirect_url => …).',
		'Connectez-vous à l''adresse que donne SELECT qbsync_authorize_url(connection => %2$L), et donnez à qbsync_connect(redirect_url => …) celle où le navigateur aboutit.'),
	('setup', 'sign_in', 'Sign in to the company', 'Se connecter à l''entreprise'),
	('setup', 'confirm_company', 'Confirm the company', 'Confirmer l''entreprise'),
	('setup_do', 'confirm_company', 'QuickBooks says the company is %4$L. If it is yours: SELECT qbsync_confirm_company(%2$L, %4$L); if not: SELECT qbsync_disconnect(%2$L, confirm => true);',
		'Selon QuickBooks, l''entreprise est %4$L. Si c''est la vôtre : SELECT qbsync_confirm_company(%2$L, %4$L) ; sinon : SELECT qbsync_disconnect(%2$L, confirm => true);'),
	('setup', 'vendors', 'Decide about suppliers', 'Décider des fournisseurs'),
	('setup_do', 'vendors', 'Suppliers, bills, purchases and payroll may show what not everybody should see. Until this is decided they are not even asked for. To leave it so: SELECT qbsync_set(%2$L, ''vendors'', ''off''); to read them, for members of qbsync_vendor_reader only: SELECT qbsync_set(%2$L, ''vendors'', ''import'');',
		'Fournisseurs, factures à payer, achats et paie peuvent montrer ce que tous ne doivent pas voir. Tant que rien n''est décidé, ils ne sont pas même demandés. Pour en rester là : SELECT qbsync_set(%2$L, ''vendors'', ''off'') ; pour les lire, à l''usage des seuls membres de qbsync_vendor_reader : SELECT qbsync_set(%2$L, ''vendors'', ''import'');'),
	('setup', 'map', 'Map the contacts of the CRM', 'Relier les contacts du CRM'),
	('setup_do', 'map', 'SELECT qbsync_map_suggest(''schema.table'', ''customer'') writes the mapping of your table, to read and to run. Not needed if you only want the mirror and its views.',
		'SELECT qbsync_map_suggest(''schema.table'', ''customer'') écrit la correspondance de votre table, à lire puis à exécuter. Inutile si vous ne voulez que le miroir et ses vues.'),
	('setup', 'enable', 'Look at the plan and enable the mapping', 'Lire le plan et activer la correspondance'),
	('setup_do', 'enable', 'SELECT * FROM qbsync_plan(%3$L); shows every row the first sync would link, make or change. Then: SELECT qbsync_enable(%3$L);',
		'SELECT * FROM qbsync_plan(%3$L); montre chaque fiche que la première synchronisation lierait, créerait ou modifierait. Ensuite : SELECT qbsync_enable(%3$L);'),
	('setup', 'value_map', 'Translate values', 'Traduire des valeurs'),
	('setup_do', 'value_map', '%5$s records wait for a value that is not mapped. See the rows value_not_mapped of qbsync.error_open; for each value: SELECT qbsync_map_value(…);',
		'%5$s fiches attendent la traduction d''une valeur. Voyez les lignes value_not_mapped de qbsync.error_open ; pour chaque valeur : SELECT qbsync_map_value(…);'),
	('setup', 'duplicate', 'Decide about possible matches', 'Décider des correspondances possibles'),
	('setup_do', 'duplicate', '%5$s pairs may be the same contact. See qbsync.duplicate, which has the call for each.',
		'%5$s paires sont peut-être le même contact. Voyez qbsync.duplicate, qui donne l''appel pour chacune.'),
	('setup', 'lane', 'Confirm an unusual number of changes', 'Confirmer un nombre inhabituel de changements'),
	('setup_do', 'lane', 'A rule would create or deactivate far more records in QuickBooks than usual. See qbsync.pending; if it is right: SELECT qbsync_confirm_lane(%3$L);',
		'Une règle créerait ou désactiverait dans QuickBooks bien plus de fiches que d''habitude. Voyez qbsync.pending ; si c''est voulu : SELECT qbsync_confirm_lane(%3$L);'),
	('setup', 'webhook', 'Have changes told at once', 'Être averti des changements aussitôt'),
	('setup_do', 'webhook', 'Optional: register a webhook at Intuit for %1$L, put its webhook_verifier into the file named by qbsync.credentials_file, and hand deliveries to qbsync_webhook. Changes then arrive within a second and with fewer reads.',
		'Facultatif : enregistrez chez Intuit un webhook pour %1$L, mettez son webhook_verifier dans le fichier nommé par qbsync.credentials_file, et donnez les envois à qbsync_webhook. Les changements arrivent alors en une seconde, avec moins de lectures.'),
	('setup', 'other_writer', 'Switch off what else writes to QuickBooks', 'Arrêter ce qui d''autre écrit dans QuickBooks'),
	('setup_do', 'other_writer', '%5$s times in the last week somebody changed in QuickBooks, within a minute, what had just been sent there. If an older integration is still connected to %4$s, switch it off in QuickBooks (Apps, My apps). See what became of it in qbsync.timeline.',
		'%5$s fois cette semaine, ce qui venait d''être envoyé à QuickBooks y a été changé dans la minute. Si une ancienne intégration est encore connectée à %4$s, arrêtez-la dans QuickBooks (Applications, Mes applications). Voyez ce qui a changé dans qbsync.timeline.')
) AS t(kind, step, en, fr)
CROSS JOIN LATERAL (VALUES ('en', t.en), ('fr', t.fr)) AS w(language, label);

CREATE VIEW qbsync.setup_todo AS
WITH server AS (
	SELECT qbsync.language('{}', '{}') AS language
), todo AS (
	SELECT 10 AS position, 'app' AS step, true AS required, NULL::text AS app, NULL::integer AS connection_id, NULL::text AS mapping, NULL::bigint AS n
	WHERE NOT EXISTS (SELECT FROM qbsync.app)
	UNION ALL
	SELECT 20, 'client_secret', true, a.name, NULL, NULL, NULL
	FROM qbsync.app a
	WHERE NOT EXISTS (SELECT FROM qbsync.secret s WHERE s.owner_kind = 'app' AND s.owner = a.name AND s.kind = 'client_secret')
	UNION ALL
	SELECT 30, 'connect', true, a.name, NULL, NULL, NULL
	FROM qbsync.app a
	WHERE NOT EXISTS (SELECT FROM qbsync.connection c WHERE c.app = a.name)
	UNION ALL
	SELECT CASE c.state WHEN 'authorizing' THEN 31 ELSE 40 END, CASE c.state WHEN 'authorizing' THEN 'sign_in' ELSE 'confirm_company' END, true, c.app, c.connection_id, NULL, NULL
	FROM qbsync.connection c
	WHERE c.state = 'authorizing' OR c.state = 'unconfirmed' AND c.company_name IS NOT NULL
	UNION ALL
	SELECT 50, 'vendors', false, c.app, c.connection_id, NULL, NULL
	FROM qbsync.connection c
	WHERE c.state IN ('loading', 'live', 'paused') AND NOT c.settings ? 'vendors'
	UNION ALL
	SELECT 60, 'map', false, c.app, c.connection_id, NULL, NULL
	FROM qbsync.connection c
	WHERE c.state IN ('loading', 'live', 'paused') AND NOT EXISTS (SELECT FROM qbsync.mapping m WHERE m.connection_id = c.connection_id)
	UNION ALL
	SELECT 70, 'enable', true, NULL, m.connection_id, m.name, NULL
	FROM qbsync.mapping m WHERE m.state = 'declared'
	UNION ALL
	SELECT 80, 'value_map', true, NULL, m.connection_id, m.name, count(*)
	FROM qbsync.crm_error e JOIN qbsync.mapping m ON m.mapping_id = e.mapping_id
	WHERE e.problem = 'value_not_mapped' AND e.dismissed_at IS NULL GROUP BY m.mapping_id
	UNION ALL
	SELECT 90, 'duplicate', false, NULL, m.connection_id, m.name, count(*)
	FROM qbsync.open_candidate e JOIN qbsync.mapping m ON m.mapping_id = e.mapping_id GROUP BY m.mapping_id
	UNION ALL
	SELECT 100, 'lane', true, NULL, m.connection_id, m.name, NULL
	FROM qbsync.mapping m WHERE 'rule' = ANY (m.paused_lanes)
	UNION ALL
	SELECT 110, 'webhook', false, a.name, NULL, NULL, NULL
	FROM qbsync.app a
	WHERE EXISTS (SELECT FROM qbsync.connection c WHERE c.app = a.name AND c.state = 'live')
		AND NOT EXISTS (SELECT FROM qbsync.secret s WHERE s.owner_kind = 'app' AND s.owner = a.name AND s.kind = 'webhook_verifier')
	UNION ALL
	-- ORD-2: nobody corrects by hand that fast and that often; of what was sent last, so that this stays cheap
	SELECT 120, 'other_writer', false, NULL, a.connection_id, NULL, count(*)
	FROM qbsync.activity a
	JOIN qbsync.record_version o ON o.connection_id = a.connection_id AND o.entity = a.entity AND o.id = a.id AND o.sync_token = a.detail ->> 'sync_token'
	CROSS JOIN LATERAL qbsync.next_version(o) n
	WHERE a.kind = 'sent' AND a.at > now() - interval '7 days' AND a.activity_id > (SELECT max(l.activity_id) - 20000 FROM qbsync.activity l)
		AND n.sync_token <> o.sync_token AND n.deleted_at IS NULL AND n.last_updated_time <= o.last_updated_time + interval '1 minute'
		AND NOT EXISTS (SELECT FROM qbsync.activity s WHERE s.mapping_id = a.mapping_id AND s.crm_key = a.crm_key AND s.kind = 'sent' AND s.detail ->> 'sync_token' = n.sync_token)
	GROUP BY a.connection_id HAVING count(*) >= 3
)
SELECT t.position, coalesce(t.app, c.app) AS app, c.name AS connection, t.mapping, t.step, t.required,
	qbsync.label('setup', t.step, l.language) AS title, t.n AS count,
	format(qbsync.label('setup_do', t.step, l.language), t.app, c.name, t.mapping, c.company_name, t.n) AS what_to_do
FROM todo t
LEFT JOIN qbsync.connection c ON c.connection_id = t.connection_id
CROSS JOIN server s
CROSS JOIN LATERAL (SELECT CASE WHEN c.name IS NULL THEN s.language ELSE qbsync.language('{}', c.settings) END AS language OFFSET 0) l
WHERE c.state IS DISTINCT FROM 'disconnected';
COMMENT ON VIEW qbsync.setup_todo IS 'What is left to do, in the order of position, until everything runs: each row with the call to make, in the language of the company. Rows leave by themselves';
COMMENT ON COLUMN qbsync.setup_todo.position IS 'order in which things are done';
COMMENT ON COLUMN qbsync.setup_todo.app IS 'name of the app it concerns';
COMMENT ON COLUMN qbsync.setup_todo.connection IS 'name of the connection it concerns; null: the server, or all of the app';
COMMENT ON COLUMN qbsync.setup_todo.mapping IS 'name of the mapping it concerns';
COMMENT ON COLUMN qbsync.setup_todo.required IS 'nothing moves, or something waits, until it is done; otherwise it is a decision or an improvement';
COMMENT ON COLUMN qbsync.setup_todo.title IS 'the step, in words';
COMMENT ON COLUMN qbsync.setup_todo.count IS 'how many records wait for it, where that can be said';
COMMENT ON COLUMN qbsync.setup_todo.what_to_do IS 'the call, or what is to be done in QuickBooks or on the server';
