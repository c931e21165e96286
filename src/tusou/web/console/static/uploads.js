// Uploading many files, a few at a time, with a line for each: how far, or why not.
import { count, say } from "./texts.js";
import { icon, id, make, size } from "./dom.js";
import { send } from "./server.js";

const AT_ONCE = 3;
const SHOWN = 200; // lines; what went well makes room for what is to come
const LATER_MILLISECONDS = 1500;
const TRIES = 4;

export class Uploads {
  // `added(item)` is told of every picture that is in the library now.
  constructor(facts, added) {
    this.facts = facts;
    this.added = added;
    this.lines = [];
    this.running = 0;
    id("retry").addEventListener("click", () => this.#retry());
    id("uploads-close").addEventListener("click", () => this.#close());
  }

  add(files) {
    if (!files.length) return;
    id("uploads").hidden = false;
    for (const file of files) this.lines.push(this.#line(file));
    this.#show();
    this.#pump();
  }

  #line(file) {
    const brief = make("input", {
      type: "text",
      value: proposed(file.name),
      maxlength: "256",
      "aria-label": say("uploads.brief", { name: file.name }),
    });
    const bar = make("progress", { max: "1", value: "0", "aria-label": file.name });
    const state = make("span", { class: "state quiet" }, say("uploads.waiting"));
    const row = make("li", {}, make("div", { class: "file" }, brief, make("small", { class: "quiet" }, `${file.name} · ${size(file.size)}`)), bar, state);
    return { file, brief, bar, state, row, is: "waiting", tries: 0 };
  }

  #pump() {
    while (this.running < AT_ONCE) {
      const line = this.lines.find((one) => one.is === "waiting");
      if (!line) break;
      this.running += 1;
      line.is = "running";
      this.#send(line).finally(() => {
        this.running -= 1;
        this.#show();
        this.#pump();
      });
    }
    this.#show();
  }

  async #send(line) {
    line.tries += 1;
    line.state.textContent = say("uploads.running");
    line.row.classList.remove("failed");
    if (line.file.size > this.facts.mostBytes) {
      return this.#fail(line, say("uploads.large", { n: size(this.facts.mostBytes) }), false);
    }
    const form = new FormData();
    form.set("image", line.file);
    form.set("brief", line.brief.value.trim() || line.file.name);
    for (const field of document.querySelectorAll("[data-upload-class]")) {
      if (field.value.trim()) form.set(field.dataset.uploadClass, field.value.trim());
    }
    try {
      const answer = await send(`${this.facts.path}/pictures`, form, (part) => {
        line.bar.value = part;
        if (part === 1) line.state.textContent = say("uploads.working");
      });
      line.is = "done";
      line.bar.value = 1;
      line.state.replaceChildren(icon("check"));
      line.row.classList.add("good");
      if (answer.item) this.added(answer.item);
    } catch (problem) {
      // A server that is busy or away may take it in a moment; anything else stays wrong.
      if ([0, 503].includes(problem.status) && line.tries < TRIES) {
        line.is = "resting";
        line.state.textContent = problem.message;
        setTimeout(() => {
          line.is = "waiting";
          this.#pump();
        }, LATER_MILLISECONDS * line.tries);
        return;
      }
      const known = problem.name === "ITEM_EXISTS";
      this.#fail(line, known ? say("uploads.known") : [problem.message, problem.detail].filter(Boolean).join(" · "), !known);
    }
  }

  #fail(line, text, again) {
    line.is = "failed";
    line.again = again;
    line.state.textContent = text;
    line.row.classList.add("failed");
  }

  #retry() {
    for (const line of this.lines) {
      if (line.is === "failed" && line.again) {
        Object.assign(line, { is: "waiting", tries: 0 });
        line.bar.value = 0;
      }
    }
    this.#pump();
  }

  #close() {
    this.lines = this.lines.filter((line) => !["done", "failed"].includes(line.is));
    id("uploads").hidden = this.lines.length === 0;
    this.#show();
  }

  #show() {
    const of = (is) => this.lines.filter((line) => line.is === is);
    const order = [...of("failed"), ...of("running"), ...of("resting"), ...of("waiting"), ...of("done").reverse()];
    const rows = order.slice(0, SHOWN).map((line) => line.row);
    // Moving a field takes the caret out of it, so nothing moves while one is typed in.
    if (!id("uploads-list").contains(document.activeElement)) id("uploads-list").replaceChildren(...rows);
    else for (const row of rows) if (!row.isConnected) id("uploads-list").append(row);
    id("retry").hidden = !of("failed").some((line) => line.again);
    id("uploads-sum").textContent = count("uploads.sum", this.lines.length, {
      done: of("done").length.toLocaleString("en-US"),
      failed: of("failed").length.toLocaleString("en-US"),
    });
  }
}

// What a file's name says of the picture: without the ending, blanks for what stands for them.
export function proposed(name) {
  const stem = name.replace(/\.[A-Za-z0-9]{1,5}$/, "").replace(/[_\s]+/g, " ").trim() || name;
  const bytes = new TextEncoder();
  let text = stem;
  while (bytes.encode(text).length > 256) text = [...text].slice(0, -1).join("");
  return text;
}

// Every file of what was dropped, those in folders too.
export async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files];
  const files = [];
  const walk = async (entry) => {
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      if (file.type.startsWith("image/") || entries.length === 1) files.push(file);
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!some.length) return;
      for (const one of some) await walk(one);
    }
  };
  for (const entry of entries) await walk(entry);
  return files;
}
