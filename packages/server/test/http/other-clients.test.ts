import { describe, expect, it } from "vitest";
import { pngFile, serveApp, testServer } from "./test-server.js";

// What programs send that are not among the recordings, written by hand from their sources. Fields that nobody reads are theirs.

type Body = Readonly<Record<string, unknown>>;

const OPENAI: readonly (readonly [client: string, body: Body, wants: "b64_json" | "url"])[] = [
  ["LangChain (Python) DallEAPIWrapper", { prompt: "a fox", n: 1, size: "1024x1024", model: "dall-e-2", quality: "standard" }, "url"],
  [
    "LangChain (JS) DallEAPIWrapper",
    { model: "dall-e-3", prompt: "a fox", n: 1, size: "1024x1024", response_format: "url", style: "vivid", quality: "standard", user: "u" },
    "url",
  ],
  [
    "Home Assistant",
    { model: "dall-e-3", prompt: "a fox", size: "1024x1024", quality: "standard", style: "vivid", response_format: "url", n: 1 },
    "url",
  ],
  [
    "n8n",
    { prompt: "a fox", model: "dall-e-2", n: 1, quality: "standard", response_format: "b64_json", size: "1024x1024", style: "natural" },
    "b64_json",
  ],
  [
    "n8n with gpt-image-1",
    {
      prompt: "a fox",
      model: "gpt-image-1",
      n: 1,
      quality: "medium",
      size: "1024x1536",
      output_format: "jpeg",
      output_compression: 80,
      moderation: "low",
      background: "auto",
    },
    "b64_json",
  ],
  [
    "LiteLLM's proxy",
    {
      model: "gpt-image-1",
      prompt: "a fox",
      n: 1,
      size: "auto",
      quality: "auto",
      user: "default_user_id",
      background: "opaque",
      moderation: "auto",
      output_format: "webp",
    },
    "b64_json",
  ],
  ["LibreChat's plug-in", { model: "dall-e-3", prompt: "a fox", quality: "hd", style: "vivid", size: "1792x1024", n: 1 }, "url"],
  [
    "LocalAI's clients",
    { prompt: "a fox", negative_prompt: "blurry", size: "256x256", step: 15, seed: 3, mode: 1, cfg_scale: 7 },
    "b64_json",
  ],
  [
    "Together's clients",
    { model: "emoji-128", prompt: "a fox", steps: 4, n: 1, width: 64, height: 64, seed: 3, response_format: "base64" },
    "b64_json",
  ],
  ["Cloudflare's clients", { prompt: "a fox", num_steps: 4, guidance: 7.5, seed: 3 }, "b64_json"],
  [
    "SGLang's and vLLM's clients",
    {
      prompt: "a fox",
      n: 1,
      size: "64x64",
      num_inference_steps: 4,
      guidance_scale: 5,
      negative_prompt: "",
      seed: 0,
      response_format: "b64_json",
    },
    "b64_json",
  ],
  [
    "programs that send null for what is not set",
    {
      prompt: "a fox",
      n: null,
      size: null,
      quality: null,
      response_format: null,
      style: null,
      user: null,
      stream: null,
      background: null,
      output_format: null,
      output_compression: null,
      moderation: null,
      partial_images: null,
    },
    "b64_json",
  ],
  [
    "programs that send texts for numbers",
    { prompt: "a fox", n: "1", seed: "7", steps: "4", stream: "false", output_compression: "90", output_format: "jpeg" },
    "b64_json",
  ],
  [
    "programs that send an empty text for what is not set",
    { prompt: "a fox", model: "", size: "", quality: "", response_format: "", style: "", user: "", n: "" },
    "b64_json",
  ],
];

