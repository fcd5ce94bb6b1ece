import { labelOf, schedulerChoices } from "../logic/schedulers.js";
import { fields, model, setFields } from "../state/form.js";
import { offer } from "../state/server.js";
import { Field } from "./field.js";

export function SchedulerField() {
  const own = model.value?.scheduler;
  const { scheduler } = fields.value;
  const choices = schedulerChoices(offer.value?.schedulers ?? [], own);
  const isListed = scheduler === "" || choices.some(({ name }) => name === scheduler);
  return (
    <Field name="scheduler">
      {(control) => (
        <select {...control} value={scheduler} onChange={({ currentTarget }) => setFields({ scheduler: currentTarget.value })}>
          <option value="">The model's own{own && ` – ${labelOf(own)}`}</option>
          {choices.map(({ name, label }) => (
            <option key={name} value={name}>
              {label}
            </option>
          ))}
          {!isListed && <option value={scheduler}>{labelOf(scheduler)}</option>}
        </select>
      )}
    </Field>
  );
}
