// A program of another version of the package.
process.send?.({ type: "hello", version: 0 });
process.on("disconnect", () => process.exit());
