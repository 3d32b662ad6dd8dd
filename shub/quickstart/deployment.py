"""One embedded registry, from the first check to the end of its last process."""

import contextlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shub.quickstart import (
    application,
    binaries,
    clients,
    environment,
    postgres,
    preflight,
    store,
    terminal,
)
from shub.quickstart.announcement import Announcement
from shub.quickstart.application import Application
from shub.quickstart.binaries import Programs
from shub.quickstart.children import last_line
from shub.quickstart.credentials import Credentials, load_or_make
from shub.quickstart.failures import CannotRun
from shub.quickstart.folder import DataFolder
from shub.quickstart.identity import SERVICE_USER, Identity, give, service_identity
from shub.quickstart.options import Options
from shub.quickstart.postgres import Postgres
from shub.quickstart.ready_file import ReadyFile
from shub.quickstart.store import Store
from shub.quickstart.supervisor import Stopped, Supervisor
from shub.settings import env

Say = Callable[[str], None]

# The programs that are run as another user where root starts this.
POSTGRES_PROGRAMS = ("initdb", "postgres")
STORE_PROGRAMS = (binaries.STORE_PROGRAM,)


def run(options: Options, say: Say) -> None:
    """Run the registry until a stop signal comes; CannotRun says why it could not go on."""
    preflight.check_python()
    folder = DataFolder(options.data_dir)
    with Supervisor(say) as supervisor:
        try:
            with contextlib.ExitStack() as stack:
                folder.create()
                # All that is made from here on, by us and by our children, is for this user only;
                # not so the folders above the data folder.
                os.umask(0o077)
                stack.enter_context(folder.held())
                # A stale one goes before anything is checked.
                ready = stack.enter_context(ReadyFile(options.ready_file))
                tie = stack.enter_context(folder.tied_to_children(supervisor.until))
                supervisor.inherited = (tie,)
                _Start(options, folder, supervisor, ready, say).run(stack)
        except Stopped:
            say("The registry has stopped.")


