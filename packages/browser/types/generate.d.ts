// The types are those of darkroom, which is installed for them only.
export * from "darkroom/generate";
