// The library manager: the parts of the page put together.
import { Changes, tell } from "./changes.js";
import { id } from "./dom.js";
import { Grid, listing } from "./grid.js";
import { compare } from "./match.js";
import { Query } from "./query.js";
import { get, post } from "./server.js";
import { count, say } from "./texts.js";
import { filesOf, Uploads } from "./uploads.js";
import { Viewer } from "./viewer.js";

const facts = JSON.parse(id("facts").textContent);
const find = id("find");
let total = 0; // pictures that the filter lets through
let querying = false;
facts.querying = () => querying;

const complain = (problem) => tell([problem.message, problem.detail].filter(Boolean).join(" · "), true);

const grid = new Grid(facts, {
  open: (item) => viewer.open(item),
  chosen: (choice) => showChoice(choice),
  problem(problem, small = false) {
    if (small) return complain(problem);
    id("nothing-text").textContent = [problem.message, problem.detail].filter(Boolean).join(" · ");
    id("nothing").hidden = false;
  },
  listed(shown, ended) {
    id("nothing").hidden = shown > 0;
    if (shown === 0) id("nothing-text").textContent = say(emptyText());
    if (querying) {
      id("found").textContent = count(ended ? "search.found" : "search.first", shown);
      applyThreshold();
    }
  },
});

const viewer = new Viewer(facts, grid, {
  changed: (item) => grid.replace(item),
  remove: (item) => removeMany({ keys: [item.key] }, [item.key], 1),
  like: (item) => searchLike(item),
  compare: async (item) => compare(facts, await query.blob(), item),
});
const changes = new Changes(facts);
const query = new Query(facts, () => search());

// Listing and finding

const wanted = () => {
  const filled = [...new FormData(find)].filter(([, value]) => value.trim());
  return Object.fromEntries(filled);
};

function emptyText() {
  if (querying) return "search.none";
  const { order, ...filter } = wanted();
  if (Object.keys(filter).length) return "manager.none_found";
  return facts.mayChange ? "manager.empty" : "manager.empty_viewer";
}

async function list() {
  querying = false;
  id("query").hidden = true;
  await Promise.all([grid.show(listing(facts, wanted())), recount()]);
}

async function recount() {
  const { order, ...filter } = wanted();
  try {
    total = (await get(`${facts.path}/count`, filter)).count;
  } catch {
    return; // the list says what is wrong
  }
  id("count").textContent = count("manager.pictures", total);
  showChoice(grid.choice);
}

let pause;
find.addEventListener("input", () => {
  clearTimeout(pause);
  pause = setTimeout(() => find.reportValidity() && (querying ? search() : list()), 300);
});
find.addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(pause);
  list();
});

// Choosing, deleting and retagging

function showChoice(choice) {
  const number = choice.all ? total - choice.keys.size : choice.keys.size;
  id("chosen").hidden = number <= 0 || !facts.mayChange;
  id("chosen-count").textContent = count("manager.chosen", Math.max(0, number));
  id("choose-all").hidden = choice.all || querying || number >= total;
  id("choose-all").textContent = count("manager.choose_all", total);
}

function selection() {
  const { all, keys } = grid.choice;
  const { order, ...filter } = wanted();
  return all ? { all: 1, ...filter, without: [...keys].join(",") } : { keys: [...keys].join(",") };
}

async function removeMany(which, keys, number) {
  grid.fade(keys, true);
  const back = () => grid.fade(keys, false);
  const gone = () => {
    grid.remove(keys);
    recount();
    if (number > keys.length) list();
  };
  try {
    await changes.ask({ act: "delete", ...which, keys: keyList(which.keys) }, back, gone);
    grid.chooseNone();
  } catch (problem) {
    back();
    complain(problem);
  }
}

const keyList = (keys) => (Array.isArray(keys) ? keys.join(",") : (keys ?? ""));
const chosenNumber = () => (grid.choice.all ? total - grid.choice.keys.size : grid.choice.keys.size);

id("choose-none").addEventListener("click", () => grid.chooseNone());
id("choose-all").addEventListener("click", () => grid.chooseAll());
id("remove").addEventListener("click", () => removeMany(selection(), grid.chosenKeys(), chosenNumber()));
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !document.querySelector("dialog[open]")) grid.chooseNone();
});

