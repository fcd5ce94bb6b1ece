import { testJobs } from "./conformance.js";
import { EmbeddedStorage } from "./embedded-storage.js";

testJobs("the embedded queue", () => EmbeddedStorage.make());
