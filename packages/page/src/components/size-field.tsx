import { useState } from "preact/hooks";
import { sizePresets, startSize } from "../logic/sizes.js";
import { fields, model, setFields, start } from "../state/form.js";
import { Field } from "./field.js";
import { NumberField } from "./number-field.js";

/** Width and height, or one of the sizes that suit the model. */
export function SizeField() {
  const side = model.value?.size;
  const presets = side === undefined ? [] : sizePresets(side);
  const byDefault = start.value ? startSize(start.value, side) : side === undefined ? undefined : { width: side, height: side };
  const { width, height } = fields.value;
  const [isOther, setIsOther] = useState(false);
  const isDefault = width === "" && height === "" && !isOther;
  const at = presets.findIndex((preset) => String(preset.width) === width && String(preset.height) === height);
  const isListed = isDefault || (at >= 0 && !isOther);
  const choose = (value: string) => {
    const preset = presets[Number(value)];
    setIsOther(value === "other");
    if (value === "default") setFields({ width: "", height: "" });
    else if (preset) setFields({ width: String(preset.width), height: String(preset.height) });
  };
  const defaultLabel = start.value ? "As the picture" : "The model's own";
  return (
    <div class="size">
      <Field name="size" label="Size" also={isListed ? ["width", "height"] : []}>
        {(control) => (
          <select
            {...control}
            value={isDefault ? "default" : isListed ? String(at) : "other"}
            onChange={(event) => choose(event.currentTarget.value)}
          >
            <option value="default">
              {defaultLabel}
              {byDefault && ` – ${byDefault.width} × ${byDefault.height}`}
            </option>
            {presets.map((preset, i) => (
              <option key={preset.label} value={i}>
                {preset.label} – {preset.width} × {preset.height}
              </option>
            ))}
            <option value="other">Other…</option>
          </select>
        )}
      </Field>
      {!isListed && (
        <>
          <NumberField name="width" placeholder={byDefault?.width} min={8} max={16384} step={8} />
          <NumberField name="height" placeholder={byDefault?.height} min={8} max={16384} step={8} />
        </>
      )}
    </div>
  );
}