it.each(OPENAI)("%s gets a picture from /v1/images/generations", async (_, body, wants) => {
  const { app, jobs, errors } = testServer();
  const reply = await app.request("http://localhost/v1/images/generations", {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json", authorization: "Bearer sk-none" },
  });
  const text = await reply.text();
  expect(reply.status, text).toBe(200);
  const { data, created } = JSON.parse(text) as { data: Body[]; created: number };
  expect(data).toHaveLength(1);
  expect(created).toBeGreaterThan(1e9);
  expect(data[0]?.[wants]).toMatch(wants === "url" ? /^http:\/\/localhost\/files\// : /^[\w+/]+=*$/);
  expect([jobs.all.length, errors]).toEqual([1, []]);
});

it("steps, seeds and sizes under the names of other servers arrive", async () => {
  const requests: Body[] = [];
  for (const [, body] of OPENAI) {
    const { app, jobs } = testServer();
    await app.request("http://localhost/v1/images/generations", { method: "POST", body: JSON.stringify(body) });
    requests.push({ ...jobs.all[0]?.request });
  }
  const of = (client: string) => requests[OPENAI.findIndex(([name]) => name.startsWith(client))];
  expect(of("LocalAI")).toMatchObject({ numInferenceSteps: 15, seed: 3, negativePrompt: "blurry", guidanceScale: 7, width: 256 });
  expect(of("Cloudflare")).toMatchObject({ numInferenceSteps: 4, guidanceScale: 7.5, seed: 3 });
  expect(of("SGLang")).toMatchObject({ numInferenceSteps: 4, guidanceScale: 5, seed: 0 });
  expect(of("programs that send texts")).toMatchObject({ numInferenceSteps: 4, seed: "7" });
});

it.each([
  [
    "n8n",
    { image: "a.png" },
    {
      prompt: "in snow",
      model: "gpt-image-1",
      n: "1",
      size: "auto",
      quality: "auto",
      background: "auto",
      input_fidelity: "high",
      output_format: "png",
    },
  ],
  ["curl, as OpenAI's documents show it", { "image[]": "a.png", mask: "m.png" }, { model: "gpt-image-1", prompt: "in snow" }],
  [
    "programs of DALL-E 2's time",
    { image: "a.png", mask: "m.png" },
    { prompt: "in snow", n: "1", size: "256x256", response_format: "b64_json", user: "u" },
  ],
])("%s gets an edited picture from a form", async (_, files, fields) => {
  const { app, jobs } = testServer();
  const form = new FormData();
  const picture = new Blob([new Uint8Array(await pngFile(16, 16))], { type: "image/png" });
  for (const [name, file] of Object.entries(files)) form.append(name, picture, file);
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  const reply = await app.request("http://localhost/v1/images/edits", { method: "POST", body: form });
  expect(reply.status, await reply.clone().text()).toBe(200);
  expect(((await reply.json()) as { data: Body[] }).data[0]?.b64_json).toMatch(/^iVBORw0KGgo/);
  expect(jobs.all[0]?.request.image).toBeDefined();
});

/** The web UI's own example of a body, as its documentation page has it with what clients fill in. */
const WHOLE_BODY = {
  prompt: "a fox",
  negative_prompt: "",
  styles: [],
  seed: -1,
  subseed: -1,
  subseed_strength: 0,
  seed_resize_from_h: -1,
  seed_resize_from_w: -1,
  sampler_name: "Euler a",
  batch_size: 1,
  n_iter: 1,
  steps: 4,
  cfg_scale: 7,
  width: 64,
  height: 64,
  restore_faces: false,
  tiling: false,
  do_not_save_samples: false,
  do_not_save_grid: false,
  eta: 0,
  denoising_strength: 0,
  s_min_uncond: 0,
  s_churn: 0,
  s_tmax: 0,
  s_tmin: 0,
  s_noise: 1,
  override_settings: {},
  override_settings_restore_afterwards: true,
  refiner_checkpoint: "",
  refiner_switch_at: 0,
  disable_extra_networks: false,
  comments: {},
  enable_hr: false,
  firstphase_width: 0,
  firstphase_height: 0,
  hr_scale: 2,
  hr_upscaler: "Latent",
  hr_second_pass_steps: 0,
  hr_resize_x: 0,
  hr_resize_y: 0,
  hr_checkpoint_name: "",
  hr_sampler_name: "",
  hr_prompt: "",
  hr_negative_prompt: "",
  sampler_index: "Euler",
  script_name: "",
  script_args: [],
  send_images: true,
  save_images: false,
  alwayson_scripts: {},
};

const A1111: readonly (readonly [client: string, kind: "txt2img" | "img2img", body: Body])[] = [
  ["the web UI's own documentation page", "txt2img", WHOLE_BODY],
  [
    "a command line of 2022",
    "txt2img",
    {
      prompt: "a fox",
      steps: 4,
      sampler_index: "Euler",
      cfg_scale: 7,
      width: 64,
      height: 64,
      tiling: false,
      restore_faces: false,
      denoising_strength: 0,
      firstphase_width: 0,
      firstphase_height: 0,
      seed: -1,
      subseed: -1,
      eta: 0,
      s_churn: 0,
      s_tmax: 0,
      s_tmin: 0,
      s_noise: 1,
    },
  ],
  [
    "a Discord bot",
    "txt2img",
    {
      prompt: "a fox",
      negative_prompt: "blurry",
      steps: 4,
      width: 64,
      height: 64,
      cfg_scale: "7.0",
      sampler_name: "DPM++ 2M Karras",
      seed: 123456789,
      seed_resize_from_h: -1,
      seed_resize_from_w: -1,
      denoising_strength: null,
      tiling: false,
      n_iter: 1,
      styles: [],
      override_settings: { sd_model_checkpoint: "emoji-128", CLIP_stop_at_last_layers: 2, enable_pnginfo: true },
    },
  ],
  [
    "Auto-Photoshop-StableDiffusion-Plugin",
    "txt2img",
    {
      ...WHOLE_BODY,
      sampler_index: "Euler a",
      uniqueDocumentId: "d",
      use_prompt_shortcut: false,
      prompt_shortcut_ui_dict: {},
      backend_type: "auto1111",
      use_sharp_mask: false,
      hr_upscaler: "None",
      script_name: null,
      alwayson_scripts: { controlnet: { args: [{ enabled: false, input_image: "", module: "none", model: "None", weight: 1 }] } },
    },
  ],
  [
    "Auto-Photoshop-StableDiffusion-Plugin",
    "img2img",
    {
      ...WHOLE_BODY,
      denoising_strength: 0.7,
      inpainting_fill: 1,
      mask_blur: 4,
      inpaint_full_res: false,
      inpaint_full_res_padding: 0,
      inpainting_mask_invert: 0,
      image_cfg_scale: 1.5,
      mode: "img2img",
      selection_info: {},
      script_args: [],
    },
  ],
  [
    "a Krita plug-in",
    "img2img",
    {
      prompt: "a fox",
      denoising_strength: 0.5,
      mask_blur: 4,
      inpainting_fill: 1,
      inpaint_full_res: true,
      inpaint_full_res_padding: 32,
      inpainting_mask_invert: 0,
      resize_mode: 1,
      steps: 4,
      batch_size: 2,
      include_init_images: false,
    },
  ],
  [
    "a Unity plug-in",
    "txt2img",
    {
      enable_hr: false,
      denoising_strength: 0,
      hr_scale: 2,
      hr_upscaler: "",
      prompt: "a fox",
      styles: [""],
      seed: -1,
      sampler_name: "Euler a",
      steps: 4,
      cfg_scale: 7,
      width: 64,
      height: 64,
      negative_prompt: "",
      override_settings: {},
      script_args: [],
      sampler_index: "Euler a",
    },
  ],
  [
    "KoboldAI",
    "txt2img",
    {
      prompt: "a fox",
      negative_prompt: "",
      cfg_scale: 7,
      sampler_name: "Euler a",
      steps: 4,
      width: 64,
      height: 64,
      seed: -1,
      enable_hr: false,
      denoising_strength: 0.6,
      save_images: true,
      send_images: true,
    },
  ],
  [
    "TavernAI's kind, with its own fields",
    "txt2img",
    {
      url: "http://x",
      auth: "user:password",
      prompt: "a fox",
      sampler_name: "Euler a",
      scheduler: "Automatic",
      steps: 4,
      scale: 7,
      width: 64,
      height: 64,
      restore_faces: false,
      enable_hr: false,
      save_images: true,
      send_images: true,
      do_not_save_grid: false,
      do_not_save_samples: false,
      override_settings: { CLIP_stop_at_last_layers: 1, sd_vae: "Automatic" },
      override_settings_restore_afterwards: true,
      clip_skip: 1,
    },
  ],
  [
    "an app of Android, with line breaks in base64",
    "img2img",
    { prompt: "a fox", steps: 4, sampler_index: "Euler a", batch_size: 1, width: 64, height: 64 },
  ],
];

it.each(A1111)("%s gets a picture from %s", async (client, kind, body) => {
  const { app, errors } = testServer();
  const base64 = (await pngFile(64, 64)).toString("base64");
  const image = client.includes("line breaks") ? base64.replace(/.{76}/g, "$&\n") : `data:image/png;base64,${base64}`;
  const reply = await app.request(`http://localhost/sdapi/v1/${kind}`, {
    method: "POST",
    body: JSON.stringify({ ...body, ...(kind === "img2img" && { init_images: [image] }) }),
    headers: { "content-type": "application/json", accept: "application/json" },
  });
  const text = await reply.text();
  expect(reply.status, text).toBe(200);
  const { images, info } = JSON.parse(text) as { images: string[]; info: string };
  expect(images).toHaveLength(Number(body.batch_size ?? 1));
  expect(images[0]?.split(",", 1)[0]).toMatch(/^iVBORw0KGgo/);
  expect(JSON.parse(info)).toMatchObject({ seed: expect.any(Number), infotexts: expect.any(Array) });
  expect(errors).toEqual([]);
});

describe("what programs ask of a web UI beside pictures", () => {
  it.each([
    ["GET", "/internal/ping", {}],
    ["POST", "/sdapi/v1/unload-checkpoint", null],
    ["POST", "/sdapi/v1/reload-checkpoint", null],
    ["POST", "/sdapi/v1/refresh-checkpoints", null],
    ["POST", "/sdapi/v1/interrupt", {}],
  ])("%s %s is answered", async (method, path, expected) => {
    const reply = await testServer().app.request(`http://localhost${path}`, { method });
    expect([reply.status, await reply.json()]).toEqual([200, expected]);
  });

  it("works with an empty Basic header, with a trailing body, and with HEAD", async () => {
    const address = await serveApp(testServer().app);
    const ask = (path: string, init?: RequestInit) => fetch(address + path, init);
    expect((await ask("/sdapi/v1/options", { headers: { authorization: "Basic " } })).status).toBe(200);
    expect((await ask("/sdapi/v1/skip", { method: "POST", body: "{}" })).status).toBe(200);
    expect((await ask("/sdapi/v1/options", { method: "HEAD" })).status).toBe(200);
  });
});
