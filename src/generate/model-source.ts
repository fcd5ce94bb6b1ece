import * as v from "valibot";
import { isSource } from "../checkpoint/source.js";
import { field, withJson } from "../options/fields.js";
import type { Folder } from "../platform/folder.js";

/** A checkpoint or a network: the path of a folder or a single file, a hub id, or (in a program) a Folder; in a page also a `File`. */
export type ModelSource = string | Folder | File;

/** A checkpoint or a network of a request. */
export const modelSource = withJson(
  v.pipe(v.string(), v.minLength(1)),
  field<ModelSource>(isSource, "a folder, a file or a hub id", "string"),
);
