// The grid of pictures: filled page by page as it is scrolled, walked by keys, chosen from.
import { say } from "./texts.js";
import { icon, id, make } from "./dom.js";
import { get, post } from "./server.js";

export class Grid {
  // `events`: open(item), chosen(choice), problem(problem), listed(how many are shown, is it all)
  constructor(facts, events) {
    this.facts = facts;
    this.events = events;
    this.list = id("grid");
    this.items = new Map(); // key → item
    this.choice = { all: false, keys: new Set() }; // with all, the keys are those left out
    this.last = null; // chosen last, from which shift reaches
    this.turn = 0; // of what is shown: answers to what was asked before are dropped
    this.next = null;
    this.more = null;
    this.list.addEventListener("click", (event) => this.#clicked(event));
    this.list.addEventListener("keydown", (event) => this.#typed(event));
    this.list.addEventListener("dblclick", (event) => {
      const brief = event.target.closest(".brief");
      if (brief) this.#edit(brief.closest("li"));
    });
    const watch = new IntersectionObserver(
      (entries) => entries.some((entry) => entry.isIntersecting) && this.#fetch(),
      { rootMargin: "1200px" },
    );
    watch.observe(id("more"));
    id("more-button").addEventListener("click", () => this.#fetch());
  }

  // Shows what `fetch(place)` gives page by page: {items, next}; `place` is null at first.
  show(fetch, automatic = true) {
    this.turn += 1;
    this.fetchPage = fetch;
    this.automatic = automatic;
    this.items.clear();
    this.list.replaceChildren();
    this.chooseNone();
    this.next = null;
    this.ended = false;
    this.busy = false;
    return this.#fetch(true);
  }

  async #fetch(first = false) {
    if (this.busy || this.ended || !this.fetchPage) return;
    this.busy = true;
    const turn = this.turn;
    id("nothing").hidden = true;
    this.list.setAttribute("aria-busy", "true");
    try {
      const page = await this.fetchPage(first ? null : this.next);
      if (turn !== this.turn) return;
      this.next = page.next;
      this.ended = page.next === null;
      this.add(page.items);
      this.events.listed(this.items.size, this.ended);
    } catch (problem) {
      if (turn !== this.turn) return;
      this.ended = true;
      this.events.problem(problem);
    } finally {
      if (turn === this.turn) {
        this.busy = false;
        this.list.removeAttribute("aria-busy");
        id("more-button").hidden = this.ended;
      }
    }
    // A page that does not fill the window moves nothing into view that would ask for the next.
    if (turn === this.turn && !this.ended && this.automatic) {
      if (id("more").getBoundingClientRect().top < innerHeight + 600) this.#fetch();
    }
  }

  add(items, before = false) {
    const tiles = items.filter((item) => !this.items.has(item.key)).map((item) => {
      this.items.set(item.key, item);
      return this.#tile(item);
    });
    if (before) this.list.prepend(...tiles);
    else this.list.append(...tiles);
    this.#reachable();
  }

  replace(item) {
    const known = this.items.get(item.key);
    if (!known) return;
    Object.assign(known, item);
    const tile = this.tile(item.key);
    this.#describe(tile, known);
  }

  remove(keys) {
    for (const key of keys) {
      this.tile(key)?.remove();
      this.items.delete(key);
      this.choice.keys.delete(key);
    }
    this.#reachable();
    this.#chosen();
  }

  fade(keys, faded) {
    for (const key of keys) this.tile(key)?.classList.toggle("leaving", faded);
  }

  tile(key) {
    return this.list.querySelector(`li[data-key="${key}"]`);
  }

  neighbour(key, step) {
    const tile = this.tile(key);
    const found = step < 0 ? tile?.previousElementSibling : tile?.nextElementSibling;
    return found ? this.items.get(Number(found.dataset.key)) : null;
  }

  keep(isShown) {
    for (const tile of this.list.children) {
      tile.hidden = !isShown(this.items.get(Number(tile.dataset.key)));
    }
    this.#reachable();
  }

  isChosen(key) {
    return this.choice.all !== this.choice.keys.has(key);
  }

  chosenKeys() {
    return [...this.items.keys()].filter((key) => this.isChosen(key));
  }

  chooseAll() {
    this.choice = { all: true, keys: new Set() };
    this.#chosen();
  }

  chooseNone() {
    this.choice = { all: false, keys: new Set() };
    this.last = null;
    this.#chosen();
  }

  #choose(tile, on, reach) {
    const tiles = [...this.list.children];
    const to = tiles.indexOf(tile);
    const from = reach && this.last ? tiles.indexOf(this.last) : to;
    for (const one of tiles.slice(Math.min(from, to), Math.max(from, to) + 1)) {
      const key = Number(one.dataset.key);
      if (on === this.choice.all) this.choice.keys.delete(key);
      else this.choice.keys.add(key);
    }
    this.last = tile;
    this.#chosen();
  }

  #chosen() {
    for (const tile of this.list.children) {
      const on = this.isChosen(Number(tile.dataset.key));
      tile.classList.toggle("on", on);
      const box = tile.querySelector("input[type=checkbox]");
      if (box) box.checked = on;
    }
    this.events.chosen(this.choice);
  }

