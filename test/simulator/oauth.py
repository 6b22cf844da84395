"""OAuth2: authorization codes, access and refresh tokens, rotation, revocation.

A grant is one consent of one company.  Its refresh token changes its value on
the first refresh after `rotate_after` seconds; the value before it dies at once
or after `refresh_grace` seconds.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from urllib.parse import parse_qs, urlencode, urlsplit

ACCESS_LIFE = 3600
REFRESH_LIFE = 8726400
HARD_LIFE = 5 * 365 * 86400
CODE_LIFE = 600
SCOPES = {"com.intuit.quickbooks.accounting", "com.intuit.quickbooks.payment", "openid", "profile",
          "email", "phone", "address"}


class OAuthError(Exception):
    def __init__(self, error: str, description: str | None = None, status: int = 400) -> None:
        super().__init__(error)
        self.status = status
        self.body = {"error": error}
        if description:
            self.body["error_description"] = description


class Denied(Exception):
    """An access token that does not open the door; why: see api.py."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class OAuth:
    def __init__(self, sim) -> None:
        self.sim = sim
        self.client_id = "ABsim" + _digest("client", sim.seed, 40)
        self.client_secret = _digest("secret", sim.seed, 40)
        self.codes: dict[str, dict] = {}
        self.grants: dict[str, dict] = {}           # grant id -> grant
        self.access: dict[str, list] = {}           # token -> [grant id, end]
        self.counter = 0
        self.issued: list[str] = []                 # every code and token this process gave out, for tests

    # -- state -----------------------------------------------------------

    def state(self) -> dict:
        return {"codes": self.codes, "grants": self.grants, "access": self.access, "counter": self.counter,
                "client_id": self.client_id, "client_secret": self.client_secret}

    def load(self, saved: dict) -> None:
        self.__dict__.update(saved)

    def save(self) -> None:
        now = self.sim.clock.now()
        self.access = {t: v for t, v in self.access.items() if v[1] > now - 86400}
        self.sim.file.save({"oauth": self.state(), "clock": self.sim.clock.state(),
                            "stats": self.sim.report()})

    def grant_of(self, realm: str) -> dict | None:
        """The newest grant of a company, alive or not."""
        found = [g for g in self.grants.values() if g["realm"] == realm]
        return found[-1] if found else None

    # -- consent ---------------------------------------------------------

    def new_grant(self, realm: str, scope: str) -> dict:
        now = self.sim.clock.now()
        if self.sim.settings["second_consent_ends_first"]:
            for grant in self.grants.values():
                if grant["realm"] == realm and not grant["ended"]:
                    grant["ended"] = "replaced"
        self.counter += 1
        grant = {"id": str(self.counter), "realm": realm, "scope": scope, "consent": now,
                 "token": "", "rotated": now, "used": now, "before": "", "before_until": 0, "ended": ""}
        self._rotate(grant, now)
        grant["before"] = ""
        self.grants[grant["id"]] = grant
        return grant

    def _rotate(self, grant: dict, now: float) -> None:
        grant["before"], grant["before_until"] = grant["token"], now + self.sim.settings["refresh_grace"]
        grant["token"] = f"RT1-{grant['id']}-H0-{int(now)}{secrets.token_hex(12)}"
        grant["rotated"] = now
        self.issued.append(grant["token"])

    def authorize(self, query: str) -> tuple[int, str]:
        """Consent at once: (302, address) or (400, message for the error page)."""
        asked = {k: v[0] for k, v in parse_qs(query).items()}
        for name in ("client_id", "response_type", "scope", "redirect_uri", "state"):
            if not asked.get(name):
                return 400, f"The {name} query parameter is missing"
        if asked["client_id"] != self.client_id:
            return 400, "The client_id is not known"
        if asked["response_type"] != "code":
            return 400, "The response_type must be code"
        if not self._redirect_allowed(asked["redirect_uri"]):
            return 400, "The redirect_uri query parameter value is invalid"
        return 302, asked["redirect_uri"] + "?" + urlencode(self._consent(asked))

    def _redirect_allowed(self, uri: str) -> bool:
        registered = self.sim.settings["redirect_uris"]
        if registered:
            return uri in registered
        parts = urlsplit(uri)
        host = parts.hostname or ""
        local = host == "localhost" and parts.scheme == "http"
        raw_ip = all(c.isdigit() or c in ".:" for c in host)
        return bool(host) and not parts.query and not parts.fragment and not raw_ip and \
            (parts.scheme == "https" or local)

    def _consent(self, asked: dict) -> dict:
        scopes = set(asked["scope"].split())
        if not scopes <= SCOPES:
            return {"error": "invalid_scope", "state": asked["state"]}
        if self.sim.settings["consent"] != "grant":
            return {"error": self.sim.settings["consent"], "state": asked["state"]}
        accounting = "com.intuit.quickbooks.accounting" in scopes
        realm = asked.get("realm_id") or next(iter(self.sim.companies))
        if realm not in self.sim.companies:
            return {"error": "access_denied", "state": asked["state"]}
        code = "AB11" + secrets.token_urlsafe(30)
        self.codes[code] = {"realm": realm, "redirect_uri": asked["redirect_uri"],
                            "scope": asked["scope"], "end": self.sim.clock.now() + CODE_LIFE}
        self.issued.append(code)
        self.save()
        answer = {"code": code, "state": asked["state"]}
        return answer | {"realmId": realm} if accounting else answer

    # -- token endpoint --------------------------------------------------

    def realm_of(self, body: bytes) -> str:
        """Company of a request to the token endpoint; "" if it is not known."""
        form = {k: v[0] for k, v in parse_qs(body.decode("utf-8", "replace")).items()}
        token, code = form.get("refresh_token"), self.codes.get(form.get("code", ""))
        if code:
            return code["realm"]
        return next((g["realm"] for g in self.grants.values() if token and token in (g["token"], g["before"])), "")

    def check_client(self, authorization: str, form: dict) -> None:
        given = (form.get("client_id"), form.get("client_secret"))
        if authorization.lower().startswith("basic "):
            try:
                text = base64.b64decode(authorization[6:].strip(), validate=True).decode()
            except (ValueError, UnicodeDecodeError):
                raise OAuthError("invalid_client", status=401) from None
            given = tuple(text.split(":", 1)) if ":" in text else (text, "")
        if given != (self.client_id, self.client_secret):
            raise OAuthError("invalid_client", status=401)

    def token(self, headers: dict, body: bytes) -> dict:
        if headers.get("content-type", "").split(";")[0].strip().lower() != "application/x-www-form-urlencoded":
            raise OAuthError("invalid_request", "Content-Type must be application/x-www-form-urlencoded")
        form = {k: v[0] for k, v in parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True).items()}
        self.check_client(headers.get("authorization", ""), form)
        kind = form.get("grant_type")
        if not kind:
            raise OAuthError("invalid_request", "grant_type is missing")
        if kind == "authorization_code":
            grant = self._exchange(form)
        elif kind == "refresh_token":
            grant = self._refresh(form)
        else:
            raise OAuthError("unsupported_grant_type")
        return self._answer(grant, headers.get("x-include-refresh-token-hard-expires-in", "").lower() == "true")

    def _exchange(self, form: dict) -> dict:
        if not form.get("code") or not form.get("redirect_uri"):
            raise OAuthError("invalid_request", "code or redirect_uri is missing")
        code = self.codes.pop(form["code"], None)
        self.save()
        if not code or code["end"] < self.sim.clock.now() or code["redirect_uri"] != form["redirect_uri"]:
            raise OAuthError("invalid_grant", "Invalid authorization code")
        return self.new_grant(code["realm"], code["scope"])

    def _refresh(self, form: dict) -> dict:
        token, now = form.get("refresh_token"), self.sim.clock.now()
        if not token:
            raise OAuthError("invalid_request", "refresh_token is missing")
        self.sim.limits.stats["refreshes"] += 1
        for grant in self.grants.values():
            if token == grant["token"] or (token == grant["before"] and now < grant["before_until"]):
                if grant["ended"] or now > grant["used"] + REFRESH_LIFE or now > grant["consent"] + HARD_LIFE:
                    break
                if token == grant["token"] and now - grant["rotated"] >= self.sim.settings["rotate_after"]:
                    self._rotate(grant, now)
                grant["used"] = now
                return grant
        self.sim.limits.stats["refused_refreshes"] += 1
        raise OAuthError("invalid_grant", "Incorrect or invalid refresh token")

    def _answer(self, grant: dict, hard: bool) -> dict:
        now = self.sim.clock.now()
        access = "eyJlbmMiOiJBMTI4Q0JDLUhTMjU2IiwiYWxnIjoiZGlyIn0.." + secrets.token_urlsafe(600)
        self.access[access] = [grant["id"], now + ACCESS_LIFE]
        self.issued.append(access)
        self.save()
        answer = {"token_type": "bearer", "access_token": access, "expires_in": ACCESS_LIFE,
                  "refresh_token": grant["token"],
                  "x_refresh_token_expires_in": self.sim.settings["refresh_expires_in"]}
        if hard:
            answer["x_refresh_token_hard_expires_in"] = int(grant["consent"] + HARD_LIFE - now)
        return answer

    def revoke(self, headers: dict, body: bytes) -> None:
        from jsontext import loads
        if not headers.get("authorization"):
            raise OAuthError("invalid_client", status=401)
        self.check_client(headers["authorization"], {})
        try:
            token = loads(body).get("token")
        except (ValueError, AttributeError):
            raise OAuthError("invalid_request", "A JSON body is expected") from None
        if headers.get("content-type", "").split(";")[0].strip().lower() != "application/json" or not token:
            raise OAuthError("invalid_request", "A JSON body with token is expected")
        grant = self.grants.get(self.access.get(token, [""])[0]) or next(
            (g for g in self.grants.values() if token in (g["token"], g["before"])), None)
        if not grant or grant["ended"]:
            raise OAuthError("invalid_grant", "Token invalid")
        grant["ended"] = "revoked"
        self.save()

    # -- access ----------------------------------------------------------

    def check_access(self, authorization: str, realm: str) -> None:
        """Raise Denied unless the bearer token opens this company now."""
        if not authorization.lower().startswith("bearer ") or not authorization[7:].strip():
            raise Denied("missing")
        held = self.access.get(authorization[7:].strip())
        if not held:
            raise Denied("unknown")
        grant = self.grants[held[0]]
        if grant["ended"]:
            raise Denied({"disconnected_403": "forbidden", "user_removed": "user_removed"}.get(
                grant["ended"], "revoked"))
        if self.sim.clock.now() >= held[1]:
            raise Denied("expired")
        if grant["realm"] != realm or "com.intuit.quickbooks.accounting" not in grant["scope"]:
            raise Denied("forbidden")

    def end(self, realm: str, why: str) -> None:
        for grant in self.grants.values():
            if grant["realm"] == realm and not grant["ended"]:
                grant["ended"] = why
        self.save()

    def expire_access(self, realm: str | None) -> int:
        """Let every access token of a company (or of all) be over."""
        count = 0
        for held in self.access.values():
            if realm in (None, self.grants[held[0]]["realm"]):
                held[1] = min(held[1], self.sim.clock.now())
                count += 1
        self.save()
        return count

    def discovery(self, base: str) -> dict:
        return {"issuer": "https://oauth.platform.intuit.com/op/v1",
                "authorization_endpoint": base + "/connect/oauth2",
                "token_endpoint": base + "/oauth2/v1/tokens/bearer",
                "userinfo_endpoint": base + "/v1/openid_connect/userinfo",
                "revocation_endpoint": base + "/v2/oauth2/tokens/revoke",
                "jwks_uri": base + "/op/v1/jwks", "response_types_supported": ["code"],
                "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256"],
                "scopes_supported": ["openid", "email", "profile", "address", "phone"],
                "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
                "claims_supported": ["aud", "exp", "iat", "iss", "realmid", "sub"]}


def _digest(label: str, seed: int, length: int) -> str:
    raw = hashlib.sha256(f"{label}-{seed}".encode()).digest() * 2
    return base64.b64encode(raw, b"xy").decode()[:length]
