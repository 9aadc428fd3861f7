import React from "react";
import { Tool } from "./Map";

const PATHS: Record<Tool, string> = {
  pan: "M12 3v18M3 12h18M12 3l-3 3M12 3l3 3M12 21l-3-3M12 21l3-3M3 12l3-3M3 12l3 3M21 12l-3-3M21 12l-3 3",
  lasso: "M12 4c5 0 9 2.5 9 6s-4 6-9 6-9-2.500-9-6 4-6 9-6zM7 15.500c-1.500 1.500-1 3.500.5 4s2.500-.8 1.500-2.200-2-1.300-2-1.800z",
  box: "M4 5h16v14H4z",
};

function Icon({ path, dashed = false }: { path: string; dashed?: boolean }) {
  return (
    <svg viewBox="0 0 24 24" width={16} height={16} fill="none" stroke="currentColor" strokeWidth={1.8} strokeLinecap="round" strokeLinejoin="round" strokeDasharray={dashed ? "3.500 3" : undefined}>
      <path d={path} />
    </svg>
  );
}

export const ToolIcon = ({ tool }: { tool: Tool }) => <Icon path={PATHS[tool]} dashed={tool === "box"} />;
export const FitIcon = () => <Icon path="M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5" />;
export const RefreshIcon = () => <Icon path="M20 11a8 8 0 1 0-2.300 6.200M20 5v6h-6" />;
