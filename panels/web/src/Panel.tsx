import { useTheme } from "@fiftyone/components";
import React, { useEffect, useRef, useState } from "react";
import { count, counted } from "./budget";
import { Mode } from "./colors";
import { Empty } from "./Empty";
import { useLoaded, useWidth } from "./hooks";
import { RefreshIcon } from "./icons";
import { Events, RunList, RunSummary } from "./protocol";
import { decodeRun, LoadedRun, memory, useCall } from "./server";
import { STYLES } from "./styles";
import { TERMS } from "./terms";
import { RoundsAlone } from "./RoundsAlone";
import { useCampaign } from "./useCampaign";
import { Workspace } from "./Workspace";

/** What the App passes to a component of a Python panel. */
interface Props {
  schema?: { view?: Partial<Record<keyof Events, string>> };
  data?: {
    /** Changes with the App's dataset, its view, and the set of runs. */
    dataset?: string;
    view_version?: string;
    runs_version?: string;
    selected_version?: string;
    /** Changes when fingerprints were taken. */
    fingerprints_version?: string;
  };
}

/** Milliseconds between looks for new and deleted runs. */
const LOOK_AGAIN_AFTER = 3000;

/** Narrower than this, the controls lie below the map. */
const WIDE = 780;

/** The Coreset panel. */
export function CoresetPanel({ schema, data }: Props) {
  const call = useCall(schema?.view ?? {});
  const theme = useTheme();
  const mode: Mode = (theme.palette?.mode ?? theme.mode) === "light" ? "light" : "dark";
  const [root, width] = useWidth();
  const [asked, setAsked] = useState(0);
  const [reloads, setReloads] = useState(0);
  const [picked, setPicked] = useState<string | null>(null);
  const [left, setLeft] = useState<number | null>(null);
  const list = useLoaded(() => call("load_runs", {}), [data?.dataset, data?.runs_version, asked, reloads]);
  useEffect(() => setPicked(null), [data?.dataset]);
  // The App's view bar does not let go of Tab, so the keyboard would never come here by itself.
  useEffect(() => {
    if (document.activeElement === document.body) root.current?.focus({ preventScroll: true });
  }, []);

  // What is on show stays there, with a notice, when a look for new runs fails.
  const shown = list.error && list.value?.dataset !== data?.dataset ? null : list.value;
  const runs = shown?.runs ?? [];
  const wanted = picked ?? shown?.last?.key;
  const summary = runs.find(({ key }) => key === wanted) ?? runs[0];
  const lost = useLost(shown, summary?.key);
  const notice = list.error || lost;
  const campaign = useCampaign(shown, call);

  // Runs come and go in operators and in Python, which tell the panel nothing: look again when the user comes back.
  const looked = useRef(0);
  const lookAgain = () => {
    if (Date.now() - looked.current < LOOK_AGAIN_AFTER) return;
    looked.current = Date.now();
    setAsked((before) => before + 1);
  };

  return (
    <div ref={root} className={`fc-root fc-${mode}`} tabIndex={-1} data-cy="coreset-panel" onPointerEnter={lookAgain} onKeyDown={keepEnter}>
      <style>{STYLES}</style>
      {list.error && !shown && <Message text={list.error} onRetry={() => setReloads(reloads + 1)} />}
      {!list.value && !list.error && <Message text="Looking for coreset runs …" />}
      {shown && !summary && !campaign.keys.length && <Empty list={shown} call={call} notice={notice} />}
      {shown && !summary && campaign.keys.length > 0 && (
        <RoundsAlone dataset={shown.dataset} campaign={campaign} call={call} width={width} notice={notice} />
      )}
      {shown && summary && (
        <Loaded
          key={`${shown.dataset}/${summary.key}/${summary.version}`}
          summary={summary}
          header={(run) => (
            <header className="fc-header">
              <select data-cy="coreset-run" aria-label="Run" title={TERMS.run} value={summary.key} onChange={(event) => setPicked(event.target.value)}>
                {runs.map(({ key }) => (
                  <option key={key} value={key}>
                    {key}
                  </option>
                ))}
              </select>
              <span className="fc-facts" title={run?.why}>{run ? facts(run, left ?? run.n) : `${summary.method} · ${summary.embeddings}`}</span>
              {run?.reliability != null && <Reliability value={run.reliability} />}
              <button type="button" className="fc-icon" title="New scores…" aria-label="New scores" onClick={() => call("run_scores", {})}>
                +
              </button>
              <button type="button" className="fc-icon" title="Reload" aria-label="Reload" data-cy="coreset-reload" onClick={() => setReloads(reloads + 1)}>
                <RefreshIcon />
              </button>
            </header>
          )}
          load={async (key) => decodeRun(await call("load_run", { key }))}
          dataset={shown.dataset}
        >
          {(run) => (
            <Workspace
              key={run.version}
              run={run}
              list={shown}
              campaign={campaign}
              call={call}
              mode={mode}
              wide={width >= WIDE}
              width={width}
              viewVersion={`${data?.view_version ?? ""}/${shown.samples}/${reloads}`}
              fingerprintsVersion={data?.fingerprints_version ?? ""}
              selectedVersion={data?.selected_version ?? ""}
              notices={notice ? [notice] : []}
              onDeleted={() => setReloads((before) => before + 1)}
              onLeft={setLeft}
            />
          )}
        </Loaded>
      )}
    </div>
  );
}

