"""How the page looks: light and dark by variables, one column on a phone, two on a desk."""

STYLE = """
:root { --panel: #ffffff; --ground: #f3f4f6; --line: #e2e4e9; --muted: #5b6472; --ink: #14181f;
        --active: #1d4ed8; --done: #15803d; --failed: #b91c1c; --skipped: #92600a; }
.body--dark { --panel: #1b1f26; --ground: #111419; --line: #2c323c; --muted: #9aa4b2;
              --ink: #e8ebf0; --active: #7db2ff; --done: #5fd38a; --failed: #ff8a8a;
              --skipped: #e8b84a; }
body { background: var(--ground); color: var(--ink); }
.panel { background: var(--panel); border: 1px solid var(--line); border-radius: 10px;
         padding: 12px 16px; min-width: 0; width: 100%; }
.panel-title { font-size: 12px; letter-spacing: .06em; text-transform: uppercase; margin: 0;
               color: var(--muted); font-weight: 500; line-height: 1.6; }
.muted, .state-pending { color: var(--muted); }
.state-active { color: var(--active); font-weight: 600; }
.state-done { color: var(--done); }
.state-failed { color: var(--failed); }
.state-skipped { color: var(--skipped); }
.columns { display: grid; gap: 14px; grid-template-columns: minmax(0, 1fr); width: 100%; }
.side { display: contents; }
.later { order: 1; }
.cameras { display: grid; gap: 8px; grid-template-columns: repeat(auto-fit, minmax(130px, 1fr)); }
.camera { display: block; width: 100%; max-width: 22rem; border-radius: 6px; overflow: hidden; }
.caption { font-size: 16px; font-weight: 600; overflow-wrap: anywhere; }
.asked { display: flex; flex-wrap: wrap; gap: 12px; }
.asked-picture { width: 8rem; border-radius: 6px; overflow: hidden; }
.reply { white-space: pre-wrap; font-size: 13px; }
.figures { display: grid; gap: 10px; grid-template-columns: repeat(auto-fit, minmax(96px, 1fr)); }
.figure-value { font-size: 18px; font-variant-numeric: tabular-nums; line-height: 1.2; }
.wrap { overflow-wrap: anywhere; }
.steps { list-style: none; padding: 0; margin: 4px 0 0; }
.steps summary { cursor: pointer; display: flex; gap: 8px; align-items: baseline; }
summary::after { content: "▸"; color: var(--muted); font-size: 12px; }
details[open] > summary::after { content: "▾"; }
.steps details > div { padding: 2px 0 6px 24px; }
.times { font-variant-numeric: tabular-nums; font-size: 12px; color: var(--muted);
         font-weight: 400; white-space: nowrap; }
.table { width: 100%; border-collapse: collapse; font-size: 13px; }
.table th { text-align: left; font-weight: 500; color: var(--muted); padding: 4px 8px 4px 0; }
.table td { padding: 4px 8px 4px 0; border-top: 1px solid var(--line); vertical-align: top;
            overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
.nicegui-echart svg text { stroke: none !important; }
.nicegui-echart svg text:not([fill="#fff"]) { fill: var(--muted); fill-opacity: 1; }
.text-link { color: var(--active); }
.link { color: var(--active); text-decoration: none; }
.link:hover { text-decoration: underline; }
.q-header .link { color: #fff; opacity: .9; }
.q-header .link[aria-current] { font-weight: 600; text-decoration: underline; opacity: 1; }
:focus-visible { outline: 2px solid var(--active); outline-offset: 2px; }
.q-header :focus-visible { outline-color: #fff; }
.sr-only { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
           white-space: nowrap; }
.stale { display: none; }
.stale[data-old] { display: block; background: #92400e; color: #fff; border-radius: 6px;
                   padding: 8px 16px; margin-bottom: 12px; }
#popup { left: 50%; transform: translateX(-50%); width: min(92vw, 30rem); margin: 1em 0;
         background: #7f1d1d !important; color: #fff; border: 0; z-index: 9999; }
#popup[aria-hidden="false"] { transition-delay: 300ms; }
@media (min-width: 1000px) {
  .columns { grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); align-items: start; }
  .wide { grid-column: 1 / -1; }
  .side { display: grid; gap: 14px; grid-template-columns: minmax(0, 1fr); }
  .later { order: 0; }
}
@media (max-width: 640px) {
  .cards thead { display: none; }
  .cards tr { display: block; padding: 8px 0; border-top: 1px solid var(--line); }
  .cards td { display: flex; gap: 12px; border: 0; padding: 1px 0; }
  .cards td::before { content: attr(data-title); color: var(--muted); flex: 0 0 5rem; }
}
@media (max-width: 420px) { .q-header .q-btn__content { font-size: 12px; } }
"""