id("retag").addEventListener("click", () => {
  id("retag-form").reset();
  id("retag-problem").hidden = true;
  id("retag-dialog").showModal();
});
id("retag-cancel").addEventListener("click", () => id("retag-dialog").close());
id("retag-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const classes = Object.fromEntries(new FormData(event.target));
  const shown = grid.chosenKeys();
  const reload = async () => {
    if (querying || shown.length > 200) return querying ? undefined : list();
    for (const key of shown) grid.replace(await get(`${facts.path}/pictures/${key}`));
  };
  try {
    await changes.ask({ act: "reclass", ...selection(), ...renamed(classes) }, undefined, reload);
    id("retag-dialog").close();
    grid.chooseNone();
  } catch (problem) {
    id("retag-problem").textContent = [problem.message, problem.detail].filter(Boolean).join(" · ");
    id("retag-problem").hidden = false;
  }
});

// In a selection by filter the class fields say which pictures are meant, not what they get.
const renamed = (classes) =>
  Object.fromEntries(Object.entries(classes).map(([name, value]) => [`new_${name}`, value]));

for (const batch of facts.open) changes.follow(batch, undefined, list);

// Uploading

if (facts.mayChange) {
  let fresh = [];
  const uploads = new Uploads(facts, (item) => {
    fresh.push(item);
    clearTimeout(uploads.pause);
    uploads.pause = setTimeout(() => {
      if (!querying) grid.add(fresh.reverse(), true);
      id("nothing").hidden = grid.items.size > 0;
      fresh = [];
      recount();
    }, 200);
  });
  id("upload").addEventListener("click", () => id("files").click());
  id("files").addEventListener("change", () => {
    uploads.add([...id("files").files]);
    id("files").value = "";
  });
  const drop = id("drop");
  let depth = 0;
  const isFiles = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => isFiles(event) && (depth += 1) && (drop.hidden = false));
  addEventListener("dragleave", (event) => isFiles(event) && --depth <= 0 && (drop.hidden = true));
  addEventListener("drop", async (event) => {
    depth = 0;
    drop.hidden = true;
    if (event.defaultPrevented || !isFiles(event)) return;
    event.preventDefault();
    uploads.add(await filesOf(event.dataTransfer));
  });
}
// A file dropped beside its place must not open in the page's stead.
for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.preventDefault());

// Searching by picture

async function searchFor(file) {
  try {
    await query.load(file);
  } catch (error) {
    return tell(error.message, true);
  }
  id("threshold").value = "0";
  id("query").hidden = false;
  id("query").scrollIntoView({ block: "nearest" });
  await search();
}

async function searchLike(item) {
  const response = await fetch(`${facts.path}/pictures/${item.key}/original`);
  if (response.ok) await searchFor(await response.blob());
}

async function search() {
  querying = true;
  const blob = await query.blob();
  id("found").textContent = say("search.working");
  const { order, q, ...classes } = wanted();
  await grid.show((place) => {
    const form = new FormData();
    form.set("image", blob, "query");
    for (const [name, value] of Object.entries(classes)) form.set(name, value);
    if (place) form.set("pn", place);
    return post(`${facts.path}/search`, form);
  }, false);
}

function applyThreshold() {
  const least = Number(id("threshold").value);
  id("threshold-value").textContent = least.toFixed(2);
  grid.keep((item) => item.score >= least);
}

id("threshold").addEventListener("input", applyThreshold);
id("again").addEventListener("click", () => search());
id("whole").addEventListener("click", () => {
  query.whole();
  search();
});
id("leave").addEventListener("click", () => list());
id("camera").addEventListener("click", () => id("photo").click());
id("photo").addEventListener("change", () => {
  if (id("photo").files.length) searchFor(id("photo").files[0]);
  id("photo").value = "";
});
addEventListener("paste", (event) => {
  const file = [...(event.clipboardData?.files ?? [])].find((one) => one.type.startsWith("image/"));
  if (file) {
    event.preventDefault();
    searchFor(file);
  }
});
for (const place of [find, id("query")]) {
  place.addEventListener("dragover", () => place.classList.add("over"));
  place.addEventListener("dragleave", () => place.classList.remove("over"));
  place.addEventListener("drop", (event) => {
    place.classList.remove("over");
    const file = event.dataTransfer.files[0];
    if (!file) return;
    event.preventDefault();
    searchFor(file);
  });
}

list();
