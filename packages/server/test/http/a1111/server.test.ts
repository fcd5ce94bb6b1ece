import { parseParameters, readPictureSettings } from "darkroom";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import type { JobResult } from "../../../src/jobs/job.js";
import { JobFailed, QueueFullError } from "../../../src/jobs/jobs.js";
import { greyPictures, pngFile, testServer } from "../test-server.js";

type Options = Parameters<typeof testServer>[0];

interface Progress {
  readonly progress: number;
  readonly state: Readonly<Record<string, unknown>>;
  readonly current_image: string | null;
}

/** A server, and a client of it with a key. */
function serve(options: Options = {}) {
  const server = testServer({ access: { apiKeys: ["one", "two"] }, ...options });
  const client = (key: string) => {
    const headers = { authorization: `Basic ${Buffer.from(`user:${key}`).toString("base64")}`, "content-type": "application/json" };
    const ask = async (path: string, init: RequestInit = {}) => server.app.request(`http://localhost${path}`, { headers, ...init });
    return {
      ask,
      get: async (path: string) => (await ask(`/sdapi/v1/${path}`)).json() as Promise<unknown>,
      post: (path: string, body: object = {}, signal?: AbortSignal) =>
        ask(`/sdapi/v1/${path}`, { method: "POST", body: JSON.stringify(body), ...(signal && { signal }) }),
      progress: async () => (await (await ask("/sdapi/v1/progress")).json()) as Progress,
    };
  };
  return { ...server, one: client("one"), two: client("two") };
}

