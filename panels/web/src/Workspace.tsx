import React, { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { Budget } from "./Budget";
import { budgetForCoverage, budgetOnCurve, count, counted, Left, liveRows, percent, statusCodes, statusCounts } from "./budget";
import { LEVELS, Mode, STATUS } from "./colors";
import { maskOf } from "./decode";
import { Point, rowsInPolygon, Size } from "./geometry";
import { useLoaded, useSettled } from "./hooks";
import { Hover } from "./Hover";
import { Legend } from "./Legend";
import { PointMap, Tool } from "./Map";
import { Call, Channel, Legend as Scale, RunList, RunSummary } from "./protocol";
import { PaletteKind } from "./renderer";
import { Redundant } from "./Redundant";
import { ReportCard } from "./ReportCard";
import { Rounds } from "./Rounds";
import { Term } from "./Term";
import { TERMS } from "./terms";
import { decodeColoring, decodeLayers, LoadedRun, memory } from "./server";
import { FitIcon, ToolIcon } from "./icons";
import { ChosenCampaign } from "./useCampaign";

interface Props {
  run: LoadedRun;
  list: RunList;
  campaign: ChosenCampaign;
  call: Call;
  mode: Mode;
  wide: boolean;
  width: number;
  viewVersion: string;
  selectedVersion: string;
  fingerprintsVersion: string;
  notices: string[];
  onDeleted: () => void;
  /** Told how many of the run's images were not deleted since. */
  onLeft: (left: number) => void;
}

/** Width of the controls beside the map. */
const SIDE = 344;
const PADDING = 16;

const STATUS_CHANNEL = { id: "status", label: "Coverage status", explanation: "what the budget keeps, covers and leaves out", live: false };
const KEPT_CHANNEL = { id: "kept", label: "Kept / not kept", explanation: "the coreset of the budget", live: false };
const RANK_CHANNEL = { id: "rank", label: "Rank", explanation: "0 is the first to keep", live: false };

const TOOLS: { tool: Tool; label: string }[] = [
  { tool: "pan", label: "Move (drag), zoom (scroll)" },
  { tool: "lasso", label: "Lasso: filter the grid (or Shift and drag)" },
  { tool: "box", label: "Box: filter the grid" },
];

const NONE: number[] = [];

/** What another run of the same images keeps at the same budget. */
const comparison = ({ key }: RunSummary): Channel => ({
  id: `run:${key}`,
  label: `Kept by ${key} too`,
  explanation: `what this run and '${key}' keep at the same budget`,
  live: true,
});

type Screen = "map" | "redundant";
/** What the controls beside the map are about. */
const TABS = { budget: "Budget", rounds: "Rounds" };
type Tab = keyof typeof TABS;

/** Budgets, colourings and screens chosen earlier, so that switching tabs forgets nothing. */
const chosen = new Map<string, { k: number; channel: string; screen: Screen; tab: Tab }>();

/** The map and the controls of one run. */
export function Workspace({ run, list, campaign, call, mode, wide, width, viewVersion, selectedVersion, fingerprintsVersion, notices, onDeleted, onLeft }: Props) {
  const identity = `${list.dataset}/${run.key}/${run.version}`;
  const remembered = chosen.get(identity);
  const last = list.last?.key === run.key && list.last.k <= run.n ? list.last.k : null;
  const [k, setBudget] = useState(remembered?.k ?? last ?? Math.max(1, Math.round(run.n / 10)));
  const [channelId, setChannel] = useState(remembered?.channel ?? "status");
  const [tool, setTool] = useState<Tool>("pan");
  const [refit, setRefit] = useState(0);
  const [step, setStep] = useState(1);
  const [pending, setPending] = useState("");
  const [failure, setFailure] = useState("");
  const [lassoed, setLassoed] = useState<{ rows: Uint32Array } | null>(null);
  const [screen, setScreen] = useState<Screen>(remembered?.screen ?? "map");
  const [wantedTab, setTab] = useState<Tab>(remembered?.tab ?? "budget");
  const tab = campaign.keys.length ? wantedTab : "budget";
  chosen.set(identity, { k, channel: channelId, screen, tab });
  const settledK = useSettled(k, 300);

  const curve = useLoaded(() => memory.get(`${identity}/curve`, () => call("load_curve", { key: run.key })), [identity]);
  const view = useLoaded(() => call("load_view", { key: run.key }), [identity, viewVersion]);
  const alive = useMemo(() => (view.value?.alive ? maskOf(view.value.alive, run.n) : null), [view.value?.alive]);
  const left = useMemo(() => new Left(run.n, alive), [alive]);
  useEffect(() => onLeft(left.n), [left.n]);
  const layers = useLoaded(
    () => memory.get(`${identity}/layers/${left.n}`, () => call("load_layers", { key: run.key }).then(decodeLayers)),
    [identity, left.n],
  );
  const selection = useLoaded(() => call("load_selected", { key: run.key }), selectedVersion ? [identity, selectedVersion] : null);
  const selected = selection.value?.rows ?? NONE;
  const report = useLoaded(() => call("report", { key: run.key, k: settledK }), [identity, settledK, left.n]);

  const visible = useMemo(() => (view.value?.mask ? maskOf(view.value.mask, run.n) : null), [view.value]);
  const objects = list.runs.find(({ key }) => key === run.key)?.objects;
  const others = useMemo(() => list.runs.filter(({ key, objects: theirs }) => key !== run.key && theirs === objects), [list, run]);
  const rounds = campaign.value?.objects === objects ? campaign.value : null;
  const [local, remote] = useMemo<Channel[][]>(
    () => [
      [...(layers.error ? [] : [STATUS_CHANNEL]), KEPT_CHANNEL, RANK_CHANNEL],
      [...run.channels, ...(rounds?.channels ?? []), ...others.map(comparison)],
    ],
    [layers.error, run, rounds?.key, others],
  );
  const channels = [...local, ...remote];
  const channel = channels.find(({ id }) => id === channelId) ?? KEPT_CHANNEL;
  const onServer = remote.includes(channel);
  const other = others.find(({ key }) => channel.id === `run:${key}`);
  const version = rounds?.channels.includes(channel) ? rounds.version : other?.version;
  const coloringK = channel.live ? settledK : 0;
  const coloring = useLoaded(
    () =>
      memory.get(`${identity}/${channel.id}/${version ?? ""}/${coloringK}`, () =>
        call("load_coloring", { key: run.key, channel: channel.id, k: coloringK }).then(decodeColoring),
      ),
    onServer ? [identity, channel.id, version, coloringK] : null,
  );

  const status = useRef(new Uint8Array(run.n));
  const counts = useMemo(() => {
    if (!layers.value) return null;
    statusCodes(layers.value.coveredAt, layers.value.duplicateAt, k, status.current);
    return statusCounts(status.current, alive);
  }, [layers.value, alive, k]);
  const plain = useRef(new Uint8Array(run.n));
  const shown = useMemo<{ codes: Uint8Array; palette: PaletteKind; scale: Scale | null }>(() => {
    if (onServer && coloring.value)
      return { codes: coloring.value.codes, palette: coloring.value.legend.kind, scale: coloring.value.legend };
    if (channel.id === "rank") {
      const codes = Uint8Array.from({ length: run.n }, (_, row) => Math.round(((LEVELS - 1) * (run.n - 1 - row)) / Math.max(1, run.n - 1)));
      return { codes, palette: "ordered", scale: { kind: "ordered", low: `last (${count(run.n - 1)})`, high: "first to keep (0)", missing: 0 } };
    }
    if (channel.id === "status" && counts) return { codes: status.current, palette: "status", scale: null };
    plain.current.fill(STATUS.kept, 0, k).fill(STATUS.covered, k);
    return { codes: plain.current, palette: "status", scale: null };
  }, [channel, onServer, coloring.value, counts, k]);

  // What the legend picks out; the codes of the status change in place, with the budget.
  const [only, setOnly] = useState<ReadonlySet<number>>(new Set());
  useEffect(() => setOnly(new Set()), [channel.id]);
  const sifted = useMemo(() => (only.size ? sift(shown.codes, only, visible) : visible), [only, shown, visible]);

  /** Runs an action and says so on the map until it is done. */
  const act = useCallback((label: string, done: Promise<unknown>) => {
    setPending(label);
    setFailure("");
    done.catch((error: Error) => setFailure(error.message)).finally(() => setPending(""));
  }, []);

  const region = view.value?.region ?? false;
  useEffect(() => {
    if (!region && !view.busy) setLassoed(null);
  }, [region, view.busy]);
  const onRegion = (polygon: Point[]) => {
    const rows = rowsInPolygon(run.xs, run.ys, polygon, region ? alive : visible);
    if (!rows.length) return setFailure(`No ${run.noun} there.`);
    setLassoed({ rows });
    act("Filtering the grid …", call("show_region", { key: run.key, polygon: polygon.map((p) => [...p]) }));
  };
  const leave = () => {
    if (region || lassoed) act("Back to the whole view …", call("leave_region", { key: run.key }));
    setLassoed(null);
  };

  const side = wide ? SIDE : width;
  const toggle = (code: number) =>
    setOnly((before) => {
      const next = new Set(before);
      if (!next.delete(code)) next.add(code);
      return next;
    });
  const turnTo = (next: Tab) => {
    setTab(next);
    setChannel(next === "rounds" && rounds ? rounds.channels[0].id : "status");
  };
  const legendKind = shown.palette === "status" ? (channel.id === "status" && counts ? "status" : "kept") : "scale";
  const lassoedKept = lassoed ? lassoed.rows.filter((row) => row < k).length : 0;
  const remarks = [...notices, ...(view.value?.notices ?? []), ...(view.error ? [view.error] : [])];

  if (screen === "redundant") return <Redundant run={run} call={call} k={k} fingerprints={fingerprintsVersion} onBack={() => setScreen("map")} onDeleted={onDeleted} />;
  return (
    <div className={`fc-body${wide ? " fc-wide" : ""}`}>
      <div className="fc-stage">
        <div className="fc-toolbar">
          {TOOLS.map(({ tool: name, label }) => (
            <button key={name} type="button" title={label} aria-label={label} aria-pressed={tool === name} data-cy={`coreset-tool-${name}`} onClick={() => setTool(name)}>
              <ToolIcon tool={name} />
            </button>
          ))}
          <button type="button" title="Show all points (0)" aria-label="Show all points" onClick={() => setRefit(refit + 1)}>
            <FitIcon />
          </button>
        </div>
        <label className="fc-colorby">
          <Term name="colour">Colour by</Term>
          <select data-cy="coreset-color" value={channel.id} title={channel.explanation} onChange={(event) => setChannel(event.target.value)}>
            {channels.map(({ id, label }) => (
              <option key={id} value={id}>
                {label}
              </option>
            ))}
          </select>
        </label>
        <HoverableMap
          run={run}
          call={call}
          k={k}
          map={{
            run,
            kept: tab === "rounds" ? 0 : k,
            raised: tab === "rounds" && (shown.scale?.missing ?? 0) > run.n / 2,
            codes: shown.codes,
            codesVersion: k,
            palette: shown.palette,
            mode,
            visible: sifted,
            selected,
            tool,
            refit,
            onStep: setStep,
            onOpen: (row) => act("Opening …", call("open_sample", { key: run.key, row })),
            onRegion,
            onEscape: leave,
          }}
        />
        <div className="fc-top">
          {region && (
            <button type="button" className="fc-pill" data-cy="coreset-leave" onClick={leave}>
              {lassoed
                ? `${counted(lassoed.rows.length, run.noun)} in the region, ${count(lassoedKept)} kept`
                : `${counted(view.value?.shown ?? 0, run.noun)} in the region`}
              <b>✕</b> <kbd>Esc</kbd>
            </button>
          )}
          {remarks.map((text) => (
            <p key={text} className="fc-remark" data-cy="coreset-notice">
              {text}
            </p>
          ))}
          {failure && (
            <p className="fc-remark fc-bad" role="alert" onClick={() => setFailure("")}>
              {failure} <b>✕</b>
            </p>
          )}
          {(pending || (onServer && coloring.error)) && <p className="fc-remark">{pending || coloring.error}</p>}
        </div>
        <div className="fc-bottom">
          <Legend
            title={channel.label}
            mode={mode}
            kind={legendKind}
            scale={shown.scale}
            only={only}
            onToggle={toggle}
            marksKept={tab === "budget"}
            onCompare={other && (() => act("", call("compare", { key: run.key, k, other: other.key })))}
          />
          <p className="fc-caption" title={`${TERMS.map} ${run.projectionNote}`} data-cy="coreset-caption">
            {onServer && coloring.busy ? "colouring … · " : ""}
            {visible && view.value ? `${count(view.value.shown)} of ${count(left.n)} in view · ` : ""}
            {sifted && only.size ? `${count(sifted.reduce((sum, bit) => sum + bit, 0))} picked in the legend · ` : ""}
            {step > 1 ? `every kept, 1 in ${step} dropped drawn · ` : ""}
            {run.projection} of {run.embeddings}
          </p>
        </div>
      </div>
      <div className="fc-side">
        {campaign.keys.length > 0 && (
          <div className="fc-tabs fc-side-tabs" role="tablist">
            {(Object.keys(TABS) as Tab[]).map((name) => (
              <button key={name} type="button" role="tab" aria-selected={tab === name} data-cy={`coreset-turn-to-${name}`} onClick={() => turnTo(name)}>
                {TABS[name]} {name === "rounds" && campaign.value && <small>{campaign.value.rounds.length}</small>}
              </button>
            ))}
          </div>
        )}
        {tab === "rounds" && (
          <Rounds
            dataset={list.dataset}
            campaign={campaign}
            call={call}
            act={act}
            width={Math.max(220, side - 2 * PADDING)}
            wide={wide}
            legend={channel.id === rounds?.channels[0].id ? shown.scale : null}
          />
        )}
        {tab === "budget" && (
          <>
            <div className="fc-scroll">
              <Budget
                n={left.n}
                noun={run.noun}
                k={left.among(k)}
                fingerprints={run.fingerprints}
                ranked={{ n: run.n, k, onBudget: setBudget }}
                mode={mode}
                width={Math.max(220, side - 2 * PADDING)}
                wide={wide}
                counts={counts}
                countsNote={layers.error || `Measuring what ${percent(left.among(k) / left.n)} of the ${run.noun} covers …`}
                curve={curve.value}
                curveNote={curve.error || "Loading the coverage curve …"}
                onBudget={(budget) => setBudget(left.rankFor(budget))}
                budgetFor={(share) => {
                  const found = layers.value ? budgetForCoverage(layers.value.coveredAt, share, alive) : curve.value && budgetOnCurve(curve.value, share);
                  return found && left.among(found);
                }}
              />
              <ReportCard
                live={curve.value && !alive ? liveRows(curve.value, k) : []}
                note={`${curve.value?.note ?? ""}${alive ? ` The curve is of the run's time, before ${run.noun} were deleted.` : ""}`}
                report={report.value}
                busy={report.busy}
                error={report.error}
              />
            </div>
            <div className="fc-actions">
              <button type="button" className="fc-primary" data-cy="coreset-create-view" onClick={() => act("", call("create_view", { key: run.key, k }))}>
                Create coreset view…
              </button>
              <div>
                <button type="button" data-cy="coreset-show-kept" onClick={() => act("Showing the kept …", call("show_kept", { key: run.key, k }))}>
                  Show kept
                </button>
                <button type="button" data-cy="coreset-show-uncovered" title={`The ${run.noun} farthest from any kept one`} onClick={() => act("Looking for the uncovered …", call("show_uncovered", { key: run.key, k }))}>
                  Show uncovered
                </button>
                <button type="button" data-cy="coreset-show-redundant" title="Groups of near-duplicates side by side, and what to do about them" onClick={() => setScreen("redundant")}>
                  Redundant…
                </button>
                <button type="button" data-cy="coreset-export" title="A page to show to others, a table, files, a dataset of its own, or a tool for labelling" onClick={() => act("", call("export", { key: run.key, k }))}>
                  Share…
                </button>
              </div>
            </div>
          </>
        )}
      </div>
    </div>
  );
}

/** The rows with one of some codes, of those that are visible. */
function sift(codes: Uint8Array, only: ReadonlySet<number>, visible: Uint8Array | null): Uint8Array {
  return codes.map((code, row) => Number(only.has(code) && (!visible || visible[row] === 1)));
}

interface HoverProps {
  run: LoadedRun;
  call: Call;
  k: number;
  map: Omit<React.ComponentProps<typeof PointMap>, "onHover">;
}

/** The map with the card of the image under the cursor; apart, so that hovering renders nothing else. */
function HoverableMap({ run, call, k, map }: HoverProps) {
  const [over, setOver] = useState<{ row: number; at: Point; size: Size } | null>(null);
  const resting = useSettled(over?.row ?? -1, 70);
  const inspection = useLoaded(() => call("inspect", { key: run.key, row: resting, k }), resting < 0 ? null : [resting, k]);
  const onHover = useCallback((row: number, at: Point, size: Size) => {
    setOver((before) => (row < 0 ? null : before?.row === row ? before : { row, at, size }));
  }, []);
  return (
    <>
      <PointMap {...map} onHover={onHover} />
      {over && (
        <Hover
          at={over.at}
          size={over.size}
          rank={`${over.row < k ? "Kept" : "Not kept"} · rank ${count(over.row)} of ${count(run.n)}`}
          inspection={resting === over.row && !inspection.busy ? inspection.value : null}
        />
      )}
    </>
  );
}
