import { useState } from "react";
import { Loading, useLoaded } from "./hooks";
import { Call, Campaign, RunList } from "./protocol";

/** Campaigns chosen earlier, by dataset. */
const chosen = new Map<string, string>();

export interface ChosenCampaign extends Loading<Campaign> {
  /** Names of all campaigns, the latest first. */
  keys: string[];
  pick: (key: string) => void;
}

/** The campaign of the dataset that is looked at. Each look at the list counts the open round's labels again. */
export function useCampaign(list: RunList | null, call: Call): ChosenCampaign {
  const [, setPicks] = useState(0);
  const keys = list?.campaigns.map(({ key }) => key) ?? [];
  const picked = list ? chosen.get(list.dataset) : undefined;
  const key = picked && keys.includes(picked) ? picked : keys[0];
  const loaded = useLoaded(() => call("load_campaign", { key }), key ? [list, key] : null);
  const pick = (wanted: string) => {
    if (!list) return;
    chosen.set(list.dataset, wanted);
    setPicks((before) => before + 1);
  };
  return { ...loaded, value: loaded.value?.key === key ? loaded.value : null, keys, pick };
}
