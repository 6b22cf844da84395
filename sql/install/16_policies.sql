/*
 * Policies, presets and the problems of the CRM side.
 *
 * A policy is one answer to a question on which the products people come from disagree (requirements §A.6; the id stands
 * behind each group).  The defaults together are the preset "safe": nothing is overwritten, deleted, linked or created
 * where a person would want to be asked.  Most policies are ways of working and belong to presets; those that no
 * preset names (dates, roles, accounts) are facts about a company, and qbsync_preset leaves them alone.
 */

INSERT INTO qbsync.policy (name, allowed, default_value, per_column, meaning) VALUES
	-- X-1, CEN-9, CEN-10, CEN-12, KAR-25
	('direction', '{two_way,pull,push}', 'two_way', true, 'Which way changes of contacts and items go: two_way; pull: from QuickBooks to the CRM only; push: the reverse only. What both changed since they agreed is then taken from where it comes, unless authority is set for the column itself or is manual. Documents have invoice_direction and payment_direction, and estimates only come in; a single column of any of them can have this one.'),
	('authority', '{three_way,crm,qbo,newest,manual}', 'three_way', true, 'Who wins when both sides changed a field since they last agreed: three_way: nobody, it waits in qbsync.conflict_open; crm; qbo; newest: the later of the two; manual: even a change of one side alone waits for a person.'),
	('documents_direction', '{as_set,pull,pull_by_law}', 'as_set', false, 'Direction of all documents: as_set: see invoice_direction and payment_direction; pull: from QuickBooks only; pull_by_law: the same, and only the owner of the database or a superuser can take it back.'),
	-- X-2, X-3
	('email_in', '{all,first}', 'all', false, 'Of several e-mail addresses of a customer the CRM gets: all; first: only the first.'),
	('email_out', '{primary,primary_first_keep_rest,all}', 'primary_first_keep_rest', false, 'Of several e-mail addresses QuickBooks gets: primary: the first alone, QuickBooks'' others are lost; primary_first_keep_rest: the first, QuickBooks'' others stay behind it; all.'),
	-- X-4, X-11
	('push_new', '{on_demand,on_invoice,scope,none}', 'on_demand,on_invoice', false, 'When a CRM record that QuickBooks does not have is created there, a list: scope: as soon as it is new or changed and its view shows it; on_invoice: when an invoice needs it; on_demand, none: not by itself. What somebody asks for (qbsync_push, qbsync_backfill) is created whatever this says.'),
	('lane_limit', NULL, '100', false, 'So many CRM records may wait to be created or deactivated in QuickBooks because a rule says so (push_new scope, on_crm_delete); more are taken for an accident and wait for qbsync_confirm_lane. What a person asked for never waits.'),
	('initial_push', '{true,false}', 'false', false, 'When the first sync has ended, all CRM records of the view that QuickBooks does not have are created there, as by qbsync_backfill.'),
	('push_rule', NULL, 'none', false, 'When an invoice of the CRM is sent by itself, as column=value,value: when that column of its view gets one of the values. none: when somebody asks.'),
	('customer_missing', '{create,hold}', 'create', false, 'An invoice is to be sent whose customer QuickBooks does not have: create: the customer goes first, as push_new allows; hold: the invoice waits until it is linked.'),
	('update_customer_on_invoice', '{true,false}', 'false', false, 'Sending an invoice first sends what differs of its customer: address, e-mail, tax number.'),
	-- X-5, CEN-5
	('pull_new_first', '{none,review,since,all}', 'review', false, 'What the first sync does with customers and items that the CRM does not have: none: leaves them in QuickBooks; review: a person decides; since: creates those made since pull_new_since; all: creates them.'),
	('pull_new', '{none,review,since,all}', 'all', false, 'The same after the first sync.'),
	('pull_new_documents', '{none,review,since,all}', 'all', false, 'The same for documents at any time; start_date counts as well.'),
	('pull_new_since', NULL, NULL, false, 'Day on which since of the pull_new policies begins; until it is set, a person decides.'),
	-- X-6, X-7, Q-1
	('match_id', '{auto,review,off}', 'auto', false, 'What leads to a link when the CRM holds QuickBooks'' id (quickbooks_id): auto: linked; review: a person decides; off: does not count.'),
	('match_tax_id', '{auto,review,off}', 'auto', false, 'The same for an equal tax number that QuickBooks shows unmasked.'),
	('match_name_and_email', '{auto,review,off}', 'auto', false, 'The same for an equal name and a common e-mail address.'),
	('match_name_only', '{auto,review,off}', 'review', false, 'The same for an equal name alone.'),
	('match_email_only', '{auto,review,off}', 'review', false, 'The same for a common e-mail address alone.'),
	('partial_match', '{review,auto_link}', 'review', false, 'A record with exactly one partial match (name or e-mail alone): review: waits for a person in qbsync.duplicate; auto_link: is linked.'),
	-- X-8, X-9, X-25
	('kind_rule', '{company_equals_display_name,company_in_display_name,both}', 'both', false, 'Which customers are organisations: company_equals_display_name: the two names are equal; company_in_display_name: one holds the other; both: the first decides, then the second.'),
	('contact_person_rule', '{explicit,oldest,primary_flag,none}', 'primary_flag', false, 'Which person of an organisation stands in its QuickBooks customer: explicit: the one exported; oldest; primary_flag: the one marked, else the oldest; none: every person is a customer of its own. qbsync_map_suggest writes the view by it.'),
	('address_fallback', '{first_to_billing,none}', 'first_to_billing', false, 'A CRM record whose addresses carry neither label: first_to_billing: its first address is the billing address; none. qbsync_map_suggest writes the view by it.'),
	-- X-10, X-12, X-20, X-21
	('invoice_direction', '{pull,push,push_status_back,two_way}', 'push_status_back', false, 'Invoices: pull: from QuickBooks only; push: from the CRM only; push_status_back: those of the CRM go out and their state comes back, those made in QuickBooks come in; two_way: every change goes both ways.'),
	('payment_direction', '{pull,push,two_way}', 'pull', false, 'Payments: pull: from QuickBooks only; push: from the CRM only; two_way.'),
	('unlinked_payment', '{hold,ignore}', 'hold', false, 'A payment for an invoice that the CRM does not have: hold: waits and is shown as unlinked_invoice; ignore: stays in QuickBooks.'),
	('deposit_account', NULL, NULL, false, 'QuickBooks'' id of the account that payments from the CRM are deposited to; without: Undeposited Funds.'),
	('crm_deposit_account', NULL, NULL, false, 'Account of the CRM that payments made in QuickBooks are deposited to, a value for the CRM''s own column.'),
	('after_send', '{crm,qbo,both}', 'both', false, 'Where an invoice may be edited once it was sent: crm; qbo; both: merged field by field, its lines as one.'),
	('doc_number', '{qbo,crm,crm_else_qbo}', 'crm_else_qbo', false, 'Who numbers documents: qbo; crm: a number that is taken is an error; crm_else_qbo: QuickBooks numbers what the CRM did not, and the number is written back.'),
	('email_on_push', '{true,false}', 'false', false, 'QuickBooks e-mails an invoice to its customer when it was sent from the CRM.'),
	('payment_overpays', '{park,apply_due_rest_unapplied}', 'park', false, 'A payment of the CRM is more than what is due: park: waits for a person; apply_due_rest_unapplied: the rest stays unapplied.'),
	('payment_future_days', NULL, '2', false, 'How many days in the future a payment of the CRM may be dated.'),
	-- X-13
	('on_crm_delete', '{tombstone,deactivate,block,void,delete}', 'tombstone', false, 'A linked record is deleted in the CRM: tombstone: nothing happens in QuickBooks and it never comes back; deactivate: the customer is made inactive; block: the CRM refuses to delete it; void, delete: documents only.'),
	('on_crm_delete_documents', '{same,tombstone,block,void,delete}', 'same', false, 'The same for documents: same: as on_crm_delete says.'),
	-- X-14, X-15
	('on_qbo_inactive', '{mark,deactivate_crm,ignore}', 'mark', false, 'A linked customer or item is made inactive in QuickBooks: mark: qbsync.matched shows it; deactivate_crm: the column active of its view is set to false; ignore.'),
	('on_qbo_delete', '{mark,delete_crm,detach}', 'mark', false, 'A linked record is deleted in QuickBooks: mark: qbsync.matched shows it; delete_crm: the CRM record is deleted, too; detach: the link ends, the CRM record stays.'),
	('on_qbo_merge', '{repoint,review}', 'repoint', false, 'Two customers are merged in QuickBooks: repoint: the link follows to the one that stays; review: a person decides.'),
	-- X-16
	('start_date', NULL, NULL, false, 'Documents before this day are not synced.'),
	('start_date_basis', '{txn_date,created_at}', 'txn_date', false, 'start_date is compared with: txn_date: the document''s date; created_at: the day it was made.'),
	-- X-18
	('sync_now', '{both,pull,push}', 'both', false, 'What qbsync_sync_now does when no direction is named: pull, both: polls QuickBooks; push: only tries what waits. What changed in the CRM goes out by itself in any case.'),
	-- X-19, Q-4
	('lock_linked', '{off,warn,block}', 'off', false, 'Changing a linked record in the CRM: off: as always; warn: a warning; block: refused. The mapped columns count; with direction pull every column.'),
	('lock_exempt', NULL, NULL, false, 'Roles whose members may change locked records, a list with commas; groups of people and roles of automations alike.'),
	-- X-22, X-23, X-24
	('value_map', NULL, NULL, true, 'Name of the value map a column is translated by, see qbsync_map_value.'),
	('tax_engine', '{qbo,crm_override}', 'qbo', false, 'Who computes tax: qbo, a difference from the CRM''s amount is reported; crm_override: the CRM''s amount is sent.'),
	('item_unmapped', '{default_item,create_item,error}', 'error', false, 'A line of the CRM names a product that is not mapped: default_item: goes out as default_item; create_item: it is created in QuickBooks; error: waits.'),
	('default_item', NULL, NULL, false, 'QuickBooks'' id of the product or service for lines whose product is not mapped.'),
	-- X-26, X-31, KAR-31, CEN-7
	('new_value', NULL, NULL, true, 'Value of a column, most often one of the CRM''s own, in records created from QuickBooks: the type or language of new contacts, say. Kept in qbsync.mapping.defaults.'),
	('language', NULL, NULL, false, 'Language of generated words such as the explanations of errors, fr or en; without: that of lc_messages.');

