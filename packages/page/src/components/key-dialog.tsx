import { useState } from "preact/hooks";
import { ApiError } from "../api/client.js";
import { changeKey } from "../state/refresh.js";
import { keyProblem } from "../state/server.js";
import { Dialog } from "./dialog.js";

/** Asks for the API key of a server that needs one. */
export function KeyDialog() {
  const [key, setKey] = useState("");
  const [isForGood, setIsForGood] = useState(false);
  const [error, setError] = useState<string>();
  if (keyProblem.value === undefined) return null;
  const submit = async () => {
    setError(undefined);
    try {
      await changeKey(key.trim(), isForGood);
    } catch (failure) {
      const isWrong = failure instanceof ApiError && failure.status === 401;
      setError(isWrong ? "The server does not know this key." : "The server does not answer. Try again in a moment.");
    }
  };
  return (
    <Dialog label="This server needs a key" class="key-dialog" canClose={false} onClose={() => undefined}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <h2>This server needs a key</h2>
        <p>Whoever runs it has given it API keys. Each key has its own pictures.</p>
        <div class="field">
          <label for="api-key">API key</label>
          <input
            id="api-key"
            type="password"
            autocomplete="current-password"
            required
            value={key}
            aria-invalid={error === undefined ? undefined : "true"}
            aria-describedby={error === undefined ? undefined : "api-key-error"}
            onInput={({ currentTarget }) => setKey(currentTarget.value)}
          />
          {error !== undefined && (
            <p id="api-key-error" class="problem" role="alert">
              {error}
            </p>
          )}
        </div>
        <label class="check">
          <input type="checkbox" checked={isForGood} onChange={({ currentTarget }) => setIsForGood(currentTarget.checked)} />
          Keep it on this device
        </label>
        <button type="submit" class="primary">
          Continue
        </button>
      </form>
    </Dialog>
  );
}
