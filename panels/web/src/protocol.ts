/** What the Python side of the panel answers; `panels/` holds the other end. Rows are always in rank order. */

/** Either an answer or one sentence for the user, which may be about a fault of ours. */
export type Answer<T> = T | { error: string; unforeseen?: boolean };

export interface RunSummary {
  key: string;
  /** Changes whenever the run is computed again. */
  version: string;
  method: string;
  embeddings: string;
  /** The label field whose objects it ranks, null for images. */
  objects: string | null;
  n: number;
}

/** A campaign of labelling rounds. */
export interface CampaignSummary {
  key: string;
  /** Changes whenever a round is begun or recorded. */
  version: string;
  /** The label field whose objects are labelled, null for images. */
  objects: string | null;
}

export interface RunList {
  dataset: string;
  runs: RunSummary[];
  /** The latest first. */
  campaigns: CampaignSummary[];
  /** Vector fields that a run could be computed from. */
  embeddings: string[];
  samples: number;
  /** The run and budget the panel was left with, if any. */
  last: { key: string; k: number } | null;
}

/** A colouring that the server paints; a new one is an entry of `COLORINGS` in `panels/colorings.py` and nothing here. */
export interface Channel {
  id: string;
  label: string;
  explanation: string;
  /** Whether its values depend on the budget. */
  live: boolean;
}

/** One figure at every budget of the curve. */
export interface CurveFigure {
  id: string;
  label: string;
  /** Whether it is a share of the images, to be read in percent. */
  share: boolean;
  better: "low" | "high" | "";
  explanation: string;
  values: number[];
  /** Mean and standard deviation of random subsets of the same size. */
  mean: number[];
  sd: number[];
}

export interface Curve {
  budgets: number[];
  figures: CurveFigure[];
  /** Budgets after which more images bring markedly less. */
  knees: number[];
  note: string;
}

export interface Run {
  key: string;
  version: string;
  method: string;
  embeddings: string;
  model: string | null;
  seed: number;
  /** "images" or "objects". */
  noun: string;
  n: number;
  missing: number;
  reliability: number | null;
  /** Whether fingerprints told the copies; without them there are only look-alikes. */
  fingerprints: boolean;
  /** What the method read from the images and did about it, in a sentence; empty if it does not say. */
  why: string;
  projection: string;
  projectionNote: string;
  /** (n, 2) float32 points. */
  points: string;
  channels: Channel[];
}

export interface Layers {
  /** (n,) uint32: the smallest budget at which the row lies within the coverage radius of a kept row. */
  coveredAt: string;
  /** (n,) uint32: the smallest budget at which another kept row is a near-duplicate; 2^32 - 1 if there is none. */
  duplicateAt: string;
}

export type Legend =
  | { kind: "ordered"; low: string; high: string; missing: number }
  | { kind: "category"; labels: string[]; counts: number[]; missing: number; missingLabel?: string };

export interface Coloring {
  /** (n,) uint8 codes, 255 for a missing value. */
  codes: string;
  legend: Legend;
}

export interface ViewState {
  /** Bitmask of the rows in the App's current view, null if all are. */
  mask: string | null;
  /** Bitmask of the rows that were not deleted since the run, null if none was. */
  alive: string | null;
  shown: number;
  /** Whether the grid is filtered by a region drawn on the map. */
  region: boolean;
  /** What changed in the dataset since the run, for the user. */
  notices: string[];
}

export interface Figure {
  label: string;
  value: string;
}

export interface Inspection {
  id: string;
  path: string | null;
  title: string;
  figures: Figure[];
}

export interface ReportRow {
  label: string;
  value: string;
  random: string | null;
  verdict: "better" | "worse" | "same" | null;
  explanation: string;
}

export interface Report {
  rows: ReportRow[];
  warnings: string[];
}

/** All groups of near-duplicates, numbered; their images come by the page. */
export interface GroupList {
  /** Changes whenever the numbers do. */
  version: string;
  /** (g,) uint8: 0 exact copies, 1 near-copies, 2 look-alikes. */
  kinds: string;
  /** (g,) uint32 images of each; 0 if it is no group any more. */
  sizes: string;
  /** (g,) float32: how probable it is that all are copies; NaN for look-alikes. */
  certainty: string;
  /** (g,) float32: the largest distance to the representative. */
  distance: string;
  /** Share of the pairs of near-copies that are expected to be none; null without fingerprints. */
  falseAlarms: number | null;
  fingerprints: boolean;
  /** Images tagged for deletion. */
  marked: number;
}

export interface Member {
  id: string;
  /** Its rank in the run, null if the run did not rank it. */
  rank: number | null;
  /** Null if it was deleted. */
  path: string | null;
  /** Of an object: left, top, width and height as shares of the image. */
  box: [number, number, number, number] | null;
  /** Width and height of the image in pixels. */
  size: [number, number] | null;
  tags: string[];
  /** Of it and the representative; null where unknown. */
  distance: number | null;
  agreement: number | null;
  probability: number | null;
}

/** Some images of a group, the representative first. */
export interface GroupPage {
  group: number;
  members: Member[];
}

/** What an action did, in a sentence, and the word by which it is undone. */
export interface Acted {
  message: string;
  undo?: string;
  /** Images tagged for deletion, where that may have changed. */
  marked?: number;
}

/** How a group is after a decision. */
export interface Decided extends Acted {
  group: number;
  size: number;
  certainty: number | null;
  distance: number | null;
}

