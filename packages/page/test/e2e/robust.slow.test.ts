import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { describeInBrowser } from "./browser.js";
import { LONG, openDarkroom } from "./darkroom-page.js";
import { serve } from "./servers.js";

/** A folder with a LoRA for the embedded checkpoint, which changes one layer much. */
async function loraFolder(name: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "darkroom-loras-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const layer = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q";
  const values = Float32Array.from({ length: 192 }, (_, i) => Math.sin(i));
  const bytes = values.byteLength;
  const header = Buffer.from(
    JSON.stringify({
      [`${layer}.lora_A.weight`]: { dtype: "F32", shape: [1, 192], data_offsets: [0, bytes] },
      [`${layer}.lora_B.weight`]: { dtype: "F32", shape: [192, 1], data_offsets: [bytes, 2 * bytes] },
    }),
  );
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  await writeFile(
    join(folder, `${name}.safetensors`),
    Buffer.concat([length, header, Buffer.from(values.buffer), Buffer.from(values.buffer)]),
  );
  return folder;
}

describeInBrowser("the page", () => {
  it("goes on showing a job after a reload in its middle", async () => {
    const darkroom = await openDarkroom(await serve());
    await darkroom.make({ Prompt: "a house", Steps: LONG });
    const before = await darkroom.stepOf("a house");
    await darkroom.page.reload();
    await expect.poll(() => darkroom.stepOf("a house"), { timeout: 20_000 }).toBeGreaterThan(before);
    await darkroom.page.getByRole("img", { name: "Preview" }).waitFor();
    expect(await darkroom.field("Prompt").inputValue()).toBe("a house");
    expect(await darkroom.jobs.count()).toBe(1);
  });

  it("connects again by itself when the server is back, which has kept pictures and jobs", async () => {
    const server = await serve();
    const darkroom = await openDarkroom(server);
    await darkroom.make({ Prompt: "a panda", Steps: 4 });
    await darkroom.waitForPictures(1);
    await darkroom.make({ Prompt: "a house", Steps: LONG });
    await darkroom.stepOf("a house");
    await server.stop();
    const banner = darkroom.page.getByRole("alert").getByText(/No connection/);
    await banner.waitFor();
    expect(await darkroom.pictures.count()).toBe(1);
    await server.startAgain();
    await banner.waitFor({ state: "detached" });
    // The next server makes the job that ran.
    await darkroom.stepOf("a house");
    await darkroom.jobs.getByRole("button", { name: "Cancel" }).click();
    await darkroom.make({ Prompt: "an apple", Steps: 4 });
    await darkroom.waitForPictures(2);
    await darkroom.page.reload();
    await darkroom.waitForPictures(2);
  });

  it("shows what is wrong beside its field, and lets it be put right", async () => {
    const darkroom = await openDarkroom(await serve({ limits: { maxPixels: 128 * 128 } }));
    await darkroom.field("Size").selectOption("Other…");
    await darkroom.make({ Prompt: "a panda", Steps: 4, Width: 256, Height: 128 });
    const width = darkroom.form.getByRole("spinbutton", { name: "Width" });
    await expect.poll(() => width.getAttribute("aria-invalid")).toBe("true");
    const id = (await width.getAttribute("aria-describedby")) ?? "";
    expect(await darkroom.page.locator(`[id="${id}"]`).textContent()).toContain("maxPixels");
    expect(await width.evaluate((field) => field === document.activeElement)).toBe(true);
    await darkroom.make({ Width: 64, Height: 64 });
    await darkroom.waitForPictures(1);
    expect(await darkroom.form.getByRole("alert").count()).toBe(0);
  });

  it("shows jobs of other programs, and why one failed", async () => {
    const server = await serve();
    const darkroom = await openDarkroom(server);
    await darkroom.page.getByText("No pictures yet").waitFor();
    const { id } = await server.submit({ prompt: "a panda", strength: 0.5 });
    expect((await server.ended(id)).state).toBe("failed");
    await darkroom.jobs
      .filter({ hasText: "a panda" })
      .getByRole("alert")
      .getByText(/strength/i)
      .waitFor();
    await darkroom.jobs.getByRole("button", { name: "Use these settings" }).click();
    await expect.poll(() => darkroom.field("Prompt").inputValue()).toBe("a panda");
    await server.call("/v1/images/generations", { method: "POST", body: JSON.stringify({ prompt: "an apple", steps: 2 }) });
    await darkroom.waitForPictures(1);
    await darkroom.jobs.getByRole("button", { name: "Hide this job" }).click();
    expect(await darkroom.jobs.count()).toBe(0);
  });

  it("says when the queue is full, and keeps the settings", async () => {
    const server = await serve({ maxWaiting: 1 });
    const darkroom = await openDarkroom(server);
    await darkroom.make({ Prompt: "a panda", Steps: LONG });
    await darkroom.jobs.getByText(/Step \d+/).waitFor();
    await darkroom.make({ Prompt: "an apple", Steps: LONG });
    await darkroom.jobs.getByText(/Next in the queue/).waitFor();
    await darkroom.make({ Prompt: "an orange" });
    await darkroom.form
      .getByRole("alert")
      .getByText(/Try again in about/)
      .waitFor();
    expect(await darkroom.field("Prompt").inputValue()).toBe("an orange");
    expect((await server.jobs()).length).toBe(2);
  });

  it("offers the server's LoRAs, which change the picture", async () => {
    const server = await serve({ offer: { runtime: { device: "cpu" }, loraFolders: [await loraFolder("ink")] } });
    const darkroom = await openDarkroom(server);
    await darkroom.make({ Prompt: "a panda", Steps: 4, Seed: "1" });
    await darkroom.waitForPictures(1);
    await darkroom.form.getByLabel("Add a LoRA").selectOption("ink");
    await darkroom.form.getByLabel("Weight of ink").fill("0.8");
    await darkroom.make({});
    await darkroom.waitForPictures(2);
    expect((await server.jobs())[0]?.request).toMatchObject({ loras: [{ name: "ink", weight: 0.8 }] });
    expect((await darkroom.pictureBytes(0)).equals(await darkroom.pictureBytes(1))).toBe(false);
    await darkroom.form.getByRole("button", { name: "Leave ink out" }).click();
    await darkroom.form.getByLabel("Add a LoRA").waitFor();
  });
});