/* What is about the connection itself, and not about ways of working. */
CREATE TABLE qbsync.setting (
	name	text PRIMARY KEY,
	allowed	text[],
	meaning	text NOT NULL
);
COMMENT ON TABLE qbsync.setting IS 'Settings of a connection, see qbsync_set; qbsync.policy has the others';
COMMENT ON COLUMN qbsync.setting.allowed IS 'the values it may have; null: others, or too many to list';
INSERT INTO qbsync.setting (name, allowed, meaning) VALUES
	('keep_visible', NULL, 'true: stays in the views when disconnected.'),
	('poll_interval', NULL, 'An interval from 10 seconds to 7 days between polls, each a metered read. Without: every 60 s, or as often as what is left of 80 % of the app''s monthly_reads allows its live companies until the month ends; longer while nothing changes in the company (a tenth of the time since something did) or webhooks tell of changes, up to 15 minutes.'),
	('sync_window', NULL, 'When it is polled, in the company''s time zone: 07:00-19:00, mon-fri 06:30-20:00, sat,sun 22:00-02:00. qbsync_sync_now polls at any time, and what the CRM sends goes at any time. Without: always.'),
	('reconcile_at', NULL, 'When mirror and company are compared every night, in the company''s time zone: 02:30; or off. Without: between 03:00 and 04:00, each company at its own minute.'),
	('reconcile_full', '{weekly,nightly,never}', 'How often that comparison reads every record and not only counts them, a metered read for each 1,000: weekly, nightly or never. Without: weekly.'),
	('vendors', '{off,import}', 'What is bought and who is paid: off: not even asked for, and what is here is removed; import: read, for members of qbsync_vendor_reader. Without: nobody has decided, which does the same as off.'),
	('custom_fields', '{slots,all}', 'slots: the three custom fields that sales forms have; all: the newer ones as well, of customers, suppliers, items and forms: each poll that finds changes among them takes a metered read for each kind of record, and what is sent goes singly. Without: slots.'),
	('version_days', NULL, 'Days, 0 to 36525, for which superseded versions of records are kept; 0: none are. Without: 400.');

