import { existsSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { messageOf } from "../../message-of.js";
import { neededLibraries } from "./elf.js";
import type { WantedFiles } from "./wheels.js";

/*
 * CUDA in Node takes three kinds of libraries: the runtime's provider, beside its own library; NVIDIA's libraries (cuBLAS, cuDNN, ...),
 * there or where the system's loader looks; and the driver's libcuda.so.1. The runtime itself only says "Failed to load shared library".
 */

/** The runtime's own CUDA libraries. */
export const PROVIDER_LIBRARIES = ["libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"];

/** The library that the provider opens by name. */
const OPENED = "libcudnn.so.9";

/** dlopen's flag that a library stays loaded when it is closed. It is not among Node's constants. */
const KEPT = 0x1000;

/** How the loader says that there is no such file. */
const NOT_FOUND = "cannot open shared object file";

/**
 * Loads NVIDIA's libraries from the provider's folder, so that the provider finds them there without LD_LIBRARY_PATH: the loader takes a
 * library of the same name that is loaded already. Returns what is missing or broken, in the loader's words; undefined if nothing is.
 */
export function loadCudaLibraries(folder: string): string | undefined {
  // cuBLAS and cuDNN would round the inputs of float32 products to TF32, with 10 bits. They read the variable when they are loaded.
  process.env.NVIDIA_TF32_OVERRIDE ??= "0";
  loadCompiler(folder);
  const problems = problemsOf(folder);
  const missing = problems.filter(({ problem }) => problem.includes(NOT_FOUND)).map(({ name }) => name);
  if (missing.length > 0) return `${missing.join(", ")}: ${NOT_FOUND}: No such file or directory`;
  return problems[0]?.problem;
}

/**
 * The names of libraries that the provider in this folder needs, or cuDNN for some convolutions (the compiler NVRTC), and that cannot be
 * found.
 */
export function missingLibraries(folder: string): readonly string[] {
  return [...problemsOf(folder), ...loadCompiler(folder)].filter(({ problem }) => problem.includes(NOT_FOUND)).map(({ name }) => name);
}

/** The libraries of CUDA that the provider in this folder names in its header. */
function neededBy(folder: string): readonly string[] {
  return neededLibraries(join(folder, "libonnxruntime_providers_cuda.so")).filter((name) => /^lib(cu|nv)/.test(name));
}

/** A library that could not be loaded, and the loader's message. */
interface Problem {
  readonly name: string;
  readonly problem: string;
}

/** Loads what the provider in this folder needs, as far as it is there. */
function problemsOf(folder: string): readonly Problem[] {
  return [...neededBy(folder), OPENED].flatMap((name) => load(folder, name));
}

/** Loads NVIDIA's compiler for kernels. It belongs to the same CUDA as the provider. */
function loadCompiler(folder: string): readonly Problem[] {
  const compiler = neededBy(folder)
    .find((name) => name.startsWith("libcudart."))
    ?.replace("cudart", "nvrtc");
  return compiler === undefined ? [] : load(folder, compiler);
}

/** Loads a library for good, from the folder if it is there. */
function load(folder: string, name: string): readonly Problem[] {
  const own = join(folder, name);
  const { RTLD_LAZY, RTLD_GLOBAL } = constants.dlopen;
  try {
    process.dlopen({ exports: {} }, existsSync(own) ? own : name, RTLD_LAZY | RTLD_GLOBAL | KEPT);
  } catch (error) {
    // What is loaded is refused afterwards, because it is no addon of Node. It stays loaded.
    const problem = messageOf(error);
    if (!problem.includes("self-register")) return [{ name, problem }];
  }
  return [];
}

/** The package of PyPI that brings a library of NVIDIA's; undefined for the driver's, and others that none has. */
export function packageOf(library: string): WantedFiles | undefined {
  const [, name = "", major = ""] = /^lib(\w+?)\.so\.(\d+)$/.exec(library) ?? [];
  const takes = (pattern: RegExp) => (file: string) => pattern.test(file);
  // Without a suffix, packages are those of CUDA 13 and later; cuRAND counts on its own.
  if (/^cublas(Lt)?$/.test(name)) return ofCuda("nvidia-cublas", major, takes(/^libcublas(Lt)?\.so\.\d+$/));
  if (name === "cudart") return ofCuda("nvidia-cuda-runtime", major, takes(/^libcudart\.so\.\d+$/));
  if (name === "nvrtc") return ofCuda("nvidia-cuda-nvrtc", major, takes(/^libnvrtc(-builtins)?\.so\.[\d.]+$/));
  if (name === "curand") return { name: "nvidia-curand", version: `${major}.`, takes: takes(/^libcurand\.so\.\d+$/) };
  if (name === "cudnn") return { name: "nvidia-cudnn-cu13", version: `${major}.`, takes: takes(/^libcudnn\w*\.so\.\d+$/) };
  return undefined;
}

function ofCuda(name: string, major: string, takes: (file: string) => boolean): WantedFiles | undefined {
  return Number(major) >= 13 ? { name, version: `${major}.`, takes } : undefined;
}
