import React, { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { count, percent } from "./budget";
import { Does, GroupRow, ROW } from "./GroupRow";
import { certainEnough, Groups, listed, Order, restOf, scrollTo, sightOf, Tab } from "./groups";
import { RefreshIcon } from "./icons";
import { Acted, Call, Chosen, Decided, Member } from "./protocol";
import { decodeGroups, LoadedRun } from "./server";

interface Props {
  run: LoadedRun;
  call: Call;
  /** The budget: images with a smaller rank are in the coreset. */
  k: number;
  /** Changes when fingerprints were taken. */
  version: string;
  onBack: () => void;
  onDeleted: () => void;
}

/** What an action is for. */
type Scope = "group" | "selected" | "certain";
type Action = "tag" | "hide" | "delete";

const CERTAINTIES = [0.999, 0.99, 0.95, 0.9, 0.8, 0.5];
/** Groups asked for at a time, and how long the list must rest before it asks. */
const PAGE = 40;
const REST = 60;

const KEYS: [string, string][] = [
  ["↑ ↓", "groups"],
  ["← →", "images"],
  ["K", "keep this one instead"],
  ["X", "this one is no copy"],
  ["N", "not copies"],
  ["Space", "select"],
  ["T", "tag the rest"],
  ["H", "hide"],
  ["D", "delete"],
  ["G", "show in grid"],
  ["O", "open"],
  ["U", "undo"],
  ["Esc", "map"],
];

/** Groups of near-duplicates side by side, and what to do about them. */
export function Redundant({ run, call, k, version: fingerprints, onBack, onDeleted }: Props) {
  const [groups, setGroups] = useState<Groups | null>(null);
  const [failure, setFailure] = useState("");
  const [busy, setBusy] = useState("");
  const [tab, setTab] = useState<Tab>("copies");
  const [order, setOrder] = useState<Order>("size");
  const [focus, setFocus] = useState({ place: 0, at: 0 });
  const [selected, setSelected] = useState<ReadonlySet<number>>(new Set());
  const [scope, setScope] = useState<Scope>("group");
  const [least, setLeast] = useState(0.95);
  const [done, setDone] = useState<Acted | null>(null);
  const [undos, setUndos] = useState<string[]>([]);
  const [confirming, setConfirming] = useState(false);
  const [scroll, setScroll] = useState({ scrolled: 0, shown: 600 });
  const [pages, setPages] = useState<ReadonlyMap<number, Member[]>>(new Map());
  const list = useRef<HTMLDivElement>(null);
  const latest = useRef<Does>();
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
  const asked = useRef(new Set<number>());
  const asking = useRef(false);
  const [turn, setTurn] = useState(0);
  const alive = useRef(true);
  useEffect(() => {
    alive.current = true;
    return () => {
      alive.current = false;
    };
  }, []);

  /** Asks anew for what is in sight, and shows what is known until the answer is here. */
  const askAgain = (numbers?: readonly number[]) => {
    if (numbers) numbers.forEach((number) => asked.current.delete(number));
    else asked.current.clear();
    setTurn((before) => before + 1);
  };
  const load = useCallback(
    async (again: boolean) => {
      setBusy("Looking for near-duplicates …");
      try {
        const found = decodeGroups(await call("load_groups", { key: run.key, again }));
        if (!alive.current) return;
        askAgain();
        setPages(new Map());
        setGroups(found);
        setSelected(new Set());
        setScope("group");
        setFocus({ place: 0, at: 0 });
        setConfirming(false);
        setFailure("");
      } catch (error) {
        if (alive.current) setFailure((error as Error).message);
      }
      if (alive.current) setBusy("");
    },
    [run.key],
  );
  const before = useRef(fingerprints);
  useEffect(() => {
    load(before.current !== fingerprints);
    before.current = fingerprints;
  }, [load, fingerprints]);

  // The order is kept while decisions change groups, so that nothing jumps; dissolved groups leave the list.
  const ordered = useMemo(() => (groups ? listed(groups, tab, order) : []), [groups?.version, tab, order]);
  const shown = useMemo(() => ordered.filter((number) => groups!.sizes[number] > 1), [ordered, groups]);
  const place = Math.min(focus.place, Math.max(0, shown.length - 1));
  const current = shown[place] as number | undefined;
  const counts = useMemo(() => (groups ? { copies: listed(groups, "copies", "size").length, "look-alikes": listed(groups, "look-alikes", "size").length } : null), [groups]);
  useEffect(() => {
    if (counts && !counts.copies && counts["look-alikes"]) setTab("look-alikes");
  }, [groups?.version]);

  const sight = sightOf(scroll.scrolled, scroll.shown, ROW, shown.length);
  const visible = shown.slice(sight.first, sight.last);

  // Only what comes into sight is asked for, once the list rests, and one page at a time.
  const missing = visible.filter((number) => !asked.current.has(number)).slice(0, PAGE);
  useEffect(() => {
    if (!groups || !missing.length || asking.current) return;
    const timer = window.setTimeout(() => {
      missing.forEach((number) => asked.current.add(number));
      asking.current = true;
      call("load_group_page", { key: run.key, version: groups.version, groups: missing })
        .then((answer) => alive.current && setPages((before) => new Map([...before, ...answer.groups.map(({ group, members }) => [group, members] as const)])))
        .catch((error: Error) => alive.current && setFailure(error.message))
        .finally(() => {
          asking.current = false;
          if (alive.current) setTurn((before) => before + 1);
        });
    }, REST);
    return () => window.clearTimeout(timer);
  }, [groups?.version, missing.join(), turn]);

  useEffect(() => {
    const element = list.current;
    if (!element) return;
    element.focus({ preventScroll: true });
    const observer = new ResizeObserver(() => setScroll({ scrolled: element.scrollTop, shown: element.clientHeight }));
    observer.observe(element);
    return () => observer.disconnect();
  }, [groups === null]);

  const look = (to: number, at = 0) => {
    const next = Math.max(0, Math.min(shown.length - 1, to));
    setFocus({ place: next, at });
    const element = list.current;
    if (element) element.scrollTop = scrollTo(next, element.scrollTop, element.clientHeight, ROW, shown.length);
  };
  const start = (change: () => void) => {
    change();
    setFocus({ place: 0, at: 0 });
    setSelected(new Set());
    setScope("group");
    if (list.current) list.current.scrollTop = 0;
  };

  /** Does something, says so, and shows what it changed. */
  const act = async (label: string, work: Promise<Acted>, changed?: readonly number[]) => {
    setBusy(label);
    setFailure("");
    try {
      const answer = await work;
      if (!alive.current) return;
      setDone(answer);
      if (answer.undo) setUndos((before) => [...before, answer.undo!]);
      if (answer.marked !== undefined) setGroups((before) => before && { ...before, marked: answer.marked! });
      askAgain(changed);
    } catch (error) {
      if (alive.current) setFailure((error as Error).message);
    }
    if (alive.current) setBusy("");
    list.current?.focus({ preventScroll: true });
  };

  const decide = async (number: number, work: Promise<Decided>) => {
    await act("Remembering …", work.then((answer) => (apply(answer), answer)), [number]);
    setFocus((before) => ({ ...before, at: 0 }));
  };
  const apply = ({ group, size, certainty, distance }: Decided) =>
    setGroups((before) => {
      if (!before) return before;
      const next = { ...before, sizes: before.sizes.slice(), certainty: before.certainty.slice(), distance: before.distance.slice() };
      next.sizes[group] = size;
      next.certainty[group] = certainty ?? NaN;
      next.distance[group] = distance ?? NaN;
      return next;
    });

  const certain = useMemo(() => (groups && tab === "copies" ? certainEnough(groups, least) : []), [groups, tab, least]);

  if (!groups)
    return (
      <div className="fc-message" data-cy="coreset-redundant">
        <p>{failure || busy}</p>
        <button type="button" onClick={onBack}>
          Back to the map
        </button>
      </div>
    );

  const { version } = groups;
  const covered: Record<Scope, readonly number[]> = { group: current === undefined ? [] : [current], selected: [...selected], certain };
  const chosen: Chosen = scope === "certain" ? { at_least: least } : { groups: [...covered[scope]] };
  const rest = restOf(groups, covered[scope]);
  const ready = rest > 0 && !busy;
  const things = (n: number) => `${count(n)} ${n === 1 ? run.noun.slice(0, -1) : run.noun}`;
  const member = current === undefined ? undefined : pages.get(current)?.[focus.at];

  const mark = (action: Action) => {
    if (!ready) return;
    const label = { tag: "Tagging …", hide: "Hiding …", delete: "Tagging for deletion …" }[action];
    act(label, call("mark_rest", { key: run.key, version, ...chosen, action })).then(() => action === "delete" && setConfirming(true));
  };
  const keep = (group?: number, id?: string) => group !== undefined && id && !busy && decide(group, call("keep_instead", { key: run.key, version, group, id }));
  /** One image is no copy, or without `id` none of the group is. */
  const apart = (group?: number, id?: string) => group !== undefined && !busy && decide(group, call("not_copies", { key: run.key, version, group, ...(id && { id }) }));
  const notCopies = async () => {
    if (scope !== "selected") return apart(current);
    for (const group of selected) await decide(group, call("not_copies", { key: run.key, version, group }));
    setSelected(new Set());
    setScope("group");
  };
  const toGrid = () => {
    setBusy("Opening in the grid …");
    call("show_groups", { key: run.key, version, ...chosen })
      .catch((error: Error) => setFailure(error.message))
      .finally(() => setBusy(""));
  };
  const open = (id: string) => call("open_member", { key: run.key, id }).catch((error: Error) => setFailure(error.message));
  const recount = () =>
    call("load_groups", { key: run.key, again: false })
      .then((found) => alive.current && setGroups(decodeGroups(found)))
      .catch((error: Error) => alive.current && setFailure(error.message));
  const undo = async () => {
    const token = undos[undos.length - 1];
    if (!token || busy) return;
    setUndos(undos.slice(0, -1));
    setConfirming(false);
    await act("Undoing …", call("undo", { key: run.key, token }));
    await recount();
  };
  const remove = async () => {
    await act("Deleting …", call("delete_marked", { key: run.key, count: groups.marked }));
    setUndos([]);
    setConfirming(false);
    setSelected(new Set());
    setScope("group");
    onDeleted();
    await recount();
  };
  const unmark = async () => {
    setConfirming(false);
    await act("Removing the tags …", call("unmark_all", { key: run.key }).then((answer) => ({ ...answer, marked: 0 })));
  };
  const select = (number: number) => {
    const next = new Set(selected);
    if (!next.delete(number)) next.add(number);
    setSelected(next);
    setScope(next.size ? "selected" : "group");
  };
  const more = (number: number) => {
    const here = pages.get(number) ?? [];
    call("load_members", { key: run.key, version, group: number, start: here.length })
      .then(({ members }) => setPages((before) => new Map([...before, [number, [...here, ...members]]])))
      .catch((error: Error) => setFailure(error.message));
  };
  const step = (by: number) => {
    if (current === undefined) return;
    const here = pages.get(current)?.length ?? 0;
    const at = Math.max(0, Math.min(groups.sizes[current] - 1, focus.at + by));
    if (at >= here) more(current);
    setFocus({ place, at: Math.min(at, Math.max(0, here - 1)) });
  };

  latest.current = { focus: (number, at) => look(shown.indexOf(number), at), select, keep, apart, open, more };

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
    k: () => keep(current, member?.id),
    Enter: () => keep(current, member?.id),
    x: () => member && apart(current, member.id),
    n: () => scope !== "certain" && notCopies(),
    t: () => mark("tag"),
    h: () => mark("hide"),
    d: () => mark("delete"),
    Delete: () => mark("delete"),
    g: () => ready && toGrid(),
    o: () => member && open(member.id),
    u: undo,
    Escape: () => (confirming ? setConfirming(false) : onBack()),
  };
  const onKeyDown = (event: React.KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const move = moves[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!move) return;
    event.preventDefault();
    event.stopPropagation();
    move();
  };

  return (
    <div className="fc-redundant" data-cy="coreset-redundant">
      <div className="fc-groups-top">
        <button type="button" data-cy="coreset-back" onClick={onBack}>
          ← Map
        </button>
        <div className="fc-tabs" role="tablist">
          {(["copies", "look-alikes"] as const).map((name) => (
            <button key={name} type="button" role="tab" aria-selected={tab === name} data-cy={`coreset-tab-${name}`} onClick={() => start(() => setTab(name))}>
              {name === "copies" ? "Copies" : "Look-alikes"} <small>{count(counts![name])}</small>
            </button>
          ))}
        </div>
        <label className="fc-order">
          <span>Sort by</span>
          <select data-cy="coreset-order" value={order} onChange={(event) => start(() => setOrder(event.target.value as Order))}>
            <option value="size">largest first</option>
            <option value="certainty">{tab === "copies" ? "most certain first" : "closest first"}</option>
          </select>
        </label>
        <button type="button" className="fc-icon" title="Look again" aria-label="Look again" onClick={() => load(true)}>
          <RefreshIcon />
        </button>
      </div>
      <p className="fc-groups-says">
        {says(groups, tab)}{" "}
        {!groups.fingerprints && (
          <button type="button" className="fc-chip" data-cy="coreset-fingerprints" onClick={() => call("compute_fingerprints", { key: run.key }).catch((error: Error) => setFailure(error.message))}>
            Compute fingerprints…
          </button>
        )}
      </p>
      <div
        ref={list}
        className="fc-groups"
        role="grid"
        tabIndex={0}
        aria-label="Groups of near-duplicates"
        aria-rowcount={shown.length}
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
              noun={run.noun}
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
          <div className="fc-confirm" role="alertdialog" aria-label="Delete images" data-cy="coreset-confirm">
            <p>
              <b>{things(groups.marked)}</b> {groups.marked === 1 ? "is" : "are"} tagged <code>coreset_delete</code>. Delete {groups.marked === 1 ? "it" : "them"} from the dataset? The files stay on
              disk, but this cannot be undone.
            </p>
            <button type="button" className="fc-danger" data-cy="coreset-delete" disabled={!!busy} onClick={remove}>
              Delete {things(groups.marked)}
            </button>
            <button type="button" data-cy="coreset-unmark" disabled={!!busy} onClick={unmark}>
              Keep them, remove the tags
            </button>
            <button type="button" onClick={() => setConfirming(false)}>
              Decide later
            </button>
          </div>
        ) : (
          <>
            <div className="fc-scope" role="radiogroup" aria-label="What the actions are for">
              <ScopeButton scope="group" chosen={scope} onChoose={setScope} label="This group" note={things(restOf(groups, covered.group))} />
              <ScopeButton scope="selected" chosen={scope} onChoose={setScope} disabled={!selected.size} label={selected.size ? `${count(selected.size)} selected` : "Selected"} note={selected.size ? things(restOf(groups, selected)) : ""} />
              {tab === "copies" && (
                <span className="fc-certain">
                  <ScopeButton scope="certain" chosen={scope} onChoose={setScope} disabled={!certain.length} label="All at least" note="" />
                  <select aria-label="Certainty" data-cy="coreset-least" value={least} onChange={(event) => (setLeast(Number(event.target.value)), setScope("certain"))}>
                    {CERTAINTIES.map((value) => (
                      <option key={value} value={value}>
                        {100 * value} % sure
                      </option>
                    ))}
                  </select>
                  <small>
                    {count(certain.length)} groups, {things(restOf(groups, certain))}
                  </small>
                </span>
              )}
            </div>
            <div className="fc-does">
              <button type="button" className="fc-primary" data-cy="coreset-tag" disabled={!ready} title="Tag what the first of each group stands for (T)" onClick={() => mark("tag")}>
                Tag the rest
              </button>
              <button type="button" data-cy="coreset-hide" disabled={!ready} title="Tag the rest and open a view without them (H)" onClick={() => mark("hide")}>
                Hide the rest
              </button>
              <button type="button" data-cy="coreset-mark" disabled={!ready} title="Tag the rest for deletion; nothing is deleted before you confirm (D)" onClick={() => mark("delete")}>
                Delete the rest…
              </button>
              <button type="button" data-cy="coreset-not-copies" disabled={!ready || scope === "certain"} title="Remember that these are no copies of each other (N)" onClick={notCopies}>
                Not copies
              </button>
              <button type="button" data-cy="coreset-to-grid" disabled={!ready} title="Show them in the grid, group after group (G)" onClick={toGrid}>
                In grid
              </button>
            </div>
          </>
        )}
        <p className={`fc-told${failure ? " fc-told-bad" : ""}`} role="status" data-cy="coreset-told">
          {failure || busy || done?.message || (groups.marked ? `${things(groups.marked)} still tagged for deletion.` : `The first of each group stays; ${things(rest)} would be tagged.`)}
          {!busy && !failure && undos.length > 0 && (
            <button type="button" data-cy="coreset-undo" onClick={undo}>
              Undo
            </button>
          )}
          {!busy && !confirming && groups.marked > 0 && (
            <button type="button" data-cy="coreset-review" onClick={() => setConfirming(true)}>
              Delete {things(groups.marked)}…
            </button>
          )}
        </p>
        <p className="fc-keys" aria-hidden="true">
          {KEYS.map(([key, does]) => (
            <span key={key}>
              <kbd>{key}</kbd> {does}
            </span>
          ))}
        </p>
      </div>
    </div>
  );
}

function ScopeButton({ scope, chosen, label, note, disabled, onChoose }: { scope: Scope; chosen: Scope; label: string; note: string; disabled?: boolean; onChoose: (scope: Scope) => void }) {
  return (
    <button type="button" role="radio" aria-checked={scope === chosen} disabled={disabled} data-cy={`coreset-scope-${scope}`} onClick={() => onChoose(scope)}>
      {label} <small>{note}</small>
    </button>
  );
}

/** What a tab shows, in plain words. */
function says({ fingerprints, falseAlarms }: Groups, tab: Tab): string {
  if (tab === "look-alikes")
    return fingerprints
      ? "These look alike to the model; they are not proven to be copies. Look before you act."
      : "These look alike to the model; they are not proven to be copies. Fingerprints tell copies from look-alikes.";
  if (!fingerprints) return "Copies are told by fingerprints of the pixels, and these images have none yet. See the look-alikes.";
  const wrong = falseAlarms ? ` Pairs that are expected to be no copies: ${percent(falseAlarms)}.` : "";
  return `The same scene, told by the pixels: cropped, shifted, saved again, or a moment later.${wrong}`;
}
