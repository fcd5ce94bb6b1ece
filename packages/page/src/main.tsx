import { render } from "preact";
import { App } from "./app.js";
import { keepFresh } from "./state/refresh.js";
import { keepTitle } from "./state/view.js";

const root = document.getElementById("app");
if (root) render(<App />, root);
keepTitle();
void keepFresh();
