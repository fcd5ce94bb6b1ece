/** A scheduler to choose. */
export interface SchedulerChoice {
  /** As requests name it. */
  readonly name: string;
  readonly label: string;
}

/**
 * The schedulers that can be chosen for a model, of the server's class names and short names. A model that was trained for flow matching
 * takes schedulers for that only, and others take the others. Inverse schedulers make noise, not pictures.
 */
export function schedulerChoices(names: readonly string[], modelScheduler: string | undefined): SchedulerChoice[] {
  const isFlow = modelScheduler?.startsWith("FlowMatch");
  const classes = splitByClass(names).filter(([name]) => {
    if (name.includes("Inverse")) return false;
    return isFlow === undefined || isFlow === name.startsWith("FlowMatch");
  });
  return classes
    .flatMap(([name, aliases]) => (aliases.length > 0 ? aliases : [name]))
    .map((name) => ({ name, label: labelOf(name) }))
    .filter(({ label }, i, all) => all.findIndex((other) => other.label === label) === i)
    .sort((a, b) => a.label.localeCompare(b.label, "en"));
}

/** Short names follow their class. */
function splitByClass(names: readonly string[]): [name: string, aliases: string[]][] {
  const classes: [string, string[]][] = [];
  for (const name of names) {
    if (/^[A-Z]/.test(name)) classes.push([name, []]);
    else classes.at(-1)?.[1].push(name);
  }
  return classes;
}

const WORDS: Readonly<Record<string, string>> = {
  a: "ancestral",
  euler: "Euler",
  flow: "Flow",
  heun: "Heun",
  karras: "Karras",
  solver: "Solver",
  unipc: "UniPC",
};

/** "dpm++-2m-sde-karras" reads "DPM++ 2M SDE Karras". */
export function labelOf(name: string): string {
  if (/^[A-Z]/.test(name)) return name.replace(/Scheduler$/, "").replace(/([a-z])([A-Z])/g, "$1 $2");
  return name
    .split("-")
    .map((word) => WORDS[word] ?? (word.length > 5 ? word : word.toUpperCase()))
    .join(" ");
}
