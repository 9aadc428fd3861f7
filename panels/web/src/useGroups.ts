import { useCallback, useEffect, useRef, useState } from "react";
import { Groups } from "./groups";
import { Acted, Call, Decided, Member } from "./protocol";
import { decodeGroups } from "./server";

/** Groups asked for at a time, and milliseconds for which the list must rest before it asks. */
const PAGE = 40;
const REST = 60;

/** The groups of a run as the server has them, the images of those that were in sight, and what was done last. */
export function useGroups(key: string, call: Call, fingerprints: string) {
  const [groups, setGroups] = useState<Groups | null>(null);
  const [pages, setPages] = useState<ReadonlyMap<number, Member[]>>(new Map());
  const [busy, setBusy] = useState("");
  const [failure, setFailure] = useState("");
  const [said, setSaid] = useState({ message: "" });
  const [undos, setUndos] = useState<readonly string[]>([]);
  const [turn, setTurn] = useState(0);
  const asked = useRef(new Set<number>());
  const asking = useRef(false);
  const mounted = useRef(true);
  useEffect(() => {
    mounted.current = true;
    return () => {
      mounted.current = false;
    };
  }, []);
  const version = groups?.version ?? "";

  /** Waits for an answer, and says what is done meanwhile and what went wrong; null if it did. */
  const wait = useCallback(async <T>(label: string, work: Promise<T>): Promise<T | null> => {
    setBusy(label);
    setFailure("");
    try {
      const answer = await work;
      return mounted.current ? answer : null;
    } catch (error) {
      if (mounted.current) setFailure((error as Error).message);
      return null;
    } finally {
      if (mounted.current) setBusy("");
    }
  }, []);

  /** Asks anew for what is in sight, and shows what is known until the answer is here. */
  const askAgain = (number?: number) => {
    if (number === undefined) asked.current.clear();
    else asked.current.delete(number);
    setTurn((before) => before + 1);
  };

  /** Finds the groups, `again` even if the server knows them. */
  const load = async (again: boolean) => {
    const found = await wait("Looking for near-duplicates …", call("load_groups", { key, again }));
    if (!found) return;
    if (found.version !== version) setPages(new Map());
    setGroups(decodeGroups(found));
    askAgain();
  };
  const before = useRef(fingerprints);
  useEffect(() => {
    load(before.current !== fingerprints);
    before.current = fingerprints;
  }, [key, fingerprints]);

  /** Does something to the images, says so, and shows what it changed; false if it could not be done. */
  const act = async (label: string, work: Promise<Acted>, changed?: number): Promise<boolean> => {
    const answer = await wait(label, work);
    if (!answer) return false;
    setSaid({ message: answer.message });
    if (answer.undo) setUndos((earlier) => [...earlier, answer.undo!]);
    if (answer.marked !== undefined) setGroups((known) => known && { ...known, marked: answer.marked! });
    askAgain(changed);
    return true;
  };

  /** Decides something about a group, which changes it. */
  const decide = (work: Promise<Decided>, number: number) =>
    act(
      "Remembering …",
      work.then((answer) => {
        setGroups((known) => known && changed(known, answer));
        return answer;
      }),
      number,
    );

  const undo = async () => {
    const token = undos[undos.length - 1];
    if (!token || busy) return;
    setUndos(undos.slice(0, -1));
    if (await act("Undoing …", call("undo", { key, token }))) await load(false);
  };

  /** The images of a group that are not here yet. */
  const more = async (number: number) => {
    const here = pages.get(number) ?? [];
    const found = await wait("Loading more …", call("load_members", { key, version, group: number, start: here.length }));
    if (found) setPages((known) => new Map([...known, [number, [...here, ...found.members]]]));
  };

  /** Loads the images of groups in sight, once the list rests, and one page at a time. */
  const useSight = (visible: readonly number[]) => {
    const missing = visible.filter((number) => !asked.current.has(number)).slice(0, PAGE);
    useEffect(() => {
      if (!version || !missing.length || asking.current) return;
      const timer = window.setTimeout(() => {
        missing.forEach((number) => asked.current.add(number));
        asking.current = true;
        call("load_group_page", { key, version, groups: missing })
          .then((answer) => setPages((known) => new Map([...known, ...answer.groups.map(({ group, members }) => [group, members] as const)])))
          .catch((error: Error) => setFailure(error.message))
          .finally(() => {
            asking.current = false;
            setTurn((earlier) => earlier + 1);
          });
      }, REST);
      return () => window.clearTimeout(timer);
    }, [version, missing.join(), turn]);
  };

  return { groups, pages, busy, failure, said, undos, wait, load, act, decide, undo, more, useSight, forgetUndos: () => setUndos([]) };
}

/** The groups with one of them as it is now. */
function changed(groups: Groups, { group, size, certainty, distance }: Decided): Groups {
  const next = { ...groups, sizes: groups.sizes.slice(), certainty: groups.certainty.slice(), distance: groups.distance.slice() };
  next.sizes[group] = size;
  next.certainty[group] = certainty ?? NaN;
  next.distance[group] = distance ?? NaN;
  return next;
}
