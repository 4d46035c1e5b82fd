"""The server: one process, one TLS port for each service, only on the loopback address."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import os
import secrets
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import certifi
import trustme

from hol_wizard.practice import seed
from hol_wizard.practice.arm.service import resource_manager
from hol_wizard.practice.databricks.runtime import Runtime
from hol_wizard.practice.databricks.service import Databricks
from hol_wizard.practice.devops.entitlements import DevOpsEntitlements
from hol_wizard.practice.devops.pipeline_hosts import DevOpsArtifacts, DevOpsTestResults
from hol_wizard.practice.devops.service import DevOps, DevOpsProfile
from hol_wizard.practice.devops.tokens import DevOpsTokens
from hol_wizard.practice.directory.service import Graph
from hol_wizard.practice.entra.service import Entra
from hol_wizard.practice.kernel.clock import Clock
from hol_wizard.practice.kernel.service import Service
from hol_wizard.practice.kernel.store import Store
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.key_vault.service import KeyVault
from hol_wizard.practice.machine_learning.service import MachineLearning
from hol_wizard.practice.prices.service import Prices
from hol_wizard.practice.process import trust
from hol_wizard.practice.process.control import Control
from hol_wizard.practice.process.exchange_log import ExchangeLog
from hol_wizard.practice.process.gateway import Gateway
from hol_wizard.practice.process.launch import (
    DATABASE_FILE,
    ENDPOINTS_FILE,
    FIRST_LEASE_SECONDS,
    FORMAT_VERSION,
    LOG_FILE,
    LOG_LIMIT,
    NAMES_FILE,
    SERVER_LOCK_FILE,
    SHELL_BUNDLE_FILE,
    AlreadyRunningError,
    build,
    claim,
    file_lock,
    write_private,
)
from hol_wizard.practice.process.listening import Connections, Listener, allow_many_files
from hol_wizard.practice.process.names import Names
from hol_wizard.practice.process.portal import Portal
from hol_wizard.practice.process.proxy import USER, Proxy, WayOut
from hol_wizard.practice.registry.service import ContainerRegistry
from hol_wizard.practice.storage.blob import Blobs
from hol_wizard.practice.storage.dfs import DataLake

LOG = logging.getLogger(__name__)
HOST = "127.0.0.1"
SERVICES: tuple[Callable[[World], Service], ...] = (
    resource_manager,
    Entra,
    Graph,
    KeyVault,
    Blobs,
    DataLake,
    Databricks,
    Prices,
    DevOps,
    DevOpsProfile,
    DevOpsTestResults,
    DevOpsArtifacts,
    DevOpsEntitlements,
    DevOpsTokens,
    MachineLearning,
    ContainerRegistry,
)
"""The services in the order of the ports. Add a new service at the end."""


@dataclass(frozen=True, slots=True)
class Options:
    """The server's options."""

    state: Path
    speed: float
    log_exchanges: Path | None = None
    port_base: int | None = None
    """First of the fixed ports; None for the previous ports if they are free, otherwise any."""
    keep: bool = False
    """Whether it continues without leases."""
    linger: float = 15.0
    """Seconds from the last lease to the end."""


def _listen(port: int, *, strict: bool) -> socket.socket:
    """Return a listening socket on this port, or on any free one if it is in use and `strict` is not set."""
    # asyncio sets TCP_NODELAY only on sockets created with IPPROTO_TCP; without it, a response takes 44 ms
    # (lab/clients.md).
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if sys.platform != "win32":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError:
        listener.close()
        if strict or port == 0:
            raise
        return _listen(0, strict=True)
    listener.listen(128)
    listener.setblocking(False)
    return listener


