import type { Fields } from "../logic/fields.js";
import type { NumberName } from "../logic/request.js";
import { fields, setFields } from "../state/form.js";
import { Field } from "./field.js";

export interface NumberFieldProps {
  readonly name: NumberName;
  readonly label?: string;
  /** What an empty field means. */
  readonly placeholder?: number | string | undefined;
  readonly min: number;
  readonly max?: number | undefined;
  /** "any" for fractions. */
  readonly step?: number | "any";
}

/** A number of the form. The browser checks its range before anything is sent. */
export function NumberField({ name, label, placeholder, min, max, step = 1 }: NumberFieldProps) {
  return (
    <Field name={name} label={label}>
      {(control) => (
        <input
          {...control}
          type="number"
          inputMode={step === "any" ? "decimal" : "numeric"}
          value={fields.value[name]}
          placeholder={placeholder === undefined ? undefined : String(placeholder)}
          min={min}
          max={max}
          step={step}
          onInput={({ currentTarget }) => setFields({ [name]: currentTarget.value } as Partial<Fields>)}
        />
      )}
    </Field>
  );
}
