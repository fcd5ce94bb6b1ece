import "../../src/hub/open-checkpoint.js";
import fc from "fast-check";
import { Qwen2Tokenizer } from "../../src/tokenizer/qwen2.js";
import { T5Tokenizer } from "../../src/tokenizer/t5.js";
import { checkpoint } from "../helpers/fixtures.js";
import { filesOf } from "../helpers/hub-server.js";
import { editedBytes, editedJson, hostileText } from "./hostile.js";
import { type Files, MemoryFolder } from "./memory-folder.js";
import { attack, refusing, surface } from "./surface.js";

const QWEN: Files = new Map(filesOf(checkpoint("tokenizer-qwen-mini")));
const T5: Files = new Map(filesOf(checkpoint("tokenizer-t5-mini")));
const json = (files: Files, path: string) => JSON.parse(String(files.get(path)));
const TEXTS = ["a red fox", "", "<|im_start|>don't 123 é🦊\ud800</s>\r\n\n x", `${"a ".repeat(500)}`, "ﬁ１".repeat(2000)];

/** The files with one replaced, and without some. */
function withFile(files: Files, path: string, content: fc.Arbitrary<string | Uint8Array>, without: readonly string[] = []) {
  return content.map((own): Files => {
    const rest = [...files].filter(([name]) => name !== path && !without.includes(name));
    return new Map([...rest, [path, Buffer.from(own as string)]]);
  });
}

const CLASSES = { qwen: Qwen2Tokenizer, t5: T5Tokenizer };
const strike = (kind: keyof typeof CLASSES) => async (files: Files) => {
  const tokenizer = await refusing<Qwen2Tokenizer | T5Tokenizer>(() => CLASSES[kind].fromPretrained(new MemoryFolder(files)));
  if (!tokenizer) return;
  for (const text of TEXTS) {
    await refusing(() => tokenizer.tokenize([text, "x"], { maxLength: 20, padding: "max_length", truncation: true }));
    const ids = await refusing(() => tokenizer.encode(text));
    if (ids) await refusing(() => tokenizer.decode(ids));
  }
  if (tokenizer instanceof Qwen2Tokenizer) await refusing(() => tokenizer.applyChatTemplate([{ role: "user", content: "a fox" }]));
};

/** Pieces of templates, in any order. */
const template = fc
  .array(
    fc.constantFrom(
      "{% for message in messages %}",
      "{% endfor %}",
      "{% if x %}",
      "{% else %}",
      "{% endif %}",
      "{{ messages[0].content }}",
      "{{ messages | tojson }}",
      "{% set x = range(100000000) %}",
      "{{ x.y.z }}",
      "{{ raise_exception('x') }}",
      "{{ 'a' * 1000000 }}",
      "{# #}",
      "{{",
      "%}",
      "{{ messages[::-1] }}",
      "{{ __proto__ }}",
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(""));

surface("files of language models' tokenizers", [
  attack(
    "spiece.model with damaged bytes",
    withFile(T5, "spiece.model", editedBytes(Buffer.from(T5.get("spiece.model") ?? []))),
    strike("t5"),
    {
      runs: 150,
    },
  ),
  attack(
    "tokenizer.json of T5 with fields that are wrong",
    withFile(T5, "tokenizer.json", editedJson(json(T5, "tokenizer.json")), ["spiece.model"]),
    strike("t5"),
    { runs: 60 },
  ),
  attack(
    "tokenizer_config.json of T5 with fields that are wrong",
    withFile(T5, "tokenizer_config.json", editedJson(json(T5, "tokenizer_config.json"))),
    strike("t5"),
    { runs: 80 },
  ),
  attack(
    "tokenizer.json of Qwen with fields that are wrong",
    withFile(QWEN, "tokenizer.json", editedJson(json(QWEN, "tokenizer.json")), ["vocab.json", "merges.txt"]),
    strike("qwen"),
    { runs: 60 },
  ),
  attack(
    "vocab.json with damaged bytes",
    withFile(QWEN, "vocab.json", editedBytes(Buffer.from(QWEN.get("vocab.json") ?? []))),
    strike("qwen"),
    { runs: 100 },
  ),
  attack(
    "tokenizer_config.json of Qwen with fields that are wrong",
    withFile(QWEN, "tokenizer_config.json", editedJson(json(QWEN, "tokenizer_config.json"))),
    strike("qwen"),
    { runs: 80 },
  ),
  attack("chat templates of any pieces", withFile(QWEN, "chat_template.jinja", template), strike("qwen"), { runs: 150 }),
  attack("chat templates that are any text", withFile(QWEN, "chat_template.jinja", hostileText), strike("qwen"), { runs: 80 }),
]);
