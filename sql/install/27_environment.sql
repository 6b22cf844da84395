/* URLs that qbsync may be pointed to: https, or plain http to this very machine.  Checked again when they are used. */

ALTER TABLE qbsync.environment
	ADD CONSTRAINT environment_api_url_allowed CHECK (qbsync.url_allowed(api_url)),
	ADD CONSTRAINT environment_authorize_url_allowed CHECK (qbsync.url_allowed(authorize_url)),
	ADD CONSTRAINT environment_token_url_allowed CHECK (qbsync.url_allowed(token_url)),
	ADD CONSTRAINT environment_revoke_url_allowed CHECK (qbsync.url_allowed(revoke_url)),
	ADD CONSTRAINT environment_userinfo_url_allowed CHECK (qbsync.url_allowed(userinfo_url)),
	ADD CONSTRAINT environment_jwks_uri_allowed CHECK (qbsync.url_allowed(jwks_uri)),
	ADD CONSTRAINT environment_app_url_allowed CHECK (qbsync.url_allowed(app_url));
