import { Busboy, type BusboyFileStream, type BusboyHeaders } from "@fastify/busboy";
import { readBody } from "./body.js";
import { HttpError } from "./http-error.js";
import type { Limits } from "./limits.js";
import type { AppContext } from "./server-context.js";

/** A form's fields in any order. A field can come several times; files are bytes, whatever names and types they are given. */
export type Form = ReadonlyMap<string, readonly (string | Uint8Array)[]>;

/** More parts are no request for a picture. */
const MOST_PARTS = 300;

export function isMultipart(c: AppContext): boolean {
  return /^multipart\/form-data\b/i.test(c.req.header("content-type") ?? "");
}

/** Reads a multipart body as it comes. `image[]` is the field `image`. @throws HttpError */
export async function readForm(c: AppContext, limits: Limits): Promise<Form> {
  const form = new Map<string, (string | Uint8Array)[]>();
  const add = (name: string | undefined, value: string | Uint8Array) => {
    // Reported already. Nothing may throw here: nobody catches what handlers of events throw.
    if (name === undefined) return;
    const field = name.replace(/\[\d*\]$/, "");
    form.set(field, [...(form.get(field) ?? []), value]);
  };
  let problem: Error | undefined;
  let parts = 0;
  let fail = (_error: unknown) => {};
  const isFile = (name: string | undefined, type: string | undefined, fileName: string | undefined) => {
    parts++;
    const which = fileName === undefined ? `part ${parts}` : `part ${parts}, the file ${JSON.stringify(fileName.slice(0, 100))},`;
    if (name === undefined) fail(noForm(`${which} has no name; a part needs Content-Disposition: form-data; name="..."`));
    return type === "application/octet-stream" || fileName !== undefined;
  };
  const parser = parserOf(c, limits, isFile);
  const finished = new Promise<void>((resolve) => {
    fail = (error: unknown) => {
      problem ??= error instanceof HttpError ? error : noForm("it is not valid multipart/form-data, or it is cut off");
      resolve();
    };
    parser.on("field", (name: string | undefined, value: string) => add(name, value));
    parser.on("file", (name: string | undefined, file: BusboyFileStream) => {
      const chunks: Buffer[] = [];
      file.on("data", (chunk: Buffer) => chunks.push(chunk));
      file.on("end", () => add(name, Buffer.concat(chunks)));
      file.on("error", fail);
    });
    parser.on("partsLimit", () => fail(noForm(`it has more than ${MOST_PARTS} parts`)));
    parser.on("error", fail);
    parser.on("finish", () => resolve());
  });
  for await (const chunk of readBody(c, limits)) {
    if (problem) break;
    try {
      parser.write(chunk);
    } catch (error) {
      fail(error);
    }
  }
  parser.end();
  await finished;
  if (problem) throw problem;
  return form;
}

type IsFile = (name: string | undefined, type: string | undefined, fileName: string | undefined) => boolean;

function parserOf(c: AppContext, { maxBodyBytes }: Limits, isPartAFile: IsFile): InstanceType<typeof Busboy> {
  const headers: BusboyHeaders = { "content-type": c.req.header("content-type") ?? "" };
  try {
    const sizes = { parts: MOST_PARTS, fieldSize: maxBodyBytes, fileSize: maxBodyBytes, headerPairs: 20 };
    return new Busboy({ headers, limits: sizes, isPartAFile });
  } catch {
    throw noForm("its Content-Type has no boundary");
  }
}

function noForm(problem: string): HttpError {
  return new HttpError(400, `the form cannot be read: ${problem}`, { code: "invalid_form" });
}
