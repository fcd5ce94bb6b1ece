import { useRef } from "preact/hooks";
import { abilities, control, controlFrom, fields, setFields } from "../state/form.js";
import { offer } from "../state/server.js";
import { Field, ProblemText, problemAbout } from "./field.js";
import { NumberField } from "./number-field.js";
import { PictureInput } from "./picture-input.js";
import { StartPreview } from "./start-preview.js";

/** A ControlNet with the picture that it follows, if the server has any. */
export function ControlField() {
  const input = useRef<HTMLInputElement>(null);
  const { controlnets = [] } = offer.value ?? {};
  if (controlnets.length === 0 || !abilities.value.takesControl) return null;
  const chosen = fields.value.controlnet;
  const about = problemAbout("controlImage");
  return (
    <>
      <Field name="controlnet">
        {(props) => (
          <select {...props} value={chosen} onChange={({ currentTarget }) => setFields({ controlnet: currentTarget.value })}>
            <option value="">None</option>
            {controlnets.map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        )}
      </Field>
      {chosen !== "" && (
        <fieldset class="start">
          <legend>Picture that the ControlNet follows</legend>
          <div class="drop">
            <PictureInput input={input} label="Picture that the ControlNet follows" onPicture={(file) => void controlFrom(file)} />
            {control.value && <StartPreview image={control.value} alt="For the ControlNet" />}
            <div class="start-tools">
              <button type="button" onClick={() => input.current?.click()}>
                {control.value ? "Another picture" : "Choose a picture"}
              </button>
            </div>
          </div>
          {about && <ProblemText problem={about} />}
          <NumberField name="controlnetConditioningScale" placeholder={1} min={0} step="any" />
        </fieldset>
      )}
    </>
  );
}
