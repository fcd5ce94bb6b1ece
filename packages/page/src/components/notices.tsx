import { useEffect, useRef, useState } from "preact/hooks";
import { live, made } from "../state/jobs.js";
import { isConnected } from "../state/server.js";
import { notice } from "../state/view.js";

/** Whether the server is there, and short messages. */
export function Notices() {
  return (
    <>
      <div role="status" class="unseen">
        <Announcements />
      </div>
      {!isConnected.value && (
        <p class="banner" role="alert">
          No connection to the server. The page goes on as soon as it answers.
        </p>
      )}
      <div class="toasts" role="status">
        {notice.value !== "" && <p class="toast">{notice.value}</p>}
      </div>
    </>
  );
}

/** Tells screen readers when a job starts and when its pictures are there; steps would be too many words. */
function Announcements() {
  const [text, setText] = useState("");
  const running = live.value.find(({ job }) => job.state === "running")?.job.id;
  const newest = made.value[0]?.picture.id;
  const before = useRef(newest);
  useEffect(() => {
    if (running !== undefined) setText("A picture is being made.");
  }, [running]);
  useEffect(() => {
    if (newest !== undefined && before.current !== undefined && newest !== before.current) setText("A new picture is finished.");
    before.current = newest;
  }, [newest]);
  return text;
}
