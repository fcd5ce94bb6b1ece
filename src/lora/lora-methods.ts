import type { Shape } from "../tensor/tensor.js";
import type { LoraRole } from "./lora-names.js";

/** The common name of an adapter method. */
export type LoraMethod = "LoRA" | "LoHa" | "LoKr" | "GLoRA" | "IA3" | "full differences" | "trained norms" | "trained biases";

/** The tensors of one layer, by their roles. */
export type ByRole<T> = Readonly<Partial<Record<LoraRole, T>>>;

/** The tensors of a method. */
interface Roles {
  readonly method: LoraMethod;
  /** A tensor of one of these roles shows the method. */
  readonly shownBy: readonly LoraRole[];
  /** For each of these, all tensors of one alternative are needed. */
  readonly needs: readonly (readonly (readonly LoraRole[])[])[];
}

const both = (...roles: LoraRole[]) => roles.map((role) => [[role]]);

/** The first match counts if a layer has tensors of several methods. */
const METHODS: readonly Roles[] = [
  { method: "LoRA", shownBy: ["down", "up", "mid"], needs: both("down", "up") },
  {
    method: "LoHa",
    shownBy: ["hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2"],
    needs: both("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"),
  },
  {
    method: "LoKr",
    shownBy: ["lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2"],
    needs: [
      [["lokr_w1"], ["lokr_w1_a", "lokr_w1_b"]],
      [["lokr_w2"], ["lokr_w2_a", "lokr_w2_b"]],
    ],
  },
  { method: "GLoRA", shownBy: ["a1", "a2", "b1", "b2"], needs: both("a1", "a2", "b1", "b2") },
  { method: "full differences", shownBy: ["diff"], needs: both("diff") },
  { method: "trained norms", shownBy: ["w_norm", "b_norm"], needs: [[["w_norm"], ["b_norm"]]] },
  { method: "IA3", shownBy: ["ia3_l", "gain", "on_input"], needs: [[["ia3_l"], ["gain"]]] },
  { method: "trained biases", shownBy: ["diff_b", "up_bias"], needs: [[["diff_b"], ["up_bias"]]] },
];

/** The method of a layer's tensors; undefined if they belong to no method. */
export function methodOf(tensors: ByRole<unknown>): LoraMethod | undefined {
  return METHODS.find(({ shownBy }) => shownBy.some((role) => tensors[role]))?.method;
}

/** The method that tensors of a role belong to; undefined for roles of several methods, such as alpha. */
export function methodOfRole(role: LoraRole): LoraMethod | undefined {
  return METHODS.find(({ shownBy }) => shownBy.includes(role))?.method;
}

/** The roles that `method` needs and that have no tensor in the layer. */
export function missingRoles(method: LoraMethod, tensors: ByRole<unknown>): readonly LoraRole[] {
  const needs = METHODS.find((each) => each.method === method)?.needs ?? [];
  return needs.flatMap((alternatives) => {
    const lacking = alternatives.map((roles) => roles.filter((role) => !tensors[role]));
    if (lacking.some(({ length }) => length === 0)) return [];
    // The alternative that is present in part is the intended one.
    return lacking.find((roles, i) => roles.length < (alternatives[i]?.length ?? 0)) ?? lacking[0] ?? [];
  });
}

/** The rank, which divides alpha; undefined if there is none, as in a LoKr of two whole matrices. */
export function rankOf(method: LoraMethod, tensors: ByRole<{ readonly shape: Shape }>): number | undefined {
  const rows = (role: LoraRole) => tensors[role]?.shape[0];
  switch (method) {
    case "LoRA":
      return rows("down");
    case "LoHa":
      return rows("hada_w1_b");
    case "LoKr":
      return tensors.lokr_w2 ? (tensors.lokr_w1 ? undefined : rows("lokr_w1_b")) : rows("lokr_w2_b");
    case "GLoRA":
      // Older versions of LyCORIS write the matrices of each pair in reverse order.
      return tensors.b1 && Math.min(tensors.b1.shape[0] ?? 0, tensors.b1.shape[1] ?? 0);
    default:
      return undefined;
  }
}

/** The number of output features of the layer that these tensors change; undefined if they do not show it. */
export function outputWidth(tensors: ByRole<{ readonly shape: Shape }>): number | undefined {
  const rows = (...roles: LoraRole[]) => roles.map((role) => tensors[role]?.shape[0]).find((height) => height !== undefined);
  const [blocks, entries] = [rows("lokr_w1", "lokr_w1_a"), rows("lokr_w2", "lokr_w2_a")];
  return rows("up", "hada_w1_a", "diff") ?? (blocks !== undefined && entries !== undefined ? blocks * entries : undefined);
}

/** The number of input features of the layer that these tensors change; undefined if they do not show it. */
export function inputWidth(tensors: ByRole<{ readonly shape: Shape }>): number | undefined {
  const columns = (...roles: LoraRole[]) => roles.map((role) => tensors[role]?.shape[1]).find((width) => width !== undefined);
  const [blocks, entries] = [columns("lokr_w1", "lokr_w1_b"), columns("lokr_w2", "lokr_w2_b")];
  return columns("down", "hada_w1_b", "diff") ?? (blocks !== undefined && entries !== undefined ? blocks * entries : undefined);
}
