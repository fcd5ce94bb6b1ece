import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import { labelFor } from "../logic/labels.js";
import { isAbout, type Problem } from "../logic/problem.js";
import { problem } from "../state/form.js";

/** What a control needs to belong to its label and its error. */
export interface ControlProps {
  readonly id: string;
  readonly "aria-invalid": "true" | undefined;
  readonly "aria-describedby": string | undefined;
}

export interface FieldProps {
  /** The request's field; errors about it are shown here. */
  readonly name: string;
  /** More fields of the request whose errors are shown here. */
  readonly also?: readonly string[] | undefined;
  /** By default the field's own. */
  readonly label?: string | undefined;
  readonly hint?: ComponentChildren;
  readonly children: (control: ControlProps) => ComponentChildren;
}

/** A control with its label, its hint and its error. */
export function Field({ name, also = [], label = labelFor(name), hint, children }: FieldProps) {
  const id = useId();
  const about = problemAbout(name, ...also);
  const describedBy = [hint && `${id}-hint`, about && `${id}-error`].filter(Boolean).join(" ");
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({ id, "aria-invalid": about ? "true" : undefined, "aria-describedby": describedBy || undefined })}
      {hint && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {about && <ProblemText id={`${id}-error`} problem={about} />}
    </div>
  );
}

/** The form's problem, if it is about one of these fields. */
export function problemAbout(...names: readonly string[]): Problem | undefined {
  const { value } = problem;
  return value && names.some((name) => isAbout(value, name)) ? value : undefined;
}

/** An error with what to do. It is read aloud when it appears. */
export function ProblemText({ id, problem: { message, hint } }: { readonly id?: string; readonly problem: Problem }) {
  return (
    <p class="problem" id={id} role="alert">
      {message}
      {hint && <span class="problem-hint">{hint}</span>}
    </p>
  );
}
