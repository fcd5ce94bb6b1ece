import { labelFor } from "../logic/labels.js";
import { fields, setFields } from "../state/form.js";
import { Icon } from "./icons.js";

/** Options of a job whose settings are used again, for which the form has no field. They can be left out. */
export function OtherOptions() {
  const { others } = fields.value;
  const entries = Object.entries(others);
  if (entries.length === 0) return null;
  const without = (name: string) => Object.fromEntries(entries.filter(([other]) => other !== name));
  return (
    <section class="others" aria-label="More options">
      <p class="hint">The settings have these options, too:</p>
      <ul class="chips">
        {entries.map(([name, value]) => (
          <li key={name}>
            <button type="button" class="chip" title="Leave it out" onClick={() => setFields({ others: without(name) })}>
              {labelFor(name)}: {typeof value === "object" ? JSON.stringify(value) : String(value)}
              <Icon name="close" />
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
