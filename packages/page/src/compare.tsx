import { useId, useState } from "preact/hooks";
import { settingDifferences } from "./setting-differences.js";

/** A finished picture, to be compared with another. */
export interface ComparedPicture {
  readonly url: string;
  readonly width: number;
  readonly height: number;
  /** What it was made with, by the settings' names for people. */
  readonly settings: Readonly<Record<string, unknown>>;
}

/** Two pictures over each other with a divider that can be moved, and the settings in which they differ. */
export function Compare({ left, right }: { readonly left: ComparedPicture; readonly right: ComparedPicture }) {
  const [divider, setDivider] = useState(50);
  const title = useId();
  const differences = settingDifferences(left.settings, right.settings);
  // Pictures of several shapes are fitted into the larger one.
  const { width, height } = left.width * left.height >= right.width * right.height ? left : right;
  return (
    <div class="compare">
      <div class="compare-pictures" style={{ "--ratio": width / height, "--divider": `${divider}%` }}>
        <img src={right.url} alt="Right" />
        <img class="compare-left" src={left.url} alt="Left" />
        <span class="compare-divider" />
        <input
          type="range"
          aria-label="Divider between the pictures"
          aria-valuetext={`${divider} % of the left picture`}
          min="0"
          max="100"
          value={divider}
          onInput={({ currentTarget }) => setDivider(currentTarget.valueAsNumber)}
        />
      </div>
      {differences.length === 0 ? (
        <p>Both pictures have the same settings.</p>
      ) : (
        <table aria-labelledby={title}>
          <caption id={title}>Settings that differ</caption>
          <thead>
            <tr>
              <th scope="col">Setting</th>
              <th scope="col">Left</th>
              <th scope="col">Right</th>
            </tr>
          </thead>
          <tbody>
            {differences.map(({ name, left: before, right: after }) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td>{before}</td>
                <td>{after}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </div>
  );
}
