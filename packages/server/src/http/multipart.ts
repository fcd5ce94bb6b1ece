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
  const add = (name: string, value: string | Uint8Array) => {
    const field = name.replace(/\[\d*\]$/, "");
    form.set(field, [...(form.get(field) ?? []), value]);
  };
  let problem: Error | undefined;
  const parser = parserOf(c, limits);
  const finished = new Promise<void>((resolve) => {
    const fail = (error: unknown) => {
      problem ??= error instanceof HttpError ? error : noForm("it is not valid multipart/form-data, or it is cut off");
      resolve();
    };
    parser.on("field", (name: string, value: string) => add(name, value));
    parser.on("file", (name: string, file: BusboyFileStream) => {
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
    parser.write(chunk);
  }
  parser.end();
  await finished;
  if (problem) throw problem;
  return form;
}

function parserOf(c: AppContext, { maxBodyBytes }: Limits): InstanceType<typeof Busboy> {
  const headers: BusboyHeaders = { "content-type": c.req.header("content-type") ?? "" };
  try {
    return new Busboy({ headers, limits: { parts: MOST_PARTS, fieldSize: maxBodyBytes, fileSize: maxBodyBytes, headerPairs: 20 } });
  } catch {
    throw noForm("its Content-Type has no boundary");
  }
}

function noForm(problem: string): HttpError {
  return new HttpError(400, `the form cannot be read: ${problem}`, { code: "invalid_form" });
}
