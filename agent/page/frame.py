"""What all pages share: the header with the e-stop, the way to the other pages, light and dark."""

from collections.abc import Generator
from contextlib import contextmanager

from nicegui import ui

from agent.page.style import STYLE
from agent.server_guard import Role

WATCHING = "You are watching: this token may not control the robot."
# By itself, beside the page's own connection: it works while that is lost, and says if it did not.
_PRESS_STOP = """async () => {
  const tell = (message) => Quasar.Notify.create(
    {message, type: 'negative', multiLine: true, position: 'top', timeout: 15000});
  try {
    const answer = await fetch('/stop', {method: 'POST', signal: AbortSignal.timeout(3000),
      headers: {'Content-Type': 'application/json'},
      body: JSON.stringify({reason: 'a person pressed the button on the page'})});
    if (!answer.ok) tell('NOT stopped: ' + (await answer.json()).message);
  } catch (error) {
    tell('NOT stopped: the server cannot be reached. Use the switch on the robot itself.');
  }
}"""


@contextmanager
def frame(title: str, place: str, role: Role) -> Generator[ui.element]:
    """A page's header, and below it the room for its panels; yields the header's row for more.

    Args:
        title: What is looked at.
        place: Which of the pages it is: "/" or "/runs".
        role: What the visitor may do.
    """
    ui.add_css(STYLE)
    # Dark enough for white letters on them.
    ui.colors(primary="#1e40af", positive="#15803d", negative="#b91c1c")
    dark = ui.dark_mode(None)
    with ui.header().classes("items-center gap-3 px-4 py-2 no-wrap"):
        with ui.element("h1").classes("text-lg font-semibold leading-none m-0 max-sm:hidden"):
            ui.label("Tandem")
        with ui.element("nav").classes("flex gap-3").props('aria-label="Pages"'):
            _link("Live", "/", place)
            _link("Runs", "/runs", place)
        ui.label(title).classes("opacity-80 ellipsis max-sm:hidden")
        slot = ui.element("div").classes("flex items-center gap-2 min-w-0")
        ui.space()
        ui.button(icon="contrast", on_click=lambda: _switch_light(dark)).props(
            'flat round dense color=white aria-label="Light or dark" data-testid="light"'
        )
        if role is Role.CONTROL:
            stop = ui.button("Stop", icon="front_hand").on("click", js_handler=_PRESS_STOP)
            stop.props(
                'color=negative unelevated no-wrap aria-label="Stop the robot" data-testid="estop"'
            )
    with ui.element("div").classes("w-full max-w-screen-2xl mx-auto"):
        yield slot


def _link(text: str, target: str, place: str) -> None:
    link = ui.link(text, target).classes("link")
    if target == place:
        link.props('aria-current="page"')


def _switch_light(dark: ui.dark_mode) -> None:
    """Through what the system wants, dark, and light."""
    following: dict[bool | None, bool | None] = {None: True, True: False, False: None}
    dark.set_value(following[dark.value])
