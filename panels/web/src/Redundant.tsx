import React, { useEffect, useMemo, useRef, useState } from "react";
import { count, counted, percent } from "./budget";
import { Action, ActionButtons, Confirm, Keys, Scope, ScopeChoice } from "./GroupActions";
import { Does, GroupRow, ROW } from "./GroupRow";
import { certainEnough, Groups, listed, Order, restOf, scrollTo, sightOf, Tab } from "./groups";
import { RefreshIcon } from "./icons";
import { Call, Chosen } from "./protocol";
import { LoadedRun } from "./server";
import { TermName, TERMS } from "./terms";
import { useGroups } from "./useGroups";

interface Props {
  run: LoadedRun;
  call: Call;
  /** The budget: images with a smaller rank are in the coreset. */
  k: number;
  /** Changes when fingerprints were taken. */
  fingerprints: string;
  onBack: () => void;
  onDeleted: () => void;
}

const TABS: Record<Tab, { label: string; term: TermName }> = {
  copies: { label: "Copies", term: "copies" },
  "look-alikes": { label: "Look-alikes", term: "lookAlikes" },
};

/** Groups of near-duplicates side by side, and what to do about them. */
export function Redundant({ run, call, k, fingerprints, onBack, onDeleted }: Props) {
  const { key, noun } = run;
  const { groups, pages, busy, failure, said, undos, wait, load, act, decide, undo, more, useSight, forgetUndos } = useGroups(key, call, fingerprints);
  const version = groups?.version ?? "";
  const [tab, setTab] = useState<Tab>("copies");
  const [order, setOrder] = useState<Order>("size");
  const [focus, setFocus] = useState({ place: 0, at: 0 });
  const [selected, setSelected] = useState<ReadonlySet<number>>(new Set());
  const [scope, setScope] = useState<Scope>("group");
  const [least, setLeast] = useState(0.95);
  const [confirming, setConfirming] = useState(false);
  const [scroll, setScroll] = useState({ scrolled: 0, shown: 600 });
  const list = useRef<HTMLDivElement>(null);

  // The order is kept while decisions change groups, so that nothing jumps; dissolved groups leave the list.
  const numbers = useMemo(() => groups && { copies: listed(groups, "copies", order), "look-alikes": listed(groups, "look-alikes", order) }, [version, order]);
  const left = useMemo(() => {
    const still = (number: number) => groups!.sizes[number] > 1;
    return { copies: numbers?.copies.filter(still) ?? [], "look-alikes": numbers?.["look-alikes"].filter(still) ?? [] };
  }, [numbers, groups]);
  const shown = left[tab];
  const place = Math.min(focus.place, Math.max(0, shown.length - 1));
  const current: number | undefined = shown[place];
  const member = pages.get(current)?.[focus.at];
  const sight = sightOf(scroll.scrolled, scroll.shown, ROW, shown.length);
  const visible = shown.slice(sight.first, sight.last);
  useSight(visible);

  /** Back to the start of the list, with nothing selected. */
  const start = () => {
    setFocus({ place: 0, at: 0 });
    setSelected(new Set());
    setScope("group");
    setConfirming(false);
    if (list.current) list.current.scrollTop = 0;
  };
  useEffect(() => {
    start();
    if (!left.copies.length && left["look-alikes"].length) setTab("look-alikes");
  }, [version]);
  useEffect(start, [tab, order]);

  const refocus = () => list.current?.focus({ preventScroll: true });
  useEffect(refocus, [groups === null, said]); // the buttons of an action may be gone
  useEffect(() => {
    const element = list.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setScroll({ scrolled: element.scrollTop, shown: element.clientHeight }));
    observer.observe(element);
    return () => observer.disconnect();
  }, [groups === null]);

  const certain = useMemo(() => (groups && tab === "copies" ? certainEnough(groups, least) : []), [groups, tab, least]);
  const covered: Record<Scope, readonly number[]> = { group: current === undefined ? [] : [current], selected: [...selected], certain };
  const chosen: Chosen = scope === "certain" ? { at_least: least } : { groups: [...covered[scope]] };
  const things = (n: number) => counted(n, noun);
  const restIn = (name: Scope) => (groups ? restOf(groups, covered[name]) : 0);
  const ready = restIn(scope) > 0 && !busy;

  const look = (to: number, at = 0) => {
    const next = Math.max(0, Math.min(shown.length - 1, to));
    setFocus({ place: next, at });
    const element = list.current;
    if (element) element.scrollTop = scrollTo(next, element.scrollTop, element.clientHeight, ROW, shown.length);
  };
  const step = (by: number) => {
    if (current === undefined) return;
    const here = pages.get(current)?.length ?? 0;
    const at = focus.at + by;
    if (at >= here && here < groups!.sizes[current]) more(current);
    setFocus({ place, at: Math.max(0, Math.min(here - 1, at)) });
  };
  const select = (number: number) => {
    const next = new Set(selected);
    if (!next.delete(number)) next.add(number);
    setSelected(next);
    setScope(next.size ? "selected" : "group");
  };
  const decided = async (number: number, work: () => Parameters<typeof decide>[0]) => {
    if (busy) return;
    await decide(work(), number);
    setFocus((before) => ({ ...before, at: 0 }));
  };
  const keep = (group: number, id: string) => decided(group, () => call("keep_instead", { key, version, group, id }));
  /** One image is no copy, or without `id` none of the group is. */
  const apart = (group: number, id?: string) => decided(group, () => call("not_copies", { key, version, group, ...(id && { id }) }));
  const notCopies = async () => {
    if (!ready || scope === "certain") return;
    for (const group of covered[scope]) await apart(group);
    if (scope === "selected") setSelected(new Set());
    setScope("group");
  };
  const mark = async (action: Action) => {
    if (!ready) return;
    const label = { tag: "Tagging …", hide: "Hiding …", delete: "Tagging for deletion …" }[action];
    const done = await act(label, call("mark_rest", { key, version, ...chosen, action }));
    if (done && action === "delete") setConfirming(true);
  };
  const remove = async () => {
    if (!(await act("Deleting …", call("delete_marked", { key, count: groups!.marked })))) return load(false);
    forgetUndos();
    start();
    onDeleted();
    await load(false);
  };
  const unmark = async () => {
    setConfirming(false);
    await act("Removing the tags …", call("unmark_all", { key }));
  };
  const takeBack = () => {
    setConfirming(false);
    undo();
  };
  const toGrid = () => ready && wait("Opening in the grid …", call("show_groups", { key, version, ...chosen }));
  const open = (id: string) => wait("Opening …", call("open_member", { key, id }));

  const latest = useRef<Does>();
  latest.current = { focus: (number, at) => look(shown.indexOf(number), at), select, keep, apart, open, more };
  const does = useMemo<Does>(
    () => ({
      focus: (number, at) => latest.current?.focus(number, at),
      select: (number) => latest.current?.select(number),
      keep: (number, id) => latest.current?.keep(number, id),
      apart: (number, id) => latest.current?.apart(number, id),
      open: (id) => latest.current?.open(id),
      more: (number) => latest.current?.more(number),
    }),
    [],
  );

  const screenful = Math.max(1, Math.floor(scroll.shown / ROW) - 1);
  const moves: Record<string, () => unknown> = {
    ArrowDown: () => look(place + 1),
    ArrowUp: () => look(place - 1),
    ArrowRight: () => step(1),
    ArrowLeft: () => step(-1),
    PageDown: () => look(place + screenful),
    PageUp: () => look(place - screenful),
    Home: () => look(0),
    End: () => look(shown.length - 1),
    " ": () => current !== undefined && select(current),
    k: () => member && keep(current, member.id),
    x: () => member && apart(current, member.id),
    n: notCopies,
    t: () => mark("tag"),
    h: () => mark("hide"),
    d: () => mark("delete"),
    g: toGrid,
    o: () => member && open(member.id),
    u: takeBack,
    Escape: () => (confirming ? setConfirming(false) : onBack()),
  };
  const aliases: Record<string, string> = { Enter: "k", Delete: "d" };
  const onKeyDown = (event: React.KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const move = moves[aliases[event.key] ?? (event.key.length === 1 ? event.key.toLowerCase() : event.key)];
    if (!move) return;
    event.preventDefault();
    event.stopPropagation();
    move();
  };

  if (!groups)
    return (
      <div className="fc-message" data-cy="coreset-redundant">
        <p>{failure || busy}</p>
        <button type="button" onClick={onBack}>
          Back to the map
        </button>
      </div>
    );
  const idle = groups.marked ? `${things(groups.marked)} still tagged for deletion.` : `The first of each group stays; ${things(restIn(scope))} would be tagged.`;
  return (
    <div className="fc-redundant" data-cy="coreset-redundant">
      <div className="fc-groups-top">
        <button type="button" data-cy="coreset-back" onClick={onBack}>
          ← Map
        </button>
        <div className="fc-tabs" role="tablist">
          {(Object.keys(TABS) as Tab[]).map((name) => (
            <button key={name} type="button" role="tab" aria-selected={tab === name} title={TERMS[TABS[name].term]} data-cy={`coreset-tab-${name}`} onClick={() => setTab(name)}>
              {TABS[name].label} <small>{count(left[name].length)}</small>
            </button>
          ))}
        </div>
        <label className="fc-order">
          <span>Sort by</span>
          <select aria-label="Sort by" data-cy="coreset-order" value={order} onChange={(event) => setOrder(event.target.value as Order)}>
            <option value="size">largest first</option>
            <option value="certainty">{tab === "copies" ? "most certain first" : "closest first"}</option>
          </select>
        </label>
        <button type="button" className="fc-icon" title="Look again" aria-label="Look again" onClick={() => load(true)}>
          <RefreshIcon />
        </button>
      </div>
      <p className="fc-groups-says">
        {says(groups, tab, noun)}{" "}
        {!groups.fingerprints && (
          <button type="button" className="fc-chip" data-cy="coreset-fingerprints" onClick={() => wait("", call("compute_fingerprints", { key }))}>
            Compute fingerprints…
          </button>
        )}
      </p>
      <div
        ref={list}
        className="fc-groups"
        role="application"
        tabIndex={0}
        aria-label="Groups of near-duplicates: up and down go through them, left and right through the images of one"
        data-cy="coreset-groups"
        data-place={place}
        data-at={focus.at}
        onKeyDown={onKeyDown}
        onScroll={({ currentTarget }) => setScroll({ scrolled: currentTarget.scrollTop, shown: currentTarget.clientHeight })}
      >
        {!shown.length && <p className="fc-message">{tab === "copies" ? "No copies were found." : "No look-alikes were found."}</p>}
        <div style={{ height: sight.height, position: "relative" }}>
          {visible.map((number, nth) => (
            <GroupRow
              key={number}
              number={number}
              kind={groups.kinds[number]}
              size={groups.sizes[number]}
              certainty={groups.certainty[number]}
              noun={noun}
              members={pages.get(number) ?? null}
              k={k}
              top={sight.top + nth * ROW}
              at={number === current ? focus.at : null}
              selected={selected.has(number)}
              does={does}
            />
          ))}
        </div>
      </div>
      <div className="fc-groups-bar">
        {confirming && groups.marked > 0 ? (
          <Confirm marked={groups.marked} things={things(groups.marked)} busy={!!busy} onDelete={remove} onKeep={unmark} onLater={() => setConfirming(false)} />
        ) : (
          <>
            <ScopeChoice
              scope={scope}
              counts={{
                group: { groups: covered.group.length, rest: things(restIn("group")) },
                selected: { groups: selected.size, rest: things(restIn("selected")) },
                certain: { groups: certain.length, rest: things(restIn("certain")) },
              }}
              copies={tab === "copies"}
              least={least}
              onScope={setScope}
              onLeast={(value) => {
                setLeast(value);
                setScope("certain");
              }}
            />
            <ActionButtons ready={ready} named={scope !== "certain"} onMark={mark} onApart={notCopies} onGrid={toGrid} />
          </>
        )}
        <p className={`fc-told${failure ? " fc-told-bad" : ""}`} role="status" data-cy="coreset-told">
          {failure || busy || said.message || idle}
          {!busy && !failure && undos.length > 0 && (
            <button type="button" data-cy="coreset-undo" onClick={takeBack}>
              Undo
            </button>
          )}
          {!busy && !confirming && groups.marked > 0 && (
            <button type="button" data-cy="coreset-review" onClick={() => setConfirming(true)}>
              Delete {things(groups.marked)}…
            </button>
          )}
        </p>
        <Keys />
      </div>
    </div>
  );
}

/** What a tab shows, in plain words. */
function says({ fingerprints, falseAlarms }: Groups, tab: Tab, noun: string): string {
  if (tab === "look-alikes") return `These look alike to the model; they are not proven to be copies. ${fingerprints ? "Look before you act." : "Fingerprints tell copies from look-alikes."}`;
  if (!fingerprints) return `Copies are told by fingerprints of the pixels, and these ${noun} have none yet. See the look-alikes.`;
  const wrong = falseAlarms ? ` About ${percent(falseAlarms)} of these links are expected to be wrong.` : "";
  return `The same scene, told by the pixels: cropped, shifted, saved again, or a moment later.${wrong}`;
}
