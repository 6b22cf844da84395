"""What the benchmarks share: a PostgreSQL of their own, a simulator without limits and latency, a connected company."""

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEADLINE = 900      # seconds a step may take
TABLES = {"customer": ["customer"], "invoice": ["invoice", "invoice_line"]}


def fail(message):
    sys.exit(f"{os.path.basename(sys.argv[0])}: {message}")


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


class Server:
    """A PostgreSQL in a directory of its own, reached by socket only."""

    def __init__(self, directory, settings=""):
        self.directory = directory
        self.settings = settings        # further lines of postgresql.conf
        self.data = os.path.join(directory, "data")
        self.bin = output(os.environ.get("PG_CONFIG", "pg_config"), "--bindir")
        self.credentials = os.path.join(directory, "credentials.json")
        self.environment = dict(os.environ, PGHOST=directory, PGPORT="5432", PGUSER="postgres", PGDATABASE="bench")
        self.environment.pop("PGOPTIONS", None)

    def as_postgres(self, *command):
        prefix = ("runuser", "-u", "postgres", "--") if os.geteuid() == 0 else ()
        subprocess.run(prefix + command, check=True, stdout=subprocess.DEVNULL, cwd=self.directory)

    def start(self):
        self.as_postgres(f"{self.bin}/initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
                         "--locale=C", "--no-sync")
        with open(os.path.join(self.data, "postgresql.conf"), "a") as conf:
            conf.write(f"listen_addresses = ''\nport = 5432\nunix_socket_directories = '{self.directory}'\n"
                       "shared_preload_libraries = 'qbsync'\n"
                       f"qbsync.credentials_file = '{self.credentials}'\n"
                       "max_worker_processes = 16\ntrack_commit_timestamp = on\n"
                       "shared_buffers = 512MB\nmax_wal_size = 8GB\ncheckpoint_timeout = 1h\nautovacuum = off\n"
                       + self.settings)
        self.resume()

    def configure(self, line):
        """A further line of postgresql.conf, which counts when it is read next."""
        with open(os.path.join(self.data, "postgresql.conf"), "a") as conf:
            conf.write(line + "\n")

    def resume(self):
        """Start it (again)."""
        self.as_postgres(f"{self.bin}/pg_ctl", "-D", self.data, "-l", f"{self.directory}/log", "-w", "start")

    def stop(self):
        self.as_postgres(f"{self.bin}/pg_ctl", "-D", self.data, "-m", "immediate", "-w", "stop")

    def sql(self, statement, database="bench"):
        """Run statements; the rows of the last one, as psql prints them."""
        run = subprocess.run([f"{self.bin}/psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database],
                             input=statement, text=True, env=self.environment,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if run.returncode != 0:
            fail(f"{run.stderr.strip()}\nstatement: {statement.strip()}")
        return run.stdout.strip()

    def gateway(self, database="bench"):
        """The gateway of a database, as the system sees it."""
        pid = self.sql("SELECT pid FROM pg_stat_activity "
                       f"WHERE backend_type = 'qbsync gateway' AND datname = '{database}'", "postgres")
        return Process(int(pid)) if pid else fail(f"database {database} has no gateway")

    def write_credentials(self, content):
        with open(self.credentials, "w") as file:
            json.dump(content, file)
        os.chmod(self.credentials, 0o600)
        if os.geteuid() == 0:
            postgres = pwd.getpwnam("postgres")
            os.chown(self.credentials, postgres.pw_uid, postgres.pw_gid)


def processor_seconds(pid):
    """What a process has used so far."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Session:
    """One psql, so that what its server process uses can be read."""

    def __init__(self, server):
        self.process = subprocess.Popen([f"{server.bin}/psql", "-XAtq", "-v", "ON_ERROR_STOP=1"], env=server.environment, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.pid = int(self.run("SELECT pg_backend_pid()")[0])

    def run(self, statements):
        self.process.stdin.write(statements + ";\n\\echo done\n")
        self.process.stdin.flush()
        rows = []
        for line in self.process.stdout:
            if line == "done\n":
                return rows
            rows.append(line.rstrip("\n"))
        fail(f"psql ended at: {statements[:200]}")
        return rows

    def end(self):
        self.process.stdin.close()
        self.process.wait()

    def timed(self, statements):
        """(seconds, the server process's processor seconds) of statements, behind a checkpoint."""
        self.run("CHECKPOINT")
        cpu, start = processor_seconds(self.pid), time.monotonic()
        self.run(statements)
        return time.monotonic() - start, processor_seconds(self.pid) - cpu


class Process:
    """A process of the server: what it costs."""

    def __init__(self, pid):
        self.pid = pid

    def memory(self):
        """Anonymous memory at this moment, in MB."""
        with open(f"/proc/{self.pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("RssAnon:")) / 1024

    def seconds(self):
        """Processor time so far."""
        return processor_seconds(self.pid)


class HighWater(threading.Thread):
    """Watches a process's memory until it is stopped; most is the most seen, in MB."""

    def __init__(self, process, pause=0.005):
        super().__init__(daemon=True)
        self.process, self.pause, self.most = process, pause, 0.0
        self.done = threading.Event()
        self.start()

    def run(self):
        while not self.done.wait(self.pause):
            self.most = max(self.most, self.process.memory())

    def stop(self):
        self.done.set()
        self.join()
        return self.most


class Simulator:
    """A company of that size, served without limits; options: further ones of the simulator."""

    def __init__(self, customers, *options):
        self.options = ("--customers", str(customers), "--invoices", "0", "--no-limits", *options)
        self.port = "0"
        self.start()

    def start(self):
        """Start it (again, at the same port; what it knew is in its --data only)."""
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(ROOT, "test", "simulator"), "--port", self.port, "--control", *self.options],
            stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            fail("the simulator did not start")
        self.info = json.loads(line)
        self.port = self.info["base_url"].rpartition(":")[2]

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def control(self, method, path, body=None):
        """A request of the control API; the decoded answer."""
        request = urllib.request.Request(f"{self.info['base_url']}/control/{path}", method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    def act(self, act, **arguments):
        """What a person does in QuickBooks; the object afterwards."""
        return self.control("POST", "act", {"act": act, **arguments})

    def fault(self, fault, times=None, after=None, every=None, seconds=None, code=None, **match):
        """Add a fault rule; its number."""
        given = {"times": times, "after": after, "every": every, "seconds": seconds, "code": code}
        rule = {"fault": fault, "match": match} | {k: v for k, v in given.items() if v is not None}
        return self.control("POST", "faults", rule)["rules"][0]["id"]


def add_environment(server, name, simulator, **limits):
    """An environment and an app of that name for a simulator; limits: columns of qbsync.environment, none of which binds
    unless it is given."""
    limits = {"requests_per_second": 1000000, "requests_per_minute": 1000000, "batches_per_minute": 1000000} | limits
    base = simulator.info["base_url"]
    server.sql(f"""
        INSERT INTO qbsync.environment (name, api_url, authorize_url, token_url, revoke_url, userinfo_url, jwks_uri,
                                        issuer, app_url, {", ".join(limits)})
        VALUES ('{name}', '{base}', '{base}/connect/oauth2', '{base}/oauth2/v1/tokens/bearer',
                '{base}/v2/oauth2/tokens/revoke', '{base}/v1/openid_connect/userinfo', '{base}/op/v1/jwks',
                '{base}', '{base}', {", ".join(f"'{value}'" for value in limits.values())});
        SELECT qbsync_app('{name}', environment => '{name}', client_id => '{simulator.info["client_id"]}',
                          redirect_uri => 'https://example.com/back');
    """)


def credentials(**apps):
    """Contents of the credentials file for apps and their simulators."""
    return {
        "apps": {app: {"client_secret": simulator.info["client_secret"]} for app, simulator in apps.items()},
        "connections": [{"app": app, "realm_id": company["realm_id"], "refresh_token": company["refresh_token"]}
                        for app, simulator in apps.items() for company in simulator.info["companies"]]}


def connect(server, simulator, **limits):
    """A database of its own, connected to the simulator's company; its name waits for confirmation.

    limits: as for add_environment().
    """
    company = simulator.info["companies"][0]
    server.write_credentials(credentials(bench=simulator))
    server.sql("SELECT pg_reload_conf()", "postgres")
    server.sql("DROP DATABASE IF EXISTS bench WITH (FORCE)", "postgres")
    server.sql("CREATE DATABASE bench TEMPLATE template0", "postgres")
    server.sql("CREATE EXTENSION qbsync")
    add_environment(server, "bench", simulator, **limits)
    server.sql(f"SELECT qbsync_connect(connection => 'bench', app => 'bench', realm_id => '{company['realm_id']}')")
    wait_until(server, "SELECT state = 'unconfirmed' AND company_name IS NOT NULL FROM qbsync.connection")
    return company["name"].replace("'", "''")


def wait_until(server, query, pause=0.02):
    """Look every pause seconds in one session, which costs the gateway next to nothing, until the query says true."""
    server.sql(f"""
        DO $$
        BEGIN
            FOR i IN 1 .. {round(DEADLINE / pause)} LOOP
                IF ({query}) THEN
                    RETURN;
                END IF;
                COMMIT;
                PERFORM pg_sleep({pause});
            END LOOP;
            RAISE EXCEPTION 'waited in vain: %', (SELECT to_jsonb(s) FROM qbsync.status s);
        END $$""")


class Directory:
    """A directory for a server, which goes away with everything in it."""

    def __init__(self, name):
        self.path = tempfile.mkdtemp(prefix=f"qbsync-{name}-")
        if os.geteuid() == 0:
            shutil.chown(self.path, "postgres", "postgres")

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)


def copy(session, directory, entity):
    """(seconds, processor seconds) that COPY of an entity's finished rows takes, those of its lines too, into tables like the mirror's."""
    took = (0, 0)
    for table in TABLES[entity]:
        file = os.path.join(directory, "rows")
        session.run(f"COPY qbsync.{table} TO '{file}'; CREATE TABLE public.{table} (LIKE qbsync.{table} INCLUDING ALL)")
        took = [a + b for a, b in zip(took, session.timed(f"COPY public.{table} FROM '{file}'"))]
        os.unlink(file)
    return took
