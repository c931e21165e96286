// Changes of many pictures: asked for, undone within the grace, followed to their end.
import { count, say } from "./texts.js";
import { id, make } from "./dom.js";
import { get, post } from "./server.js";

const LOOK_MILLISECONDS = 700;

export class Changes {
  constructor(facts) {
    this.path = `${facts.path}/changes`;
  }

  async ask(facts, undone, ended) {
    this.follow(await post(this.path, facts), undone, ended);
  }

  // Shows a change at the foot of the page until it is over.
  follow(batch, undone = () => {}, ended = () => {}) {
    const text = make("span");
    const bar = make("progress", { max: "1", value: "0", hidden: true, "aria-label": say("changes.progress") });
    const button = make("button", { type: "button" }, say("changes.undo"));
    const toast = make("div", { class: "toast" }, text, bar, button);
    id("toasts").append(toast);
    const leave = (milliseconds) => setTimeout(() => toast.remove(), milliseconds);
    const show = (now) => {
      const left = Math.max(0, Math.ceil(now.starts - Date.now() / 1000));
      const key = now.state === "waiting" && left === 0 ? "running" : now.state;
      text.textContent = count(`changes.${now.act}.${key}`, now.total, {
        seconds: left,
        done: now.done.toLocaleString("en-US"),
        problem: now.problem,
      });
      button.hidden = now.state !== "waiting";
      bar.hidden = now.state !== "running" || now.total < 2;
      bar.max = Math.max(1, now.total);
      bar.value = now.done;
    };
    const look = async () => {
      try {
        batch = await get(`${this.path}/${batch.id}`);
      } catch (problem) {
        if (problem.status === 404) batch = { ...batch, state: "done" }; // with its library
      }
      show(batch);
      if (batch.state === "undone") {
        undone();
        leave(2500);
      } else if (batch.state === "done") {
        ended();
        leave(2500);
      } else if (batch.state === "failed") {
        undone();
        leave(15_000);
      } else {
        setTimeout(look, LOOK_MILLISECONDS);
      }
    };
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        batch = await post(`${this.path}/${batch.id}/undo`, {});
      } catch {
        button.disabled = false;
      }
    });
    show(batch);
    setTimeout(look, LOOK_MILLISECONDS);
  }
}

export function tell(text, bad = false) {
  const toast = make("div", { class: bad ? "toast bad" : "toast" }, make("span", {}, text));
  id("toasts").append(toast);
  setTimeout(() => toast.remove(), bad ? 8000 : 3000);
}
