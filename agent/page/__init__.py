"""The web pages: `/` the run that goes on, `/runs` the recorded ones, `/runs/ID?t=12.3` one.

Views are made by pure code (`run_view`, `history`, `recorded`, `charts`) and drawn by panels, which
are the same live and recorded. Drawn on the server and pushed to the browser; light and dark, phone
and desk.

For tests each thing has a `data-testid`. Everywhere: `estop` (not for who only watches), `light`.
Live: `phase`, `beat`, `stale`, `alarm`, `release`, `cameras`, `camera-NAME`, `caption`, `goal`,
`goal-text`, `goal-input`, `goal-send`, `remark-input`, `remark-send`, `pause`, `hold`, `resume`,
`watching`, `goal-history`, `subtasks`, `subtask-N` (with `data-state`), `thoughts`, `figures`,
`sections`, `timeline`, `timeline-chart`, `moment`, `step-back`, `step-forward`, `back-to-now`,
`recorded-then`, `memory`, `lateness`, `actions`, each with `…-chart`. `/runs`: `runs`, `run-ID`. A
recorded run: the same views, and `run`, `scrubber`, `play`, `step-back`, `step-forward`,
`timeline-words`, `asked`, `reply`, `why`, `why-N`; `trouble` if it cannot be read.
The banner of a lost connection is the library's own, `#popup`.
"""

from agent.page.pages import add_page

__all__ = ["add_page"]
