import { getSampleSrc } from "@fiftyone/state";
import React from "react";
import { Point, Size } from "./geometry";
import { Inspection } from "./protocol";

interface Props {
  at: Point;
  size: Size;
  rank: string;
  inspection: Inspection | null;
}

const WIDTH = 236;
const HEIGHT = 190;

/** The thumbnail and figures of the image under the cursor. */
export function Hover({ at, size, rank, inspection }: Props) {
  const left = at[0] + 18 + WIDTH > size.width ? Math.max(4, at[0] - WIDTH - 18) : at[0] + 18;
  const top = Math.max(4, Math.min(at[1] - 40, size.height - HEIGHT));
  return (
    <div className="fc-hover" data-cy="coreset-hover" style={{ left, top, width: WIDTH }}>
      {inspection?.path && <img src={getSampleSrc(inspection.path)} alt="" />}
      <strong>{rank}</strong>
      {inspection && <p>{inspection.title}</p>}
      <dl>
        {inspection?.figures.map(({ label, value }) => (
          <React.Fragment key={label}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </React.Fragment>
        ))}
      </dl>
    </div>
  );
}
