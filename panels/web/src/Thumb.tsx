import { getSampleSrc } from "@fiftyone/state";
import React, { useState } from "react";
import { Member } from "./protocol";

/** The picture of an image, or of an object cut out of its image. */
export function Thumb({ path, box }: Pick<Member, "path" | "box">) {
  const [natural, setNatural] = useState<[number, number] | null>(null);
  if (!path) return <div className="fc-thumb fc-gone">deleted</div>;
  const image = (style?: React.CSSProperties) => (
    <img
      src={getSampleSrc(path)}
      alt=""
      decoding="async"
      draggable={false}
      style={style}
      onLoad={box ? ({ currentTarget: { naturalWidth, naturalHeight } }) => setNatural([naturalWidth, naturalHeight]) : undefined}
    />
  );
  if (!box) return <div className="fc-thumb">{image()}</div>;
  const [left, top, width, height] = box;
  const ratio = natural && (natural[0] * width) / Math.max(1e-6, natural[1] * height);
  const cut: React.CSSProperties = ratio
    ? { position: "absolute", width: `${100 / width}%`, height: `${100 / height}%`, left: `${(-100 * left) / width}%`, top: `${(-100 * top) / height}%`, maxWidth: "none" }
    : { visibility: "hidden" };
  return (
    <div className="fc-thumb">
      <div className="fc-crop" style={ratio ? (ratio > 1 ? { width: "100%", aspectRatio: ratio } : { height: "100%", aspectRatio: ratio }) : {}}>{image(cut)}</div>
    </div>
  );
}