class Certificates:
    """A CA and its certificates: for this machine's address, and for real names when they are first requested.

    The CA exists only as long as the process: its private key is never written.
    """

    def __init__(self, state: Path) -> None:
        """Create the CA, and write what clients need to trust it.

        Args:
            state: Where `ca.pem` and the bundles are written.
        """
        self._authority = trustme.CA(organization_name="hol-wizard practice cloud")
        self._contexts: dict[str, ssl.SSLContext] = {}
        self.context = self._certified(HOST, "localhost")
        self.ca_file, self.bundle_file = state / "ca.pem", state / "bundle.pem"
        ca = self._authority.cert_pem.bytes()
        write_private(self.ca_file, ca)
        write_private(self.bundle_file, Path(certifi.where()).read_bytes() + b"\n" + ca)
        # Shells also access other hosts, so they need everything that this machine trusts, and an organization's own
        # CA.
        write_private(state / SHELL_BUNDLE_FILE, trust.bundle(ca))

    def certify(self, names: Names) -> None:
        """Show a certificate for a real name to clients that request one."""

        def chosen(connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, context: ssl.SSLContext) -> None:
            # Anybody may request one: only existing resources get a certificate, so that their number is limited.
            del context
            if name and (place := names.find(name)) is not None:
                if place.host not in self._contexts:
                    self._contexts[place.host] = self._certified(place.host)
                connection.context = self._contexts[place.host]

        self.context.sni_callback = chosen

    def _certified(self, *names: str) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._authority.issue_cert(*names).configure_cert(context)
        return context


