import React, { useCallback, useState } from "react";
import { Call } from "./protocol";
import { Rounds } from "./Rounds";
import { ChosenCampaign } from "./useCampaign";

interface Props {
  dataset: string;
  campaign: ChosenCampaign;
  call: Call;
  width: number;
  notice: string;
}

/** A campaign on a dataset without a coreset run: there is no map to colour, and everything else. */
export function RoundsAlone({ dataset, campaign, call, width, notice }: Props) {
  const [told, setTold] = useState("");
  const act = useCallback((label: string, done: Promise<unknown>) => {
    setTold(label);
    done.then(
      () => setTold(""),
      (error: Error) => setTold(error.message),
    );
  }, []);
  return (
    <div className="fc-body fc-alone">
      <p className="fc-note">
        {notice || "Compute scores to see the rounds on a map, too."}{" "}
        <button type="button" className="fc-chip" onClick={() => call("run_scores", {})}>
          Compute scores…
        </button>{" "}
        <span role="status">{told}</span>
      </p>
      <div className="fc-side">
        <Rounds dataset={dataset} campaign={campaign} call={call} act={act} width={Math.max(220, Math.min(width, 620) - 32)} wide={false} legend={null} />
      </div>
    </div>
  );
}
