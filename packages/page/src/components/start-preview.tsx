import { useEffect, useState } from "preact/hooks";

/** A picture that was chosen. */
export function StartPreview({ image, alt = "To start from" }: { readonly image: Blob; readonly alt?: string }) {
  const [url, setUrl] = useState<string>();
  useEffect(() => {
    const made = URL.createObjectURL(image);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [image]);
  return url === undefined ? null : <img class="start-preview" src={url} alt={alt} />;
}
