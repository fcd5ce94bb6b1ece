import { describe, expect, it } from "vitest";
import { JobFailed } from "../../../src/jobs/jobs.js";
import { recordedRequests, requestOf } from "../a1111/recordings.js";
import { greyPictures, pngFile, testServer } from "../test-server.js";

const requests = recordedRequests(["huggingface"], /^\//);

function post(
  app: ReturnType<typeof testServer>["app"],
  path: string,
  body: object | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
) {
  const isBytes = body instanceof Uint8Array;
  return app.request(`http://localhost${path}`, {
    method: "POST",
    headers: { "content-type": isBytes ? "image/png" : "application/json", ...headers },
    body: isBytes ? body : JSON.stringify(body),
  });
}

describe("recorded requests of Hugging Face's clients", () => {
  it.each(requests)("%s gets a picture", async (_, recorded) => {
    const { app } = testServer();
    const reply = await app.request(requestOf(recorded));
    expect([reply.status, reply.headers.get("content-type")]).toEqual([200, "image/png"]);
    expect(
      Buffer.from(await reply.arrayBuffer())
        .subarray(1, 4)
        .toString(),
    ).toBe("PNG");
  });

  it("are there", () => {
    expect(requests.length).toBeGreaterThanOrEqual(6);
  });
});

describe("textToImage", () => {
  it("makes our request of inputs and parameters", async () => {
    const { app, jobs } = testServer();
    const parameters = {
      negative_prompt: "blue",
      width: 64,
      height: 32,
      num_inference_steps: 4,
      guidance_scale: 5,
      seed: 7,
      scheduler: "euler",
    };
    const reply = await post(app, "/", { inputs: "a fox", parameters });
    expect(reply.headers.get("x-seed")).toBe("7");
    expect(jobs.all[0]).toMatchObject({
      door: "huggingface",
      model: "emoji-128",
      request: {
        prompt: "a fox",
        negativePrompt: "blue",
        width: 64,
        height: 32,
        numInferenceSteps: 4,
        guidanceScale: 5,
        seed: 7,
        scheduler: "euler",
      },
    });
  });

  it.each([
    ["/hf", { model: "other" }, "other"],
    ["/hf", { model: "somebody/other" }, "other"],
    ["/hf/v1", { parameters: { model: "other" } }, "other"],
    ["/hf", { model: null, parameters: { model: "" } }, "emoji-128"],
    ["/hf/models/other", { model: "other" }, "other"],
  ])("at %s takes the model that %j names", async (path, body, model) => {
    const { app, jobs } = testServer();
    expect((await post(app, path, { inputs: "a fox", ...body })).status).toBe(200);
    expect(jobs.all[0]?.model).toBe(model);
  });

  it.each(["/models/other", "/models/somebody/other", "/hf/models/other"])("at %s takes the model of that name", async (path) => {
    const { app, jobs } = testServer();
    expect((await post(app, path, { inputs: "a fox" })).status).toBe(200);
    expect(jobs.all[0]?.model).toBe("other");
  });

  it("sends the format that the client accepts", async () => {
    const { app } = testServer();
    const reply = await post(app, "/", { inputs: "a fox" }, { accept: "image/webp" });
    expect(reply.headers.get("content-type")).toBe("image/webp");
  });

  it("tells warnings in a header", async () => {
    const server = testServer({
      make: async (job, run) => ({ ...(await greyPictures(job, run, server.results)), warnings: ['"cat" – unused'] }),
    });
    const reply = await post(server.app, "/", { inputs: "a fox" });
    expect(reply.headers.get("warning")).toBe("299 darkroom \"'cat' ? unused\"");
  });
});

describe("imageToImage", () => {
  it("takes the picture in inputs, and the size that is asked for", async () => {
    const { app, jobs } = testServer();
    const inputs = (await pngFile()).toString("base64");
    await post(app, "/", { inputs, parameters: { prompt: "in snow", strength: 0.6, target_size: { width: 64, height: 32 } } });
    expect(jobs.all[0]?.request).toMatchObject({ prompt: "in snow", image: inputs, strength: 0.6, width: 64, height: 32 });
  });

  it("takes a picture without a prompt, in base64 or as bytes", async () => {
    const { app, jobs } = testServer();
    const png = new Uint8Array(await pngFile());
    await post(app, "/", { inputs: Buffer.from(png).toString("base64") });
    await post(app, "/", png);
    expect(jobs.all.map(({ request }) => [request.prompt, request.image !== undefined])).toEqual([
      ["", true],
      ["", true],
    ]);
  });
});

describe("an error for Hugging Face's clients", () => {
  it.each([
    ["/hf", { inputs: "a fox", model: "zzz" }, 404, /^this server has no model "zzz"/],
    ["/hf", { inputs: "a fox", parameters: { model: "zzz" } }, 404, /^this server has no model "zzz"/],
    ["/hf", { inputs: "a fox", model: 5 }, 400, /^model is not a text/],
    ["/hf", { inputs: "a fox", model: "other", parameters: { model: "emoji-128" } }, 400, /^model has two names/],
    ["/hf/models/emoji-128", { inputs: "a fox", model: "other" }, 400, /^the address and the body name different models/],
    ["/models/nothing", { inputs: "a fox" }, 404, /^this server has no model "nothing"/],
    ["/", {}, 400, /^inputs is missing/],
    [
      "/",
      { inputs: "a fox", parameters: { guidence_scale: 5 } },
      400,
      /^there is no parameter guidence_scale; did you mean guidance_scale\?/,
    ],
    ["/", { inputs: "a fox", parameters: { guidenceScale: 5 } }, 400, /; did you mean guidance_scale\?/],
    ["/", { inputs: "a fox", parameters: { steps: 5 } }, 400, /; did you mean num_inference_steps\?/],
    [
      "/",
      { inputs: "a fox", parameters: { wibble: 5 } },
      400,
      /^there is no parameter wibble \(the parameters are [a-z0-9_, ]*negative_prompt, [a-z0-9_, ]*target_size\)$/,
    ],
    ["/", { inputs: "a fox", parameters: { num_inference_steps: 0 } }, 400, /^num_inference_steps is 0/],
    ["/", { inputs: "a fox", parameters: { num_images_per_prompt: 2 } }, 400, /the reply is one picture/],
    ["/", { inputs: "file:///etc/passwd", parameters: { prompt: "a fox" } }, 400, /is an address; the server reads no files/],
  ])("at %s for %j is %i, a text", async (path, body, status, message) => {
    const reply = await post(testServer().app, path, body);
    expect([reply.status, await reply.json()]).toEqual([status, { error: expect.stringMatching(message) }]);
  });

  it("of a job says why it failed", async () => {
    const { app } = testServer({
      make: async () => {
        throw new JobFailed({ kind: "device", message: "out of memory" });
      },
    });
    const reply = await post(app, "/", { inputs: "a fox" });
    expect([reply.status, await reply.json()]).toEqual([500, { error: "out of memory" }]);
  });
});