class Ports:
    """The ports of single resources: of each key vault and each Databricks workspace.

    They are saved, so that a resource keeps its address after a restart if the port is still free.
    """

    def __init__(
        self,
        world: World,
        services: Mapping[str, Service],
        exchanges: ExchangeLog | None,
        context: ssl.SSLContext,
        connections: Connections,
        names: Names,
        changed: Callable[[], None],
    ) -> None:
        """Open the ports of existing resources.

        Args:
            world: The world with the resources.
            services: The services with a port for each resource, by name.
            exchanges: The log of exchanges.
            context: The TLS context.
            connections: All connections of the server.
            names: Gets the address of each resource.
            changed: Called when a resource is created or deleted.
        """
        self._connections = connections
        self._names = names
        self._changed = changed
        self._world = world
        self._services = services
        self._exchanges = exchanges
        self._context = context
        self._open: dict[tuple[str, str], str] = names.things
        self._listeners: dict[tuple[str, str], Listener] = {}
        self._closing: set[asyncio.Task[None]] = set()
        world.open_port, world.close_port, world.match_ports = self.open, self.shut, self.match
        self.match()

    def open(self, service: str, thing: str) -> str:
        """Open the resource's port, unless the transaction fails, and return its address."""
        key = (service, thing.lower())
        things = self._world.settings.get("thing_ports") or {}
        if key not in self._open or "/".join(key) not in things:
            port = self._listen(key)
            self._world.settings.put("thing_ports", {**things, "/".join(key): port})
            self._world.store.current.on_rollback.append(self._close_unwanted)
        return self._open[key]

    def _listen(self, key: tuple[str, str]) -> int:
        """Open a port if it is not open yet, preferably the resource's previous one, and return its number."""
        if key not in self._open:
            name = "/".join(key)
            known = [(self._world.settings.get(each) or {}).get(name) for each in ("thing_ports", "left_ports")]
            listener = _listen(int(known[0] or known[1] or 0), strict=False)
            self._open[key] = f"https://{HOST}:{listener.getsockname()[1]}"
            gateway = Gateway(self._services[key[0]], self._open[key], self._names, self._exchanges, key[1])
            is_here = self._names.is_at(listener.getsockname()[1])
            self._listeners[key] = Listener(gateway, listener, self._context, self._connections, known=is_here)
            self._listeners[key].start()
            self._changed()
        return int(self._open[key].rpartition(":")[2])

    def shut(self, service: str, thing: str) -> None:
        """Close the resource's port after the transaction is committed; does nothing if none is open.

        Its number is saved, so that a recovered vault keeps its address.
        """
        name = f"{service}/{thing.lower()}"
        things = dict(self._world.settings.get("thing_ports") or {})
        port = things.pop(name, None)
        if port is not None:
            self._world.settings.put("thing_ports", things)
            self._world.settings.put("left_ports", {**(self._world.settings.get("left_ports") or {}), name: port})
            self._world.store.current.on_commit.append(self._close_unwanted)

    def match(self) -> None:
        """Open the ports that the settings name, and close all others."""
        self._close_unwanted()
        wanted = dict(self._world.settings.get("thing_ports") or {})
        ports = dict(wanted)
        for name in wanted:
            service, _, thing = name.partition("/")
            if service in self._services:
                ports[name] = self._listen((service, thing))
        if ports != wanted:
            with self._world.store.transaction():
                self._world.settings.put("thing_ports", ports)

    def _close_unwanted(self) -> None:
        wanted = self._world.settings.get("thing_ports") or {}
        unwanted = [each for each in self._open if "/".join(each) not in wanted]
        for key in unwanted:
            del self._open[key]
            task = asyncio.get_running_loop().create_task(self._listeners.pop(key).close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        if unwanted:
            self._changed()

    async def close(self) -> None:
        """Close all ports; they are opened again at the next start."""
        await asyncio.gather(*(each.close() for each in self._listeners.values()), *self._closing)


class Server:
    """Everything that is running, from the open database to the open ports."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._stop = asyncio.Event()
        self._listeners: list[Listener] = []
        self._ports: Ports | None = None
        self._proxy: Proxy | None = None

    async def run(self) -> None:
        """Serve until stopped, by control, signal or the end of the last lease."""
        options, state = self._options, self._options.state
        store = Store(state / DATABASE_FILE)
        exchanges = ExchangeLog(options.log_exchanges) if options.log_exchanges else None
        allow_many_files()
        connections = Connections()
        watches = [asyncio.create_task(connections.watch())]
        world = World(store, Clock(options.speed))
        try:
            token, portal_token = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
            about: dict[str, Any] = {
                "version": FORMAT_VERSION,
                "pid": os.getpid(),
                "started": datetime.now(UTC).isoformat(timespec="seconds"),
                "build": build(),
                "log_exchanges": str(options.log_exchanges) if options.log_exchanges else None,
                "notice": _notice(store),
            }
            services = [make(world) for make in SERVICES]
            for_all = [service for service in services if not service.port_for_each]
            certificates = Certificates(state)
            context = certificates.context
            names = [service.name for service in for_all]
            sockets = self._sockets(world, [*names, "control", "proxy", "portal"])
            addresses = {name: f"https://{HOST}:{each.getsockname()[1]}" for name, each in sockets.items()}
            proxy_address = addresses.pop("proxy")
            addresses["portal"] = addresses["portal"].replace("https://", "http://")
            world.addresses.update({name: addresses[name] for name in names})
            real = Names(world)
            certificates.certify(real)
            for service in for_all:
                gateway = Gateway(service, addresses[service.name], real, exchanges)
                port = sockets[service.name]
                known = real.is_at(port.getsockname()[1])
                self._listeners.append(Listener(gateway, port, context, connections, known=known))
            secret = _proxy_secret(world, proxy_address)
            self._proxy = Proxy(sockets["proxy"], secret, real, connections, WayOut.of_this_machine())
            control = Control(world, token, self._stop, about, self._proxy)
            control.keep = options.keep
            # A lease ends when its client disconnects; a request to a service is carried out anyway, as in Azure.
            self._listeners.append(Listener(control, sockets["control"], context, connections, cancels=True))
            self._listeners.append(Listener(Portal(world, portal_token), sockets["portal"], None, connections))
            for_each = {each.name: each for each in services if each.port_for_each}

            def publish_names() -> None:
                write_private(state / NAMES_FILE, json.dumps(real.pairs(), indent=1).encode())

            publish_names()
            self._ports = Ports(world, for_each, exchanges, context, connections, real, publish_names)
            world.proxy = proxy_address.replace("https://", f"http://{USER}:{secret}@")
            world.start()
            for listener in self._listeners:
                listener.start()
            await self._proxy.start()
            self._publish(
                about,
                addresses,
                names,
                token,
                world,
                certificates,
                {"proxy": world.proxy, "portal_token": portal_token},
            )
            for signum in (signal.SIGINT, signal.SIGTERM):
                # Windows has no signal handlers in its event loop; there Ctrl+C raises KeyboardInterrupt.
                with contextlib.suppress(NotImplementedError):
                    asyncio.get_running_loop().add_signal_handler(signum, self._stop.set)
            # Objects that exist now are permanent: freezing them makes garbage collections faster.
            gc.collect()
            gc.freeze()
            LOG.info("ready: %s", addresses)
            watches.append(asyncio.create_task(control.watch_leases(options.linger, FIRST_LEASE_SECONDS)))
            await self._stop.wait()
        finally:
            (state / ENDPOINTS_FILE).unlink(missing_ok=True)
            if self._proxy is not None:
                await self._proxy.close()
            if self._ports is not None:
                await self._ports.close()
            await asyncio.gather(*(listener.close() for listener in self._listeners))
            for watch in watches:
                watch.cancel()
            world.end()
            store.close()
            if exchanges is not None:
                exchanges.close()
            LOG.info("stopped")

    def _sockets(self, world: World, names: list[str]) -> dict[str, socket.socket]:
        """Open the ports: the previous ones if they are free, so that saved addresses remain valid."""
        base = self._options.port_base
        last = (world.settings.get("ports") or {}) if base is None else {}
        sockets = {
            name: _listen(base + offset if base is not None else int(last.get(name, 0)), strict=base is not None)
            for offset, name in enumerate(names)
        }
        with world.store.transaction():
            world.settings.put("ports", {name: each.getsockname()[1] for name, each in sockets.items()})
        return sockets

    def _publish(
        self,
        about: dict[str, Any],
        addresses: dict[str, str],
        names: list[str],
        token: str,
        world: World,
        certificates: Certificates,
        more: dict[str, str],
    ) -> None:
        ca_file, bundle_file = certificates.ca_file, certificates.bundle_file
        document = {
            "version": FORMAT_VERSION,
            "pid": about["pid"],
            "started": about["started"],
            "build": about["build"],
            "name": "practice",
            "notice": about["notice"],
            "ca_file": str(ca_file),
            "bundle_file": str(bundle_file),
            "names_file": NAMES_FILE,
            "databricks_config_file": str(bundle_file.with_name("databrickscfg")),
            "practice_python": str(Runtime().python.absolute()),
            **{name: addresses[name] for name in names},
            "portal": addresses["portal"],
            "control": addresses["control"],
            "control_token": token,
            "approval": f"{addresses['control']}/approve",
            **more,
            "browser_sign_in": False,
            "poll_interval": world.clock.poll_interval(),
            "audiences": dict(seed.AUDIENCES),
            "suffixes": {
                "storage": seed.STORAGE_SUFFIX,
                "key_vault": seed.KEY_VAULT_SUFFIX,
                "databricks": f".{seed.DATABRICKS_SUFFIX}",
            },
            "defaults": {
                "tenant": seed.TENANT,
                "subscription": seed.SUBSCRIPTION.id,
                "location": seed.LOCATION,
                "prefix": seed.PREFIX,
                "user": world.setting("approver"),
            },
            "service_principal": {
                "client_id": seed.CI_PRINCIPAL.app_id,
                "client_secret": world.setting("ci_secret"),
                "tenant": seed.TENANT,
            },
        }
        write_private(self._options.state / ENDPOINTS_FILE, json.dumps(document, indent=1).encode())


def _proxy_secret(world: World, address: str) -> str:
    """Return the proxy's secret: the previous one if the address is the same, so that prepared shells keep working.

    If another program now has its port, that program may receive the secret, so a new one is created.
    """
    kept = world.settings.get("proxy") or {}
    if kept.get("address") != address:
        kept = {"address": address, "secret": secrets.token_urlsafe(24)}
        with world.store.transaction():
            world.settings.put("proxy", kept)
    return str(kept["secret"])


def serve(options: Options) -> None:
    """Serve until stopped.

    Raises:
        AlreadyRunningError: Another server holds this state folder.
        NotOursError: The folder, or the log of exchanges, belongs to somebody else.
        OSError: A port or a file cannot be opened.
    """
    claim(options.state)
    with file_lock(options.state / SERVER_LOCK_FILE, wait=1, note=str(os.getpid())) as held:
        if not held:
            raise AlreadyRunningError(f"Another practice cloud uses {options.state}.")
        # From here on, only the owner can access new files, also those of git, regardless of the shell's umask.
        before = os.umask(0o077)
        log = _log(options.state)
        try:
            with contextlib.suppress(KeyboardInterrupt):
                asyncio.run(_run(options))
        finally:
            logging.getLogger().removeHandler(log)
            log.close()
            os.umask(before)


def _notice(store: Store) -> str:
    """Return a notice for the person; empty if there is none."""
    if store.set_aside is None:
        return ""
    return (
        f"The state of the practice cloud could not be read. It is kept as {store.set_aside}, and the practice cloud "
        "starts empty: everybody must sign in again."
    )


def _log(state: Path) -> logging.Handler:
    """Start the log, which others can fill with refused requests, so it is limited to two files."""
    log = RotatingFileHandler(state / LOG_FILE, maxBytes=LOG_LIMIT, backupCount=1, encoding="utf-8")
    log.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(log)
    logging.getLogger().setLevel(logging.INFO)
    return log


async def _run(options: Options) -> None:
    # A server is created inside the loop, because its event belongs to the loop.
    await Server(options).run()
