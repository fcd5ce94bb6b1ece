/**
 * The thread's state, in memory that both sides share. ONNX Runtime's addon aborts the whole process if its thread is ended during work,
 * because node-addon-api cannot throw into a thread that is being ended. So the main thread waits until the state is idle and sets it to
 * closed before it ends the thread.
 */
export const THREAD_STATE = { idle: 0, busy: 1, closed: 2 } as const;
