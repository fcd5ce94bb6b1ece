import { readFile } from "node:fs/promises";
import type { BrowserContextOptions, Page } from "playwright-core";
import { openPage } from "./browser.js";
import type { TestServer } from "./servers.js";

/** Steps of a job that is not over before a test has looked at it. */
export const LONG = 900;

/** Fields of the form by their labels. */
export interface Settings {
  readonly Prompt?: string;
  readonly "Negative prompt"?: string;
  readonly Steps?: number;
  readonly Seed?: string;
  readonly Count?: number;
  readonly Width?: number;
  readonly Height?: number;
  readonly Guidance?: number;
}

/** The page of a server in a browser, as its users see it. */
export async function openDarkroom(server: Pick<TestServer, "address">, options: BrowserContextOptions = {}) {
  const page = await openPage(options);
  await page.goto(server.address);
  return new DarkroomPage(page);
}

export class DarkroomPage {
  constructor(readonly page: Page) {}

  get form() {
    return this.page.getByRole("form", { name: "New picture" });
  }

  get makeButton() {
    return this.form.getByRole("button", { name: /^(Make|Sending)/ });
  }

  /** Jobs that wait or run, or that made no picture. */
  get jobs() {
    return this.page.getByRole("region", { name: "Jobs" }).getByRole("listitem");
  }

  /** Finished pictures, the newest first. */
  get pictures() {
    return this.page.getByRole("region", { name: "Pictures" }).getByRole("img");
  }

  get dialog() {
    return this.page.getByRole("dialog");
  }

  field(label: string) {
    return this.form.getByLabel(label, { exact: true });
  }

  /** Shows the settings, which are folded on a narrow screen. */
  async unfoldSettings(): Promise<void> {
    if (!(await this.field("Steps").isVisible())) await this.form.getByText("Settings", { exact: true }).click();
  }

  async fill(settings: Settings): Promise<void> {
    for (const [label, value] of Object.entries(settings)) await this.field(label).fill(String(value));
  }

  /** Fills the form and sends it by the keyboard. */
  async make(settings: Settings): Promise<void> {
    await this.fill(settings);
    await this.field("Prompt").press("Control+Enter");
  }

  /** The step that a job is at, once it runs. */
  async stepOf(prompt: string): Promise<number> {
    const status = this.jobs.filter({ hasText: prompt }).getByText(/Step \d+ of/);
    return Number(/Step (\d+)/.exec((await status.textContent()) ?? "")?.[1]);
  }

  /** Waits for so many finished pictures. */
  async waitForPictures(count: number): Promise<void> {
    await this.pictures.nth(count - 1).waitFor();
  }

  /** Opens a finished picture, and returns its dialog. */
  async openPicture(at = 0) {
    await this.page.getByRole("region", { name: "Pictures" }).getByRole("listitem").nth(at).getByRole("button").click();
    await this.dialog.waitFor();
    return this.dialog;
  }

  /** The bytes of a finished picture, as the page links to it. */
  async pictureBytes(at = 0): Promise<Buffer> {
    const url = await this.pictures.nth(at).evaluate((image: HTMLImageElement) => image.src);
    return Buffer.from(await (await fetch(url)).arrayBuffer());
  }

  /** Downloads the picture of the open dialog. */
  async download(): Promise<{ readonly name: string; readonly bytes: Buffer }> {
    const [download] = await Promise.all([this.page.waitForEvent("download"), this.dialog.getByRole("link", { name: "Download" }).click()]);
    return { name: download.suggestedFilename(), bytes: await readFile(await download.path()) };
  }
}
