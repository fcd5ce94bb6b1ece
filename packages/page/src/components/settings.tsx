import { useEffect, useRef } from "preact/hooks";
import { abilities, defaults, fields, problem, resetFields, setFields } from "../state/form.js";
import { offer } from "../state/server.js";
import { ControlField } from "./control-field.js";
import { Field } from "./field.js";
import { LoraList } from "./lora-list.js";
import { ModelField } from "./model-field.js";
import { NumberField } from "./number-field.js";
import { OtherOptions } from "./other-options.js";
import { SchedulerField } from "./scheduler-field.js";
import { SeedField } from "./seed-field.js";
import { SizeField } from "./size-field.js";

/** Where the form stands beside the pictures. The same width is in layout.css. */
const WIDE = "(min-width: 60rem)";

/** How a picture is made. On narrow screens it is folded, so that the pictures are near. */
export function Settings() {
  const details = useRef<HTMLDetailsElement>(null);
  const { takesPrompt, takesGuidance } = abilities.value;
  const { limits } = offer.value ?? {};
  const param = problem.value?.param;
  useEffect(() => {
    if (param !== undefined && details.current?.querySelector("[aria-invalid=true]")) details.current.open = true;
  }, [param]);
  useOpenWhereWide(details);
  return (
    <details
      ref={details}
      class="settings"
      onInvalidCapture={({ currentTarget }) => {
        currentTarget.open = true;
      }}
    >
      <summary>Settings</summary>
      <div class="form-fields">
        <ModelField />
        <SizeField />
        <div class="pair">
          <NumberField name="numInferenceSteps" placeholder={defaults.value?.steps} min={1} max={limits?.maxSteps} />
          {takesGuidance && <NumberField name="guidanceScale" label="Guidance" placeholder={defaults.value?.guidance} min={0} step="any" />}
        </div>
        <SchedulerField />
        <SeedField />
        <div class="pair">
          <NumberField name="numImagesPerPrompt" placeholder={1} min={1} max={limits?.maxBatch} />
          <FormatField />
        </div>
        {fields.value.format !== "png" && <NumberField name="quality" placeholder="the format's own" min={1} max={100} />}
        {takesPrompt && <LoraList />}
        <ControlField />
        <OtherOptions />
        <button type="button" class="quiet reset" onClick={resetFields}>
          Reset the settings
        </button>
      </div>
    </details>
  );
}

function FormatField() {
  return (
    <Field name="format">
      {(control) => (
        <select
          {...control}
          value={fields.value.format}
          onChange={({ currentTarget }) => setFields({ format: currentTarget.value as "png" | "jpeg" | "webp" })}
        >
          <option value="png">PNG</option>
          <option value="jpeg">JPEG</option>
          <option value="webp">WebP</option>
        </select>
      )}
    </Field>
  );
}

function useOpenWhereWide(details: { readonly current: HTMLDetailsElement | null }): void {
  useEffect(() => {
    const wide = matchMedia(WIDE);
    const adapt = () => {
      if (details.current && wide.matches) details.current.open = true;
    };
    adapt();
    wide.addEventListener("change", adapt);
    return () => wide.removeEventListener("change", adapt);
  }, []);
}
