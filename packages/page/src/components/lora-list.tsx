import { fields, setFields } from "../state/form.js";
import { offer } from "../state/server.js";
import { ProblemText, problemAbout } from "./field.js";
import { Icon } from "./icons.js";

/** The LoRAs that act on the picture, with their weights. */
export function LoraList() {
  const offered = offer.value?.loras ?? [];
  const { loras } = fields.value;
  const rest = offered.filter((name) => !loras.some((lora) => lora.name === name));
  // Tags in the prompt name LoRAs, too.
  const about = problemAbout("loras");
  if (offered.length === 0 && loras.length === 0 && !about) return null;
  const change = (at: number, weight: string) => setFields({ loras: loras.map((lora, i) => (i === at ? { ...lora, weight } : lora)) });
  return (
    <fieldset class="loras">
      <legend>LoRAs</legend>
      {loras.length > 0 && (
        <ul>
          {loras.map(({ name, weight }, at) => (
            <li key={name}>
              <span class="lora-name">{name}</span>
              <input
                type="number"
                step="any"
                aria-label={`Weight of ${name}`}
                value={weight}
                placeholder="1"
                onInput={({ currentTarget }) => change(at, currentTarget.value)}
              />
              <button
                type="button"
                class="icon-button"
                aria-label={`Leave ${name} out`}
                onClick={() => setFields({ loras: loras.filter((_, i) => i !== at) })}
              >
                <Icon name="close" />
              </button>
            </li>
          ))}
        </ul>
      )}
      {rest.length > 0 && (
        <select
          aria-label="Add a LoRA"
          value=""
          onChange={({ currentTarget }) => {
            if (currentTarget.value !== "") setFields({ loras: [...loras, { name: currentTarget.value, weight: "1" }] });
            currentTarget.value = "";
          }}
        >
          <option value="">Add a LoRA…</option>
          {rest.map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      )}
      {about && <ProblemText problem={about} />}
    </fieldset>
  );
}
