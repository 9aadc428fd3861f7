import { PluginComponentType, registerComponent } from "@fiftyone/plugins";
import { CoresetPanel } from "./Panel";

// The Python panel names this component in its render(); it is not a panel of its own.
registerComponent({
  name: "CoresetPanel",
  label: "CoresetPanel",
  component: CoresetPanel,
  type: PluginComponentType.Component,
  activator: () => true,
});
