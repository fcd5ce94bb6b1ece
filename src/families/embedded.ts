/** The text-to-image checkpoint in the package: pictures of 128 pixels. Its defaults are those that its model card advises. */
export const EMBEDDED = {
  /** The name that opens it. */
  name: "emoji-128",
  defaults: { steps: 20, guidance: 4 },
  examplePrompts: ["a red fox", "a panda in the snow", "a house on the grass", "a rocket in space", "two apples"],
} as const;
