import { useEffect, useRef, useState } from "react";

/** The width of an element, followed while it changes. */
export function useWidth(): [React.RefObject<HTMLDivElement>, number] {
  const element = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    if (!element.current) return;
    const observer = new ResizeObserver(([entry]) => setWidth(Math.round(entry.contentRect.width)));
    observer.observe(element.current);
    return () => observer.disconnect();
  }, []);
  return [element, width];
}

/** A value once it has not changed for a while. */
export function useSettled<T>(value: T, delay: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = window.setTimeout(() => setSettled(value), delay);
    return () => window.clearTimeout(timer);
  }, [value, delay]);
  return settled;
}

export interface Loading<T> {
  value: T | null;
  error: string;
  busy: boolean;
}

/**
 * What `load` gives, loaded again whenever an input changes. The old value stays while the new one is on its way, and
 * answers that come too late are dropped. No inputs (null) load nothing.
 */
export function useLoaded<T>(load: () => Promise<T>, inputs: readonly unknown[] | null): Loading<T> {
  const [state, setState] = useState<Loading<T>>({ value: null, error: "", busy: inputs !== null });
  useEffect(() => {
    if (inputs === null) return setState({ value: null, error: "", busy: false });
    let stale = false;
    setState((before) => ({ ...before, busy: true, error: "" }));
    load().then(
      (value) => stale || setState({ value, error: "", busy: false }),
      (error: Error) => stale || setState((before) => ({ ...before, error: error.message, busy: false })),
    );
    return () => {
      stale = true;
    };
  }, inputs ?? [null]);
  return state;
}
