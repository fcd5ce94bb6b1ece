import type { JsonObject } from "../../checkpoint/json.js";
import type { ModelIndex } from "../../checkpoint/model-index.js";
import { subfolderIn } from "../../checkpoint/part-folder.js";
import { kindOf } from "../../checkpoint/part-kind.js";
import { ArgumentError, CheckpointError, ConfigError } from "../../errors.js";
import { camelCase } from "../../letter-case.js";
import { checkOptions } from "../../options/check-options.js";
import { type Field, type Fields, type NeededField, needed } from "../../options/fields.js";
import type { Folder } from "../../platform/folder.js";
import type { Engine } from "../../runtime/engine.js";

/** A class that can be loaded from a checkpoint's folder. */
export interface ComponentLoader<Component> {
  fromPretrained(
    folder: Folder,
    options: { readonly subfolder?: string; readonly variant?: string; readonly engine?: Engine },
  ): Promise<Component>;
}

/** The field of a part that a pipeline needs. */
export function part<Component>(one: Field<Component>): NeededField<Component> {
  return { ...needed(one, "fromPretrained brings all parts of a checkpoint"), nullIsValue: true };
}

/** @throws ArgumentError unless `parts` has all parts that a pipeline needs, each of the right class. */
export function expectParts<Components extends object>(className: string, parts: Components, fields: Fields<Components>): void {
  // `{ ...pipe }` of another pipeline may be given: its other properties are ignored.
  const own =
    typeof parts === "object" && parts !== null
      ? Object.fromEntries(Object.keys(fields).map((name) => [name, parts[name as keyof Components]]))
      : parts;
  checkOptions(own, fields, { call: `new ${className}` });
}

/** Where parts of a pipeline are loaded from. */
export interface CheckpointParts {
  readonly folder: Folder;
  readonly index: ModelIndex;
  readonly engine: Engine;
  readonly variant: string | undefined;
}

/** The parts that were loaded from one checkpoint, and how many pipelines that use them are not disposed yet. */
interface LoadedParts {
  readonly parts: AsyncDisposable[];
  users: number;
}

/** Loads the parts of a pipeline. `model_index.json` names their classes. The networks share one engine. */
export class ComponentSource {
  private isDisposed = false;

  constructor(
    /** The pipeline's class. */
    private readonly className: string,
    /** Undefined if the caller made all parts. */
    private readonly from: CheckpointParts | undefined,
    private readonly loaded: LoadedParts = { parts: [], users: 1 },
  ) {}

  /** The same source for another pipeline. What it loaded lives until both pipelines are disposed. */
  sharedWith(className: string): ComponentSource {
    if (this.isDisposed) throw new ArgumentError("the pipeline was disposed, so its networks cannot be shared");
    this.loaded.users++;
    return new ComponentSource(className, this.from, this.loaded);
  }

  /** The values of `model_index.json` besides the parts, in camelCase. */
  get options(): JsonObject {
    return this.from?.index.options ?? {};
  }

  /**
   * The part called `name`, unless the caller `given` one.
   * @throws CheckpointError if the checkpoint has no such part; ConfigError if it is of a class this pipeline cannot use.
   */
  async load<Component>(
    name: string,
    classes: Readonly<Record<string, ComponentLoader<Component>>>,
    given: Component | undefined,
  ): Promise<Component> {
    if (given !== undefined) return given;
    if (!this.from) {
      const option = camelCase(name);
      throw new ArgumentError((spell) => `${this.className} needs ${spell(option)}, which the other pipeline does not have`, {
        argument: option,
        hint: `give one: ${this.className}.fromPipe(pipe, { ${option} })`,
      });
    }
    const { folder, index, engine, variant } = this.from;
    const component = index.components.get(name);
    if (!component) {
      throw new CheckpointError(`${folder.name}/model_index.json lists no ${name}; ${this.className} needs one`, {
        hint: (option) => `give one: ${option(camelCase(name), { code: `fromPretrained(path, { ${camelCase(name)}: ... })` })}`,
      });
    }
    const loader = Object.hasOwn(classes, component.className) ? classes[component.className] : undefined;
    if (!loader) {
      const known = Object.keys(classes).join(", ");
      throw new ConfigError(`${folder.name}/model_index.json: ${name} is of class ${component.className}; expected one of ${known}`);
    }
    const part = await loader.fromPretrained(folder, {
      subfolder: (await subfolderIn(folder, name)) || undefined,
      variant,
      ...(kindOf(component.className) === "model" && { engine }),
    });
    if (isDisposable(part)) this.loaded.parts.push(part);
    return part;
  }

  /** As {@link load}, for a part that a pipeline can do without: null if the caller gave null or the checkpoint lists it as null. */
  async loadOptional<Component>(
    name: string,
    classes: Readonly<Record<string, ComponentLoader<Component>>>,
    given: Component | null | undefined,
  ): Promise<Component | null> {
    if (given === null || (given === undefined && this.from?.index.components.get(name) === null)) return null;
    return this.load(name, classes, given);
  }

  /** Frees a part that was loaded elsewhere, together with those that were loaded here. */
  adopt<Part extends AsyncDisposable>(part: Part): Part {
    this.loaded.parts.push(part);
    return part;
  }

  /** The engine that the loaded networks share; undefined if all parts were given. */
  get engine(): Engine | undefined {
    return this.from?.engine;
  }

  /** Whether the checkpoint lists the part. */
  has(name: string): boolean {
    return Boolean(this.from?.index.components.get(name));
  }

  /** The checkpoint's folder of a part, and the part's class, if the checkpoint lists the part. */
  placeOf(name: string): { readonly folder: Folder; readonly className: string } | undefined {
    const component = this.from?.index.components.get(name);
    return this.from && component ? { folder: this.from.folder.open(name), className: component.className } : undefined;
  }

  /**
   * Frees all parts that were loaded here and stops their engine, unless another pipeline still uses them. The caller disposes the parts
   * that the caller gave.
   */
  async dispose(): Promise<void> {
    const isFirst = !this.isDisposed;
    this.isDisposed = true;
    if (isFirst) this.loaded.users--;
    if (this.loaded.users > 0) return;
    await Promise.all(this.loaded.parts.map((part) => part[Symbol.asyncDispose]()));
    await this.from?.engine.dispose();
  }
}

function isDisposable(part: unknown): part is AsyncDisposable {
  return typeof part === "object" && part !== null && Symbol.asyncDispose in part;
}