  #tile(item) {
    const image = make("img", { loading: "lazy", decoding: "async", width: "160", height: "160" });
    image.addEventListener("error", () => image.closest("li").classList.add("blank"));
    const tile = make(
      "li",
      { "data-key": String(item.key) },
      make("button", { type: "button", class: "open", tabindex: "-1" }, image),
    );
    if (this.facts.mayChange) {
      tile.append(make("label", { class: "pick" }, make("input", { type: "checkbox", tabindex: "-1" })));
    }
    if (item.score !== undefined) {
      const score = make("meter", { class: "bar", min: "0", max: "1", value: String(item.score) });
      score.setAttribute("aria-label", say("manager.score"));
      tile.append(make("span", { class: "score" }, item.score.toFixed(3)), score);
    }
    tile.append(make("div", { class: "words" }, make("span", { class: "brief" }), make("span", { class: "classes" })));
    if (this.facts.mayChange) {
      const edit = make("button", { type: "button", class: "edit plain round", tabindex: "-1" }, icon("pencil"));
      edit.addEventListener("click", () => this.#edit(tile));
      tile.append(edit);
    }
    this.#describe(tile, item);
    return tile;
  }

  #describe(tile, item) {
    const image = tile.querySelector("img");
    image.alt = item.brief;
    const source = `${this.facts.path}/pictures/${item.key}/thumbnail`;
    if (!item.kept) tile.classList.add("blank");
    else if (image.getAttribute("src") !== source) image.src = source;
    const brief = tile.querySelector(".brief");
    brief.textContent = item.brief;
    brief.title = item.brief;
    tile.querySelector(".classes").replaceChildren(
      ...item.classes.filter(Boolean).map((value) => make("span", { class: "chip" }, String(value))),
    );
    tile.querySelector(".edit")?.setAttribute("aria-label", say("manager.edit", { name: item.brief }));
    const box = tile.querySelector("input[type=checkbox]");
    if (box) box.setAttribute("aria-label", say("manager.choose", { name: item.brief }));
  }

  // One tile is reached by Tab, the others by arrows: half a million stops would be none.
  #reachable(tile = this.list.querySelector("li:not([hidden])")) {
    this.list.querySelector('.open[tabindex="0"]')?.setAttribute("tabindex", "-1");
    tile?.querySelector(".open").setAttribute("tabindex", "0");
  }

  #clicked(event) {
    const tile = event.target.closest("li");
    if (!tile) return;
    const box = event.target.closest(".pick");
    if (box) {
      // The label's click is followed by its box's, which counts.
      if (event.target.matches("input")) this.#choose(tile, event.target.checked, event.shiftKey);
      return;
    }
    if (!event.target.closest(".open")) return;
    const anyChosen = this.choice.all || this.choice.keys.size > 0;
    if (this.facts.mayChange && (anyChosen || event.shiftKey || event.ctrlKey || event.metaKey)) {
      this.#choose(tile, event.shiftKey || !this.isChosen(Number(tile.dataset.key)), event.shiftKey);
    } else {
      this.events.open(this.items.get(Number(tile.dataset.key)));
    }
    this.#reachable(tile);
  }

  #typed(event) {
    const tile = event.target.closest("li");
    if (!tile || event.target.matches("input[type=text]")) return;
    const shown = [...this.list.querySelectorAll("li:not([hidden])")];
    const columns = shown.filter((one) => one.offsetTop === shown[0].offsetTop).length || 1;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
    const here = shown.indexOf(tile);
    if (event.key in steps || event.key === "Home" || event.key === "End") {
      const places = { Home: 0, End: shown.length - 1 };
      const to = shown[places[event.key] ?? here + steps[event.key]];
      if (to) {
        this.#reachable(to);
        to.querySelector(".open").focus();
        to.scrollIntoView({ block: "nearest" });
        if (event.shiftKey && this.facts.mayChange) this.#choose(to, true, true);
      }
    } else if (event.key === "F2" && this.facts.mayChange) {
      this.#edit(tile);
    } else if ((event.key === " " || event.key === "x") && this.facts.mayChange) {
      this.#choose(tile, !this.isChosen(Number(tile.dataset.key)), event.shiftKey);
    } else if (event.key === "Delete" && this.facts.mayChange) {
      if (!this.isChosen(Number(tile.dataset.key))) this.#choose(tile, true, false);
      id("remove").click();
    } else if (event.key === "a" && (event.ctrlKey || event.metaKey) && this.facts.mayChange) {
      this.#choose(shown[0], true, false);
      this.#choose(shown.at(-1), true, true);
    } else {
      return;
    }
    event.preventDefault();
  }

  // The brief becomes a field: Enter keeps it, Escape leaves it as it was.
  #edit(tile) {
    const item = this.items.get(Number(tile.dataset.key));
    const brief = tile.querySelector(".brief");
    if (!this.facts.mayChange || tile.querySelector(".words input")) return;
    const field = make("input", { type: "text", maxlength: "256", "aria-label": say("manager.brief") });
    field.value = item.brief;
    let over = false;
    const end = async (keep) => {
      if (over) return;
      over = true;
      const text = field.value.trim();
      field.replaceWith(brief);
      if (!keep || !text || text === item.brief) return;
      brief.textContent = text;
      try {
        const answer = await post(`${this.facts.path}/pictures/${item.key}`, { brief: text });
        this.replace(answer.item);
      } catch (problem) {
        brief.textContent = item.brief;
        this.events.problem(problem, true);
      }
    };
    field.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter" || event.key === "Escape") {
        end(event.key === "Enter");
        tile.querySelector(".open").focus();
      }
    });
    field.addEventListener("blur", () => end(true));
    brief.replaceWith(field);
    field.focus();
    field.select();
  }
}

export function listing(facts, wanted) {
  return (place) => get(`${facts.path}/pictures`, place === null ? wanted : { ...wanted, after: place });
}