/** The App takes Enter from every button; Control and Enter are for its forms. */
function keepEnter(event: React.KeyboardEvent) {
  if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) event.stopPropagation();
}

/** Says so when the run that was on show has gone. */
function useLost(list: RunList | null, key: string | undefined): string {
  const [lost, setLost] = useState("");
  const before = useRef<{ dataset: string; key: string } | null>(null);
  useEffect(() => {
    if (!list) return;
    const gone = before.current?.dataset === list.dataset && !list.runs.some((run) => run.key === before.current?.key);
    setLost(gone ? `The run '${before.current!.key}' was deleted.` : "");
    before.current = key ? { dataset: list.dataset, key } : null;
  }, [list, key]);
  return lost;
}

interface LoadedProps {
  summary: RunSummary;
  dataset: string;
  header: (run: LoadedRun | null) => React.ReactNode;
  load: (key: string) => Promise<LoadedRun>;
  children: (run: LoadedRun) => React.ReactNode;
}

/** Loads a run once for all mounts of the panel and draws it. */
function Loaded({ summary: { key, version }, dataset, header, load, children }: LoadedProps) {
  const run = useLoaded(() => memory.get(`${dataset}/${key}/${version}`, () => load(key)), [dataset, key, version]);
  return (
    <>
      {header(run.value)}
      {run.error && <Message text={run.error} />}
      {!run.value && !run.error && <Message text={`Loading the map of '${key}' …`} />}
      {run.value && !run.error && children(run.value)}
    </>
  );
}

/** What the run is, in a line; `left` of its images were not deleted since. */
function facts(run: LoadedRun, left: number): string {
  return [
    run.method,
    run.embeddings + (run.model ? ` (${run.model})` : ""),
    left < run.n ? `${count(left)} of ${counted(run.n, run.noun)} left` : counted(run.n, run.noun),
    run.missing ? `${count(run.missing)} without embeddings` : "",
    `seed ${run.seed}`,
  ]
    .filter(Boolean)
    .join(" · ");
}

/** Agreement that a run with another seed would show. */
function Reliability({ value }: { value: number }) {
  const level = value >= 0.95 ? "good" : value >= 0.8 ? "fair" : "poor";
  const says = { good: "stable", fair: "moderately stable", poor: "unstable: run more draws" }[level];
  return (
    <span className={`fc-reliability fc-${level}`} title={`${TERMS.reliability} Here ${value.toFixed(3)}: ${says}`}>
      reliability {value.toFixed(2)}
    </span>
  );
}

function Message({ text, onRetry }: { text: string; onRetry?: () => void }) {
  return (
    <div className="fc-message" data-cy="coreset-message">
      <p>{text}</p>
      {onRetry && (
        <button type="button" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  );
}
