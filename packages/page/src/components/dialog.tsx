import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Icon } from "./icons.js";

export interface DialogProps {
  readonly label: string;
  readonly class?: string;
  readonly onClose: () => void;
  /** Without one, only an answer closes the dialog. */
  readonly canClose?: boolean;
  readonly onKeyDown?: (event: KeyboardEvent) => void;
  readonly children: ComponentChildren;
}

/** A modal dialog, open as long as it is rendered. Esc and a click beside it close it; the focus goes back to where it was. */
export function Dialog({ label, class: className = "", onClose, canClose = true, onKeyDown, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    const element = dialog.current;
    element?.showModal();
    return () => {
      element?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      class={`dialog ${className}`}
      aria-label={label}
      onKeyDown={onKeyDown}
      onCancel={(event) => {
        event.preventDefault();
        if (canClose) onClose();
      }}
      onClose={() => {
        // A second Esc closes a dialog, whatever its page says to the first.
        if (canClose && dialog.current) onClose();
        else dialog.current?.showModal();
      }}
      onClick={(event) => {
        if (canClose && event.target === dialog.current) onClose();
      }}
    >
      <div class="dialog-inside">
        {canClose && (
          <button type="button" class="icon-button dialog-close" aria-label="Close" onClick={onClose}>
            <Icon name="close" />
          </button>
        )}
        {children}
      </div>
    </dialog>
  );
}