/** Work that goes on until the test says so, and tells when a job has begun. */
function heldJobs() {
  const begun: (() => void)[] = [];
  let release = () => {};
  const isReleased = new Promise<void>((resolve) => {
    release = resolve;
  });
  let count = 0;
  const server = serve({
    make: async (job, run): Promise<JobResult> => {
      run.progress({ picture: 0, pictures: 2, step: 2, steps: 4 });
      if (job.previewEvery > 0) run.preview(0, { type: "image/jpeg", base64: "/9j/" });
      count++;
      for (const tell of begun.splice(0)) tell();
      await Promise.race([isReleased, new Promise((_, reject) => run.signal.addEventListener("abort", () => reject(run.signal.reason)))]);
      return greyPictures(job, run, server.results);
    },
  });
  return {
    ...server,
    release: () => release(),
    /** Resolves when so many jobs have begun. */
    async begun(jobs: number): Promise<void> {
      while (count < jobs) await new Promise<void>((resolve) => begun.push(resolve));
      // The event is on its way to the request that waits for the job.
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

async function infoOf(
  reply: Response,
): Promise<Record<string, unknown> & { warnings: string[]; infotexts: string[]; all_seeds: number[] }> {
  return JSON.parse(((await reply.json()) as { info: string }).info);
}

describe("a reply of txt2img", () => {
  it("tells seeds, sizes and warnings in info, a JSON string", async () => {
    const { one } = serve();
    const reply = await one.post("txt2img", {
      prompt: "a fox",
      seed: 7,
      batch_size: 2,
      n_iter: 2,
      width: 64,
      height: 64,
      sampler_name: "Euler a",
      scheduler: "Karras",
    });
    expect(await infoOf(reply)).toMatchObject({
      prompt: "a fox",
      all_prompts: ["a fox", "a fox", "a fox", "a fox"],
      seed: 7,
      all_seeds: [7, 8, 9, 10],
      width: 64,
      height: 64,
      sampler_name: "Euler a",
      batch_size: 2,
      infotexts: Array(4).fill("a fox\nSteps: 4"),
      warnings: ["scheduler Karras has no effect: EulerAncestralDiscreteScheduler, which stands for Euler a, has no useKarrasSigmas"],
    });
  });

  it.each([
    [-5, '"seed":-5,"all_seeds":[-5,-4]'],
    ["9223372036854775808", '"seed":9223372036854775808,"all_seeds":[9223372036854775808,9223372036854775809]'],
    [2 ** 53 - 2, '"seed":9007199254740990,"all_seeds":[9007199254740990,9007199254740991]'],
  ])("tells the seed %s with all its digits, and warns where JavaScript does not read them", async (seed, told) => {
    const { one } = serve();
    const reply = await one.post("txt2img", { prompt: "a fox", seed, batch_size: 2 });
    const { info } = (await reply.json()) as { info: string };
    expect(info).toContain(told);
    expect((JSON.parse(info) as { warnings: string[] }).warnings).toHaveLength(typeof seed === "string" ? 1 : 0);
  });

  it("repeats the request's known fields, and no others", async () => {
    const { one } = serve();
    const reply = (await (await one.post("txt2img", { prompt: "a fox", auth: "user:secret", steps: 4 })).json()) as { parameters: object };
    expect(reply.parameters).toMatchObject({ prompt: "a fox", steps: 4, enable_hr: null });
    expect(JSON.stringify(reply)).not.toContain("secret");
  });

  it("holds no pictures where the client wants none", async () => {
    const { one } = serve();
    expect(await (await one.post("txt2img", { prompt: "a fox", send_images: false })).json()).toMatchObject({ images: [] });
  });

  it("is in the format of the caller's options", async () => {
    const { one, two } = serve();
    await one.post("options", { samples_format: "webp" });
    const first = async (client: typeof one) =>
      ((await (await client.post("txt2img", { prompt: "a fox" })).json()) as { images: string[] }).images[0];
    expect(await first(one)).toMatch(/^UklGR/);
    expect(await first(two)).toMatch(/^iVBOR/);
  });

  it("with hires fix holds the larger pictures, with the settings of both passes in info and in the file", async () => {
    const { one, jobs } = serve();
    const body = {
      prompt: "a fox",
      seed: 3,
      batch_size: 2,
      width: 64,
      height: 32,
      enable_hr: true,
      hr_scale: 2,
      hr_upscaler: "Lanczos",
      hr_prompt: "a wolf",
      denoising_strength: 0.5,
      steps: 4,
    };
    const reply = await one.post("txt2img", body);
    const { images, info } = (await reply.clone().json()) as { images: string[]; info: string };
    expect(jobs.all.map(({ request }) => [request.seed, request.image !== undefined, request.numInferenceSteps])).toEqual([
      ["3", false, 4],
      ["3", true, 8],
      ["4", true, 8],
    ]);
    const { infotexts } = JSON.parse(info) as { infotexts: string[] };
    expect(parseParameters(infotexts[0] ?? "").prompt).toContain("a fox");
    expect(infotexts[1]).toContain("Denoising strength: 0.5, Hires upscale: 2, Hires steps: 4, Hires upscaler: Lanczos");
    const file = await readPictureSettings(Buffer.from(images[1] ?? "", "base64"));
    expect(file.parameters).toBe(infotexts[1]);
  });

  it.each([
    ["txt2img", { steps: "x" }, 422, { detail: [{ loc: ["body", "steps"], msg: "value is not a valid number", type: "value_error" }] }],
    [
      "txt2img",
      { sampler_name: "Eulr" },
      400,
      { error: "HTTPException", detail: 'Sampler not found: this server has none called "Eulr" (take Euler)' },
    ],
    ["txt2img", { prompt: "a".repeat(10_001) }, 400, { detail: expect.stringMatching(/^prompt has 10001 characters.*maxPromptLength/) }],
    ["txt2img", { steps: 1001 }, 400, { detail: expect.stringMatching(/^steps is 1001.*maxSteps/) }],
    ["img2img", { prompt: "a fox" }, 404, { detail: "Init image not found: init_images is empty" }],
    ["nothing", {}, 404, { detail: "there is no POST /sdapi/v1/nothing" }],
  ])("%s of %j is an error as FastAPI's", async (path, body, status, expected) => {
    const reply = await serve().one.post(path, body);
    expect([reply.status, await reply.json()]).toMatchObject([status, expected]);
  });

  it("of a job that failed names the web UI's field", async () => {
    const { one } = serve({
      make: async () => {
        throw new JobFailed({ kind: "argument", message: "no step to take (raise numInferenceSteps)", argument: "numInferenceSteps" });
      },
    });
    const reply = await one.post("txt2img", { prompt: "a fox" });
    expect([reply.status, await reply.json()]).toMatchObject([400, { detail: "no step to take (raise steps)" }]);
  });
});

describe("progress", () => {
  it("is 0 without jobs when idle", async () => {
    expect(await serve().one.progress()).toMatchObject({
      progress: 0,
      eta_relative: 0,
      state: { job_count: 0, sampling_steps: 0 },
      current_image: null,
    });
  });

  it("tells the caller's own job, with a preview for those who look", async () => {
    const { one, two, begun, release } = heldJobs();
    await one.progress();
    const work = one.post("txt2img", { prompt: "a fox", n_iter: 2, force_task_id: "task(txt2img-ABC)" });
    await begun(1);
    expect(await one.progress()).toMatchObject({
      progress: 0.125,
      state: { job: "task(txt2img-ABC)", job_count: 2, job_no: 0, sampling_step: 2, sampling_steps: 8 },
      current_image: "/9j/",
    });
    expect(await two.progress()).toMatchObject({ progress: 0, state: { job_count: 0 } });
    release();
    await work;
    expect(await one.progress()).toMatchObject({ progress: 0, state: { job_count: 0 } });
  });
});

describe("interrupt", () => {
  it("ends the caller's request, whose reply says so", async () => {
    const { one, jobs, begun } = heldJobs();
    const work = one.post("txt2img", { prompt: "a fox", n_iter: 3 });
    await begun(1);
    expect(await (await one.post("interrupt")).json()).toEqual({});
    const reply = await work;
    expect(reply.status).toBe(200);
    expect(await infoOf(reply)).toMatchObject({ all_seeds: [], warnings: ["interrupted: only pictures that were finished are here"] });
    expect(jobs.all.map(({ state }) => state)).toEqual(["cancelled"]);
  });

  it("does nothing to another caller's job (AUTOMATIC1111 #761, ComfyUI #2566)", async () => {
    const { one, two, jobs, begun, release } = heldJobs();
    const work = one.post("txt2img", { prompt: "a fox" });
    await begun(1);
    await two.post("interrupt");
    await two.post("skip");
    expect(jobs.all.map(({ state }) => state)).toEqual(["running"]);
    release();
    expect((await infoOf(await work)).all_seeds).toHaveLength(1);
  });

  it("does nothing to the caller's jobs that came through another API", async () => {
    const { one, jobs, begun } = heldJobs();
    const owner = "key:";
    await jobs.submit(
      { door: "openai", model: "emoji-128", request: { prompt: "a fox" }, output: { format: "png" }, previewEvery: 0 },
      { owner },
    );
    const work = one.post("txt2img", { prompt: "a fox" });
    await begun(2);
    const [openai, own] = jobs.all;
    const entry = jobs.entries.get(openai?.id ?? "");
    if (entry && own) entry.job = { ...entry.job, owner: own.owner };
    await one.post("interrupt");
    await work;
    expect(jobs.all.map(({ state }) => state)).toEqual(["running", "cancelled"]);
  });

  it("ends the caller's jobs that another process of the server waits for", async () => {
    const { one, jobs, begun } = heldJobs();
    const work = one.post("txt2img", { prompt: "a fox" });
    await begun(1);
    const owner = jobs.all[0]?.owner ?? "";
    const elsewhere = {
      door: "a1111",
      model: "emoji-128",
      request: { prompt: "a wolf" },
      output: { format: "png" },
      previewEvery: 0,
    } as const;
    await jobs.submit(elsewhere, { owner });
    await one.post("interrupt");
    await work;
    expect(jobs.all.map(({ state }) => state)).toEqual(["cancelled", "cancelled"]);
  });

  it("does nothing when idle", async () => {
    const { one } = serve();
    expect((await one.post("interrupt")).status).toBe(200);
    expect(await (await one.post("skip")).json()).toBe(null);
  });
});

describe("skip", () => {
  it("ends the round that runs; the next one goes on", async () => {
    const { one, jobs, begun, release } = heldJobs();
    const work = one.post("txt2img", { prompt: "a fox", n_iter: 2, seed: 5 });
    await begun(1);
    await one.post("skip");
    await begun(2);
    release();
    expect((await infoOf(await work)).all_seeds).toEqual([6]);
    expect(jobs.all.map(({ state }) => state)).toEqual(["cancelled", "done"]);
  });
});

describe("a full queue", () => {
  it("refuses a request", async () => {
    const { one, jobs } = serve();
    jobs.maxLive = 0;
    const reply = await one.post("txt2img", { prompt: "a fox" });
    expect([reply.status, reply.headers.get("retry-after")]).toEqual([429, "7"]);
  });

  it("lets one wait that is half done", async () => {
    const { one, jobs } = serve();
    const submit = jobs.submit.bind(jobs);
    let calls = 0;
    jobs.submit = async (...given) => {
      if (++calls === 2) throw new QueueFullError(1, 0);
      return submit(...given);
    };
    expect((await infoOf(await one.post("txt2img", { prompt: "a fox", n_iter: 2, seed: 1 }))).all_seeds).toEqual([1, 2]);
    expect(calls).toBe(3);
  });
});

describe("a lost connection", () => {
  it("cancels the job, and no next one begins", async () => {
    const { one, jobs, begun } = heldJobs();
    const gone = new AbortController();
    const work = one.post("txt2img", { prompt: "a fox", n_iter: 2 }, gone.signal);
    await begun(1);
    gone.abort();
    await work;
    expect(jobs.all.map(({ state }) => state)).toEqual(["cancelled"]);
  });
});

describe("options", () => {
  it("of a caller change that caller's model", async () => {
    const { one, two, jobs } = serve();
    expect(await (await one.post("options", { sd_model_checkpoint: "other.safetensors [abcdef0123]" })).json()).toBe(null);
    expect(await one.get("options")).toMatchObject({ sd_model_checkpoint: "other" });
    expect(await two.get("options")).toMatchObject({ sd_model_checkpoint: "emoji-128" });
    await one.post("txt2img", { prompt: "a fox" });
    await two.post("txt2img", { prompt: "a fox" });
    expect(jobs.all.map(({ model }) => model)).toEqual(["other", "emoji-128"]);
  });

  it("are taken back whole, with one value changed, as Open WebUI sends them", async () => {
    const { one } = serve();
    const options = (await one.get("options")) as object;
    await one.post("options", { ...options, CLIP_stop_at_last_layers: 2 });
    expect(await one.get("options")).toEqual({ ...options, CLIP_stop_at_last_layers: 2 });
    expect((await infoOf(await one.post("txt2img", { prompt: "a fox" }))).warnings).toEqual([]);
  });

  it("that the server does not have are named with every picture", async () => {
    const { one } = serve();
    await one.post("options", { eta_noise_seed_delta: 31337 });
    expect((await infoOf(await one.post("txt2img", { prompt: "a fox" }))).warnings).toEqual([
      "the option eta_noise_seed_delta has no effect here",
    ]);
    await one.post("options", { eta_noise_seed_delta: 0 });
    expect((await infoOf(await one.post("txt2img", { prompt: "a fox" }))).warnings).toEqual([]);
  });

  it("with an unknown model change nothing", async () => {
    const { one } = serve();
    const reply = await one.post("options", { CLIP_stop_at_last_layers: 2, sd_model_checkpoint: "othr" });
    expect([reply.status, await reply.json()]).toMatchObject([404, { detail: expect.stringContaining("did you mean other?") }]);
    expect(await one.get("options")).toMatchObject({ sd_model_checkpoint: "emoji-128", CLIP_stop_at_last_layers: 1 });
  });
});

describe("lists", () => {
  it.each(["extensions", "face-restorers", "hypernetworks", "prompt-styles", "realesrgan-models"])("%s is empty", async (path) => {
    expect(await serve().one.get(path)).toEqual([]);
  });

  it.each(["checkpoints", "vae", "loras", "embeddings"])("refresh-%s does nothing", async (what) => {
    expect((await serve().one.post(`refresh-${what}`)).status).toBe(200);
  });

  it("name ControlNets, and the preprocessors that there are", async () => {
    const { one } = serve();
    const read = async (path: string) => (await one.ask(path)).json();
    expect(await read("/controlnet/model_list")).toEqual({ model_list: ["control_v11p_sd15_canny"] });
    expect(await read("/controlnet/module_list")).toMatchObject({ module_list: ["none", "canny", "invert"] });
    expect(await read("/controlnet/control_types")).toMatchObject({
      control_types: {
        All: { module_list: ["none", "canny", "invert"], model_list: ["None", "control_v11p_sd15_canny"] },
        Canny: { module_list: ["none", "canny"], default_option: "canny", default_model: "control_v11p_sd15_canny" },
      },
    });
    expect(await read("/controlnet/version")).toEqual({ version: expect.any(Number) });
  });

  it("have every sampler of the web UI, and leave out schedulers that there are not", async () => {
    const { one } = serve();
    const names = async (path: string) => ((await one.get(path)) as { name: string }[]).map(({ name }) => name);
    expect(await names("samplers")).toEqual(expect.arrayContaining(["Restart", "DPM adaptive", "DDIM CFG++"]));
    expect(await names("schedulers")).toContain("kl_optimal");
  });

  it("name no paths of files", async () => {
    const { one } = serve();
    expect(await one.get("embeddings")).toMatchObject({ loaded: { "cat-toy": {} }, skipped: {} });
    expect(await one.get("loras")).toEqual([{ name: "fox", alias: "fox", path: "fox.safetensors", metadata: {} }]);
  });
});

describe("ControlNet", () => {
  const unit = async (more: object) => ({
    alwayson_scripts: {
      ControlNet: { args: [{ model: "control_v11p_sd15_canny [d14c016b]", image: (await pngFile(16, 16)).toString("base64"), ...more }] },
    },
  });

  it("works with the picture as it is, in the size of the picture to make", async () => {
    const { one, jobs } = serve();
    await one.post("txt2img", { prompt: "a fox", width: 64, height: 32, ...(await unit({ module: "none", weight: 0.8 })) });
    expect(jobs.all[0]?.request).toMatchObject({
      controlnet: ["control_v11p_sd15_canny"],
      controlnetConditioningScale: [0.8],
      controlImage: [expect.any(String)],
    });
    for (const field of ["controlGuidanceStart", "controlGuidanceEnd", "guessMode"]) expect(jobs.all[0]?.request).not.toHaveProperty(field);
  });

  it("acts in both passes of hires fix", async () => {
    const { one, jobs } = serve();
    const hires = { enable_hr: true, hr_upscaler: "Lanczos", width: 64, height: 32 };
    const { warnings } = await infoOf(await one.post("txt2img", { prompt: "a fox", ...hires, ...(await unit({})) }));
    expect(warnings).toEqual([]);
    expect(jobs.all.map(({ request }) => request.controlnet)).toEqual([["control_v11p_sd15_canny"], ["control_v11p_sd15_canny"]]);
  });

  it("refuses a preprocessor that there is not", async () => {
    const reply = await serve().one.post("txt2img", { prompt: "a fox", ...(await unit({ module: "depth_midas" })) });
    expect([reply.status, await reply.json()]).toMatchObject([
      400,
      { detail: expect.stringMatching(/no ControlNet preprocessor "depth_midas".*it has none, canny, invert/) },
    ]);
  });

  it("acts in a part of the steps, and before the prompt", async () => {
    const { one, jobs } = serve();
    const fields = { guidance_start: 0.1, guidance_end: 0.6, control_mode: "ControlNet is more important" };
    const { warnings } = await infoOf(await one.post("txt2img", { prompt: "a fox", ...(await unit(fields)) }));
    expect(warnings).toEqual([]);
    expect(jobs.all[0]?.request).toMatchObject({ controlGuidanceStart: [0.1], controlGuidanceEnd: [0.6], guessMode: true });
  });

  it("warns of what has no effect", async () => {
    const { one } = serve();
    const fields = { mask: (await pngFile()).toString("base64"), control_mode: "My prompt is more important" };
    const { warnings } = await infoOf(await one.post("txt2img", { prompt: "a fox", ...(await unit(fields)) }));
    expect(warnings).toEqual([
      "ControlNet 0: control_mode has no effect: prompt and ControlNet are balanced",
      "ControlNet 0: its mask has no effect",
    ]);
  });

  it("leaves out units that are off or empty", async () => {
    const { one, jobs } = serve();
    await one.post("txt2img", {
      prompt: "a fox",
      alwayson_scripts: {
        controlnet: {
          args: [
            { enabled: false, model: "x" },
            { model: "None", module: "none" },
          ],
        },
      },
    });
    expect(jobs.all[0]?.request).not.toHaveProperty("controlnet");
  });
});

describe("/controlnet/detect", () => {
  const detect = async (body: object) => {
    const reply = await serve().one.ask("/controlnet/detect", { method: "POST", body: JSON.stringify(body) });
    return { status: reply.status, body: (await reply.json()) as { images: string[]; info: string; detail?: string } };
  };
  const images = async () => [(await pngFile(20, 10)).toString("base64"), (await pngFile(8, 8)).toString("base64")];

  it("gives the pictures back with the module none", async () => {
    const { status, body } = await detect({ controlnet_input_images: await images() });
    expect([status, body.info]).toEqual([200, "Success"]);
    const [first, second] = await Promise.all(body.images.map((image) => sharp(Buffer.from(image, "base64")).metadata()));
    expect([first?.width, first?.height, second?.width]).toEqual([20, 10, 8]);
  });

  it("finds edges at the size that is asked for", async () => {
    const half = await sharp({ create: { width: 20, height: 10, channels: 3, background: "black" } })
      .composite([{ input: await pngFile(10, 10), left: 0, top: 0 }])
      .png()
      .toBuffer();
    const { body } = await detect({
      controlnet_module: "canny",
      controlnet_input_images: [half.toString("base64")],
      controlnet_processor_res: 64,
    });
    const { data, info } = await sharp(Buffer.from(body.images[0] ?? "", "base64"))
      .greyscale()
      .raw()
      .toBuffer({ resolveWithObject: true });
    const row = [...data.subarray(32 * info.width, 33 * info.width)];
    expect([info.width, info.height]).toEqual([128, 64]);
    expect(row.flatMap((value, x) => (value === 255 ? [x] : []))).toEqual([expect.toSatisfy((x: number) => x >= 62 && x <= 65)]);
  });

  it.each([
    [
      { controlnet_module: "depth_midas", controlnet_input_images: ["abcd"] },
      422,
      /^Module not available: .*"depth_midas" \(it has none, canny/,
    ],
    [{ controlnet_module: "canny", controlnet_input_images: [] }, 422, /^No image selected/],
    [{ controlnet_input_images: ["file:///etc/passwd"] }, 400, /is an address/],
  ])("%j is refused", async (body, status, detail) => {
    const reply = await detect(body);
    expect([reply.status, reply.body.detail]).toEqual([status, expect.stringMatching(detail)]);
  });
});

it("interrogate says that there is no model that describes pictures, in the web UI's shape", async () => {
  const reply = await serve().one.post("interrogate", { model: "clip", image: (await pngFile()).toString("base64") });
  expect([reply.status, await reply.json()]).toMatchObject([
    404,
    { detail: expect.stringMatching(/^Model not found: this server has no/) },
  ]);
});

describe("extras", () => {
  const image = async () => (await pngFile(10, 20)).toString("base64");

  it.each([
    [{ upscaler_1: "Lanczos", upscaling_resize: 4 }, 40, 80],
    [{ upscaler_1: "Lanczos", resize_mode: 1, upscaling_resize_w: 64, upscaling_resize_h: 64 }, 64, 64],
    [{ upscaler_1: "Lanczos", resize_mode: 1, upscaling_resize_w: 64, upscaling_resize_h: 64, upscaling_crop: false }, 64, 128],
    [{ upscaler_1: "None", upscaling_resize: 4 }, 10, 20],
  ])("%j make 10x20 %ix%i", async (body, width, height) => {
    const reply = (await (await serve().one.post("extra-single-image", { image: await image(), ...body })).json()) as { image: string };
    expect(await readPictureSettings(Buffer.from(reply.image, "base64"))).toMatchObject({ width, height });
  });

  it.each([
    [{ upscaler_1: "R-ESRGAN 4x+" }, "Upscaler not found"],
    [{ upscaler_1: "Lanczos", gfpgan_visibility: 1 }, "this server has no GFPGAN"],
    [{ upscaler_1: "Lanczos", upscaling_resize: 1000 }, "maxPicturePixels"],
  ])("%j are refused", async (body, message) => {
    const reply = await serve().one.post("extra-single-image", { image: await image(), ...body });
    expect([reply.status, await reply.json()]).toMatchObject([400, { detail: expect.stringContaining(message) }]);
  });

  it("by an upscaler's network are a job that repaints nothing, in the exact size", async () => {
    const { one, jobs } = serve();
    const body = { image: await image(), upscaler_1: "4X-Fine", resize_mode: 1, upscaling_resize_w: 60, upscaling_resize_h: 50 };
    const reply = await one.post("extra-single-image", body);
    expect(await reply.json()).toMatchObject({ image: expect.stringMatching(/^iVBOR/) });
    expect(jobs.all.map(({ model, request }) => [model, request.hires])).toEqual([
      ["emoji-128", { width: 60, height: 50, upscaler: "4x-fine", strength: 0, tile: 512 }],
    ]);
    const large = await one.post("extra-single-image", { ...body, resize_mode: 0, upscaling_resize: 300 });
    expect(await large.json()).toMatchObject({ detail: expect.stringMatching(/upscaling_resize makes a picture.*maxPixels/) });
  });

  it("of a batch are a list", async () => {
    const reply = await serve().one.post("extra-batch-images", {
      upscaler_1: "Lanczos",
      imageList: [
        { data: await image(), name: "a" },
        { data: await image(), name: "b" },
      ],
    });
    expect(await reply.json()).toMatchObject({ images: [expect.any(String), expect.any(String)] });
  });
});

it.each(["extra-single-image", "png-info"])("%s names its own field for what is no picture", async (name) => {
  const reply = await serve().one.post(name, { image: "aGVsbG8=" });
  expect([reply.status, await reply.json()]).toMatchObject([400, { detail: expect.stringMatching(/^image is not a picture/) }]);
});

describe("png-info", () => {
  it("reads back the settings of a picture that hires fix made", async () => {
    const { one } = serve();
    const body = {
      prompt: "a fox",
      width: 64,
      height: 64,
      enable_hr: true,
      hr_upscaler: "Lanczos",
      hr_prompt: "a wolf",
      denoising_strength: 0.5,
    };
    const { images } = (await (await one.post("txt2img", body)).json()) as { images: string[] };
    const info = await (await one.post("png-info", { image: images[0] })).json();
    expect(info).toMatchObject({ info: expect.stringContaining("Hires upscale: 2"), parameters: { "Hires upscaler": "Lanczos" } });
  });
});

describe("ComfyUI's API", () => {
  it.each(["/prompt", "/object_info", "/system_stats", "/ws", "/queue", "/history"])("%s is not there", async (path) => {
    const { one } = serve();
    expect((await one.ask(path)).status).toBe(404);
    expect((await one.ask(path, { method: "POST", body: "{}" })).status).toBe(404);
  });
});
