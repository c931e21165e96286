// One picture, large, with what is known of it and fields to change it.
import { id, size } from "./dom.js";
import { moment } from "./page.js";
import { get, post } from "./server.js";
import { count, say } from "./texts.js";

export class Viewer {
  // `events`: changed(item), remove(item), like(item), compare(item)
  constructor(facts, grid, events) {
    this.facts = facts;
    this.grid = grid;
    this.events = events;
    this.dialog = id("viewer");
    this.form = id("details");
    id("viewer-close").addEventListener("click", () => this.dialog.close());
    id("earlier").addEventListener("click", () => this.#step(-1));
    id("later").addEventListener("click", () => this.#step(1));
    id("like").addEventListener("click", () => this.#leave(events.like));
    id("compare").addEventListener("click", () => events.compare(this.item));
    id("remove-one")?.addEventListener("click", () => this.#leave(events.remove));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#save();
    });
    this.dialog.addEventListener("keydown", (event) => {
      if (event.target.matches("input, textarea")) return;
      if (event.key === "ArrowLeft") this.#step(-1);
      if (event.key === "ArrowRight") this.#step(1);
    });
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog) this.dialog.close();
    });
    this.dialog.addEventListener("close", () => {
      this.grid.tile(this.item.key)?.querySelector(".open").focus();
    });
  }

  open(item) {
    this.item = item;
    const { path, classFields } = this.facts;
    const large = id("large");
    large.alt = item.brief;
    large.src = item.kept ? `${path}/pictures/${item.key}/original` : "";
    large.hidden = !item.kept;
    id("original").href = `${path}/pictures/${item.key}/original`;
    id("original").hidden = !item.kept;
    id("like").hidden = !item.kept;
    id("compare").hidden = !(this.facts.explains && this.facts.querying() && item.kept);
    this.form.elements.brief.value = item.brief;
    const classes = item.classes.filter(Boolean).join(",");
    classFields.forEach((field, place) => {
      const own = classFields.length === 1 ? classes : item.classes[place] || "";
      this.form.elements[field].value = own;
    });
    id("sign").textContent = item.sign;
    const pixels = `${item.width} × ${item.height}`;
    id("size").textContent = `${pixels} · ${size(item.bytes)} · ${item.type}`;
    id("created").textContent = moment(new Date(item.created * 1000));
    id("updated").textContent = moment(new Date(item.updated * 1000));
    const scored = item.score !== undefined;
    id("score-name").hidden = id("score").hidden = !scored;
    id("score").textContent = scored ? item.score.toFixed(4) : "";
    this.#showTwins(item);
    id("details-problem").hidden = true;
    id("earlier").disabled = !this.grid.neighbour(item.key, -1);
    id("later").disabled = !this.grid.neighbour(item.key, 1);
    if (!this.dialog.open) this.dialog.showModal();
  }

  // A line that is there only where the library has more pictures that show the same.
  async #showTwins(item) {
    const place = id("twins");
    id("twins-name").hidden = place.hidden = true;
    let group = null;
    try {
      group = (await get(`${this.facts.path}/duplicates/${item.key}`)).group;
    } catch {
      return; // the rest of the picture's facts are worth showing without it
    }
    if (!group || this.item.key !== item.key) return;
    const best = group.best.key === item.key;
    const link = place.querySelector("a");
    link.textContent = count(best ? "twins.best" : "twins.other", group.others.length);
    link.href = `${this.facts.path}/duplicates?of=${item.key}`;
    id("twins-name").hidden = place.hidden = false;
  }

  #step(by) {
    const next = this.grid.neighbour(this.item.key, by);
    if (next) this.open(next);
  }

  #leave(then) {
    this.dialog.close();
    then(this.item);
  }

  async #save() {
    const problem = id("details-problem");
    const facts = { brief: this.form.elements.brief.value };
    for (const field of this.facts.classFields) facts[field] = this.form.elements[field].value;
    try {
      const answer = await post(`${this.facts.path}/pictures/${this.item.key}`, facts);
      problem.hidden = true;
      this.events.changed({ ...this.item, ...answer.item });
      this.item = { ...this.item, ...answer.item };
      id("updated").textContent = say("manager.saved");
    } catch (error) {
      problem.textContent = [error.message, error.detail].filter(Boolean).join(" · ");
      problem.hidden = false;
    }
  }
}
