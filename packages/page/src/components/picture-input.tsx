import type { RefObject } from "preact";

/** The unseen input that a button opens to choose a picture. */
export function PictureInput(props: {
  readonly input: RefObject<HTMLInputElement | null>;
  readonly label: string;
  readonly onPicture: (file: File) => void;
}) {
  return (
    <input
      ref={props.input}
      type="file"
      class="unseen"
      tabIndex={-1}
      accept="image/png,image/jpeg,image/webp,image/gif,image/avif"
      aria-label={props.label}
      onChange={({ currentTarget }) => {
        const [file] = currentTarget.files ?? [];
        if (file) props.onPicture(file);
        // The same file can be chosen again.
        currentTarget.value = "";
      }}
    />
  );
}
