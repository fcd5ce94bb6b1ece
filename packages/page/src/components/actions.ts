import type { Job } from "../api/types.js";
import { makeAgain, problem, reuseJob, startFromMade } from "../state/form.js";
import { opened, say } from "../state/view.js";

/** Fills the form with a job's settings, and says what is missing. */
export function takeSettings(job: Job, index?: number): void {
  const missing = reuseJob(job, index);
  opened.value = undefined;
  const lost =
    missing.length > 0 ? ` The server has not kept the ${missing.join(" and the ")}: add ${missing.length > 1 ? "them" : "it"} again.` : "";
  say(`The form has these settings.${lost}`);
  focusForm();
}

export async function again(job: Job): Promise<void> {
  opened.value = undefined;
  say((await makeAgain(job)) ? "Making it again with a new seed." : (problem.value?.message ?? ""));
}

export async function startFromPicture(id: string): Promise<void> {
  try {
    await startFromMade(id);
    opened.value = undefined;
    say("The next picture starts from this one.");
    document.querySelector(".start")?.scrollIntoView({ block: "nearest" });
  } catch {
    say("The picture could not be loaded.");
  }
}

/** After the dialog has given the focus back. */
function focusForm(): void {
  setTimeout(() => {
    const field = document.querySelector<HTMLElement>(".form textarea, .form select");
    field?.focus();
    field?.scrollIntoView({ block: "center" });
  });
}
