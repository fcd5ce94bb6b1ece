/** True if two types are the same, not only assignable to each other: `true satisfies Equal<A, B>`. */
export type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** The exported classes whose names end so, without the class of that very name. */
export type ClassesOf<Exports, Ending extends string> = Extract<
  { [Name in keyof Exports]: Exports[Name] extends abstract new (...args: never) => object ? Exclude<Name, Ending> : never }[keyof Exports],
  `${string}${Ending}`
>;
