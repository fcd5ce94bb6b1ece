// The library alone, in a process of its own: for each number that it is sent, it makes so many pictures, and answers with their seconds.
import { embeddedCheckpointPath } from "darkroom";
import { openWorkflow } from "darkroom/generate";

const workflow = await openWorkflow({ model: embeddedCheckpointPath(), device: "cpu" }, {});

process.on("message", async ({ prompt, seeds }) => {
  const seconds = [];
  for (const seed of seeds) {
    const start = performance.now();
    for await (const event of workflow.run({ prompt, seed })) {
      if (event.kind === "picture") await event.picture.image.encode("png", { text: event.picture.text });
    }
    seconds.push((performance.now() - start) / 1000);
  }
  process.send?.(seconds);
});
process.on("disconnect", () => process.exit());
process.send?.([]);
