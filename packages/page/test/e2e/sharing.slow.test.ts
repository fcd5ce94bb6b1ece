import type { Page } from "playwright-core";
import { expect, it } from "vitest";
import { describeInBrowser, FOREIGN_NAME, openPage } from "./browser.js";
import { DarkroomPage, LONG, openDarkroom } from "./darkroom-page.js";
import { serve, type TestServer } from "./servers.js";

const KEYS = ["first-key", "second-key"] as const;

/** The page of a server that needs a key, after the key was given. */
async function openWithKey(server: TestServer, key: string): Promise<DarkroomPage> {
  const darkroom = await openDarkroom(server);
  await giveKey(darkroom, key);
  await darkroom.dialog.waitFor({ state: "detached" });
  return darkroom;
}

async function giveKey({ dialog }: DarkroomPage, key: string): Promise<void> {
  await dialog.getByLabel("API key", { exact: true }).fill(key);
  await dialog.getByRole("button", { name: "Continue" }).click();
}

/** How often the browser would have asked for a password by a dialog of its own. */
async function countPasswordDialogs(page: Page): Promise<() => number> {
  let count = 0;
  const session = await page.context().newCDPSession(page);
  session.on("Fetch.requestPaused", ({ requestId }) => void session.send("Fetch.continueRequest", { requestId }).catch(() => undefined));
  session.on("Fetch.authRequired", ({ requestId }) => {
    count++;
    void session.send("Fetch.continueWithAuth", { requestId, authChallengeResponse: { response: "CancelAuth" } });
  });
  await session.send("Fetch.enable", { handleAuthRequests: true });
  return () => count;
}

describeInBrowser("a server for several people", () => {
  it("asks for a key, says when it is wrong, and keeps it over a reload", async () => {
    const server = await serve({ apiKeys: KEYS });
    const page = await openPage();
    const passwordDialogs = await countPasswordDialogs(page);
    await page.goto(server.address);
    const darkroom = new DarkroomPage(page);
    await giveKey(darkroom, "wrong");
    await darkroom.dialog
      .getByRole("alert")
      .getByText(/does not know this key/)
      .waitFor();
    await giveKey(darkroom, KEYS[0]);
    await darkroom.dialog.waitFor({ state: "detached" });
    await darkroom.page.reload();
    await darkroom.page.getByText("No pictures yet").waitFor();
    expect(await darkroom.dialog.count()).toBe(0);
    await darkroom.page.getByRole("button", { name: "Change the key" }).click();
    await darkroom.dialog.getByLabel("API key", { exact: true }).waitFor();
    expect(passwordDialogs()).toBe(0);
  });

  it("makes and cancels in each of five windows of one browser, while jobs run in all of them", async () => {
    const server = await serve({ slots: 2 });
    const first = await openDarkroom(server);
    const windows = [first];
    for (let i = 1; i < 5; i++) {
      const page = await first.page.context().newPage();
      await page.goto(server.address);
      windows.push(new DarkroomPage(page));
    }
    for (const [i, window] of windows.entries()) {
      await window.make({ Prompt: `fox ${i}`, Steps: LONG, Count: 4 });
      await window.jobs.filter({ hasText: `fox ${i}` }).waitFor();
    }
    for (const [i, window] of windows.entries()) {
      const job = window.jobs.filter({ hasText: `fox ${i}` });
      await job.getByRole("button", { name: /^Cancel/ }).click();
      await job.getByRole("button", { name: /^Cancel/ }).waitFor({ state: "detached" });
    }
    expect((await server.jobs()).map(({ state }) => state)).toEqual(windows.map(() => "cancelled"));
  });

  it("shows each of them their own jobs and pictures only, and makes all of them", async () => {
    const server = await serve({ apiKeys: KEYS });
    const [first, second] = [await openWithKey(server, KEYS[0]), await openWithKey(server, KEYS[1])];
    await first.make({ Prompt: "a panda", Steps: LONG });
    await first.jobs.getByText(/Step \d+/).waitFor();
    await second.make({ Prompt: "an apple", Steps: 4 });
    await second.jobs.getByText(/in the queue/).waitFor();
    expect([await first.jobs.count(), await second.jobs.count()]).toEqual([1, 1]);
    await first.jobs.getByRole("button", { name: "Cancel" }).click();
    await second.waitForPictures(1);
    await first.page.reload();
    await first.jobs.getByText("a panda").waitFor();
    expect([await first.pictures.count(), await second.pictures.count()]).toEqual([0, 1]);
    expect(await first.page.getByText("an apple").count()).toBe(0);
  });

  it("is not reached by a page that rebinds its name to this machine", async () => {
    const server = await serve();
    const page = await openPage();
    const reply = await page.goto(server.address.replace("127.0.0.1", FOREIGN_NAME));
    expect(reply?.status()).toBe(403);
    expect(await page.getByRole("form").count()).toBe(0);
  });

  it("does not run what people write into prompts", async () => {
    const server = await serve();
    const evil = `"><img src=x onerror="document.title='run'"><script>document.title='run'</script>`;
    const { id } = await server.submit({ prompt: evil, negativePrompt: evil, numInferenceSteps: 2, seed: 5 });
    await server.submit({ prompt: `${evil} waits`, numInferenceSteps: LONG });
    await server.ended(id);
    const darkroom = await openDarkroom(server);
    await darkroom.jobs.getByText("waits").waitFor();
    await darkroom.waitForPictures(1);
    await darkroom.openPicture();
    await darkroom.dialog.getByText(evil).first().waitFor();
    await darkroom.dialog.getByRole("button", { name: "Use these settings" }).click();
    await expect.poll(() => darkroom.field("Prompt").inputValue()).toBe(evil);
    expect(await darkroom.page.title()).toMatch(/Darkroom$/);
    expect(await darkroom.page.locator("img[src=x], main script").count()).toBe(0);
  });
});
