import { DeviceError } from "../errors.js";
import { wrongArgument } from "../given.js";
import type { FinishedGraph } from "../graph/finished-graph.js";
import type { OnnxModel } from "../graph/onnx.js";
import { messageOf } from "../message-of.js";
import type { FileRef } from "../tensor/stored-tensor.js";
import { warn } from "../warnings.js";
import { callQueueOf } from "./call-queue.js";
import { type Capabilities, probe } from "./capabilities.js";
import { DEVICES, type DeviceOptions, isProcessor, PRECISIONS, type Precision, type Quantisation, type ResolvedDevice } from "./device.js";
import { DeviceSessions } from "./device-sessions.js";
import { disposed } from "./disposed.js";
import type { Engine } from "./engine.js";
import type { EngineHost } from "./engine-host.js";
import { WASM_MEMORY } from "./expect-memory.js";
import { LoadMeter } from "./load-progress.js";
import type { LoadOptions, Session } from "./session.js";
import type { Transport } from "./transport.js";

/** How an engine is made. */
export interface EngineOptions extends DeviceOptions {
  /** ONNX Runtime writes a profile of each session, when it is released, to a file whose path begins with this. */
  readonly profile?: string;
}

/** ONNX Runtime on a device. */
interface Running {
  readonly transport: Transport;
  readonly capabilities: Capabilities;
  readonly sessions: DeviceSessions;
  /** What is tried next if its build of the runtime turns out not to load. */
  readonly next: readonly ResolvedDevice[];
}

/**
 * Starts ONNX Runtime in a thread, on the device that is wanted or the first that works.
 * @throws DeviceError if `device` does not work on this machine; ArgumentError for an unknown precision.
 */
export async function startEngine(host: EngineHost, options: EngineOptions = {}): Promise<Engine> {
  const { device = "auto", precision = "exact" } = options;
  if (!DEVICES.includes(device)) throw new DeviceError(`device is "${device}"; expected one of ${DEVICES.join(", ")}`);
  if (!PRECISIONS.includes(precision)) throw wrongArgument("precision", precision, `one of ${PRECISIONS.join(", ")}`, { type: "string" });
  return new OnnxEngine(host, await firstThatWorks(host, options, device === "auto" ? host.autoDevices() : [device]), options);
}

/**
 * Starts the first of the devices that works. `reason` is why the build of the runtime that was tried before does not load.
 * @throws DeviceError if none works
 */
async function firstThatWorks(
  host: EngineHost,
  options: EngineOptions,
  devices: readonly ResolvedDevice[],
  reason?: unknown,
): Promise<Running> {
  const { device: wanted = "auto", deviceId, profile, precision = "exact" } = options;
  const [device] = devices;
  const build = device && host.buildFor(device);
  const ofOtherBuilds = devices.filter((each) => host.buildFor(each) !== build);
  const transport = device && host.startThread(device);
  if (!transport) throw reason;
  let error = reason;
  try {
    for (const [i, device] of devices.entries()) {
      // Devices of one build are tried in one thread.
      if (host.buildFor(device) !== build) break;
      const encode = (model: OnnxModel) => host.encode(model, device);
      const availableMemory = device === "cpu" ? () => host.availableMemory?.() : undefined;
      const settings = { device, deviceId, profile, spins: host.spins, threads: host.threads, availableMemory, encode };
      const { capabilities, problem } = await probe(transport, host, settings, { precision, onlyHardware: wanted === "auto" });
      if (capabilities) {
        if (reason !== undefined) warn(host.replacementNote(device, messageOf(reason)));
        if (precision === "fast" && !isProcessor(device) && !capabilities.halfPrecision)
          warn(exactNote(device, host.halfProblem?.(device)));
        const next = devices.slice(i + 1).filter((each) => host.buildFor(each) !== build);
        return { transport, capabilities, sessions: new DeviceSessions(transport, settings), next };
      }
      error = new DeviceError(`device ${device} is not available: ${problem}`, { hint: host.needsOf(device) });
    }
  } catch (cause) {
    // The build does not load.
    error = cause;
  }
  await transport.stop();
  if (ofOtherBuilds.length > 0) return firstThatWorks(host, options, ofOtherBuilds, error);
  if (reason === undefined || !(error instanceof DeviceError)) throw error;
  throw new DeviceError(`${messageOf(reason)}; ${error.message}`, { hint: error.hint, cause: reason });
}

/** The warning that "fast" is not possible on a device. */
function exactNote(device: ResolvedDevice, problem = "it does not compute in half precision"): string {
  return `device ${device} cannot compute with precision "fast": ${problem}; networks compute exactly`;
}

/** An engine on one device. */
class OnnxEngine implements Engine {
  readonly lowMemory: boolean;
  readonly quantize: Quantisation | undefined;
  private settling: Promise<void> | undefined;
  private isDisposed = false;

  constructor(
    private readonly host: EngineHost,
    private running: Running,
    private readonly options: EngineOptions,
  ) {
    this.lowMemory = options.lowMemory ?? false;
    this.quantize = options.quantize;
  }

  get capabilities(): Capabilities {
    return this.running.capabilities;
  }

  get device(): ResolvedDevice {
    return this.capabilities.device;
  }

  get precision(): Precision {
    const { device, halfPrecision } = this.capabilities;
    return isProcessor(device) || halfPrecision ? (this.options.precision ?? "exact") : "exact";
  }

  availableMemory(): number | undefined {
    return this.device === "wasm" ? WASM_MEMORY : this.device === "cpu" ? this.host.availableMemory?.() : undefined;
  }

  scratchFile(): FileRef {
    return this.host.scratchFile();
  }

  settle(): Promise<void> {
    this.settling ??= this.replaceMissing();
    return this.settling;
  }

  async load(graph: FinishedGraph, options?: LoadOptions): Promise<Session> {
    await this.settle();
    const { onLoadProgress } = this.options;
    const meter = onLoadProgress && options?.network !== undefined ? new LoadMeter(graph, options.network, onLoadProgress) : undefined;
    const session = await this.running.sessions.load(graph, options, meter?.read);
    meter?.end();
    return session;
  }

  async dispose(): Promise<void> {
    this.isDisposed = true;
    callQueueOf(this).close(disposed());
    await this.running.sessions.release();
    await this.running.transport.stop();
  }

  /** Starts another build of the runtime if the one that was assumed to work does not load. */
  private async replaceMissing(): Promise<void> {
    const { transport, next } = this.running;
    if (next.length === 0) return;
    try {
      await transport.ask({ kind: "wait" });
    } catch (cause) {
      if (this.isDisposed) throw cause;
      this.running = await firstThatWorks(this.host, this.options, next, cause);
      if (this.isDisposed) await this.running.transport.stop();
    }
  }
}
