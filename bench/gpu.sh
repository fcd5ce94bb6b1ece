#!/usr/bin/env bash
# Tries and measures Darkroom on a GPU: correctness and speed on CUDA and WebGPU beside PyTorch, into $OUT/gpu.md, $OUT/gpu.json and
# $OUT/gpu.log. Every part has a time limit of its own, and the files are written after each, so that one failure loses nothing else.
#
#   bash bench/gpu.sh                     # in a repository with `npm ci`, on a machine with a GPU
#   bash gpu.sh                           # beside the files of bench/gpu/pack.sh, on a bare machine
#   DARKROOM_GPU_DRY=1 bash bench/gpu.sh  # the same on the CPU with tiny networks: tries the script
#
# GPU_SECONDS is the time for all parts (570). GPU_PARTS names the parts to run, comma-separated. BENCH_PYTHON is a Python with PyTorch and
# diffusers.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export OUT=${OUT:-$here/gpu-out}
mkdir -p "$OUT"
begun=$(date +%s)

if compgen -G "$here/darkroom-gpu.tar.xz.*" >/dev/null; then
  tree=$here/tree
  if [ ! -e "$tree/bench/gpu.sh" ]; then
    mkdir -p "$tree"
    cat "$here"/darkroom-gpu.tar.xz.* | xz -dc -T0 | tar -x -C "$tree" || exit 1
  fi
  # Vulkan's loader, where the machine has none.
  if ! ldconfig -p | grep -q 'libvulkan\.so\.1'; then
    for file in "$tree"/.gpu/debs/*.deb; do dpkg -x "$file" / 2>/dev/null; done
    ldconfig
  fi
  export PATH=$tree/.gpu/bin:$PATH PYTHONPATH=$tree/.gpu/site${PYTHONPATH:+:$PYTHONPATH}
else
  tree=$(cd "$here/.." && pwd)
fi

icd=/usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json
[ -e "$icd" ] && export VK_DRIVER_FILES=${VK_DRIVER_FILES:-$icd}

# NVIDIA's libraries are those of PyTorch, if there are none in the system or beside the provider.
export BENCH_PYTHON=${BENCH_PYTHON:-python3}
folders=$("$BENCH_PYTHON" -c 'import glob, nvidia; print(":".join(f for p in nvidia.__path__ for f in sorted(glob.glob(p + "/*/lib"))))' 2>/dev/null)
export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folders

cd "$tree" && exec node --import tsx bench/gpu/main.ts "$begun"