class _Start:
    """The steps of a start, in order, with what one step leaves to the next."""

    def __init__(
        self,
        options: Options,
        folder: DataFolder,
        supervisor: Supervisor,
        ready: ReadyFile,
        say: Say,
    ) -> None:
        self.options = options
        self.folder = folder
        self.supervisor = supervisor
        self.ready = ready
        self.say = say
        self.postgres_programs = None if environment.names_database() else binaries.find_postgres()
        self.store_programs = None if environment.names_store() else binaries.find_store()
        self.identity: Identity | None = None
        if self.postgres_programs or self.store_programs:
            self.identity = service_identity()
        # Root in a place that the other user cannot enter, such as root's own home.
        self.apart = self.identity is not None and not self.identity.can_enter(folder.path.parent)

    def run(self, stack: contextlib.ExitStack) -> None:
        """Check, start, announce, and keep it running. The stack undoes it, last things first."""
        self.check()
        folder = self.folder
        folder.lay_out(self.identity)
        credentials = load_or_make(folder.secrets)
        database: Postgres | None = None
        files: Store | None = None
        if self.postgres_programs:
            environment.forget_other_databases()
            socket_folder = stack.enter_context(folder.runtime(self.identity, apart=self.apart))
            database = self.postgres(self.postgres_programs, socket_folder)
        if self.store_programs:
            files = self.store(self.store_programs, credentials)
        stack.callback(self.supervisor.stop)
        stack.callback(self.ready.remove)
        self.start_servers(database, files)
        own = environment.for_application(
            options=self.options, credentials=credentials, postgres=database, store=files
        )
        facts = {
            "store": environment.store_facts(
                options=self.options, credentials=credentials, store=files
            ),
            "database": database.url if database else env.secret("DATABASE_URL"),
        }
        self.start_application(own, credentials, facts)
        self.supervisor.watch()

    # ── before anything runs ──
    def check(self) -> None:
        """All that can be known to go wrong, before it does."""
        folder, options = self.folder, self.options
        major = postgres.major_version(self.postgres_programs) if self.postgres_programs else None
        folder.check_layout(major)
        if self.apart and sys.platform != "linux" and self.identity:
            raise CannotRun(
                f"{folder.path} cannot be reached by the user {self.identity.name!r}, as whom "
                "Postgres and the store run: name another folder by --data-dir."
            )
        preflight.check_room(folder.path, self.copies_bytes())
        preflight.check_port(options.bind, "--bind")
        if self.store_programs:
            preflight.check_port(options.store_bind, "--store-bind", self.store_identity)
        if self.apart and self.identity:
            self.say(
                f"{folder.path} lies in a folder that is closed to the user "
                f"{self.identity.name!r}: the store therefore runs as root."
            )
        self.warn_of_unreachable_store()
        if self.identity and not env.text(SERVICE_USER):
            self.say(
                f"Postgres and the store run as {self.identity.name!r}: whatever else runs as that "
                f"user here can read their data. Name a user of their own by {SERVICE_USER}."
            )

    @property
    def store_identity(self) -> Identity | None:
        """As whom the store runs: its metadata's library needs to walk its whole path."""
        return None if self.apart else self.identity

    def copies_bytes(self) -> int:
        """What copies of the programs are going to take in the data folder."""
        if self.apart:
            return 0
        return sum(
            programs.copy_bytes(self.folder.binaries)
            for programs, names in (
                (self.postgres_programs, POSTGRES_PROGRAMS),
                (self.store_programs, STORE_PROGRAMS),
            )
            if programs and binaries.are_closed(programs, names, self.identity)
        )

    def warn_of_unreachable_store(self) -> None:
        """Say so when clients elsewhere would be sent to a store that listens here alone."""
        web, files = self.options.bind, self.options.store_bind
        if environment.names_external_store():
            return
        if self.store_programs and files.is_loopback and not web.is_loopback:
            self.say(
                f"The store listens on {files}, where other machines cannot reach it: they can "
                "neither push nor pull unless a proxy passes on to it; see --store-bind."
            )

    # ── database and store ──
    def postgres(self, programs: Programs, socket_folder: Path) -> Postgres:
        """The embedded Postgres, with files and programs where it can reach them."""
        if binaries.are_closed(programs, POSTGRES_PROGRAMS, self.identity):
            programs = programs.copy_below(
                socket_folder.parent / "binaries" if self.apart else self.folder.binaries
            )
        give(self.folder.postgres, self.identity)
        return Postgres(
            folder=self.folder.postgres,
            socket_folder=socket_folder,
            log_folder=self.folder.logs,
            programs=programs,
            identity=self.identity,
            apart=self.apart,
        )

    def store(self, programs: Programs, credentials: Credentials) -> Store:
        """The embedded store, likewise."""
        if binaries.are_closed(programs, STORE_PROGRAMS, self.store_identity):
            programs = programs.copy_below(self.folder.binaries)
        give(self.folder.store, self.store_identity)
        return Store(
            folder=self.folder.store,
            log_folder=self.folder.logs,
            address=self.options.store_bind,
            programs=programs,
            identity=self.store_identity,
            access_key=credentials.store_access_key,
            secret_key=credentials.store_secret_key,
        )

    def start_servers(self, database: Postgres | None, files: Store | None) -> None:
        """Start Postgres and the store side by side, and wait for both."""
        making = [files.making()] if files else []
        new_database = database is not None and not database.is_made
        if database and new_database:
            self.say("Making the database.")
            making.append(database.making())
        self.supervisor.run(*making)
        if database and new_database:
            database.made()
        if files:
            self.supervisor.run(files.placing())
        # The store stops first: no request that it holds can end in a row any more.
        if database:
            self.supervisor.start(database.child())
        if files:
            self.supervisor.start(files.child())
        if database:
            self.await_ready(postgres.NAME, database.accepts, postgres.START_SECONDS)
            database.make_database()
        if files:
            self.await_ready(store.NAME, files.accepts, store.START_SECONDS)
            self.supervisor.repeat(
                files.collecting(),
                first_seconds=store.FIRST_COLLECTION_SECONDS,
                every_seconds=store.COLLECTION_EVERY_SECONDS,
            )

    def await_ready(self, name: str, accepts: Callable[[], bool], seconds: float) -> None:
        """Wait until a child can be used; CannotRun when that takes too long."""
        if not self.supervisor.until(accepts, seconds):
            log = self.folder.logs / f"{name}.log"
            raise CannotRun(
                f"{name} is not ready after {seconds:.0f} seconds (log: {log}): {last_line(log)}"
            )

    # ── shub's own processes ──
    def demonstrate(self, processes: Application) -> list[str]:
        """Fill the registry with the demonstration site; the lines that say what is on it."""
        log = self.folder.logs / f"{application.DEMONSTRATION}.log"
        self.say(f"Filling the demonstration site: about a minute, the first time (log: {log}).")
        filling = processes.demonstration(self.folder.secrets)
        return ["", *self.supervisor.ask(filling).splitlines()]

    def start_application(
        self,
        own_environment: dict[str, str],
        credentials: Credentials,
        facts: dict[str, Any],
    ) -> None:
        """First run, web server, sweep; then say that it is ready, to people and programs."""
        processes = Application(
            environment=own_environment, log_folder=self.folder.logs, bind=self.options.bind
        )
        first_run = processes.first_run(
            self.folder.secrets, own_store=self.store_programs is not None
        )
        found = json.loads(self.supervisor.ask(first_run))
        self.supervisor.start(processes.web(), processes.sweep())
        self.await_ready(application.WEB, processes.answers, application.START_SECONDS)
        shown = self.demonstrate(processes) if self.options.demo else []
        public_url = own_environment["PUBLIC_URL"]
        password = credentials.first_password if found["password_is_first"] else None
        content = {
            "url": public_url,
            "username": found["username"],
            "password": password,
            "token": found["token"],
            "entity": found["entity"],
            **facts,
        }
        clients.configure(self.folder.client, public_url, found["token"])
        terminal.write_script(self.folder.path, own_environment)

        def rewrite_ready_file() -> None:
            # A disk that has become full is no reason to stop what runs.
            try:
                self.ready.write(content, self.supervisor.pids())
            except CannotRun as failure:
                self.say(str(failure))

        self.supervisor.restarted = rewrite_ready_file
        announcement = Announcement(
            public_url=public_url,
            username=found["username"],
            password=password,
            token=found["token"],
            entity=found["entity"],
            data_dir=self.folder.path,
            client_folder=self.folder.client,
        )
        for line in [*announcement.lines(), *shown]:
            self.say(line)
        # Last: whoever waits for the file finds all the rest in place.
        self.ready.write(content, self.supervisor.pids())
