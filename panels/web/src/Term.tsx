import React from "react";
import { TermName, TERMS } from "./terms";

/** A term with its explanation on hover. */
export function Term({ name, children }: { name: TermName; children: React.ReactNode }) {
  return (
    <span className="fc-term" title={TERMS[name]}>
      {children}
    </span>
  );
}