/** Groups by their numbers, or all copies that are certain enough. */
export type Chosen = { groups: number[] } | { at_least: number };

export interface Round {
  number: number;
  /** ISO 8601. */
  created: string;
  method: string;
  /** What was read, chosen and left out, in a paragraph. */
  why: string;
  /** Not recorded yet: the counts are those of this moment. */
  open: boolean;
  size: number;
  labelled: number;
  skipped: number;
  offTopic: number;
  /** Labels in all when it was recorded. */
  labels: number | null;
  accuracy: number | null;
  /** Of the accuracy since the round before, on the same test images, and its standard error. */
  change: [number, number] | null;
  /** Share of the images that the labels cover. */
  coverage: number | null;
  minutes: number | null;
}

export interface Campaign extends CampaignSummary {
  labelField: string;
  /** "images" or "objects". */
  noun: string;
  rounds: Round[];
  /** What curves there are, the first to show first. */
  metrics: { id: string; label: string }[];
  channels: Channel[];
}

export interface LearningCurve {
  /** Labels, metric and its standard error, if it is known, of each recorded round. */
  points: { n: number; value: number; error: number | null }[];
  /** What the random part of the batches alone would have given, likewise. */
  random: { n: number; value: number; error: number | null }[];
  /** The fitted law and its 80 % band; null while there are too few rounds. */
  line: { n: number[]; value: number[]; low: number[]; high: number[] } | null;
  /** What was measured, and of which model. */
  label: string;
  /** Why there is no line; empty if there is one. */
  note: string;
  advice: { text: string; evidence: string }[];
}

export interface WeakSpot {
  /** Images without label, and their share of all without label. */
  n: number;
  share: number;
  labels: number;
  /** Share of them that lie near a labelled one. */
  covered: number;
  expectedError: number | null;
  accuracy: number | null;
  interval: [number, number] | null;
  tested: number;
  /** The classes predicted there most often. */
  classes: string[];
  /** Whether labels there have taught nothing over two rounds. */
  notLearned: boolean;
}

export interface WeakSpots {
  /** Changes whenever they are looked for. */
  version: string;
  /** Tags of images that no batch asks for. */
  tags: string[];
  spots: WeakSpot[];
}

interface OfGroups {
  key: string;
  version: string;
}

export interface Selection {
  rows: number[];
}

export interface Done {
  shown: number;
}

/** The events of the panel, as the server names them. */
export interface Events {
  load_runs: { params: Record<string, never>; answer: RunList };
  load_run: { params: { key: string }; answer: Run };
  load_curve: { params: { key: string }; answer: Curve };
  load_layers: { params: { key: string }; answer: Layers };
  load_coloring: { params: { key: string; channel: string; k: number }; answer: Coloring };
  load_view: { params: { key: string }; answer: ViewState };
  load_selected: { params: { key: string }; answer: Selection };
  inspect: { params: { key: string; row: number; k: number }; answer: Inspection };
  report: { params: { key: string; k: number }; answer: Report };
  open_sample: { params: { key: string; row: number }; answer: Done };
  show_region: { params: { key: string; polygon: number[][] }; answer: Done };
  leave_region: { params: { key: string }; answer: Done };
  show_kept: { params: { key: string; k: number }; answer: Done };
  show_uncovered: { params: { key: string; k: number }; answer: Done };
  load_groups: { params: { key: string; again: boolean }; answer: GroupList };
  load_group_page: { params: OfGroups & { groups: number[] }; answer: { groups: GroupPage[] } };
  load_members: { params: OfGroups & { group: number; start: number }; answer: GroupPage };
  keep_instead: { params: OfGroups & { group: number; id: string }; answer: Decided };
  not_copies: { params: OfGroups & { group: number; id?: string }; answer: Decided };
  mark_rest: { params: OfGroups & Chosen & { action: "tag" | "hide" | "delete" }; answer: Acted };
  delete_marked: { params: { key: string; count: number }; answer: Acted };
  unmark_all: { params: { key: string }; answer: Acted };
  undo: { params: { key: string; token: string }; answer: Acted };
  show_groups: { params: OfGroups & Chosen; answer: Done };
  compute_fingerprints: { params: { key: string }; answer: Done };
  open_member: { params: { key: string; id: string }; answer: Done };
  load_campaign: { params: { key: string }; answer: Campaign };
  load_learning_curve: { params: { key: string; metric: string; target: number | null }; answer: LearningCurve };
  load_weak_spots: { params: { key: string }; answer: WeakSpots };
  show_round: { params: { key: string; number: number }; answer: Done };
  show_weak_spot: { params: { key: string; version: string; place: number }; answer: Done };
  leave_out_spot: { params: { key: string; version: string; place: number; tag: string }; answer: { tagged: number } };
  bring_back_spot: { params: { key: string; version: string; place: number }; answer: { tagged: number } };
  select_batch: { params: { key: string }; answer: Done };
  record_batch: { params: { key: string; number: number }; answer: Done };
  create_view: { params: { key: string; k: number }; answer: Done };
  export: { params: { key: string; k: number }; answer: Done };
  compare: { params: { key: string; k: number; other: string }; answer: Done };
  run_scores: { params: Record<string, never>; answer: Done };
  compute_embeddings: { params: Record<string, never>; answer: Done };
}

export type Call = <E extends keyof Events>(event: E, params: Events[E]["params"]) => Promise<Events[E]["answer"]>;
