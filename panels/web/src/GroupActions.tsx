import React from "react";
import { count } from "./budget";

/** What an action is for: the group in focus, the selected ones, or all copies that are certain enough. */
export type Scope = "group" | "selected" | "certain";
export type Action = "tag" | "hide" | "delete";

const CERTAINTIES = [0.999, 0.99, 0.95, 0.9, 0.8, 0.5];

interface ScopeProps {
  scope: Scope;
  /** Groups of each scope, and the images that repeat another one there, in words. */
  counts: Record<Scope, { groups: number; rest: string }>;
  /** Whether copies are shown, of which some are more certain than others. */
  copies: boolean;
  least: number;
  onScope: (scope: Scope) => void;
  onLeast: (least: number) => void;
}

/** Chooses what the actions are for. */
export function ScopeChoice({ scope, counts, copies, least, onScope, onLeast }: ScopeProps) {
  const choice = (name: Scope, label: string, note: string) => (
    <button type="button" role="radio" aria-checked={name === scope} disabled={!counts[name].groups} data-cy={`coreset-scope-${name}`} onClick={() => onScope(name)}>
      {label} <small>{note}</small>
    </button>
  );
  const { groups } = counts.selected;
  return (
    <div className="fc-scope" role="radiogroup" aria-label="What the actions are for">
      {choice("group", "This group", counts.group.rest)}
      {choice("selected", groups ? `${count(groups)} selected` : "Selected", groups ? counts.selected.rest : "")}
      {copies && (
        <span className="fc-certain">
          {choice("certain", "All at least", "")}
          <select aria-label="Certainty" data-cy="coreset-least" value={least} onChange={(event) => onLeast(Number(event.target.value))}>
            {CERTAINTIES.map((value) => (
              <option key={value} value={value}>
                {100 * value} % sure
              </option>
            ))}
          </select>
          <small>
            {count(counts.certain.groups)} groups, {counts.certain.rest}
          </small>
        </span>
      )}
    </div>
  );
}

interface ButtonProps {
  ready: boolean;
  /** Whether it can be said of these groups that they are no copies. */
  named: boolean;
  onMark: (action: Action) => void;
  onApart: () => void;
  onGrid: () => void;
}

/** What can be done. */
export function ActionButtons({ ready, named, onMark, onApart, onGrid }: ButtonProps) {
  const button = (name: string, label: string, title: string, onClick: () => void, usable = ready) => (
    <button type="button" className={name === "tag" ? "fc-primary" : ""} data-cy={`coreset-${name}`} disabled={!usable} title={title} onClick={onClick}>
      {label}
    </button>
  );
  return (
    <div className="fc-does">
      {button("tag", "Tag the rest", "Tag what the first of each group stands for (T)", () => onMark("tag"))}
      {button("hide", "Hide the rest", "Tag the rest and open a view without them (H)", () => onMark("hide"))}
      {button("mark", "Delete the rest…", "Tag the rest for deletion; nothing is deleted before you confirm (D)", () => onMark("delete"))}
      {button("not-copies", "Not copies", "Remember that these are no copies of each other (N)", onApart, ready && named)}
      {button("to-grid", "In grid", "Show them in the grid, group after group (G)", onGrid)}
    </div>
  );
}

interface ConfirmProps {
  /** Images that are tagged for deletion. */
  marked: number;
  things: string;
  busy: boolean;
  onDelete: () => void;
  onKeep: () => void;
  onLater: () => void;
}

/** Asks before images are deleted. */
export function Confirm({ marked, things, busy, onDelete, onKeep, onLater }: ConfirmProps) {
  return (
    <div className="fc-confirm" role="alertdialog" aria-label={`Delete ${things}`} data-cy="coreset-confirm">
      <p>
        <b>{things}</b> {marked === 1 ? "is" : "are"} tagged <code>coreset_delete</code>. Delete {marked === 1 ? "it" : "them"} from the dataset? The files stay on disk, but this cannot be
        undone.
      </p>
      <button type="button" className="fc-danger" data-cy="coreset-delete" disabled={busy} onClick={onDelete}>
        Delete {things}
      </button>
      <button type="button" data-cy="coreset-unmark" disabled={busy} onClick={onKeep}>
        Keep them, remove the tags
      </button>
      <button type="button" onClick={onLater}>
        Decide later
      </button>
    </div>
  );
}

const KEYS: [string, string][] = [
  ["↑ ↓", "groups"],
  ["← →", "in the group"],
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

export const Keys = () => (
  <p className="fc-keys" aria-hidden="true">
    {KEYS.map(([key, does]) => (
      <span key={key}>
        <kbd>{key}</kbd> {does}
      </span>
    ))}
  </p>
);
