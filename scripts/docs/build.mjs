// `npm run docs`: the API reference of src/index.ts, as HTML in docs/api. Every warning is an error.
import { fileURLToPath } from "node:url";
import { Application } from "typedoc";

const app = await Application.bootstrap({ options: fileURLToPath(new URL("typedoc.json", import.meta.url)) });

// A field of a config type that is inferred from its schema counts as declared twice, with the same comment.
const isSameComment = (text) => /has multiple declarations with a comment|^The comments for .* are declared at/s.test(text);
for (const level of ["warn", "info"]) {
  const log = app.logger[level].bind(app.logger);
  app.logger[level] = (text, ...rest) => {
    if (!isSameComment(text)) log(text, ...rest);
  };
}

const project = await app.convert();
if (project) app.validate(project);
if (!project || app.logger.hasErrors() || app.logger.hasWarnings()) process.exit(1);
await app.generateOutputs(project);
process.exit(app.logger.hasErrors() || app.logger.hasWarnings() ? 1 : 0);
