/** The text-to-image checkpoint in the package: pictures of 64 pixels. Its defaults are those that its model card advises. */
export const EMBEDDED = {
  /** The name that opens it. */
  name: "emoji-64",
  defaults: { steps: 20, guidance: 5 },
  examplePrompts: ["a panda", "a red apple", "a fox", "a yellow smiling face", "a blue heart"],
} as const;
