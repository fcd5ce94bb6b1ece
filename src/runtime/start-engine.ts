import { DeviceError } from "../errors.js";
import { wrongArgument } from "../given.js";
import type { FinishedGraph } from "../graph/finished-graph.js";
import type { FileRef } from "../tensor/stored-tensor.js";
import { callQueueOf } from "./call-queue.js";
import { type Capabilities, probe } from "./capabilities.js";
import { DEVICES, type DeviceOptions, isProcessor, PRECISIONS, type Precision, type ResolvedDevice } from "./device.js";
import { DeviceSessions } from "./device-sessions.js";
import { disposed } from "./disposed.js";
import type { Engine } from "./engine.js";
import type { EngineHost } from "./engine-host.js";
import type { LoadOptions, Session } from "./session.js";
import type { SessionSettings } from "./session-options.js";
import type { Transport } from "./transport.js";

/** How an engine is made. */
export interface EngineOptions extends DeviceOptions {
  /** ONNX Runtime writes a profile of each session, when it is released, to a file whose path begins with this. */
  readonly profile?: string;
}

/**
 * Starts ONNX Runtime in a thread, on the device that is wanted or the first that works.
 * @throws DeviceError if `device` does not work on this machine; ArgumentError for an unknown precision.
 */
export async function startEngine(host: EngineHost, options: EngineOptions = {}): Promise<Engine> {
  const { device = "auto", deviceId, profile, precision = "exact" } = options;
  if (!DEVICES.includes(device)) throw new DeviceError(`device is "${device}"; expected one of ${DEVICES.join(", ")}`);
  if (!PRECISIONS.includes(precision)) throw wrongArgument("precision", precision, `one of ${PRECISIONS.join(", ")}`, { type: "string" });
  const transport = host.startThread();
  const candidates: readonly ResolvedDevice[] = device === "auto" ? [...host.autoDevices(), "cpu"] : [device];
  let error: DeviceError | undefined;
  for (const candidate of candidates) {
    const settings = { device: candidate, deviceId, profile, spins: host.spins, threads: host.threads, encode: host.encode };
    const { capabilities, problem } = await probe(transport, host, settings, { precision, onlyHardware: device === "auto" });
    if (capabilities) return new OnnxEngine(host, transport, settings, capabilities, options);
    error = new DeviceError(`device ${candidate} is not available: ${problem}`, { hint: host.needsOf(candidate) });
  }
  await transport.stop();
  throw error;
}

/** An engine on one device. */
class OnnxEngine implements Engine {
  readonly lowMemory: boolean;
  readonly precision: Precision;
  private readonly sessions: DeviceSessions;

  constructor(
    private readonly host: EngineHost,
    private readonly transport: Transport,
    settings: SessionSettings,
    readonly capabilities: Capabilities,
    { lowMemory = false, precision = "exact" }: EngineOptions,
  ) {
    this.sessions = new DeviceSessions(transport, settings);
    this.lowMemory = lowMemory;
    this.precision = isProcessor(capabilities.device) || capabilities.halfPrecision ? precision : "exact";
  }

  get device(): ResolvedDevice {
    return this.capabilities.device;
  }

  scratchFile(): FileRef {
    return this.host.scratchFile();
  }

  load(graph: FinishedGraph, options?: LoadOptions): Promise<Session> {
    return this.sessions.load(graph, options);
  }

  async dispose(): Promise<void> {
    callQueueOf(this).close(disposed());
    await this.sessions.release();
    await this.transport.stop();
  }
}
