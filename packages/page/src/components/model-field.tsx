import type { Model } from "../api/types.js";
import { fields, model, setFields } from "../state/form.js";
import { offer } from "../state/server.js";
import { Field } from "./field.js";

const STATES: Readonly<Record<Model["state"], string>> = {
  ready: "",
  "not-downloaded": "It is downloaded for its first picture, which takes a while.",
  unreadable: "The server cannot read this model.",
};

export function ModelField() {
  const { models = [], default: defaultName } = offer.value ?? {};
  const name = fields.value.model === "" ? defaultName : fields.value.model;
  const isLost = name !== undefined && !models.some((each) => each.name === name);
  const hint = model.value && STATES[model.value.state];
  return (
    <Field name="model" hint={hint}>
      {(control) => (
        <select {...control} value={name} onChange={({ currentTarget }) => setFields({ model: currentTarget.value })}>
          {models.map((each) => (
            <option key={each.name} value={each.name}>
              {each.name}
              {each.family !== undefined && ` – ${each.family}`}
            </option>
          ))}
          {isLost && <option value={name}>{name} (no longer offered)</option>}
        </select>
      )}
    </Field>
  );
}
