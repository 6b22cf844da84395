/* Rows the extension ships. */

INSERT INTO qbsync.environment (name, api_url, authorize_url, token_url, revoke_url, userinfo_url, jwks_uri, issuer, app_url)
VALUES
	('production', 'https://quickbooks.api.intuit.com', 'https://appcenter.intuit.com/connect/oauth2',
	 'https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer', 'https://developer.api.intuit.com/v2/oauth2/tokens/revoke',
	 'https://accounts.platform.intuit.com/v1/openid_connect/userinfo', 'https://oauth.platform.intuit.com/op/v1/jwks',
	 'https://oauth.platform.intuit.com/op/v1', 'https://app.qbo.intuit.com'),
	('sandbox', 'https://sandbox-quickbooks.api.intuit.com', 'https://appcenter.intuit.com/connect/oauth2',
	 'https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer', 'https://developer.api.intuit.com/v2/oauth2/tokens/revoke',
	 'https://sandbox-accounts.platform.intuit.com/v1/openid_connect/userinfo', 'https://oauth.platform.intuit.com/op/v1/jwks',
	 'https://oauth.platform.intuit.com/op/v1', 'https://app.sandbox.qbo.intuit.com');

INSERT INTO qbsync.problem (code, needs_person, meaning, remedy) VALUES
	('unreachable', false, 'Intuit''s servers could not be reached or did not answer.', 'Nothing; qbsync tries again by itself. If it lasts, check the network and the URLs in qbsync.environment.'),
	('intuit_failing', false, 'Intuit''s servers answered with an error of their own.', 'Nothing; qbsync tries again by itself. If it lasts, see status.developer.intuit.com and quote intuit_tid from qbsync.http_log to Intuit''s support.'),
	('throttled', false, 'Intuit asked for a pause because of too many requests.', 'Nothing; the company goes on when the pause is over. If it happens often, lower the limits in qbsync.environment or find what else uses this app.'),
	('not_understood', false, 'Intuit''s answer was not what its documentation promises.', 'Nothing; qbsync tries again by itself. If it lasts, report it with intuit_tid from qbsync.http_log.'),
	('too_big', false, 'An answer was bigger than qbsync.max_response_size.', 'Nothing; qbsync asks for smaller pages. If a single record is that big, raise qbsync.max_response_size.'),
	('wrong_secret', true, 'Intuit does not accept the app''s client id and secret.', 'Check client_id of the app (qbsync_app) and its client_secret in the file qbsync.credentials_file, then reload the server''s configuration.'),
	('secret_missing', true, 'The app''s client secret is not known here.', 'Put it in the file named by qbsync.credentials_file and reload the server''s configuration.'),
	('token_missing', true, 'There is no refresh token for this company.', 'Connect again: qbsync_authorize_url, then qbsync_connect; or put the refresh token in the file named by qbsync.credentials_file.'),
	('grant_revoked', true, 'The grant is no longer valid: it was revoked, it expired, or the app was disconnected inside QuickBooks.', 'Connect again: SELECT qbsync_authorize_url(connection => …), then qbsync_connect with what the browser came back with. Nothing is lost.'),
	('code_rejected', true, 'Intuit did not accept the authorization code: it was used before, is too old, or the redirect URI differs from the one registered.', 'Ask for a new link with qbsync_authorize_url; compare redirect_uri of the app with the one registered at Intuit.'),
	('wrong_environment', true, 'The grant is not valid for this company here: sandbox keys with a real company or the reverse, or the app was disconnected inside QuickBooks.', 'Check environment and client_id of the app (qbsync_app), then connect again.'),
	('no_permission', true, 'The person who connected may no longer use the API of this company.', 'Let an administrator of the company connect again.'),
	('suspended', true, 'Intuit suspends the company: its subscription ended, it is locked or under maintenance.', 'Settle it in QuickBooks; qbsync looks again by itself.'),
	('key_file_missing', true, 'The file with the encryption key cannot be read.', 'Restore the file named in the detail (setting qbsync.key_file), or connect again after removing what it encrypted.'),
	('key_changed', true, 'The secrets were encrypted under another key than the one in the key file.', 'Put the old key file back, or store the secrets again: credentials file, qbsync_connect.'),
	('secret_damaged', true, 'A stored secret does not decrypt.', 'Store it again: credentials file, or qbsync_connect.'),
	('credentials_file', true, 'The credentials file cannot be used.', 'See the detail; the file must be JSON, owned by the server''s user, mode 0600.'),
	('clone', true, 'This database is a copy of the one that made the connection; two copies must not use one grant.', 'If the original is gone: SELECT qbsync_confirm_clone(connection => …, moved => true). If it lives on: SELECT qbsync_confirm_clone(connection => …), then connect again.'),
	('other_company', true, 'The sign-in was for another QuickBooks company than this connection''s.', 'Sign in to the right company, or make a connection of another name for it.'),
	('wrong_name', true, 'The name confirmed is not the company''s name.', 'See qbsync.status for the company''s name and call qbsync_confirm_company with exactly that.'),
	('internal', false, 'An error inside qbsync or this database.', 'See the detail and the server log.'),
	('bad_record', false, 'A record from QuickBooks could not be stored.', 'See the detail; the record''s bytes are kept. It is tried again whenever QuickBooks sends it.'),
	('bad_value', false, 'A field of a record has a value of another type than documented; the record is stored, the column is null.', 'See raw for what QuickBooks sent.'),
	('altered_text', false, 'A record holds characters or numbers that PostgreSQL cannot store; they were replaced.', 'Mend the record in QuickBooks; qbsync never sends the replaced value back.'),
	('unknown_time_zone', false, 'The company''s time zone is not known to PostgreSQL; UTC is used for due dates.', 'Check the time zone in QuickBooks'' account settings.');