/*
 * What each product does, as far as it differs from the default.  Facts of a company (start date, accounts, exempt roles)
 * are asked for after a preset.
 */
INSERT INTO qbsync.preset (preset, policy, value) VALUES
	('capsule', 'authority', 'crm'),						-- X-1, CAP-10
	('capsule', 'email_out', 'primary'),					-- X-3, CAP-33
	('capsule', 'push_new', 'on_demand'),					-- X-4, CAP-11
	('capsule', 'pull_new_first', 'all'),					-- X-5, CAP-16
	('capsule', 'match_name_only', 'auto'),					-- X-6, CAP-15, CAP-20: the Display Name is the key
	('capsule', 'partial_match', 'auto_link'),				-- X-7, CAP-22 as it is written; Q-1 keeps it from being the default
	('capsule', 'kind_rule', 'company_in_display_name'),	-- X-8, CAP-23, CAP-24
	('capsule', 'contact_person_rule', 'explicit'),			-- X-9, CAP-41
	('capsule', 'invoice_direction', 'pull'),				-- X-10: a summary only

	('orderry', 'customer_missing', 'hold'),				-- Q-3
	('orderry', 'pull_new_first', 'none'),					-- X-5
	('orderry', 'pull_new', 'none'),						-- X-5
	('orderry', 'invoice_direction', 'two_way'),			-- X-10, ORD-1

	('centrixone', 'documents_direction', 'pull_by_law'),	-- X-1, CEN-12
	('centrixone', 'email_in', 'first'),					-- X-2, CEN-40
	('centrixone', 'push_new', 'scope'),					-- X-4, CEN-36
	('centrixone', 'pull_new_first', 'since'),				-- X-5, CEN-5
	('centrixone', 'pull_new', 'since'),					-- X-5, CEN-5
	('centrixone', 'match_tax_id', 'off'),					-- X-6, CEN-42: by id only
	('centrixone', 'match_name_and_email', 'off'),			-- X-6
	('centrixone', 'match_name_only', 'off'),				-- X-6
	('centrixone', 'match_email_only', 'off'),				-- X-6
	('centrixone', 'contact_person_rule', 'oldest'),		-- X-9, CEN-37
	('centrixone', 'invoice_direction', 'pull'),			-- X-10, CEN-12
	('centrixone', 'on_crm_delete', 'block'),				-- X-13, CEN-41
	('centrixone', 'lock_linked', 'block'),					-- X-19, CEN-39
	('centrixone', 'doc_number', 'qbo'),					-- X-21, CEN-19

	('pipedrive', 'authority', 'qbo'),						-- X-1, PIP-2, PIP-34: created by the CRM, then QuickBooks rules
	('pipedrive', 'push_new', 'on_invoice'),				-- X-4, PIP-19
	('pipedrive', 'pull_new_first', 'none'),				-- X-5
	('pipedrive', 'pull_new', 'none'),						-- X-5
	('pipedrive', 'pull_new_documents', 'none'),			-- PIP-2: invoices made from the CRM
	('pipedrive', 'match_tax_id', 'review'),				-- X-6, PIP-19: a person chooses
	('pipedrive', 'match_name_and_email', 'review'),		-- X-6
	('pipedrive', 'on_crm_delete_documents', 'delete'),		-- X-13, PIP-31
	('pipedrive', 'after_send', 'qbo'),						-- X-20, PIP-34

	('karbon', 'push_new', 'scope'),						-- X-4, KAR-34 to 37
	('karbon', 'pull_new_first', 'all'),					-- X-5, KAR-18
	('karbon', 'kind_rule', 'company_equals_display_name'),	-- X-8
	('karbon', 'contact_person_rule', 'none'),				-- X-9: every contact on its own
	('karbon', 'invoice_direction', 'push'),				-- X-10, KAR-50, Q-5
	('karbon', 'push_rule', 'status=sent,posted'),			-- X-11, KAR-51
	('karbon', 'payment_direction', 'two_way'),				-- X-12, KAR-4, KAR-56, KAR-57
	('karbon', 'sync_now', 'pull'),							-- X-18, KAR-20
	('karbon', 'after_send', 'crm'),						-- X-20, KAR-50
	('karbon', 'doc_number', 'crm'),						-- X-21, KAR-68
	('karbon', 'item_unmapped', 'default_item');			-- X-24, KAR-46

