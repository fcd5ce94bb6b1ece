import { describe, expect, it } from "vitest";
import { countJobs } from "../../src/jobs/jobs.js";
import { testServer } from "./test-server.js";

const modelMemory = () => [
  { models: ["emoji-128"], bytes: 5000 },
  { models: ["emoji-128", "other"], bytes: 200 },
  { models: [], bytes: 50 },
];

/** A server that has done a job, and its metrics. */
async function metrics() {
  const server = testServer({ modelMemory });
  const send = (path: string, init?: RequestInit) => server.app.request(`http://localhost${path}`, init);
  const { id } = (await (await send("/api/jobs", { method: "POST", body: '{"prompt":"x"}' })).json()) as { id: string };
  await (await send(`/api/jobs/${id}/events`)).text();
  return { ...server, read: async () => (await send("/metrics")).text() };
}

describe("/metrics", () => {
  it("has the queue, waiting, steps and memory by model", async () => {
    const { read } = await metrics();
    const text = await read();
    for (const line of [
      'darkroom_jobs{model="emoji-128",state="waiting"} 0',
      'darkroom_jobs{model="other",state="running"} 0',
      'darkroom_slots{model="emoji-128"} 1',
      'darkroom_job_waiting_seconds_count{model="emoji-128"} 1',
      'darkroom_job_running_seconds_count{model="emoji-128"} 1',
      'darkroom_step_seconds_count{model="emoji-128"} 3',
      'darkroom_jobs_ended_total{model="emoji-128",door="api",state="done"} 1',
      'darkroom_pictures_total{model="emoji-128"} 1',
      'darkroom_model_memory_bytes{model="emoji-128"} 5100',
      'darkroom_model_memory_bytes{model="other"} 100',
    ]) {
      expect(text).toContain(`${line}\n`);
    }
  });

  it("counts the queue's jobs anew each time; those for models that are not offered are one value", async () => {
    const { read, jobs } = await metrics();
    jobs.count = async () =>
      countJobs([
        ["other", "waiting", 2],
        ["old-1", "waiting", 3],
        ["old-2", "running", 1],
        ["old-3", "waiting", 4],
      ]);
    for (let time = 0; time < 2; time++) {
      const lines = (await read()).split("\n").filter((line) => line.startsWith("darkroom_jobs{"));
      expect(lines).toEqual([
        'darkroom_jobs{model="emoji-128",state="waiting"} 0',
        'darkroom_jobs{model="emoji-128",state="running"} 0',
        'darkroom_jobs{model="other",state="waiting"} 2',
        'darkroom_jobs{model="other",state="running"} 0',
        'darkroom_jobs{model="other models",state="waiting"} 7',
        'darkroom_jobs{model="other models",state="running"} 1',
      ]);
    }
  });

  it("follows Prometheus's conventions: help and type, base units in names, few labels", async () => {
    const { read } = await metrics();
    const text = await read();
    const families = [...text.matchAll(/^# TYPE (darkroom_\w+) (\w+)$/gm)].map(([, name = "", type]) => ({ name, type }));
    expect(families.length).toBeGreaterThan(5);
    for (const { name, type } of families) {
      expect(text).toMatch(new RegExp(`^# HELP ${name} [A-Z].*[^.]$`, "m"));
      expect(name).toMatch(/^darkroom(_[a-z]+)+$/);
      expect(name.endsWith("_total"), name).toBe(type === "counter");
      if (type === "histogram") expect(name).toMatch(/_seconds$/);
      // A counter's name without its ending is its name in OpenMetrics.
      expect(families.some((other) => name === `${other.name}_total`)).toBe(false);
    }
    const labels = [...text.matchAll(/^darkroom_\w+\{(.*)\}/gm)].flatMap(([, all = ""]) =>
      [...all.matchAll(/(\w+)="/g)].map(([, name]) => name),
    );
    expect(new Set(labels)).toEqual(new Set(["model", "state", "door", "le"]));
  });

  it("of requests for models that are not there have no values", async () => {
    const server = await metrics();
    for (const path of ["/api/jobs", "/v1/images/generations"]) {
      await server.app.request(`http://localhost${path}`, { method: "POST", body: '{"prompt":"x","model":"evil"}' });
    }
    expect(await server.read()).not.toContain("evil");
  });

  it("is text of Prometheus's type", async () => {
    const reply = await testServer().app.request("http://localhost/metrics");
    expect(reply.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
  });
});
