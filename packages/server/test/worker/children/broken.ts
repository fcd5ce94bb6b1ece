// A program that ends before it is ready.
console.error("a library is missing");
process.exit(3);
