/** The few functions of the App that the panel uses; the App provides them, npm does not carry their types. */

declare module "@fiftyone/components" {
  export function useTheme(): { mode?: string; palette?: { mode?: string } };
}

declare module "@fiftyone/operators" {
  export interface OperatorResult {
    result?: unknown;
    error?: unknown;
    errorMessage?: unknown;
  }
  export function useTriggerPanelEvent(): (
    uri: string,
    params: Record<string, unknown>,
    prompt: boolean,
    callback: (result: OperatorResult) => unknown,
  ) => void;
}

declare module "@fiftyone/plugins" {
  export enum PluginComponentType {
    Visualizer = 0,
    Plot = 1,
    Panel = 2,
    Component = 3,
  }
  export function registerComponent(registration: {
    name: string;
    label: string;
    component: unknown;
    type: PluginComponentType;
    activator: () => boolean;
  }): void;
}

declare module "@fiftyone/state" {
  /** The URL from which the App serves a media file. */
  export function getSampleSrc(path: string): string;
}
