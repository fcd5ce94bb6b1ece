import { disposed } from "../disposed.js";
import type { Answer, LoadTask, Task, Transport } from "../transport.js";
import { isOutOfMemory, outOfMemory } from "./out-of-memory.js";

/*
 * The heap of WebAssembly ends at 4 GB, is never given back while its worker lives, and is lost whole if the runtime aborts in it. So a
 * large network gets a worker of its own, a worker ends with its last network if its heap has grown, and networks whose worker has ended
 * are loaded again. An autoencoder's worker ends after each run, since its intermediate results are much larger than its weights.
 */

/** Bytes of weights up to which networks share a worker. */
const LARGEST_SHARED = 2 ** 29;

/** Bytes of weights up to which an empty worker is kept: starting another one takes longer than its memory is worth. */
const LARGEST_KEPT = 2 ** 27;

/** A worker, and what it holds. */
interface NetworkWorker {
  readonly transport: Transport;
  /** The networks that are loaded in it, or being loaded. */
  readonly networks: Set<Network>;
  /** Bytes of their weights. */
  bytes: number;
  /** The most that {@link bytes} has been. */
  mostBytes: number;
}

/** A network that was loaded and not released. */
interface Network {
  readonly task: LoadTask;
  /** Called with bytes of weights that were read. */
  readonly onRead: ((bytes: number) => void) | undefined;
  /** Its worker and its session there; undefined if the worker has ended. */
  place: Promise<{ readonly worker: NetworkWorker; readonly session: number }> | undefined;
}

/** The workers of one engine, as one transport. */
export class NetworkWorkers implements Transport {
  private readonly workers = new Set<NetworkWorker>();
  private readonly networks = new Map<number, Network>();
  private readonly ending = new Set<Promise<void>>();
  private lastId = 0;
  private isStopped = false;

  /** `start` starts a worker. */
  constructor(private readonly start: () => Transport) {}

  get hasEnded(): boolean {
    return this.isStopped;
  }

  async ask(task: Task, transfer: readonly ArrayBuffer[] = [], onRead?: (bytes: number) => void): Promise<Answer> {
    if (this.isStopped) throw disposed();
    switch (task.kind) {
      case "wait":
        return this.workerFor(0).transport.ask(task);
      case "stop":
        await this.stop();
        return {};
      case "load": {
        const network: Network = { task, onRead, place: undefined };
        await this.placeOf(network);
        this.networks.set(++this.lastId, network);
        return { session: this.lastId };
      }
      case "run": {
        const network = this.networks.get(task.session);
        if (!network) throw new Error(`session ${task.session} was released`);
        const { worker, session } = await this.placeOf(network);
        const answer = await this.guarded(worker, () => worker.transport.ask({ ...task, session }, transfer));
        if (network.task.endsAfterRun && this.workers.has(worker)) void this.end(worker);
        return answer;
      }
      case "release": {
        const network = this.networks.get(task.session);
        this.networks.delete(task.session);
        const place = await network?.place?.catch(() => undefined);
        if (network && place) await this.leave(network, place.worker, place.session);
        return {};
      }
    }
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    await Promise.all([...[...this.workers].map(({ transport }) => transport.stop()), ...this.ending]);
  }

  /** Where the network is loaded; it is loaded if it is not. */
  private placeOf(network: Network): NonNullable<Network["place"]> {
    network.place ??= this.load(network).catch((error: unknown) => {
      network.place = undefined;
      throw error;
    });
    return network.place;
  }

  private async load(network: Network): Promise<{ readonly worker: NetworkWorker; readonly session: number }> {
    const { task } = network;
    const bytes = bytesOf(task);
    const worker = this.workerFor(bytes);
    worker.networks.add(network);
    worker.bytes += bytes;
    worker.mostBytes = Math.max(worker.mostBytes, worker.bytes);
    const { session } = await this.guarded(worker, () => worker.transport.ask(task, [], network.onRead)).catch(async (error: unknown) => {
      await this.remove(network, worker);
      throw error;
    });
    if (session === undefined) throw new Error("the runtime's worker returned no session");
    return { worker, session };
  }

  private async leave(network: Network, worker: NetworkWorker, session: number): Promise<void> {
    await worker.transport.ask({ kind: "release", session }).catch((error: unknown) => {
      if (!worker.transport.hasEnded) throw error;
    });
    await this.remove(network, worker);
  }

  /** Takes a network off a worker's list. The worker ends if it is empty and its heap has grown. */
  private async remove(network: Network, worker: NetworkWorker): Promise<void> {
    if (worker.networks.delete(network)) worker.bytes -= bytesOf(network.task);
    if (worker.networks.size === 0 && worker.mostBytes > LARGEST_KEPT) await this.end(worker);
  }

  /** A worker that has room for this many bytes of weights, or a new one. */
  private workerFor(bytes: number): NetworkWorker {
    for (const worker of this.workers) {
      if (worker.transport.hasEnded) this.end(worker);
      else if (worker.bytes + bytes <= LARGEST_SHARED || worker.bytes === 0) return worker;
    }
    const worker: NetworkWorker = { transport: this.start(), networks: new Set(), bytes: 0, mostBytes: 0 };
    this.workers.add(worker);
    return worker;
  }

  /** Asks a worker. If its heap is full it ends, because what it holds may be damaged. @throws DeviceError that says what to lower */
  private async guarded(worker: NetworkWorker, ask: () => Promise<Answer>): Promise<Answer> {
    try {
      return await ask();
    } catch (error) {
      if (!isOutOfMemory(error)) throw error;
      this.end(worker);
      throw outOfMemory(error);
    }
  }

  /** Ends a worker. The networks in it are loaded again when they are needed. */
  private end(worker: NetworkWorker): Promise<void> {
    this.workers.delete(worker);
    for (const network of worker.networks) network.place = undefined;
    worker.networks.clear();
    const ending = worker.transport.stop().finally(() => this.ending.delete(ending));
    this.ending.add(ending);
    return ending;
  }
}

/** Bytes of a network's weights in the heap. A network whose intermediate results are large is never small. */
function bytesOf({ mounts = [], preparations, endsAfterRun }: LoadTask): number {
  const weights = [mounts, ...preparations.map(({ mounts = [] }) => mounts)].flat().reduce((sum, { length }) => sum + length, 0);
  return endsAfterRun ? Math.max(weights, LARGEST_SHARED + 1) : weights;
}
