"""A run with an HTTP server before it: in this order port, robot, server; ended in reverse."""

import contextlib
import errno
import socket
import threading
from collections.abc import Callable, Generator
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from agent.config import AgentConfig, ServeConfig
from agent.graph import build_graph
from agent.graph_parts import Graph
from agent.http_app import make_app
from agent.recording.folder import new_run_folder
from agent.recording.wiring import recorded
from agent.runtime import Runtime
from agent.server_guard import check_exposure
from agent.server_state import ServerState
from bridge.errors import ConfigError, PortInUseError, RuntimeStopped

# An open event stream or web socket gets this long to end by itself [s].
_GRACE_S = 2
_START_LIMIT_S = 60.0
_POLL_S = 0.05
_BACKLOG = 128


def open_port(settings: ServeConfig) -> socket.socket:
    """Take hold of the port, before anything else is started.

    Raises:
        PortInUseError: Another program has it.
        ConfigError: It cannot be had at all: no such address, or no permission.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    # A port is free again at once after its program has ended.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(host=settings.host, port=settings.port) from error
        raise ConfigError(
            f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}. "
            "Change serve.host or serve.port."
        ) from error
    return listener


def address_of(listener: socket.socket) -> str:
    """The page's address, with the port that was really taken."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextlib.contextmanager
def serving(
    config: AgentConfig,
    *,
    make_runtime: Callable[[Graph], Runtime] | None = None,
    with_page: bool = True,
    tell: Callable[[str], None] | None = None,
    record_to: Path | None = None,
) -> Generator["Served"]:
    """Serve a run for as long as the block lasts; nothing is left behind, whatever happens.

    Args:
        config: The agent and the server.
        make_runtime: How to run the graph; with Ray if None.
        with_page: Show the web page besides the HTTP interface.
        tell: Told what is being done, for the impatient.
        record_to: The run's own folder for its trace, if it is recorded; a new one if None.

    Raises:
        ConfigError: The settings do not go together; nothing was started.
        PortInUseError: The port is taken; nothing was started.
        TandemError: The run could not be started; what was started is closed again.
    """
    check_exposure(config.serve)
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(contextlib.closing(open_port(config.serve)))
        graph = build_graph(config)
        say = tell or _nobody_listens
        graph = _recorded(graph, config, record_to, say)
        say(f"Starting {config.robot.kind} with {', '.join(graph.node_names())} …")
        runtime = (make_runtime or _ray_runtime)(graph)
        stack.callback(runtime.stop, config.runtime.stop_timeout_s)
        runtime.start()
        app = make_app(ServerState(runtime, config), config.serve)
        if with_page:
            from agent.page import add_page

            add_page(app)
        stack.enter_context(_listening(app, listener))
        yield Served(address_of(listener), runtime)


def _recorded(
    graph: Graph, config: AgentConfig, folder: Path | None, tell: Callable[[str], None]
) -> Graph:
    """The graph with its recorder; without, where none is wanted or there is no place for it."""
    if not config.recording.enabled:
        return graph
    try:
        folder = folder or new_run_folder(config.recording.folder)
    except OSError as error:
        tell(f"This run is not recorded: {error}. Another place: --set recording.folder=…")
        return graph
    tell(f"Recording to {folder}")
    settings = config.model_dump_json(exclude={"serve": {"token", "read_only_token"}})
    return recorded(graph, folder, config.recording, settings)


def _nobody_listens(text: str) -> None:
    del text


class Served:
    """A run that is being served."""

    def __init__(self, address: str, runtime: Runtime) -> None:
        self.address = address
        self.runtime = runtime

    def wait(self) -> None:
        """Return never while all is well; Ctrl-C passes through.

        Raises:
            RuntimeStopped: The run has ended by itself.
        """
        pause = threading.Event()
        while not self.runtime.stopped_because:
            pause.wait(timeout=0.5)
        raise RuntimeStopped(reason=self.runtime.stopped_because)


@contextlib.contextmanager
def _listening(app: FastAPI, listener: socket.socket) -> Generator[None]:
    """Let uvicorn serve the app from a thread of its own, where it leaves signals alone."""
    server = uvicorn.Server(
        uvicorn.Config(
            app, log_level="warning", access_log=False, timeout_graceful_shutdown=_GRACE_S
        )
    )
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listener]}, name="agent.serve", daemon=True
    )
    thread.start()
    try:
        _wait_until_started(server, thread)
        yield
    finally:
        app.state.is_closing = True
        server.should_exit = True
        thread.join(timeout=_GRACE_S + 5)


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    tries = round(_START_LIMIT_S / _POLL_S)
    pause = threading.Event()
    for _ in range(tries):
        if server.started:
            return
        if not thread.is_alive():
            break
        pause.wait(timeout=_POLL_S)
    raise ConfigError("The HTTP server did not start; what went wrong is said above.")


def _ray_runtime(graph: Graph) -> Runtime:
    # Ray takes a second to import, which tests and help do without.
    from agent.runtime_ray import RayRuntime

    return RayRuntime(graph)
