/** The panel's styles, in the App's own colours. */
export const STYLES = `
.fc-root {
  --ground: var(--fo-palette-background-level2, #1f2329);
  --raised: var(--fo-palette-background-level1, #2a2f37);
  --text: var(--fo-palette-text-primary, #e8eaed);
  --faint: var(--fo-palette-text-secondary, #9aa3af);
  --rule: var(--fo-palette-divider, #ffffff1f);
  --accent: #4aa8f0; --good: #5ec8a0; --warn: #f3d34a; --bad: #ff8a5c; --ink: #0b1118; --cover: #9fd0f5; --dup: #f3d34a;
  display: flex; flex-direction: column; width: 100%; height: 100%; min-height: 420px; overflow: hidden;
  box-sizing: border-box; container: panel / inline-size; color: var(--text); font-size: 13px; line-height: 1.4;
  font-family: var(--fo-fontFamily-body, Palanquin, "Inter", system-ui, sans-serif);
}
.fc-root.fc-light { --accent: #0b66b8; --good: #0a7a55; --warn: #8a6700; --bad: #b93a08; --ink: #fff; --cover: #0b66b8; --dup: #a87f00; }
.fc-root:focus { outline: none; }
.fc-root *, .fc-root *::before { box-sizing: border-box; }
:where(.fc-root) :where(h2, h3, p, dl, dd, ol) { margin: 0; padding: 0; }
.fc-root h3 { font-size: 12px; font-weight: 600; letter-spacing: .02em; color: var(--text); }
.fc-root button, .fc-root select, .fc-root input { font: inherit; color: inherit; }
.fc-root button { cursor: pointer; background: var(--raised); border: 1px solid var(--rule); border-radius: 6px; padding: 5px 9px; }
.fc-root button:hover:not(:disabled) { border-color: var(--accent); }
.fc-root button:disabled { opacity: .45; cursor: default; }
.fc-root :focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
.fc-root select { background: var(--raised); border: 1px solid var(--rule); border-radius: 6px; padding: 4px 6px; max-width: 190px; text-overflow: ellipsis; }
.fc-root select option { background: var(--raised); color: var(--text); }
.fc-faint, .fc-unit, .fc-note { color: var(--faint); } .fc-unit { white-space: nowrap; }

.fc-header { display: flex; align-items: center; gap: 10px; padding: 8px 12px; border-bottom: 1px solid var(--rule); flex: none; min-width: 0; }
.fc-header select { font-weight: 600; flex: none; }
.fc-facts { flex: 1 1 auto; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; color: var(--faint); }
.fc-reliability { flex: none; font-size: 11.5px; padding: 1px 8px; border-radius: 10px; border: 1px solid currentColor; white-space: nowrap; }
.fc-good { color: var(--good); } .fc-fair { color: var(--warn); } .fc-poor { color: var(--bad); }
.fc-root .fc-icon { flex: none; width: 28px; height: 28px; padding: 0; display: grid; place-items: center; }

.fc-body { flex: 1 1 auto; min-height: 0; display: flex; flex-direction: column; overflow-y: auto; }
.fc-body.fc-wide { flex-direction: row; overflow: hidden; }
.fc-stage { position: relative; flex: none; height: clamp(240px, 45%, 460px); min-width: 0; }
.fc-wide .fc-stage { flex: 1 1 auto; height: auto; }
.fc-map { position: absolute; inset: 0; touch-action: none; cursor: grab; overflow: hidden; }
.fc-map:active { cursor: grabbing; }
.fc-tool-lasso, .fc-tool-box, .fc-tool-lasso:active, .fc-tool-box:active { cursor: crosshair; }
.fc-map canvas, .fc-overlay { position: absolute; inset: 0; width: 100%; height: 100%; }
.fc-overlay { pointer-events: none; }
.fc-cursor { fill: none; stroke: var(--text); stroke-width: 2; }
.fc-outline { fill: var(--accent); fill-opacity: .12; stroke: var(--accent); stroke-width: 1.5; stroke-dasharray: 4 3; }
.fc-failure { position: absolute; inset: 0; display: grid; place-items: center; color: var(--faint); padding: 24px; text-align: center; }

.fc-toolbar { position: absolute; top: 10px; left: 10px; z-index: 2; display: flex; gap: 1px; border-radius: 7px; overflow: hidden; border: 1px solid var(--rule); }
.fc-root .fc-toolbar button { border: 0; border-radius: 0; padding: 6px 8px; display: grid; color: var(--faint); }
.fc-root .fc-toolbar button:hover { color: var(--text); }
.fc-root .fc-toolbar button[aria-pressed="true"] { background: var(--accent); color: var(--ink); }
.fc-colorby { position: absolute; top: 8px; right: 8px; z-index: 2; display: flex; align-items: center; gap: 6px; color: var(--faint); font-size: 12px; background: color-mix(in srgb, var(--ground) 82%, transparent); border-radius: 6px; padding: 2px 2px 2px 8px; }
.fc-colorby select { color: var(--text); }
.fc-top { position: absolute; top: 50px; left: 10px; right: 10px; z-index: 2; display: flex; flex-direction: column; align-items: center; gap: 6px; pointer-events: none; }
.fc-top > * { pointer-events: auto; max-width: 100%; }
.fc-root .fc-pill { border-radius: 16px; padding: 4px 12px; background: var(--accent); color: var(--ink); border: 0; font-weight: 500; }
.fc-pill b { margin-left: 8px; } .fc-pill kbd { font: inherit; font-size: 11px; opacity: .8; }
.fc-remark { background: var(--raised); border: 1px solid var(--rule); border-left: 3px solid var(--warn); border-radius: 6px; padding: 4px 10px; font-size: 12px; }
.fc-remark.fc-bad { border-left-color: var(--bad); cursor: pointer; color: var(--text); }
.fc-bottom { position: absolute; left: 10px; right: 10px; bottom: 8px; z-index: 1; display: flex; align-items: flex-end; justify-content: space-between; gap: 12px; pointer-events: none; }
.fc-legend { display: flex; flex-wrap: wrap; align-items: center; gap: 3px 12px; background: color-mix(in srgb, var(--ground) 82%, transparent); border-radius: 6px; padding: 4px 8px; font-size: 12px; min-width: 0; }
.fc-root .fc-compare { pointer-events: auto; padding: 1px 8px; font-size: 12px; }
.fc-root .fc-swatch { pointer-events: auto; display: inline-flex; align-items: center; gap: 5px; white-space: nowrap; background: none; border: 0; padding: 0 2px; font-size: 12px; border-radius: 4px; }
.fc-root .fc-swatch[aria-pressed="true"] { background: color-mix(in srgb, var(--accent) 22%, transparent); } .fc-root .fc-left-out { opacity: .5; }
.fc-swatch i { width: 9px; height: 9px; border-radius: 50%; flex: none; }
.fc-swatch small { color: var(--faint); }
.fc-ramp { display: flex; align-items: center; gap: 6px; }
.fc-ramp i { width: 110px; height: 9px; border-radius: 5px; }
.fc-caption { flex: 0 0 auto; max-width: 60%; text-align: right; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; font-size: 11.5px; color: var(--faint); background: color-mix(in srgb, var(--ground) 82%, transparent); border-radius: 6px; padding: 4px 8px; }

.fc-hover { position: absolute; z-index: 3; pointer-events: none; background: var(--raised); border: 1px solid var(--rule); border-radius: 8px; padding: 8px 10px; box-shadow: 0 4px 18px #0006; font-size: 12px; }
.fc-hover img { display: block; height: 92px; max-width: 100%; min-width: 60px; object-fit: contain; border-radius: 4px; margin-bottom: 6px; image-rendering: auto; background: #0002; }
.fc-hover p { color: var(--faint); overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.fc-hover dl { display: grid; grid-template-columns: auto 1fr; gap: 0 10px; margin-top: 4px; }
.fc-hover dt { color: var(--faint); } .fc-hover dd { text-align: right; font-variant-numeric: tabular-nums; }

.fc-side { flex: none; display: flex; flex-direction: column; min-width: 0; border-top: 1px solid var(--rule); }
.fc-wide .fc-side { width: 344px; border-top: 0; border-left: 1px solid var(--rule); min-height: 0; }
.fc-wide .fc-scroll { flex: 1 1 auto; overflow-y: auto; overflow-x: hidden; min-height: 0; scrollbar-width: thin; }
.fc-section { padding: 12px 16px; border-bottom: 1px solid var(--rule); }
.fc-section:last-child { border-bottom: 0; }
.fc-budget-row { display: flex; align-items: center; gap: 6px; margin-bottom: 10px; }
.fc-budget-row h3 { margin-right: auto; }
.fc-root .fc-box { width: 74px; text-align: right; background: var(--raised); border: 1px solid var(--rule); border-radius: 6px; padding: 3px 7px; font-variant-numeric: tabular-nums; font-weight: 600; }
.fc-root .fc-box-percent { width: 58px; }
.fc-root .fc-wrong { border-color: var(--bad); }
.fc-bar { display: flex; height: 8px; border-radius: 4px; overflow: hidden; gap: 1px; }
.fc-bar i { min-width: 0; flex-basis: 0; }
.fc-root .fc-tiles { display: grid; grid-template-columns: 1fr 1fr; gap: 8px 14px; margin: 9px 0 10px; }
.fc-body:not(.fc-wide) .fc-tiles { grid-template-columns: repeat(auto-fit, minmax(104px, 1fr)); gap: 8px 10px; }
.fc-tiles dt { display: flex; align-items: center; gap: 6px; color: var(--faint); font-size: 12px; }
.fc-tiles dt i { width: 9px; height: 9px; border-radius: 50%; }
.fc-tiles dd b { font-size: 19px; font-weight: 600; font-variant-numeric: tabular-nums; } .fc-tiles dd span { color: var(--faint); font-size: 12px; font-variant-numeric: tabular-nums; }
.fc-tiles dd small { display: block; color: var(--faint); font-size: 11px; line-height: 1.25; }
.fc-note { padding: 6px 0 10px; font-size: 12px; }
.fc-curve { display: block; touch-action: none; cursor: ew-resize; }
.fc-gridline { stroke: var(--rule); } .fc-tick { fill: var(--faint); font-size: 10px; }
.fc-line { fill: none; stroke-width: 2; stroke-linejoin: round; } .fc-line-covered { stroke: var(--cover); } .fc-line-redundant { stroke: var(--dup); stroke-dasharray: 5 3; }
.fc-band { fill: var(--faint); opacity: .32; }
.fc-knee circle { fill: var(--ground); stroke: var(--cover); stroke-width: 1.6; }
.fc-marker { stroke: var(--text); stroke-width: 1.4; } .fc-dot-covered { fill: var(--cover); } .fc-dot-redundant { fill: var(--dup); }
.fc-root .fc-slider { display: block; width: calc(100% - 22px); margin: 0 0 6px 22px; accent-color: var(--accent); height: 18px; cursor: pointer; }
.fc-root .fc-key { font-size: 11px; color: var(--faint); margin-bottom: 8px; line-height: 1.6; }
.fc-key i { display: inline-block; width: 14px; height: 0; border-top: 2px solid var(--cover); vertical-align: middle; margin: 0 2px 2px 6px; }
.fc-key i:first-child { margin-left: 0; }
.fc-key .fc-key-redundant { border-top: 2px dashed var(--dup); } .fc-key .fc-key-band { height: 8px; border: 0; background: var(--faint); opacity: .4; }
.fc-key .fc-key-knee { width: 8px; height: 8px; border: 1.6px solid var(--cover); border-radius: 50%; }
.fc-targets { display: flex; flex-wrap: wrap; align-items: center; gap: 5px; font-size: 12px; color: var(--faint); }
.fc-root .fc-chip { padding: 1px 8px; border-radius: 11px; color: var(--text); font-size: 12px; }

.fc-busy { color: var(--faint); font-weight: 400; }
.fc-report { width: 100%; border-collapse: collapse; margin: 4px 0; font-variant-numeric: tabular-nums; font-size: 12.5px; }
.fc-report th, .fc-report td { padding: 2.5px 0 2.5px 6px; text-align: right; font-weight: 400; white-space: nowrap; border: 0; }
.fc-report thead th { color: var(--faint); font-size: 11px; }
.fc-report tbody th { text-align: left; padding-left: 0; white-space: normal; line-height: 1.25; }
.fc-report tbody tr:hover { background: var(--raised); }
.fc-report .fc-verdict { font-size: 11px; text-align: left; }
.fc-better { color: var(--good); } .fc-worse { color: var(--bad); } .fc-same { color: var(--faint); }
.fc-stale { opacity: .55; }
.fc-explain { color: var(--faint); font-size: 11.5px; min-height: 32px; line-height: 1.35; }
.fc-root .fc-warning { color: var(--text); background: var(--raised); border-left: 3px solid var(--warn); border-radius: 4px; padding: 4px 8px; margin-top: 6px; font-size: 12px; }

.fc-actions { flex: none; padding: 10px 16px; border-top: 1px solid var(--rule); display: flex; flex-direction: column; gap: 6px; background: var(--ground); }
.fc-body:not(.fc-wide) .fc-actions { position: sticky; bottom: 0; z-index: 4; }
.fc-body:not(.fc-wide) .fc-actions { flex-direction: row; flex-wrap: wrap; padding: 8px 16px; } .fc-body:not(.fc-wide) .fc-actions > * { flex: 1 1 auto; }
:root:has(.notistack-SnackbarContainer) .fc-actions { padding-bottom: 120px; } /* above the App's message, while it shows */
.fc-actions > div { display: flex; flex-wrap: wrap; gap: 6px; } .fc-actions > div button { flex: 1 1 auto; padding: 4px 2px; font-size: 12px; white-space: nowrap; }
.fc-root .fc-primary { background: var(--accent); color: var(--ink); border-color: transparent; font-weight: 600; padding: 7px 14px; }
.fc-root .fc-primary:hover:not(:disabled) { filter: brightness(1.08); }

.fc-tabs.fc-side-tabs { flex: none; margin-right: 0; padding: 4px 10px 0; border-bottom: 1px solid var(--rule); }
.fc-rounds-head { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 8px; margin-bottom: 8px; min-height: 24px; }
.fc-rounds-head h3 { margin-right: auto; } .fc-rounds-head select { font-size: 12px; padding: 2px 4px; } .fc-rounds-head > .fc-faint { font-size: 12px; }
.fc-term { cursor: help; text-decoration: underline dotted color-mix(in srgb, var(--faint) 60%, transparent); text-underline-offset: 3px; }
.fc-root .fc-timeline { list-style: none; position: relative; }
.fc-timeline li { position: relative; }
.fc-timeline li:not(:last-of-type)::before { content: ""; position: absolute; left: 11px; top: 24px; bottom: -8px; width: 1px; background: var(--rule); }
.fc-root .fc-timeline li button { display: grid; grid-template-columns: 12px auto 1fr; gap: 1px 9px; width: 100%; text-align: left; background: none; border: 0; padding: 6px 6px 7px; align-items: baseline; border-radius: 6px; }
.fc-root .fc-timeline li button:hover { background: var(--raised); }
.fc-timeline button > i { width: 10px; height: 10px; border-radius: 50%; background: var(--faint); align-self: center; justify-self: center; } .fc-timeline button > i.fc-open { box-shadow: inset 0 0 0 2px var(--ground), 0 0 0 1.5px var(--accent); }
.fc-round-score { text-align: right; font-variant-numeric: tabular-nums; } .fc-round-score em { font-style: normal; color: var(--accent); font-weight: 600; } .fc-round-score small { margin-left: 8px; font-size: 11.5px; color: var(--faint); }
.fc-root .fc-round-score .fc-better { color: var(--good); } .fc-root .fc-round-score .fc-worse { color: var(--bad); }
.fc-round-says { grid-column: 2 / -1; display: flex; flex-wrap: wrap; gap: 0 6px; font-size: 12px; color: var(--faint); font-variant-numeric: tabular-nums; } .fc-round-says > :not(:last-child)::after { content: " ·"; }
.fc-progress { grid-column: 2 / -1; height: 4px; border-radius: 2px; background: var(--rule); overflow: hidden; margin-top: 4px; } .fc-progress i { display: block; height: 100%; background: var(--accent); }
.fc-timeline + .fc-chip { margin: 4px 0 0 27px; }
.fc-learning { display: block; } .fc-line-between { stroke: var(--faint); stroke-width: 1.2; } .fc-line-continued { stroke: var(--cover); stroke-dasharray: 1.5 4; stroke-linecap: round; }
.fc-target-line { stroke: var(--good); stroke-dasharray: 6 4; opacity: .8; }
.fc-measured line { stroke: var(--cover); stroke-width: 1.6; } .fc-measured circle { fill: var(--cover); stroke: var(--ground); stroke-width: 1.5; }
.fc-random { fill: var(--ground); stroke: var(--cover); stroke-width: 1.5; } .fc-root .fc-key .fc-key-random { width: 7px; height: 7px; border: 1.5px solid var(--cover); border-radius: 50%; }
.fc-root .fc-key .fc-key-point { width: 8px; height: 8px; border: 0; border-radius: 50%; background: var(--cover); } .fc-key .fc-key-continued { border-top: 2px dotted var(--cover); }
.fc-root .fc-advice { list-style: none; margin: 0; padding: 0; display: flex; flex-direction: column; gap: 8px; font-size: 12.5px; }
.fc-advice li { border-left: 2px solid var(--accent); padding-left: 9px; } .fc-advice small { display: block; color: var(--faint); font-size: 11px; line-height: 1.3; }
.fc-spots tbody tr { cursor: pointer; } .fc-root .fc-spots th button { background: none; border: 0; padding: 3px 0; text-align: left; white-space: normal; }
.fc-spots tr.fc-opened { background: color-mix(in srgb, var(--accent) 14%, transparent); } .fc-report.fc-spots th:first-child { padding-left: 4px; text-align: left; } .fc-report.fc-spots tbody th { padding-left: 4px; }
.fc-error { display: inline-flex; align-items: center; gap: 6px; } .fc-error > i { display: flex; justify-content: flex-end; width: 34px; height: 5px; } .fc-error i i { height: 100%; border-radius: 2px; background: var(--bad); }
.fc-report.fc-spots thead th { white-space: normal; vertical-align: bottom; } .fc-spots .fc-fair { line-height: 1.2; }
.fc-root .fc-report .fc-leave-out { cursor: default; } .fc-root .fc-report .fc-leave-out td { padding: 0 4px 6px 12px; text-align: left; white-space: normal; } .fc-leave-out .fc-chip { margin-left: 4px; }
.fc-alone .fc-side { flex: 1 1 auto; width: 100%; max-width: 620px; margin: 0 auto; border-top: 0; } .fc-alone > .fc-note { padding: 10px 16px; text-align: center; }

.fc-message, .fc-empty { flex: 1; display: flex; flex-direction: column; align-items: center; justify-content: center; gap: 12px; padding: 24px; text-align: center; color: var(--faint); overflow: auto; }
.fc-empty h2 { font-size: 18px; font-weight: 600; color: var(--text); } .fc-empty p { max-width: 420px; }
.fc-empty ol { text-align: left; list-style: decimal; padding-left: 1.5em; line-height: 1.9; } .fc-empty .fc-done { color: var(--good); }
.fc-sketch-reach { fill: var(--accent); opacity: .14; } .fc-sketch-dot { fill: var(--faint); } .fc-sketch-kept { fill: var(--accent); }

.fc-redundant { flex: 1 1 auto; min-height: 0; display: flex; flex-direction: column; container-type: inline-size; }
.fc-groups-top { flex: none; display: flex; align-items: center; gap: 8px; padding: 8px 12px 0; }
.fc-tabs { display: flex; gap: 2px; margin-right: auto; }
.fc-root .fc-tabs button, .fc-groups-top > button { white-space: nowrap; }
.fc-root .fc-tabs button { background: none; border: 0; border-bottom: 2px solid transparent; border-radius: 0; padding: 5px 10px; color: var(--faint); font-weight: 600; }
.fc-root .fc-tabs button[aria-selected="true"] { color: var(--text); border-bottom-color: var(--accent); }
.fc-tabs small, .fc-scope small { font-weight: 400; color: var(--faint); font-variant-numeric: tabular-nums; }
.fc-order { display: flex; align-items: center; gap: 6px; color: var(--faint); font-size: 12px; } .fc-order select { color: var(--text); }
.fc-root .fc-groups-says { padding: 6px 16px 8px; color: var(--faint); font-size: 12.5px; border-bottom: 1px solid var(--rule); }
.fc-groups { flex: 1 1 auto; min-height: 0; overflow-y: auto; overflow-x: hidden; position: relative; scrollbar-width: thin; }
.fc-root .fc-groups:focus-visible { outline-offset: -2px; }
.fc-group { position: absolute; left: 0; right: 0; display: flex; border-bottom: 1px solid var(--rule); border-left: 3px solid transparent; contain: strict; }
.fc-focused { background: color-mix(in srgb, var(--accent) 9%, transparent); border-left-color: var(--accent); }
.fc-group-head { flex: none; width: 132px; padding: 12px 8px 8px 12px; display: flex; flex-direction: column; gap: 3px; font-size: 12px; cursor: default; }
.fc-check { display: flex; align-items: center; gap: 7px; font-size: 13px; white-space: nowrap; cursor: pointer; } .fc-check input { accent-color: var(--accent); margin: 0; width: 15px; height: 15px; }
.fc-sure { display: flex; flex-direction: column; gap: 3px; margin-top: 4px; font-variant-numeric: tabular-nums; }
.fc-sure > i { height: 4px; border-radius: 2px; background: var(--rule); overflow: hidden; width: 84px; } .fc-sure i i { display: block; height: 100%; background: var(--good); }
.fc-strip { flex: 1 1 auto; min-width: 0; display: flex; gap: 8px; padding: 9px 12px 5px 6px; overflow-x: auto; overflow-y: hidden; scrollbar-width: thin; position: relative; }
.fc-tile { position: relative; flex: none; width: 116px; margin: 0; cursor: pointer; }
.fc-leads { margin-right: 14px; } .fc-leads::after { content: ""; position: absolute; top: 4px; bottom: 20px; right: -11px; width: 1px; background: var(--rule); }
.fc-thumb { position: relative; width: 116px; height: 104px; display: grid; place-items: center; overflow: hidden; border-radius: 6px; background: color-mix(in srgb, var(--text) 7%, transparent); outline: 1px solid var(--rule); outline-offset: -1px; }
.fc-thumb > img { max-width: 100%; max-height: 100%; min-height: 60%; object-fit: contain; } .fc-crop { position: relative; overflow: hidden; max-width: 100%; max-height: 100%; }
.fc-gone { color: var(--faint); font-size: 11px; } .fc-waiting { height: 104px; border-radius: 6px; background: color-mix(in srgb, var(--text) 5%, transparent); }
.fc-leads .fc-thumb { outline: 2px solid var(--accent); outline-offset: -2px; }
.fc-at .fc-thumb { box-shadow: 0 0 0 2px var(--ground), 0 0 0 4px var(--text); }
.fc-doomed .fc-thumb img { opacity: .38; }
.fc-tile figcaption { display: flex; flex-direction: column; font-size: 11px; line-height: 1.3; margin-top: 3px; color: var(--faint); font-variant-numeric: tabular-nums; white-space: nowrap; overflow: hidden; }
.fc-tile figcaption b { color: var(--accent); }
.fc-marks { position: absolute; top: 4px; left: 4px; display: flex; flex-direction: column; align-items: flex-start; gap: 2px; font-size: 10.5px; line-height: 1.4; pointer-events: none; }
.fc-marks span { background: var(--ground); color: var(--text); border-radius: 4px; padding: 0 5px; box-shadow: 0 0 0 1px var(--rule); } .fc-marks .fc-mark-bad { background: var(--bad); color: var(--ink); }
.fc-offers { position: absolute; left: 4px; right: 4px; top: 76px; display: flex; gap: 3px; opacity: 0; }
.fc-tile:hover .fc-offers, .fc-at .fc-offers { opacity: 1; }
.fc-root .fc-offers button { padding: 0 6px; font-size: 11px; line-height: 22px; background: var(--ground); white-space: nowrap; } .fc-offers button:first-child { flex: 1; }
.fc-root .fc-more { flex: none; align-self: flex-start; height: 104px; min-width: 84px; color: var(--faint); }
.fc-groups-bar { flex: none; border-top: 1px solid var(--rule); padding: 8px 12px; display: flex; flex-direction: column; gap: 7px; background: var(--ground); }
.fc-scope, .fc-does, .fc-confirm { display: flex; flex-wrap: wrap; align-items: center; gap: 6px; }
.fc-root .fc-scope button { background: none; border-radius: 14px; padding: 2px 11px; font-size: 12px; } .fc-root .fc-scope button[aria-checked="true"] { border-color: var(--accent); background: color-mix(in srgb, var(--accent) 16%, transparent); }
.fc-certain { display: flex; align-items: center; gap: 5px; }
.fc-root .fc-scope select { font-size: 12px; padding: 2px 4px; }
.fc-root .fc-does .fc-primary { padding: 5px 12px; }
.fc-confirm p { flex: 1 1 300px; } .fc-confirm code { font-size: 12px; }
.fc-root .fc-danger { background: var(--bad); color: var(--ink); border-color: transparent; font-weight: 600; }
.fc-root .fc-told { display: flex; align-items: center; gap: 10px; min-height: 26px; font-size: 12.5px; } .fc-told-bad { color: var(--bad); } .fc-root .fc-told button { padding: 1px 9px; font-size: 12px; }
.fc-root .fc-keys { display: flex; flex-wrap: wrap; gap: 1px 12px; color: var(--faint); font-size: 11px; } @container (max-width: 700px) {
  .fc-keys, .fc-order span, .fc-certain small { display: none !important; }
  .fc-root .fc-does button { padding: 3px 7px; font-size: 12px; } .fc-root .fc-tabs button, .fc-groups-top > button { white-space: nowrap; }
.fc-root .fc-tabs button { padding: 5px 7px; } .fc-group-head { width: 112px; }
}
@container panel (max-width: 460px) {
  .fc-colorby .fc-term { display: none; } .fc-colorby select { max-width: 132px; }
  .fc-bottom { flex-direction: column; align-items: stretch; gap: 0; } .fc-caption { align-self: flex-end; max-width: 100%; }
  .fc-root .fc-box { width: 54px; } .fc-root .fc-box-percent { width: 50px; }
  .fc-groups-top { flex-wrap: wrap; } .fc-groups-top .fc-tabs { order: 1; flex: 1 1 100%; } .fc-order { margin-left: auto; }
}
@container panel (max-width: 360px) {
  .fc-error > i { display: none; } .fc-spots .fc-fair { white-space: normal; }
}
.fc-keys kbd { font: inherit; color: var(--text); border: 1px solid var(--rule); border-radius: 4px; padding: 0 4px; }
`;
