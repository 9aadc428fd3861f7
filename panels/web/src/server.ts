/** Calls to the Python side, and what is remembered between mounts: switching tabs unmounts the panel. */
import { OperatorResult, useTriggerPanelEvent } from "@fiftyone/operators";
import { useCallback, useRef } from "react";
import { bytesOf, countsOf, floatsOf } from "./decode";
import { Groups } from "./groups";
import { Answer, Call, Coloring, Events, GroupList, Layers, Run } from "./protocol";

/** Raised with one sentence for the user. */
export class ServerError extends Error {}

type Uris = Partial<Record<keyof Events, string>>;

/** A function that triggers an event of the panel and waits for its answer. */
export function useCall(uris: Uris): Call {
  const trigger = useTriggerPanelEvent();
  const latest = useRef({ trigger, uris });
  latest.current = { trigger, uris };
  return useCallback(
    (event, params) =>
      new Promise((resolve, reject) => {
        const uri = latest.current.uris[event];
        if (!uri) return reject(new ServerError(`The panel has no event '${event}'; restart the App.`));
        latest.current.trigger(uri, { ...params }, false, (reply: OperatorResult) => {
          const failure = reply?.errorMessage ?? reply?.error;
          const answer = reply?.result as Answer<Events[typeof event]["answer"]> | undefined;
          if (failure) reject(new ServerError(String(failure)));
          else if (!answer) reject(new ServerError("The App server gave no answer."));
          else if ("error" in answer) {
            if (answer.unforeseen) console.error(`${event}: ${answer.error}`);
            reject(new ServerError(answer.error));
          }
          else resolve(answer);
        });
      }),
    [],
  ) as Call;
}

/** A run with its arrays decoded. */
export interface LoadedRun extends Omit<Run, "points"> {
  points: Float32Array;
  xs: Float32Array;
  ys: Float32Array;
}

export interface LoadedLayers {
  coveredAt: Uint32Array;
  duplicateAt: Uint32Array;
}

export interface LoadedColoring extends Omit<Coloring, "codes"> {
  codes: Uint8Array;
}

export function decodeRun(run: Run): LoadedRun {
  const points = floatsOf(run.points);
  const xs = new Float32Array(run.n);
  const ys = new Float32Array(run.n);
  for (let i = 0; i < run.n; i++) [xs[i], ys[i]] = [points[2 * i], points[2 * i + 1]];
  return { ...run, points, xs, ys };
}

export const decodeLayers = (layers: Layers): LoadedLayers => ({
  coveredAt: countsOf(layers.coveredAt),
  duplicateAt: countsOf(layers.duplicateAt),
});

export const decodeGroups = ({ kinds, sizes, certainty, distance, ...list }: GroupList): Groups => ({
  ...list,
  kinds: bytesOf(kinds),
  sizes: countsOf(sizes),
  certainty: floatsOf(certainty),
  distance: floatsOf(distance),
});

export const decodeColoring = (coloring: Coloring): LoadedColoring => ({ ...coloring, codes: bytesOf(coloring.codes) });

/** Answers that stay true while the run does, kept for the few runs used last. */
export class Memory {
  private readonly held = new Map<string, Promise<unknown>>();

  constructor(private readonly limit: number) {}

  /** The remembered answer, or the one that `load` gives; failures are not remembered. */
  get<T>(key: string, load: () => Promise<T>): Promise<T> {
    const known = this.held.get(key) as Promise<T> | undefined;
    const answer = known ?? load();
    this.held.delete(key);
    this.held.set(key, answer);
    if (!known) answer.catch(() => this.held.delete(key));
    while (this.held.size > this.limit) this.held.delete(this.held.keys().next().value!);
    return answer;
  }
}

export const memory = new Memory(24);
