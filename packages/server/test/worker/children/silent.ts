// A program that never says that it is ready.
setInterval(() => undefined, 1000);
process.on("disconnect", () => process.exit());