INSERT INTO qbsync.preset (preset, policy, value)
SELECT 'safe', p.name, p.default_value FROM qbsync.policy p
WHERE p.allowed IS NOT NULL OR EXISTS (SELECT FROM qbsync.preset s WHERE s.policy = p.name);

INSERT INTO qbsync.problem (code, needs_person, meaning, remedy) VALUES
	('crm_refused', true, 'The CRM''s database refuses the record: a constraint, a trigger or a type does not allow it.', 'See the detail for what PostgreSQL says; mend the record in QuickBooks or the rule in the CRM. It is tried again by itself, at once with qbsync_retry.'),
	('crm_busy', false, 'Another session holds the CRM record, or the two came into each other''s way.', 'Nothing; qbsync tries again by itself, it never makes the CRM wait. If it lasts, look for a transaction left open on that table (pg_stat_activity).'),
	('crm_slow', false, 'The CRM takes so long to write the record (a slow trigger, say) that other sessions would wait; it was taken back.', 'Nothing; qbsync tries it alone at another moment. If it stays, make the trigger faster or raise qbsync.max_lock_wait.'),
	('crm_no_key', true, 'The view took a new record, but returned no key for it: its INSTEAD OF INSERT trigger leaves the key column null. The record was taken back.', 'Let the trigger fill the key column of NEW and return NEW, then SELECT qbsync_retry(…).'),
	('crm_returned_nothing', true, 'The view took the record, but nothing was written: a trigger or rule of the CRM swallowed it, or the row is hidden from the mapping''s role.', 'Look for a trigger that returns NULL and for row-level security on the table; then SELECT qbsync_retry(…).'),
	('crm_key_changed', true, 'A trigger of the CRM gave the record another key while it was written, so it would have been lost. It was taken back.', 'Let the trigger leave the key column alone when the row is updated, then SELECT qbsync_retry(…).'),
	('crm_missing', true, 'The CRM record that this QuickBooks record is linked to is gone or no longer shown by its view; it is not made again.', 'Bring it back into the view, or decide with qbsync_unlink.'),
	('reference_waiting', false, 'The record refers to another one (a customer, a product, an invoice) that is not linked yet.', 'Nothing when the other is on its way: it goes on as soon as that is linked. Otherwise link it, or decide on it in qbsync.duplicate or qbsync.unlinked.'),
	('unlinked_invoice', false, 'A payment for an invoice that the CRM does not have (policy unlinked_payment).', 'Nothing if that invoice is not to be in the CRM; otherwise let it come in or link it, and the payment follows.'),
	('value_not_mapped', true, 'QuickBooks has a value that the column''s value map does not know.', 'Give the CRM''s value for it: SELECT qbsync_map_value(…); whatever waited for it goes on at once.'),
	('transition_not_allowed', true, 'An event in QuickBooks would move a column of the CRM from a value from which it may not be moved. The event is kept.', 'Change the value in the CRM to one from which the move is allowed, or allow it: SELECT qbsync_map_event(…, from_values => …). It is tried again by itself.'),
	('mapping_broken', true, 'The mapping does not fit the CRM any more: a view, column, function or role is gone or changed, or its role lost a privilege.', 'See the detail and qbsync.mapping_status; mend it, or declare the mapping anew with qbsync_map under the same name. Links and decisions are kept; other mappings go on.'),
	('crm_refuses_all', true, 'The CRM refuses one record after the other, all for the same reason.', 'See the detail for what PostgreSQL says. Mend it in the CRM, then SELECT qbsync_retry_all(…); qbsync looks again by itself.'),
	('rls_hides_all', true, 'Row-level security shows the mapping''s role no row at all, although records are linked: most often a setting with the tenant is missing. It is not taken for a deletion.', 'Give the mapping the setting its policies read: SELECT qbsync_map(…, settings => ''{"app.tenant": "…"}'').'),
	('watch_fails', true, 'A row of a watched table changed in the CRM, and the query of the watch list that leads from it to the mapping''s records fails for it. What changed is not sent yet; everything else goes on.', 'See the detail for what PostgreSQL says; mend the row, or the query (qbsync_map with another watch list). It is tried again by itself, at once with SELECT qbsync_retry(…).'),
	('remote_merge', true, 'Two QuickBooks records that are linked with two CRM records were merged.', 'Merge the two in the CRM and say so with qbsync_merge, or unlink one of them.');
