/** What an IP-Adapter makes its tokens of, by the names of Tencent's files. */
export type IPAdapterKind = "plain" | "plus" | "full face" | "FaceID" | "FaceID Plus";

/** The kind that the tensors of an image projection show; `has` gets names without "image_proj.". Undefined for an unknown kind. */
export function ipAdapterKind(has: (name: string) => boolean): IPAdapterKind | undefined {
  if (has("proj.weight")) return "plain";
  if (has("proj.3.weight")) return "full face";
  if (has("perceiver_resampler.proj_in.weight")) return "FaceID Plus";
  if (has("norm.weight") && has("proj.0.weight")) return "FaceID";
  return has("latents") && has("proj_in.weight") ? "plus" : undefined;
}
