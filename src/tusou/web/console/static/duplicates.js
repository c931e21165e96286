// The page of duplicates: scans followed, groups shown side by side, decisions sent.
import { Changes, tell } from "./changes.js";
import { icon, id, make, size } from "./dom.js";
import { moment } from "./page.js";
import { get, post } from "./server.js";
import { count, say } from "./texts.js";

const LOOK_MILLISECONDS = 1000;
const facts = JSON.parse(id("facts").textContent);
const path = `${facts.path}/duplicates`;
const list = id("groups");
const changes = new Changes(facts);
const complain = (problem) => tell([problem.message, problem.detail].filter(Boolean).join(" · "), true);
let next = null;

// Scans

function showScan(scan) {
  const open = scan.state === "waiting" || scan.state === "running";
  const bar = id("progress");
  bar.hidden = !open;
  bar.max = Math.max(1, scan.total);
  bar.value = scan.done;
  const numbers = { done: scan.done.toLocaleString("en-US") };
  const complete = scan.state === "done" && scan.fresh === 0;
  const parts = [complete ? say("duplicates.complete") : count(`duplicates.${scan.state}`, scan.total, numbers)];
  if (scan.problem) parts.push(say("duplicates.held"));
  if (scan.ended) parts.push(moment(new Date(scan.ended * 1000)));
  if (!open && scan.fresh) parts.push(count("duplicates.fresh", scan.fresh));
  id("scanned").textContent = parts.join(" · ");
  if (id("scan")) id("scan").disabled = open;
  if (open) setTimeout(followScan, LOOK_MILLISECONDS);
}

async function followScan() {
  try {
    const scan = await get(`${path}/scan`);
    showScan(scan);
    if (scan.state === "done") await show();
  } catch (problem) {
    complain(problem);
    setTimeout(followScan, 5 * LOOK_MILLISECONDS);
  }
}

id("scan")?.addEventListener("click", async () => {
  id("scan").disabled = true;
  try {
    showScan(await post(`${path}/scan`, {}));
  } catch (problem) {
    id("scan").disabled = false;
    complain(problem);
  }
});

// Groups

async function page(after) {
  if (facts.only === null) return get(`${path}/groups`, after === null ? {} : { after });
  const { group } = await get(`${path}/${facts.only}`);
  return { groups: group ? [group] : [], next: null };
}

async function show(after = null) {
  let found;
  try {
    found = await page(after);
  } catch (problem) {
    return complain(problem);
  }
  next = found.next;
  const cards = found.groups.map(card);
  if (after === null) list.replaceChildren(...cards);
  else list.append(...cards);
  id("more").hidden = next === null;
  id("sum").textContent = found.total ? count("duplicates.sum", found.total, { spare: found.spare.toLocaleString("en-US") }) : "";
  showNothing();
}

function showNothing() {
  const empty = list.children.length === 0;
  id("nothing").hidden = !empty;
  if (empty) id("nothing-text").textContent = say("duplicates.nothing");
}

id("more").addEventListener("click", () => show(next));

function card(group) {
  const { best, others } = group;
  const keys = others.map((item) => item.key);
  const twins = make("ul", { class: "twins" }, twin(best, group.reason), ...others.map((item) => twin(item)));
  const head = make("div", { class: "head" }, make("h2", {}, count("duplicates.pictures", keys.length + 1)));
  const element = make("li", { class: "card", tabindex: "-1", "data-key": String(best.key) }, head, twins);
  if (facts.mayChange) {
    const button = make("button", { type: "button", class: "danger remove" }, icon("bin"), count("duplicates.delete", keys.length));
    button.addEventListener("click", () => remove(element, best.key, keys));
    head.append(button);
  }
  return element;
}

// One picture of a group; a reason is given for the best.
function twin(item, reason = null) {
  const source = `${facts.path}/pictures/${item.key}`;
  const image = make("img", { loading: "lazy", alt: item.brief, width: "240", height: "180" });
  if (item.kept) image.src = `${source}/thumbnail`;
  const picture = item.kept
    ? make("a", { href: `${source}/original`, target: "_blank", rel: "noopener" }, image)
    : image;
  const mark = reason
    ? make("p", { class: "chip good" }, icon("check"), say(`duplicates.best.${reason}`))
    : make("p", { class: "chip" }, say("duplicates.score", { score: item.score.toFixed(3) }));
  const pixels = `${item.width} × ${item.height} · ${size(item.bytes)} · ${item.type}`;
  const element = make(
    "li",
    { class: reason ? "best" : "", "data-key": String(item.key) },
    picture,
    mark,
    make("p", { class: "brief", title: item.brief }, item.brief),
    make("p", { class: "quiet" }, pixels),
  );
  if (facts.mayChange) element.append(buttons(item, reason !== null));
  return element;
}

function buttons(item, best) {
  const keep = make("button", { type: "button", class: "keep" }, say("duplicates.keep"));
  const part = make("button", { type: "button", class: "part" }, say("duplicates.part"));
  keep.hidden = best;
  keep.addEventListener("click", () => decide(item.key, "keep", keep));
  part.addEventListener("click", () => decide(item.key, "different", part));
  for (const button of [keep, part]) {
    button.setAttribute("aria-label", `${button.textContent}: ${item.brief}`);
  }
  return make("div", { class: "buttons left" }, keep, part);
}

// Decisions

// A group is shown anew by its pictures: after a decision they may be in two groups, or in none.
async function decide(key, act, button) {
  const element = button.closest(".groups > li");
  const keys = [...element.querySelectorAll(".twins > li")].map((one) => Number(one.dataset.key));
  button.disabled = true;
  try {
    await post(`${path}/${key}/${act}`, {});
    const found = await Promise.all(keys.map((one) => get(`${path}/${one}`)));
    const groups = new Map(found.filter((one) => one.group).map(({ group }) => [group.best.key, group]));
    const cards = [...groups.values()].map(card);
    const neighbour = element.nextElementSibling ?? element.previousElementSibling;
    element.replaceWith(...cards);
    (cards[0] ?? neighbour)?.focus();
    showNothing();
  } catch (problem) {
    button.disabled = false;
    complain(problem);
  }
}

async function remove(element, best, keys) {
  const back = () => {
    element.hidden = false;
  };
  try {
    const batch = await post(`${path}/${best}/delete`, { keys: keys.join(",") });
    (element.nextElementSibling ?? element.previousElementSibling)?.focus();
    element.hidden = true;
    changes.follow(batch, back, () => {
      element.remove();
      showNothing();
    });
  } catch (problem) {
    complain(problem);
  }
}

// Arrows go from group to group, Delete deletes the others of the one that has the focus.
list.addEventListener("keydown", (event) => {
  const element = event.target.closest(".groups > li");
  const shown = [...list.querySelectorAll(":scope > li:not([hidden])")];
  const place = shown.indexOf(element);
  if (event.key === "ArrowDown") shown[place + 1]?.focus();
  else if (event.key === "ArrowUp") shown[place - 1]?.focus();
  else if (event.key === "Delete") element.querySelector(".remove")?.click();
  else return;
  event.preventDefault();
});
addEventListener("keydown", (event) => {
  if (event.key !== "ArrowDown" || document.activeElement !== document.body) return;
  list.querySelector(":scope > li:not([hidden])")?.focus();
  event.preventDefault();
});

for (const batch of facts.open) changes.follow(batch, show, show);
showScan(facts.scan);
show();
